//! `bench snapshot`: what commits notice of a large snapshot. Decides the three conditions that are compared in
//! one run, on the same members: nothing beside the writes; a snapshot being written out on the leader; one
//! being sent to a member that has nothing yet, which reads it in.

use super::{
    args::SnapshotArgs,
    http::HttpCaller,
    large,
    load::{Caller as _, KEYS},
    measured::{hundredths, quantile},
};
use crate::cli::Format;
use anyhow::{Context as _, bail};
use serde::Serialize;
use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::{task::JoinSet, time::sleep};
use tradewind_control_client::ControlClient;
use tradewind_control_server::{SNAPSHOT_PATH, backup::Member};
use tradewind_launcher::{DataDirectory, Ports, Process, Spec};
use tradewind_link::rest::{Method, Rest, RestError};
use tradewind_protocol::{Retry, control::Stand};

const WITHIN: Duration = Duration::from_secs(10);
/// A member without anything has caught up by then, or the benchmark has failed.
const SENT_WITHIN: Duration = Duration::from_secs(120);
const WARM_UP: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(20);

#[derive(Serialize)]
struct Report {
    snapshot_mib: f64,
    clients: u32,
    /// Writes wanted a second; none: as many as there can be.
    rate: Option<u32>,
    quiet: Commits,
    building: Commits,
    sending: Commits,
    ratio: Ratios,
    /// By how much the 99th percentile rose.
    stall_ms_p99: Stalls,
}

/// Latencies of commits in one condition.
#[derive(Clone, Serialize)]
struct Commits {
    seconds: f64,
    per_s: f64,
    p50_us: u32,
    p99_us: u32,
    max_us: u32,
}

#[derive(Serialize)]
struct Ratios {
    building_p99: f64,
    sending_p99: f64,
}

#[derive(Serialize)]
struct Stalls {
    building: f64,
    sending: f64,
}

pub(super) async fn run(args: &SnapshotArgs) -> anyhow::Result<()> {
    let data = DataDirectory::open(args.data.clone())?;
    let report = measure(args, data.path()).await?;
    match args.output {
        Format::Json | Format::Jsonl => println!("{}", serde_json::to_string(&report)?),
        Format::Table => print(&report),
    }
    Ok(())
}

async fn measure(args: &SnapshotArgs, home: &Path) -> anyhow::Result<Report> {
    let group = Members::found(home, args.megabytes)?;
    let mut running = [group.start(1).await?, group.start(2).await?];
    let leader = group.leader().await?;
    let clients = Clients::start(leader, args.clients, args.rate).await?;
    sleep(WARM_UP).await;
    let quiet = clients.during(sleep(Duration::from_secs(args.seconds))).await.1;
    let mut bytes = 0;
    let building = clients.during(async {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(args.seconds) {
            bytes = fetch(leader).await?;
        }
        anyhow::Ok(())
    });
    let (built, building) = building.await;
    built?;
    let sending = clients.during(async {
        let third = group.start(3).await?;
        group.caught_up(3).await?;
        anyhow::Ok(third)
    });
    let (third, sending) = sending.await;
    let mut third = third?;
    clients.stop().await?;
    for process in running.iter_mut().chain([&mut third]) {
        process.kill().await;
    }
    let ratio = |of: &Commits| hundredths(f64::from(of.p99_us) / f64::from(quiet.p99_us.max(1)));
    let stall =
        |of: &Commits| hundredths((f64::from(of.p99_us) - f64::from(quiet.p99_us)).max(0.0) / 1e3);
    Ok(Report {
        snapshot_mib: hundredths(bytes as f64 / f64::from(1 << 20)),
        clients: args.clients,
        rate: Some(args.rate).filter(|rate| *rate > 0),
        ratio: Ratios { building_p99: ratio(&building), sending_p99: ratio(&sending) },
        stall_ms_p99: Stalls { building: stall(&building), sending: stall(&sending) },
        quiet,
        building,
        sending,
    })
}

