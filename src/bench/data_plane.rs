//! `bench data-plane`: what one Manager costs with many services that are there and do nothing. Decides what is measured,
//! on one running cluster: the Manager's CPU and memory over a quiet time, and how long it takes to tell the status of
//! all. The services are Traders whose algos sleep.

use super::{args::DataPlaneArgs, cpu, measured::hundredths};
use crate::cli::Format;
use anyhow::{Context as _, bail};
use serde::Serialize;
use std::{
    collections::BTreeSet,
    fs,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::sleep;
use tradewind_control_client::{ControlClient, KeySource};
use tradewind_domain::{
    control::row::{CustomerSpec, TraderSpec, TraderWish},
    ids::{ClientId, CustomerId, KeyHash, TraderId},
};
use tradewind_launcher::{Cluster, DataDirectory, Plan};
use tradewind_link::rest::{Method, Rest};
use tradewind_protocol::{managers::OwnStatus, supervision::ServiceState};

const NODES: u64 = 3;
const WITHIN: Duration = Duration::from_secs(30);
/// For one service to be live, of many that start at once on a small machine.
const EACH_WITHIN: Duration = Duration::from_secs(2);
/// How often the status is asked for.
const ASKED: u32 = 50;

#[derive(Serialize)]
struct Report {
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
    let site = Site::start(args.services, DataDirectory::open(args.data.clone())?).await?;
    let report = site.measure(args).await;
    site.cluster.stop().await;
    let report = report?;
    match args.output {
        Format::Json | Format::Jsonl => println!("{}", serde_json::to_string(&report)?),
        Format::Table => {
            println!("services           {:>10}", report.services);
            println!("all live after     {:>10} s", report.all_live_seconds);
            println!("Manager, idle      {:>10} % of a core", report.manager_cpu_percent);
            println!("Manager, memory    {:>10} MiB", report.manager_rss_mib);
            println!("services, idle     {:>10} % of a core", report.services_cpu_percent);
            println!("status, median     {:>10} ms", report.status_median_ms);
            println!("status, worst      {:>10} ms", report.status_worst_ms);
        }
    }
    Ok(())
}

struct Site {
    cluster: Cluster,
    rest: Rest,
    /// The TraderManager.
    address: String,
    pid: u32,
    since: Instant,
}

impl Site {
    async fn start(services: u32, data: DataDirectory) -> anyhow::Result<Self> {
        let binary = std::env::current_exe().context("this program's own path")?;
        let environment = vec![("TRADEWIND_LOG".to_string(), "warn,openraft=error".to_string())];
        let plan = Plan { binary, nodes: NODES, implementations: 1, port_base: None, environment };
        let mut cluster = Cluster::new(&plan, data)?;
        cluster.start_all().await?;
        let mut names = cluster.manager_names().into_iter();
        let name = names.find(|name| name.contains("trader")).context("no TraderManager")?;
        let process = cluster.manager_process(&name).context("the TraderManager does not run")?;
        let (address, pid) = (process.address().to_owned(), process.pid());
        let rest = Rest::default();
        let client = ControlClient::new(cluster.members(), rest.clone());
        let name = ClientId::new(&format!("bench-{}", std::process::id()))?;
        let keys = KeySource::new(name, Arc::new(crate::clock::now)).following(client.time());
        let customer = CustomerId::new("acme")?;
        let spec = CustomerSpec { key_hashes: BTreeSet::from([KeyHash::of("bench-key")]) };
        client.put_customer(&customer, &spec, &keys.next(), WITHIN).await.accepted()?;
        let since = Instant::now();
        for n in 0..services {
            let command = vec!["sleep".to_string(), "86400".to_string()];
            let customer = customer.clone();
            let spec = TraderSpec { customer, command, state: TraderWish::Running };
            let trader = TraderId::new(&format!("bench-{n}"))?;
            client.put_trader(&trader, &spec, &keys.next(), WITHIN).await.accepted()?;
        }
        Ok(Self { cluster, rest, address, pid, since })
    }

    async fn status(&self) -> anyhow::Result<OwnStatus> {
        let none = None::<&()>;
        let path = "/v1/status";
        let asked = self.rest.request(Method::GET, &self.address, path, &[], none, WITHIN).await;
        let (_, status): (u16, OwnStatus) = asked?;
        Ok(status)
    }

    async fn measure(&self, args: &DataPlaneArgs) -> anyhow::Result<Report> {
        let pids = self.all_live(args.services).await?;
        let all_live_seconds = self.since.elapsed().as_secs_f64();
        let services_used = || pids.iter().map(|pid| cpu::used(*pid)).sum::<Duration>();
        let (before, below) = (cpu::used(self.pid), services_used());
        let began = Instant::now();
        sleep(Duration::from_secs(args.seconds)).await;
        let quiet = began.elapsed();
        let used = cpu::used(self.pid).saturating_sub(before);
        let below = services_used().saturating_sub(below);
        let manager_rss_mib = resident_mib(self.pid)?;
        let mut took = Vec::new();
        for _ in 0..ASKED {
            let began = Instant::now();
            self.status().await?;
            took.push(began.elapsed());
        }
        took.sort_unstable();
        let percent = |used: Duration| hundredths(100.0 * used.as_secs_f64() / quiet.as_secs_f64());
        let millis = |took: Duration| hundredths(took.as_secs_f64() * 1e3);
        Ok(Report {
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

    /// Waits until all are live; their processes.
    async fn all_live(&self, services: u32) -> anyhow::Result<Vec<u32>> {
        let within = WITHIN + EACH_WITHIN * services;
        loop {
            let reports = self.status().await?.services;
            let live = reports.iter().filter(|report| report.state == ServiceState::Live);
            let pids: Vec<u32> = live.filter_map(|report| report.pid).collect();
            if pids.len() >= services as usize {
                return Ok(pids);
            }
            if self.since.elapsed() > within {
                bail!("{} of {services} services were live within {within:?}", pids.len());
            }
            sleep(Duration::from_millis(200)).await;
        }
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
