//! `tradewind demo`: a whole cluster on one command, trading on recorded data while its processes are
//! killed. Decides the order of the steps; what is declared is `stage`, what is killed `chaos`, whether
//! it went well `verdict`.

mod chaos;
mod history;
mod own;
mod place;
mod probe;
mod stage;
mod terminal;
mod verdict;

pub(crate) use history::History;

use crate::cli::{DemoArgs, Format};
use anyhow::Context as _;
use chaos::{Kill, Schedule, Target};
use own::Own;
use place::Place;
use probe::Probe;
use stage::Stage;
use std::{path::Path, process::ExitCode, time::Duration};
use terminal::{Keys, Progress};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tradewind_domain::{control::row::TraderWish, time::UnixNanos};
use tradewind_launcher::{Cluster, DataDirectory, Plan};
use tradewind_protocol::{control::MemberRole, history::HISTORY_FILE};
use verdict::{Evidence, Report};

const IMPLEMENTATIONS: usize = 2;
/// A killed Manager or InfrastructureManager is started again after this time, as an operator's service
/// manager would.
const REVIVED_AFTER: Duration = Duration::from_secs(5);
/// No kill so shortly before the end: its outage could not be seen.
const QUIET_END: Duration = Duration::from_secs(6);
const FIRST_FILL_WITHIN: Duration = Duration::from_secs(20);
const WIND_DOWN_WITHIN: Duration = Duration::from_secs(20);

/// What happened while the demo ran.
#[derive(Default)]
struct Course {
    kills: Vec<Kill>,
    problems: Vec<String>,
}