/// Has the leader write out a snapshot and takes it, away from the thread that measures; gives its length.
async fn fetch(leader: SocketAddr) -> anyhow::Result<u64> {
    let fetched = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (rest, leader) = (Rest::default(), leader.to_string());
        runtime.block_on(async {
            loop {
                let fetched = rest.download(&leader, SNAPSHOT_PATH, SENT_WITHIN, |_| Ok(())).await;
                match fetched {
                    // The place of the one before is free a moment after its last byte.
                    Err(RestError::Refused(problem)) if problem.retry == Retry::After => {
                        sleep(POLL).await;
                    }
                    fetched => return fetched.context("no snapshot from the leader"),
                }
            }
        })
    });
    fetched.await?
}

/// Three members, of which two have the state and the third has nothing.
struct Members {
    addresses: Vec<(u64, Member)>,
    home: PathBuf,
}

impl Members {
    fn found(home: &Path, megabytes: u64) -> anyhow::Result<Self> {
        let mut ports = Ports::new(None);
        let mut addresses = Vec::new();
        for node in 1..=3 {
            let (peer_address, api) = (ports.take()?, ports.take()?);
            addresses
                .push((node, Member { peer_address, api_address: api.to_string(), disk: None }));
        }
        let machine = large::registers(megabytes)?;
        for node in [1, 2] {
            large::found(&home.join(node.to_string()), node, &addresses, &machine)?;
        }
        Ok(Self { addresses, home: home.to_owned() })
    }

    async fn start(&self, node: u64) -> anyhow::Result<Process> {
        let (_, address) = self.addresses.iter().find(|(n, _)| *n == node).context("no member")?;
        let data = self.home.join(node.to_string());
        // None of their own accord: what is measured must not happen while nothing should.
        let arguments = [
            ("--node", node.to_string()),
            ("--cluster", "bench".to_owned()),
            ("--listen", address.api_address.clone()),
            ("--peer-listen", address.peer_address.to_string()),
            ("--data", data.display().to_string()),
            ("--snapshot-every", u32::MAX.to_string()),
        ];
        let arguments = arguments.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
        // An empty directory must be told which group it is of; the others know.
        let init = self.addresses.iter().map(|(node, member)| {
            format!("--init={node}={},{}", member.peer_address, member.api_address)
        });
        let first = ["infra", "--enable-registers"].map(str::to_owned);
        let spec = Spec {
            name: format!("member {node}"),
            binary: std::env::current_exe().context("this program's own path")?,
            arguments: first.into_iter().chain(arguments).chain(init).collect(),
            environment: Vec::new(),
            log: self.home.join(format!("{node}.log")),
        };
        Ok(Process::start(&spec, Stdio::null()).await?)
    }

    fn client(&self) -> ControlClient {
        let addresses = self.addresses.iter().map(|(_, member)| member.api_address.clone());
        ControlClient::new(addresses.collect(), Rest::default())
    }

    /// Waits until somebody leads, confirmed by a majority.
    async fn leader(&self) -> anyhow::Result<SocketAddr> {
        let begun = Instant::now();
        loop {
            let stand = self.client().read::<Stand>("/v1/revision", WITHIN).await;
            if let Some(leader) = stand.as_ref().ok().and_then(|stand| stand.leader) {
                let found = self.addresses.iter().find(|(node, _)| *node == leader.0);
                return Ok(found.context("the leader is none of ours")?.1.api_address.parse()?);
            }
            if begun.elapsed() > SENT_WITHIN {
                bail!("nobody leads after {SENT_WITHIN:?}: {stand:?}");
            }
            sleep(POLL).await;
        }
    }

    /// Waits until the member has what the leader had when it was asked.
    async fn caught_up(&self, node: u64) -> anyhow::Result<()> {
        let (_, member) = self.addresses.iter().find(|(n, _)| *n == node).context("no member")?;
        let wanted: Stand = self.client().read("/v1/revision", WITHIN).await?;
        let (begun, rest) = (Instant::now(), Rest::default());
        loop {
            let address = &member.api_address;
            let asked =
                rest.request::<(), Stand>(Method::GET, address, "/livez", &[], None, WITHIN).await;
            if asked.as_ref().is_ok_and(|(_, stand)| stand.revision >= wanted.revision) {
                return Ok(());
            }
            if begun.elapsed() > SENT_WITHIN {
                bail!("member {node} did not catch up within {SENT_WITHIN:?}: {asked:?}");
            }
            sleep(POLL).await;
        }
    }
}

