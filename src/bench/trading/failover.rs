//! A MarketManager killed under sessions: how long each is without quotes, while one of them trades. Decides who is
//! killed (the one that has the sessions) and what must hold at the end, by the venue's own ledger: no order doubled, no
//! fill lost, no gap untold.

use super::{
    crowd::{Answer, Ask},
    peers,
    site::{CROWD, Party, Site, TRADER, below, millis},
};
use crate::{bench::measured::quantile, demo::History};
use anyhow::{Context as _, bail};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{sleep, timeout},
};
use tradewind_domain::trading::invariants::{self, Violations};

/// Sessions of one process.
const PER_PROCESS: usize = 5_000;
const ANSWERS_WITHIN: Duration = Duration::from_secs(300);
const BACK_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(200);
/// Quiet time before a kill: longer than sessions take to be counted as there.
const REST: Duration = Duration::from_secs(3);

#[derive(Debug, Serialize)]
pub(super) struct Failover {
    sessions: usize,
    kills: u32,
    /// From the kill to a session's first quote that left the venue after it.
    median_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    /// Sessions that had none within a minute, over all kills.
    never: usize,
    orders: usize,
    fills: usize,
    #[serde(flatten)]
    violations: Violations,
    /// What the algo was shown.
    errors: Vec<String>,
}

pub(super) async fn measure(data: &Path, sessions: usize, kills: u32) -> anyhow::Result<Failover> {
    let directory = below(data, &format!("failover-{sessions}"))?;
    let mut site = Site::start(2, &below(&directory, "cluster")?, None).await?;
    let path = directory.join("history.jsonl");
    let mut crowds = vec![Crowd::start(&site, TRADER, 1, Some(&path), &directory).await?];
    let mut left = sessions.saturating_sub(1);
    while left > 0 {
        let some = left.min(PER_PROCESS);
        crowds.push(Crowd::start(&site, CROWD, some, None, &directory).await?);
        left -= some;
    }
    let mut history = History::at(path);
    let (mut back, mut never) = (Vec::new(), 0);
    for _ in 0..kills {
        sleep(REST).await;
        history.follow()?;
        let edge = history.connections.last().cloned().context("the algo is connected nowhere")?;
        let manager = site.manager_at(&edge)?;
        let (times, missing) = kill(&mut site, &manager, &mut crowds).await?;
        back.extend(times);
        never += missing;
        site.cluster.revive().await?;
        site.whole().await?;
        site.cluster.reap();
    }
    if let Answer::Failed(why) = crowds[0].ask(&Ask::WindDown).await? {
        history.errors.push(why);
    }
    history.follow()?;
    let view = history.view();
    let (account, customer) = (TRADER.account.parse()?, TRADER.customer.parse()?);
    let truth = site.ledger(TRADER).await?.truth(&view, &account, &customer);
    drop(crowds);
    site.cluster.stop().await;
    back.sort_unstable();
    Ok(Failover {
        sessions,
        kills,
        median_ms: millis(quantile(&back, 0.5)),
        p99_ms: millis(quantile(&back, 0.99)),
        max_ms: millis(quantile(&back, 1.0)),
        never,
        orders: view.acknowledged.len(),
        fills: view.fills.len(),
        violations: invariants::check(&view, &truth),
        errors: history.errors,
    })
}

/// Kills a MarketManager; how long each session was without a quote, in microseconds, and how many still are.
async fn kill(
    site: &mut Site,
    manager: &str,
    crowds: &mut [Crowd],
) -> anyhow::Result<(Vec<u32>, usize)> {
    for crowd in &mut *crowds {
        crowd.ask(&Ask::Watch).await?;
    }
    let killed = crate::clock::now().0;
    site.cluster.kill_manager(manager).await;
    for crowd in &mut *crowds {
        crowd.ask(&Ask::Killed(killed)).await?;
    }
    let began = Instant::now();
    loop {
        sleep(POLL).await;
        let (mut back, mut missing) = (Vec::new(), 0);
        for crowd in &mut *crowds {
            let Answer::Report { back_us, missing: more } = crowd.ask(&Ask::Report).await? else {
                bail!("a crowd gave no report");
            };
            back.extend(back_us);
            missing += more;
        }
        if missing == 0 || began.elapsed() > BACK_WITHIN {
            return Ok((back, missing));
        }
    }
}

/// A process with many sessions. Killed when it is dropped.
struct Crowd {
    _child: Child,
    asks: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Crowd {
    /// Returns when all its sessions have a stream of quotes.
    async fn start(
        site: &Site,
        party: Party,
        sessions: usize,
        history: Option<&PathBuf>,
        directory: &Path,
    ) -> anyhow::Result<Self> {
        let opened = site.session(party).await?;
        let edges = opened.market_managers.into_iter().map(|edge| edge.address);
        // The same order for all: they are all at one MarketManager when it is killed.
        let mut edges: Vec<String> = edges.collect();
        edges.sort();
        let log = directory.join("crowd.log");
        let log = std::fs::File::options().create(true).append(true).open(log)?;
        let (binary, arguments) = peers::ending_with_us()?;
        let mut command = Command::new(&binary);
        command.args(arguments).arg(&binary).args([
            "bench",
            "peer",
            "crowd",
            "--sessions",
            &sessions.to_string(),
        ]);
        if let Some(path) = history {
            command.arg("--history").arg(path);
        }
        let mut child = command
            .env("TRADEWIND_SESSION_TOKEN", &opened.token)
            .env("TRADEWIND_MARKET_MANAGERS", edges.join(","))
            .env("TRADEWIND_INFRASTRUCTURE", site.cluster.members().join(","))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("the sessions' process")?;
        let asks = child.stdin.take().context("its standard input")?;
        let answers = child.stdout.take().context("its standard output")?;
        let answers = BufReader::new(answers).lines();
        let mut crowd = Self { _child: child, asks, answers };
        crowd.answer().await?;
        Ok(crowd)
    }

    async fn ask(&mut self, ask: &Ask) -> anyhow::Result<Answer> {
        let line = serde_json::to_string(ask)? + "\n";
        self.asks.write_all(line.as_bytes()).await?;
        self.answer().await
    }

    async fn answer(&mut self) -> anyhow::Result<Answer> {
        let line = timeout(ANSWERS_WITHIN, self.answers.next_line()).await;
        let line = line.context("the sessions' process does not answer")??;
        let line =
            line.context("the sessions' process has ended; see its crowd.log with --data")?;
        Ok(serde_json::from_str(&line)?)
    }
}
