//! `jepsen-like run | check`: the command line. Decides how a run is asked for and which exit code its verdict has:
//! 0 valid, 1 invalid, 2 unknown.

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use jepsen_like::{
    options::{Nemesis, Options, Workload},
    plan, run, summary,
    verdict::Verdict,
};
use std::{path::PathBuf, process::ExitCode};

#[derive(Parser)]
#[command(about = "Breaks a cluster of real processes on purpose, and proves that it held")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts a cluster, breaks it, and judges what its clients saw.
    Run(RunArgs),
    /// Checks a stored history again, with today's checks.
    Check { directory: PathBuf },
}

#[derive(Args)]
struct RunArgs {
    /// What the clients do.
    #[arg(long, value_enum, required_unless_present = "all")]
    workload: Option<Workload>,
    /// What is broken; several are separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "none")]
    nemesis: Vec<Nemesis>,
    /// Every workload against every nemesis that can hit it, one after the other.
    #[arg(long, conflicts_with_all = ["workload", "nemesis"])]
    all: bool,
    /// Only those runs of `--all` whose number leaves this rest: `2/5` is the second fifth.
    #[arg(long, requires = "all", value_parser = part)]
    part: Option<(u64, u64)>,
    /// InfrastructureManagers: 3 or 5.
    #[arg(long, default_value_t = 3)]
    nodes: u64,
    /// How long the load lasts: `60s`, `500ms`, `5m`.
    #[arg(long, default_value = "60s", value_parser = milliseconds)]
    time: u64,
    /// Operations asked for a second.
    #[arg(long, default_value_t = 200)]
    rate: u64,
    /// Acknowledged operations a second before the first fault, below which nothing is proven.
    #[arg(long, default_value_t = 50)]
    floor: u64,
    /// Decides what is asked for and broken when. Without one it is drawn and printed.
    #[arg(long)]
    seed: Option<u64>,
    /// Where everything is left: a directory that is new or empty.
    #[arg(long)]
    out: Option<PathBuf>,
    /// The program under test. Otherwise the one beside this.
    #[arg(long, env = "TRADEWIND_BINARY")]
    binary: Option<PathBuf>,
}

fn milliseconds(text: &str) -> Result<u64, String> {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000)];
    let read = |(unit, factor): (&str, u64)| {
        text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(factor)
    };
    let found = units.into_iter().find_map(read).filter(|ms| (1..=3_600_000).contains(ms));
    found.ok_or_else(|| "a time has a unit and is at most an hour: 60s, 500ms, 5m".to_string())
}

fn part(text: &str) -> Result<(u64, u64), String> {
    let wrong = || "a part is NUMBER/OF, such as 2/5".to_string();
    let (number, of) = text.split_once('/').ok_or_else(wrong)?;
    let (number, of) = (number.parse().map_err(|_| wrong())?, of.parse().map_err(|_| wrong())?);
    if number >= 1 && number <= of { Ok((number, of)) } else { Err(wrong()) }
}

fn main() -> ExitCode {
    let filter = std::env::var("JEPSEN_LIKE_LOG").unwrap_or_else(|_| "warn".to_string());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let done = match Cli::parse().command {
        Command::Check { directory } => run::check(&directory).map(|verdict| {
            print(&verdict);
            verdict.verdict.code()
        }),
        Command::Run(args) => started(args),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // A run that could not be made proves nothing.
            eprintln!("jepsen-like: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn started(args: RunArgs) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let seed = args.seed.unwrap_or_else(run::drawn_seed);
    let binary = match &args.binary {
        Some(named) => named.clone(),
        None => std::env::current_exe()?.with_file_name("tradewind"),
    };
    anyhow::ensure!(
        binary.is_file(),
        "{} is not there: build it with `cargo build --release --bin tradewind`, or name it with --binary",
        binary.display()
    );
    let binary = binary.canonicalize()?;
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("target/faults/{seed}")));
    let of = |workload, nemeses| Options {
        workload,
        nemeses,
        nodes: args.nodes,
        time_ms: args.time,
        rate: args.rate,
        seed,
        floor: args.floor,
    };
    if args.all {
        let part = args.part.unwrap_or((1, 1));
        println!("seed {seed}; everything is left in {}", out.display());
        let runs = summary::pairs(part).into_iter().map(|(w, n)| of(w, vec![n])).collect();
        return runtime.block_on(summary::run_all(&binary, runs, &out));
    }
    let workload = args.workload.context("--workload is missing")?;
    let plan = plan::plan(&of(workload, args.nemesis.clone()))?;
    println!("seed {seed}; everything is left in {}", out.display());
    let verdict = runtime.block_on(run::run(&binary, &plan, &out))?;
    print(&verdict);
    println!("  {}", out.join(run::REPORT).display());
    Ok(verdict.verdict.code())
}

/// The verdict, for a terminal.
fn print(verdict: &Verdict) {
    println!(
        "{}: {} operations acknowledged, {} a second before the first fault",
        verdict.verdict.word(),
        verdict.acknowledged(),
        verdict.load
    );
    for fault in &verdict.faults {
        let outage = fault.outage_ms.map_or("-".to_string(), |ms| format!("{ms} ms"));
        println!(
            "  {:<22} {:<13} outage {outage:>8}  {}",
            fault.nemesis.name(),
            fault.state,
            fault.text
        );
    }
    for finding in &verdict.findings {
        println!("  ! {} {}", finding.invariant, finding.text);
    }
    for why in &verdict.undecided {
        println!("  ? {why}");
    }
}