/// Prints the report, with `-o json` also of a demo that failed: always one object in the last line.
pub(crate) async fn run(args: DemoArgs, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    let json = args.output != Format::Table;
    let played = play(&args, stop).await;
    let report = match &played {
        Ok(report) => report.clone(),
        Err(error) => Some(Report::without_verdict(format!("{error:#}"))),
    };
    let early = || Report::without_verdict("stopped before the first fill".to_string());
    if json {
        println!("{}", serde_json::to_string(&report.clone().unwrap_or_else(early))?);
    } else if let Ok(Some(report)) = &played {
        report.print();
    }
    played?;
    let ok = report.is_some_and(|report| report.ok);
    Ok(if args.check && !ok { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The demo from its start to the end of its last process; `None` if it was stopped before the first fill.
async fn play(args: &DemoArgs, stop: CancellationToken) -> anyhow::Result<Option<Report>> {
    let started = crate::clock::now();
    let progress = Progress::new(args.output != Format::Table);
    let place = Place::choose(&args.venue).await?;
    let data = DataDirectory::open(args.data.clone()).context("the data directory")?;
    let history = data.path().join("history.jsonl");
    let plan = Plan {
        binary: std::env::current_exe().context("this program's own path")?,
        nodes: args.nodes,
        implementations: IMPLEMENTATIONS,
        port_base: args.port_base,
        environment: [(HISTORY_FILE.to_string(), path_text(&history)?)]
            .into_iter()
            .chain(place.environment())
            .collect(),
    };
    let mut stage = Stage::new(Cluster::new(&plan, data)?, history, place)?;
    let ended = tokio::select! {
        () = stop.cancelled() => None,
        up = start(&mut stage, args, &progress, started) => Some(up),
    };
    let report = match ended {
        None => None,
        Some(Err(error)) => {
            progress.finish();
            stage.cluster.stop().await;
            return Err(error);
        }
        Some(Ok(())) => Some(trade(&mut stage, args, &progress, &stop, started).await?),
    };
    progress.doing("stopping");
    let mut forced = stage.cluster.stop().await;
    forced.sort();
    progress.done("all processes are stopped");
    progress.finish();
    Ok(report.map(|mut report| {
        if !forced.is_empty() {
            report.problems.push(format!("had to be killed at the end: {}", forced.join(", ")));
            report.ok = false;
        }
        report
    }))
}

fn path_text(path: &Path) -> anyhow::Result<String> {
    path.as_os_str().to_owned().into_string().map_err(|path| {
        anyhow::anyhow!(
            "the data directory must have a name in UTF-8, not {}",
            Path::new(&path).display()
        )
    })
}

/// From nothing to the first fill.
async fn start(
    stage: &mut Stage,
    args: &DemoArgs,
    progress: &Progress,
    started: UnixNanos,
) -> anyhow::Result<()> {
    progress.doing("starting processes");
    stage.cluster.start_all().await?;
    let nodes = usize::try_from(args.nodes).unwrap_or(usize::MAX);
    let agreed = |status: &tradewind_protocol::control::Status| {
        status.stand.leader.is_some()
            && status.members.iter().filter(|m| m.role != MemberRole::Unreachable).count() == nodes
    };
    let status = stage.until("the InfrastructureManagers elect a leader", agreed).await?;
    let leader = status.stand.leader.map_or(String::new(), |node| node.to_string());
    progress.done(&format!("{nodes} InfrastructureManagers agree, {leader} leads:"));
    for member in &status.members {
        progress
            .say(&format!("             http://{}  (member {})", member.api_address, member.node));
    }
    progress.doing("waiting for the Managers to check in");
    let in_all = 3 * IMPLEMENTATIONS;
    stage.until("the Managers check in", |status| status.managers.len() == in_all).await?;
    progress
        .done(&format!("{in_all} Managers of {IMPLEMENTATIONS} implementations have checked in"));
    stage.declare().await?;
    progress.done("customers, accounts, market crypto and Trader sample are declared");
    progress.doing("waiting for the first fill");
    let whole = |status: &_| stage.is_whole(status, nodes, IMPLEMENTATIONS);
    stage.until("Broker and Markets are live", whole).await?;
    progress.done("Broker and Markets are live on recorded BTC/USD data");
    let first = timeout(FIRST_FILL_WITHIN, async {
        while !stage.follow()?.fill_times.iter().any(|at| *at >= started) {
            sleep(Duration::from_millis(10)).await;
        }
        anyhow::Ok(())
    });
    first.await.context("no fill came in time; see --data DIR and its logs")??;
    progress.done("first fill");
    Ok(())
}

/// Beside a demo that somebody watches, where another customer may trade.
fn has_own(stage: &Stage, args: &DemoArgs) -> bool {
    args.run_for.is_none() && stage.place.has_guest()
}

fn show_what_next(stage: &Stage, args: &DemoArgs, progress: &Progress) {
    let member = stage.cluster.members().first().cloned().unwrap_or_default();
    progress.say("\n  The sample algo (examples/sample_algo.rs) trades. Try, in another terminal:");
    progress.say(&format!("    cargo run --release -- status --addr {member}"));
    if stage.place.has_guest() {
        let key = stage::GUEST_KEY;
        progress.say(&format!(
            "    TRADEWIND_INFRASTRUCTURE={member} TRADEWIND_API_KEY={key} cargo run --release --example sample_algo"
        ));
    }
    if has_own(stage, args) {
        let own = stage::OWN_TRADER;
        progress.say("  Trader own is one that its customer runs himself, this process: it looks on, and is seen by");
        progress.say(&format!("    cargo run --release -- trader get {own} --addr {member}"));
    }
    if args.run_for.is_none() {
        progress.say("  Keys: l = kill the leader, m = kill the algo's MarketManager, q = quit\n");
    }
}

/// Runs until the time is over or somebody asks for the end, and judges.
async fn trade(
    stage: &mut Stage,
    args: &DemoArgs,
    progress: &Progress,
    stop: &CancellationToken,
    started: UnixNanos,
) -> anyhow::Result<Report> {
    show_what_next(stage, args, progress);
    let own = if has_own(stage, args) {
        stage.declare_own().await?;
        Some(Own::start(stage.cluster.members()))
    } else {
        None
    };
    let probe = Probe::start(stage.client.clone(), stage.keys.clone());
    let mut course = Course::default();
    go_on(stage, args, progress, stop, &mut course).await?;
    let ended = crate::clock::now();
    drop(own);
    if args.chaos.is_some() && course.kills.is_empty() && !stop.is_cancelled() {
        course.problems.push("there was no time for a kill: --for is too short".to_string());
    }
    progress.doing("asking the algo to stop");
    stage.cluster.revive().await?;
    let before = stage.follow()?.wound_down;
    stage.wish(TraderWish::Stopped).await?;
    let wound_down = timeout(WIND_DOWN_WITHIN, async {
        while stage.follow()?.wound_down == before {
            sleep(Duration::from_millis(20)).await;
        }
        anyhow::Ok(())
    });
    match wound_down.await {
        Ok(read) => read?,
        Err(_) => course.problems.push("the algo did not end its orders in time".to_string()),
    }
    progress.done("the algo has ended its orders");
    let ledger = stage.venue_ledger().await?;
    stage.follow()?;
    let starts = stage.history.starts_since(started);
    // Beside an interactive demo somebody may have killed a TraderManager by hand: its Traders move.
    if args.run_for.is_some() && starts > 1 {
        course.problems.push(format!("the algo ended and was started again: {starts} lives"));
    }
    let evidence = Evidence {
        started,
        ended,
        history: &stage.history,
        ledger: &ledger,
        account: &stage.account,
        customer: &stage.customer,
        kills: &course.kills,
        probe: &probe,
        problems: course.problems,
    };
    Ok(evidence.report())
}

/// The main part: time, keys, signals and kills, whichever comes first.
async fn go_on(
    stage: &mut Stage,
    args: &DemoArgs,
    progress: &Progress,
    stop: &CancellationToken,
    course: &mut Course,
) -> anyhow::Result<()> {
    let far = Instant::now() + Duration::from_secs(365 * 24 * 3_600);
    let end = args.run_for.map_or(far, |time| Instant::now() + time);
    let mut schedule = args.chaos.map(|every| Schedule::new(args.seed, every));
    let mut turn = Instant::now();
    let mut next = schedule.as_mut().map(Schedule::next);
    let mut revive_at = None;
    // A kill that waits until what the last one killed is back.
    let mut wanted = None;
    let mut keys = Keys::listen(args.run_for.is_none());
    let mut keys_open = true;
    loop {
        if revive_at.is_none()
            && let Some(target) = wanted.take()
        {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                killed = kill(stage, args, target, course) => match killed {
                    Ok(whom) => progress.done(&whom),
                    Err(error) => course.problems.push(format!("no kill: {error:#}")),
                },
            }
            revive_at = Some(Instant::now() + REVIVED_AFTER);
        }
        let kill_at = next.map_or(far, |(_, wait)| turn + wait);
        let kill_at = if kill_at + QUIET_END > end { far } else { kill_at };
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = sleep_until(end) => return Ok(()),
            () = sleep_until(revive_at.unwrap_or(far)) => {
                stage.cluster.revive().await?;
                progress.done("what was killed is started again");
                revive_at = None;
            }
            // A kill that waits keeps its turn.
            () = sleep_until(kill_at), if wanted.is_none() => {
                turn += args.chaos.unwrap_or_default();
                wanted = next.map(|(target, _)| target);
                next = schedule.as_mut().map(Schedule::next);
            }
            key = keys.pressed.recv(), if keys_open => match key {
                Some('q') => return Ok(()),
                Some('l') => wanted = Some(Target::Leader),
                Some('m') => wanted = Some(Target::MarketManager),
                Some(_) => {}
                None => keys_open = false,
            },
            () = sleep(Duration::from_secs(1)) => {
                stage.cluster.reap();
                let (orders, fills) = stage.follow()?.counts();
                progress.doing(format!("{orders} orders, {fills} fills"));
            }
        }
        if revive_at.is_some() && wanted.is_some() {
            progress.doing("the next kill waits until what was killed is back");
        }
    }
}

/// One kill, of a cluster that is whole. Says whom it hit.
async fn kill(
    stage: &mut Stage,
    args: &DemoArgs,
    target: Target,
    course: &mut Course,
) -> anyhow::Result<String> {
    let nodes = usize::try_from(args.nodes).unwrap_or(usize::MAX);
    let whole = |status: &_| stage.is_whole(status, nodes, IMPLEMENTATIONS);
    if let Err(error) = stage.until("the cluster is whole before a kill", whole).await {
        course.problems.push(format!("{error:#}"));
    }
    let (kill, whom) = stage.kill(target).await?;
    course.kills.push(kill);
    Ok(format!("kill -9: {whom}"))
}
