//! The simulation as a command: one seed, a range of them, or the blocks of the gate. Decides what is
//! printed and the exit code: 0 all is well, 1 a seed failed, 2 it was not asked rightly.

use simulation::{
    LogBug, Logs, Plan, Planted, Report, Scene, Sweep, VIOLATION, judge, judged, logs, run, sweep,
};
use std::{
    env, fs, io,
    ops::Range,
    panic,
    path::{Path, PathBuf},
    process::{self, ExitCode},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

const USAGE: &str =
    "usage: simulation --seed N [--managers | --members | --stories] [--trace] [--planted NAME]
        | --seeds A..B [--managers | --members | --stories] | --gate [N]
        | --log N [--trace] [--planted NAME] | --logs A..B
  --seed N      one run, its trace hash and violations; --trace prints what happened
  --managers    with Managers at sites of their own, a leader's work, operators and customers
  --members     with members that join, are promoted, removed and replaced, and disks that are lost
  --stories     one change with Managers, and a leader that is lost at the step that the seed names
  --seeds A..B  all seeds from A to below B
  --gate [N]    kept seeds, a fixed block of N/2 and a fresh block of N/2 (N is 500 unless given), half of
                them with Managers, and a fifth as many with changes of the group
  --log N       one random log of commands, without a group; --trace prints its entries
  --logs A..B   all logs of the seeds from A to below B; the gate has 100,000 of them
  --planted B   plants that bug; --planted list names them. Those in a log need --log N";

/// Before the name of a bug that is planted in a random log.
const IN_A_LOG: &str = "in a log: ";

/// Kept failing seeds, one file each, named after the seed.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/seeds");

/// The same of runs with Managers, and of those with changes of the group.
const KEPT_WITH_MANAGERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/seeds/managers");
const KEPT_WITH_CHANGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/seeds/members");

const GATE_SEEDS: u64 = 500;

/// Random logs of the gate: as the design asks for.
const GATE_LOGS: u64 = 100_000;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let value = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        words.get(at + 1).cloned()
    };
    if value("--planted").as_deref() == Some("list") {
        Planted::ALL.iter().for_each(|planted| println!("{}", planted.name()));
        LogBug::ALL.iter().for_each(|planted| println!("{IN_A_LOG}{}", planted.name()));
        return ExitCode::SUCCESS;
    }
    let said = |flag: &str| words.iter().any(|word| word == flag);
    if let Some(seed) = value("--log").and_then(|seed| seed.parse().ok()) {
        let bare = |name: String| name.strip_prefix(IN_A_LOG).map(str::to_owned).unwrap_or(name);
        return match value("--planted").map(|name| LogBug::named(&bare(name))) {
            Some(None) => no_such_bug(),
            planted => one_log(seed, planted.flatten(), said("--trace")),
        };
    }
    if let Some(seeds) = value("--logs").and_then(|seeds| range(&seeds)) {
        return many_logs("asked for", seeds);
    }
    let planted = match value("--planted").map(|name| Planted::named(&name)) {
        Some(None) => return no_such_bug(),
        known => known.flatten(),
    };
    let asked = Scene::ALL.into_iter().find(|scene| scene.flag().is_some_and(said));
    let scene = asked.or(planted.map(Planted::scene)).unwrap_or_default();
    if let Some(seed) = value("--seed").and_then(|seed| seed.parse().ok()) {
        return one(Plan { seed, planted, scene, told: said("--trace") }, said("--report"));
    }
    if let Some(seeds) = value("--seeds").and_then(|seeds| range(&seeds)) {
        return many("asked for", seeds, scene);
    }
    if said("--gate") {
        let seeds = value("--gate").and_then(|n| n.parse().ok()).unwrap_or(GATE_SEEDS);
        return gate(seeds);
    }
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

fn no_such_bug() -> ExitCode {
    eprintln!(
        "there is no such bug to plant here; --planted list names them, those in a log need --log N"
    );
    ExitCode::from(2)
}

fn range(text: &str) -> Option<Range<u64>> {
    let (from, to) = text.split_once("..")?;
    Some(from.parse().ok()?..to.parse().ok()?)
}

/// A run is a second or two. One that takes longer hangs in a step.
const PATIENCE: Duration = Duration::from_secs(180);

