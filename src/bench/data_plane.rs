//! `bench data-plane`: what one Manager costs with many services that are there and do nothing, how soon a Broker that is
//! killed has live data again, and how soon the services of a Manager that is killed run elsewhere. Decides what is
//! measured on which cluster; the services are Traders whose algos sleep.

mod broker;
mod moved;
mod site;

use super::{args::DataPlaneArgs, cpu, measured::hundredths};
use crate::cli::Format;
use anyhow::Context as _;
use serde::Serialize;
use site::Site;
use std::{
    fs,
    time::{Duration, Instant},
};
use tokio::time::sleep;
use tradewind_launcher::DataDirectory;

/// How often the status is asked for.
const ASKED: u32 = 50;

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    idle: Idle,
    #[serde(skip_serializing_if = "Option::is_none")]
    broker_restart: Option<broker::Restart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    moved: Option<moved::Moved>,
}

#[derive(Serialize)]
struct Idle {
    services: u32,
    /// From the first being declared to all being live.
    all_live_seconds: f64,
    quiet_seconds: f64,
    /// Of one core.
    manager_cpu_percent: f64,
    manager_rss_mib: f64,
    /// Of all services together, their algos among them; of one core.
    services_cpu_percent: f64,
    status_median_ms: f64,
    status_worst_ms: f64,
}

pub(super) async fn run(args: &DataPlaneArgs) -> anyhow::Result<()> {
    let place = |name| DataDirectory::open(args.data.as_ref().map(|data| data.join(name)));
    let site = Site::start(1, place("idle")?).await?;
    let idle = idle(&site, args).await;
    site.stop().await;
    let idle = idle?;
    let (mut broker_restart, mut moved) = (None, None);
    if args.broker_restarts + args.moved > 0 {
        let mut site = Site::start(2, place("lost")?).await?;
        let lost = async {
            if args.broker_restarts > 0 {
                broker_restart = Some(broker::restarts(&mut site, args.broker_restarts).await?);
            }
            if args.moved > 0 {
                moved = Some(moved::measure(&mut site, args.moved).await?);
            }
            anyhow::Ok(())
        };
        let lost = lost.await;
        site.stop().await;
        lost?;
    }
    let report = Report { idle, broker_restart, moved };
    match args.output {
        Format::Json | Format::Jsonl => println!("{}", serde_json::to_string(&report)?),
        Format::Table => show(&report),
    }
    Ok(())
}

fn show(report: &Report) {
    let Report { idle, broker_restart, moved } = report;
    println!("services            {:>10}", idle.services);
    println!("all live after      {:>10} s", idle.all_live_seconds);
    println!("Manager, idle       {:>10} % of a core", idle.manager_cpu_percent);
    println!("Manager, memory     {:>10} MiB", idle.manager_rss_mib);
    println!("services, idle      {:>10} % of a core", idle.services_cpu_percent);
    println!("status, median      {:>10} ms", idle.status_median_ms);
    println!("status, worst       {:>10} ms", idle.status_worst_ms);
    if let Some(restart) = broker_restart {
        println!("Broker back, median {:>10} ms of {} kills", restart.median_ms, restart.kills);
        println!("Broker back, worst  {:>10} ms", restart.worst_ms);
    }
    if let Some(moved) = moved {
        println!("moved               {:>10} services", moved.services);
        println!("first lives after   {:>10} s", moved.first_live_seconds);
        println!("all live after      {:>10} s", moved.all_live_seconds);
    }
}

async fn idle(site: &Site, args: &DataPlaneArgs) -> anyhow::Result<Idle> {
    let since = Instant::now();
    site.declare_traders(args.services).await?;
    let manager = site.traders_at(0)?;
    let pids = site.all_live(args.services, &manager.address, since).await?;
    let all_live_seconds = since.elapsed().as_secs_f64();
    let services_used = || pids.iter().map(|pid| cpu::used(*pid)).sum::<Duration>();
    let (before, below) = (cpu::used(manager.pid), services_used());
    let began = Instant::now();
    sleep(Duration::from_secs(args.seconds)).await;
    let quiet = began.elapsed();
    let used = cpu::used(manager.pid).saturating_sub(before);
    let below = services_used().saturating_sub(below);
    let manager_rss_mib = resident_mib(manager.pid)?;
    let mut took = Vec::new();
    for _ in 0..ASKED {
        let began = Instant::now();
        site.status(&manager.address).await?;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    let percent = |used: Duration| hundredths(100.0 * used.as_secs_f64() / quiet.as_secs_f64());
    let millis = |took: Duration| hundredths(took.as_secs_f64() * 1e3);
    Ok(Idle {
        services: args.services,
        all_live_seconds: hundredths(all_live_seconds),
        quiet_seconds: hundredths(quiet.as_secs_f64()),
        manager_cpu_percent: percent(used),
        manager_rss_mib: hundredths(manager_rss_mib),
        services_cpu_percent: percent(below),
        status_median_ms: millis(took[took.len() / 2]),
        status_worst_ms: millis(took[took.len() - 1]),
    })
}

/// As `/proc/PID/status` says.
fn resident_mib(pid: u32) -> anyhow::Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).context("the Manager is gone")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number =
        line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    Ok(number.context("its memory is not told")? / 1_024.0)
}