/// Writers, each with one write under way, from beginning to end of the benchmark.
struct Clients {
    noted: Rc<RefCell<Vec<u32>>>,
    stop: Rc<Cell<bool>>,
    tasks: JoinSet<anyhow::Result<()>>,
}

impl Clients {
    async fn start(leader: SocketAddr, clients: u32, rate: u32) -> anyhow::Result<Self> {
        let started = Instant::now();
        let noted = Rc::new(RefCell::new(Vec::new()));
        let (stop, mut tasks) = (Rc::new(Cell::new(false)), JoinSet::new());
        for number in 0..clients {
            let mut caller = HttpCaller::connect(leader, number).await?;
            let (noted, stop) = (noted.clone(), stop.clone());
            let mut pace = Pace::new(rate, clients, number, started);
            tasks.spawn_local(async move {
                let mut key = u64::from(number) * 7_919 % KEYS;
                while !stop.get() {
                    key = (key + 1) % KEYS;
                    let began = pace.next().await;
                    caller.write(key).await?;
                    let took = u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX);
                    noted.borrow_mut().push(took);
                }
                Ok(())
            });
        }
        Ok(Self { noted, stop, tasks })
    }

    /// What commits took while `condition` held; those that were under way at its end count, too.
    async fn during<T>(&self, condition: impl Future<Output = T>) -> (T, Commits) {
        self.noted.borrow_mut().clear();
        let began = Instant::now();
        let outcome = condition.await;
        let seconds = began.elapsed().as_secs_f64();
        let mut sorted = std::mem::take(&mut *self.noted.borrow_mut());
        sorted.sort_unstable();
        let commits = Commits {
            seconds: hundredths(seconds),
            per_s: (sorted.len() as f64 / seconds).round(),
            p50_us: quantile(&sorted, 0.5),
            p99_us: quantile(&sorted, 0.99),
            max_us: sorted.last().copied().unwrap_or_default(),
        };
        (outcome, commits)
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        self.stop.set(true);
        while let Some(ended) = self.tasks.join_next().await {
            ended?.context("a write failed")?;
        }
        Ok(())
    }
}

/// When a client's next write is due.
struct Pace {
    every: Option<Duration>,
    due: Instant,
}

impl Pace {
    /// The clients share the rate, each at times of its own.
    fn new(rate: u32, clients: u32, number: u32, started: Instant) -> Self {
        let every = (rate > 0).then(|| Duration::from_secs(u64::from(clients)) / rate);
        let due = started + every.unwrap_or_default() * (number + 1) / clients.max(1);
        Self { every, due }
    }

    /// Waits until then. Gives when the write began to wait: when it was due, unless nothing but the timer
    /// held it back.
    async fn next(&mut self) -> Instant {
        let (now, due) = (Instant::now(), self.due);
        let Some(every) = self.every else { return now };
        self.due += every;
        if due <= now {
            return due;
        }
        tokio::time::sleep_until(due.into()).await;
        Instant::now()
    }
}

fn print(report: &Report) {
    let rate = report.rate.map_or("all they can".to_owned(), |rate| format!("{rate} writes/s"));
    println!("snapshot   {} MiB, {} clients, {rate}", report.snapshot_mib, report.clients);
    let conditions =
        [("quiet", &report.quiet), ("building", &report.building), ("sending", &report.sending)];
    for (name, of) in conditions {
        let Commits { seconds, per_s, p50_us, p99_us, max_us } = of;
        println!(
            "{name:<10} {per_s}/s, p50 {p50_us} us, p99 {p99_us} us, max {max_us} us, {seconds} s"
        );
    }
    let (ratio, stall) = (&report.ratio, &report.stall_ms_p99);
    println!("building   p99 x {}, {} ms more", ratio.building_p99, stall.building);
    println!("sending    p99 x {}, {} ms more", ratio.sending_p99, stall.sending);
}
