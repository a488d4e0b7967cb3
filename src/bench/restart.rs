//! `bench restart`: how long a member with a large state takes to be back, and what memory it takes. Decides
//! what counts: a real process on its own directory, killed and started again, from its start until it says
//! that it serves; an empty member beside it.

use super::{args::RestartArgs, cpu, large};
use crate::cli::Format;
use anyhow::{Context as _, bail};
use serde::Serialize;
use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::{sleep, timeout},
};
use tradewind_control_server::backup::Member;
use tradewind_launcher::{DataDirectory, Ports, Process, Spec};

/// What is not yet given back a moment after the start never is.
const SETTLES_WITHIN: Duration = Duration::from_secs(2);
const READY_WITHIN: Duration = Duration::from_secs(300);

#[derive(Serialize)]
struct Report {
    managers: u64,
    customers: u64,
    traders: u64,
    /// From the start of the process to its word that it serves.
    ready_ms: Vec<u64>,
    /// CPU that each of them took until then: the time on a machine that has nothing else to do is below it.
    cpu_ms: Vec<u64>,
    median_ready_ms: u64,
    /// The first start: the state is read from a snapshot and written to sled.
    first_ready_ms: u64,
    rss_mib: f64,
    rss_peak_mib: f64,
    snapshot_mib: f64,
    idle_rss_mib: f64,
}

pub(super) async fn run(args: &RestartArgs) -> anyhow::Result<()> {
    let data = DataDirectory::open(args.data.clone())?;
    let report = measure(args, data.path()).await?;
    match args.output {
        Format::Json | Format::Jsonl => println!("{}", serde_json::to_string(&report)?),
        Format::Table => print(&report),
    }
    Ok(())
}

async fn measure(args: &RestartArgs, home: &Path) -> anyhow::Result<Report> {
    let idle_rss_mib = idle(home).await?;
    let data = home.join("large");
    // Two of the three are away: what is measured is a member that comes back, not one that leads.
    let mut ports = Ports::new(None);
    let mut members = Vec::new();
    for node in 1..=3 {
        let (peer_address, api) = (ports.take()?, ports.take()?);
        members.push((node, Member { peer_address, api_address: api.to_string(), disk: None }));
    }
    {
        let machine = large::machine(args.rows)?;
        large::found(&data, 1, &members, &machine)?;
    }
    let snapshot_mib = mib(size(&data)?);
    let spec = member(&data, home, &members[0].1)?;
    let (mut ready, mut cpu) = (Vec::new(), Vec::new());
    let (mut rss, mut peak) = (0, 0);
    for _ in 0..=args.runs {
        let begun = Instant::now();
        let mut process = started(&spec).await?;
        ready.push(u64::try_from(begun.elapsed().as_millis())?);
        let pid = process.id().context("the member has ended")?;
        cpu.push(u64::try_from(cpu::used(pid).as_millis())?);
        sleep(SETTLES_WITHIN).await;
        (rss, peak) = memory(pid)?;
        process.kill().await?;
    }
    let first_ready_ms = ready.remove(0);
    cpu.remove(0);
    let mut sorted = ready.clone();
    sorted.sort_unstable();
    Ok(Report {
        managers: large::MANAGERS,
        customers: large::customers(args.rows),
        traders: args.rows,
        median_ready_ms: sorted.get(sorted.len() / 2).copied().unwrap_or_default(),
        ready_ms: ready,
        cpu_ms: cpu,
        first_ready_ms,
        rss_mib: mib(rss),
        rss_peak_mib: mib(peak),
        snapshot_mib,
        idle_rss_mib,
    })
}

/// Starts the member and waits for its word, longer than a launcher would: the first start writes the whole
/// state, and the machine may be busy.
async fn started(spec: &Spec) -> anyhow::Result<Child> {
    let mut process = Command::new(&spec.binary)
        .args(&spec.arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(fs::File::options().append(true).create(true).open(&spec.log)?)
        .kill_on_drop(true)
        .spawn()
        .context("the member was not started")?;
    let output = process.stdout.take().context("the member has no output")?;
    let mut lines = BufReader::new(output).lines();
    let word = timeout(READY_WITHIN, lines.next_line()).await;
    let word =
        word.with_context(|| format!("the member was not ready within {READY_WITHIN:?}"))??;
    if word.is_none() {
        bail!("the member ended before it was ready; see {}", spec.log.display());
    }
    Ok(process)
}

/// A member that has formed a group of its own and has nothing to do.
async fn idle(home: &Path) -> anyhow::Result<f64> {
    let mut ports = Ports::new(None);
    let (peer_address, api) = (ports.take()?, ports.take()?);
    let address = Member { peer_address, api_address: api.to_string(), disk: None };
    let data = home.join("idle");
    let mut spec = member(&data, home, &address)?;
    spec.arguments.extend(["--init".to_owned(), format!("1={peer_address},{api}")]);
    let mut process = Process::start(&spec, Stdio::null()).await?;
    sleep(SETTLES_WITHIN).await;
    let (rss, _) = memory(process.pid())?;
    process.kill().await;
    Ok(mib(rss))
}

fn member(data: &Path, home: &Path, address: &Member) -> anyhow::Result<Spec> {
    let api: SocketAddr = address.api_address.parse()?;
    let arguments = [
        ("--node", "1".to_owned()),
        ("--cluster", "bench".to_owned()),
        ("--listen", api.to_string()),
        ("--peer-listen", address.peer_address.to_string()),
        ("--data", data.display().to_string()),
    ];
    let arguments = arguments.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
    Ok(Spec {
        name: "member".to_owned(),
        binary: std::env::current_exe().context("this program's own path")?,
        arguments: std::iter::once("infra".to_owned()).chain(arguments).collect(),
        environment: Vec::new(),
        log: home.join("member.log"),
    })
}

/// Resident memory of a process in bytes: now, and at its peak.
fn memory(pid: u32) -> anyhow::Result<(u64, u64)> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let of = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kib.map(|kib| kib * 1_024).with_context(|| format!("{path} has no {name}"))
    };
    Ok((of("VmRSS:")?, of("VmHWM:")?))
}

fn size(directory: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.metadata()?;
        bytes += if kind.is_dir() { size(&entry.path())? } else { kind.len() };
    }
    Ok(bytes)
}

fn mib(bytes: u64) -> f64 {
    (bytes as f64 / (1 << 20) as f64 * 10.0).round() / 10.0
}

fn print(report: &Report) {
    let Report { managers, customers, traders, ready_ms, .. } = report;
    println!("state      {managers} Managers, {customers} customers, {traders} Traders");
    println!("ready      {} ms (all: {ready_ms:?})", report.median_ready_ms);
    println!(
        "first      {} ms, from a snapshot of {} MiB",
        report.first_ready_ms, report.snapshot_mib
    );
    println!("memory     {} MiB, peak {} MiB", report.rss_mib, report.rss_peak_mib);
    println!("idle       {} MiB with an empty state", report.idle_rss_mib);
}
