//! A Manager with many services that are there and do nothing, and beside it Managers that keep some Brokers and Markets through
//! which nobody trades. Decides what is looked at: the CPU of Managers and services in a quiet time; of the one with many its
//! memory too, and then how soon it tells its status.

use super::site::{Manager, Site};
use crate::bench::{args::DataPlaneArgs, cpu, measured::hundredths};
use anyhow::Context as _;
use serde::Serialize;
use std::{
    fs,
    time::{Duration, Instant},
};
use tokio::time::sleep;
use tradewind_domain::ids::ManagerKind;

/// How often the status is asked for.
const ASKED: u32 = 50;

#[derive(Serialize)]
pub(super) struct Idle {
    pub(super) services: u32,
    /// From the first being declared to all being live.
    pub(super) all_live_seconds: f64,
    quiet_seconds: f64,
    /// Of one core.
    pub(super) manager_cpu_percent: f64,
    pub(super) manager_rss_mib: f64,
    /// Of all services together, their algos among them; of one core.
    pub(super) services_cpu_percent: f64,
    pub(super) status_median_ms: f64,
    pub(super) status_worst_ms: f64,
    /// At Managers of their own, in the same quiet time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) beside: Vec<Beside>,
}

#[derive(Serialize)]
pub(super) struct Beside {
    pub(super) manager: ManagerKind,
    pub(super) services: u32,
    /// Of one core.
    pub(super) manager_cpu_percent: f64,
    pub(super) services_cpu_percent: f64,
}

pub(super) async fn measure(site: &Site, args: &DataPlaneArgs) -> anyhow::Result<Idle> {
    let beside = beside(site, args.beside).await?;
    let since = Instant::now();
    site.declare_traders(args.services).await?;
    let traders = Kept::live(site, ManagerKind::TraderManager, args.services, since).await?;
    let all_live_seconds = since.elapsed().as_secs_f64();
    let before: Vec<Used> = beside.iter().map(Kept::used).collect();
    let (used, began) = (traders.used(), Instant::now());
    sleep(Duration::from_secs(args.seconds)).await;
    let quiet = began.elapsed();
    let (manager_cpu_percent, services_cpu_percent) = traders.used().since(used, quiet);
    let beside = beside.iter().zip(before).map(|(kept, before)| kept.told(before, quiet)).collect();
    let manager_rss_mib = resident_mib(traders.manager.pid)?;
    let mut took = Vec::new();
    for _ in 0..ASKED {
        let began = Instant::now();
        site.status(&traders.manager.address).await?;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    let millis = |took: Duration| hundredths(took.as_secs_f64() * 1e3);
    Ok(Idle {
        services: args.services,
        all_live_seconds: hundredths(all_live_seconds),
        quiet_seconds: hundredths(quiet.as_secs_f64()),
        manager_cpu_percent,
        manager_rss_mib: hundredths(manager_rss_mib),
        services_cpu_percent,
        status_median_ms: millis(took[took.len() / 2]),
        status_worst_ms: millis(took[took.len() - 1]),
        beside,
    })
}

/// So many Brokers and as many Markets, once all of them are live.
async fn beside(site: &Site, services: u32) -> anyhow::Result<Vec<Kept>> {
    let (mut all, since) = (Vec::new(), Instant::now());
    if services > 0 {
        site.declare_beside(services).await?;
        for kind in [ManagerKind::BrokerManager, ManagerKind::MarketManager] {
            all.push(Kept::live(site, kind, services, since).await?);
        }
    }
    Ok(all)
}

/// A Manager and the processes of its services.
struct Kept {
    kind: ManagerKind,
    manager: Manager,
    services: Vec<u32>,
}

/// CPU that a Manager, and that its services together have used.
#[derive(Clone, Copy)]
struct Used(Duration, Duration);

impl Used {
    /// Both in percent of one core.
    fn since(self, before: Self, quiet: Duration) -> (f64, f64) {
        let percent = |used: Duration, before: Duration| {
            let used = used.saturating_sub(before).as_secs_f64();
            hundredths(100.0 * used / quiet.as_secs_f64())
        };
        (percent(self.0, before.0), percent(self.1, before.1))
    }
}

impl Kept {
    async fn live(
        site: &Site,
        kind: ManagerKind,
        services: u32,
        since: Instant,
    ) -> anyhow::Result<Self> {
        let manager = site.manager(kind, 0)?;
        let services = site.all_live(services, &manager.address, since).await?;
        Ok(Self { kind, manager, services })
    }

    fn used(&self) -> Used {
        let services = self.services.iter().map(|pid| cpu::used(*pid)).sum();
        Used(cpu::used(self.manager.pid), services)
    }

    fn told(&self, before: Used, quiet: Duration) -> Beside {
        let (manager_cpu_percent, services_cpu_percent) = self.used().since(before, quiet);
        let services = u32::try_from(self.services.len()).unwrap_or(u32::MAX);
        Beside { manager: self.kind, services, manager_cpu_percent, services_cpu_percent }
    }
}

/// As `/proc/PID/status` says.
fn resident_mib(pid: u32) -> anyhow::Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).context("the Manager is gone")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number =
        line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    Ok(number.context("its memory is not told")? / 1_024.0)
}