/// The run itself, in this process: a panic ends it, and is told as a violation.
fn one(plan: Plan, bare: bool) -> ExitCode {
    panic::set_hook(Box::new(|panic| {
        let text = panic.to_string().replace('\n', " ");
        println!("{VIOLATION} {text}");
        process::exit(1);
    }));
    thread::spawn(|| {
        thread::sleep(PATIENCE);
        println!("{VIOLATION} the run hangs: no end after {PATIENCE:?}");
        process::exit(1);
    });
    let begun = Instant::now();
    let report = run(plan);
    if bare {
        report.print();
    } else {
        report.lines.iter().for_each(|line| println!("{line}"));
        println!(
            "seed {} trace {:016x}: {} members, {} operations, {} crashes, {} partitions, {} other faults, \
             {} leaders, {} snapshots installed, revision {}, {} ms simulated in {} ms",
            report.seed,
            report.trace_hash,
            report.members,
            report.operations,
            report.crashes,
            report.partitions,
            report.other_faults,
            report.leaders,
            report.installs,
            report.revision,
            report.virtual_ms,
            begun.elapsed().as_millis()
        );
        tell(&report);
    }
    if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn one_log(seed: u64, planted: Option<LogBug>, told: bool) -> ExitCode {
    let mut entry = 0;
    let judged = judge(seed, planted, |command, outcome| {
        entry += 1;
        if told {
            println!("{entry:>3} {command:?}: {outcome:?}");
        }
    });
    println!(
        "log {seed}: {} entries, {} accepted, ends as {:?}",
        judged.entries, judged.accepted, judged.hash
    );
    judged.violations.iter().for_each(|what| println!("log {seed}: {VIOLATION} {what}"));
    if judged.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn many_logs(what: &str, seeds: Range<u64>) -> ExitCode {
    let at_once = thread::available_parallelism().map_or(1, usize::from);
    let begun = Instant::now();
    let Logs { logs, entries, accepted, failed } = logs(seeds.clone(), at_once);
    println!(
        "random logs {what}, {}..{}: {logs} logs, {} failed; {entries} entries, {accepted} accepted; in {:.0} s",
        seeds.start,
        seeds.end,
        failed.len(),
        begun.elapsed().as_secs_f64()
    );
    for (seed, violations) in failed.iter().take(10) {
        violations.iter().for_each(|what| println!("log {seed}: {VIOLATION} {what}"));
        println!(
            "repeat it with: cargo run --profile simulation -p simulation -- --log {seed} --trace"
        );
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell(report: &Report) {
    for violation in &report.violations {
        println!("seed {}: {VIOLATION} {violation}", report.seed);
    }
}

fn program() -> io::Result<PathBuf> {
    env::current_exe()
}

fn many(what: &str, seeds: Range<u64>, scene: Scene) -> ExitCode {
    let Ok(program) = program() else { return ExitCode::from(2) };
    let at_once = thread::available_parallelism().map_or(1, usize::from);
    let begun = Instant::now();
    let sum = sweep(&program, seeds.clone(), at_once, scene, &tell);
    let seconds = begun.elapsed().as_secs_f64();
    let with = scene.shown();
    println!("seeds {what}{with}, {}..{}: {}", seeds.start, seeds.end, figures(&sum, seconds));
    match sum.failed.first() {
        None => ExitCode::SUCCESS,
        Some(first) => {
            println!(
                "repeat one with: cargo run --profile simulation -p simulation -- --seed {} --trace {}",
                first.seed,
                scene.flag().unwrap_or_default()
            );
            ExitCode::FAILURE
        }
    }
}

fn figures(sum: &Sweep, seconds: f64) -> String {
    format!(
        "{} runs, {} failed; {} operations, {} crashes, {} partitions, {} other faults, {} leaders, {} \
         snapshots installed; {:.0} s simulated in {seconds:.0} s, {:.1} seeds/s",
        sum.seeds,
        sum.failed.len(),
        sum.operations,
        sum.crashes,
        sum.partitions,
        sum.other_faults,
        sum.leaders,
        sum.installs,
        sum.virtual_ms as f64 / 1000.0,
        sum.seeds as f64 / seconds
    )
}

/// Kept seeds first, then half of the runs on the same seeds always and half on new ones; of both every other
/// run has Managers. Runs with changes of the group are longer, and come on top.
fn gate(seeds: u64) -> ExitCode {
    let Ok(program) = program() else { return ExitCode::from(2) };
    let mut failed = Vec::new();
    let mut runs = 0;
    for (directory, scene) in
        [KEPT, KEPT_WITH_MANAGERS, KEPT_WITH_CHANGES].into_iter().zip(Scene::ALL)
    {
        for seed in kept(directory) {
            let plan = Plan { seed, planted: None, scene, told: false };
            let Ok(report) = judged(&program, plan) else { return ExitCode::from(2) };
            runs += 1;
            failed.extend((!report.violations.is_empty()).then_some(report));
        }
    }
    failed.iter().for_each(tell);
    println!("kept seeds: {runs} runs, {} failed", failed.len());
    let age = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let fresh = 1_000_000 + age.as_secs() % 1_000_000_000 * 1_000;
    println!("fresh seeds begin at {fresh}");
    let (mut well, mut logs_took) = (failed.is_empty(), Duration::ZERO);
    for (what, first) in [("of the fixed block", 1), ("of the fresh block", fresh)] {
        let begun = Instant::now();
        let logs = many_logs(what, first..first + GATE_LOGS / 2);
        logs_took += begun.elapsed();
        let blocks = [
            logs,
            many(what, first..first + seeds / 4, Scene::Group),
            many(what, first..first + seeds.div_ceil(4), Scene::Managers),
            many(what, first..first + seeds / 10, Scene::Members),
        ];
        well &= blocks.iter().all(|block| *block == ExitCode::SUCCESS);
    }
    println!("random logs in all: {GATE_LOGS} in {:.0} s", logs_took.as_secs_f64());
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn kept(directory: &str) -> Vec<u64> {
    let files = fs::read_dir(Path::new(directory)).into_iter().flatten();
    let mut seeds: Vec<u64> =
        files.filter_map(|file| file.ok()?.file_name().to_str()?.parse().ok()).collect();
    seeds.sort_unstable();
    seeds
}
