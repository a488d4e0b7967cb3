//! `bench takeover`: how long a customer's Trader is without a running copy elsewhere, after what ran it was lost. Decides
//! what is lost, one thing a round on one running cluster, and when it counts as taken over: when another
//! TraderManager says itself that the Trader is live there.

use super::{args::TakeoverArgs, measured::hundredths};
use crate::cli::Format;
use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};
use tradewind_control_client::{ControlClient, KeySource};
use tradewind_domain::{
    control::row::{CustomerSpec, TraderSpec, TraderWish},
    ids::{ClientId, CustomerId, KeyHash, ManagerKind, ServiceId, TraderId},
};
use tradewind_launcher::{Cluster, DataDirectory, Plan, kill_process};
use tradewind_link::rest::{Method, Rest};
use tradewind_protocol::{
    control::{Health, MemberRole, Status},
    supervision::{ServiceReport, ServiceState},
};

const NODES: u64 = 3;
const IMPLEMENTATIONS: usize = 3;
const WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);
/// Quiet time before a loss, so that none hides another: longer than a Manager takes to be missed.
const REST: Duration = Duration::from_secs(3);

/// What is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Loss {
    /// `kill -9` of the TraderManager alone: its port refuses.
    ManagerKilled,
    /// SIGSTOP of the TraderManager: nobody answers.
    ManagerStopped,
    /// `kill -9` of all that is on a node: the leader, three Managers and what they run.
    NodeKilled,
}

const LOSSES: [Loss; 3] = [Loss::ManagerKilled, Loss::ManagerStopped, Loss::NodeKilled];

#[derive(Serialize)]
struct Report {
    takeovers: Vec<Takeover>,
}

#[derive(Serialize)]
struct Takeover {
    loss: Loss,
    median_ms: f64,
    worst_ms: f64,
    rounds: usize,
}

pub(super) async fn run(args: &TakeoverArgs) -> anyhow::Result<()> {
    let mut site = Site::start(DataDirectory::open(args.data.clone())?).await?;
    let mut takeovers = Vec::new();
    for loss in LOSSES {
        let mut took = Vec::new();
        for _ in 0..args.rounds {
            took.push(site.round(loss).await?);
        }
        took.sort_unstable();
        let millis = |took: Duration| hundredths(took.as_secs_f64() * 1e3);
        let (median, worst) = (took[took.len() / 2], took[took.len() - 1]);
        takeovers.push(Takeover {
            loss,
            median_ms: millis(median),
            worst_ms: millis(worst),
            rounds: took.len(),
        });
    }
    site.cluster.stop().await;
    let report = Report { takeovers };
    match args.output {
        Format::Json | Format::Jsonl => println!("{}", serde_json::to_string(&report)?),
        Format::Table => {
            println!("{:<18}{:>12}{:>12}{:>8}", "LOSS", "MEDIAN MS", "WORST MS", "ROUNDS");
            for each in report.takeovers {
                let loss = format!("{:?}", each.loss);
                let (median, worst) = (each.median_ms, each.worst_ms);
                println!("{loss:<18}{median:>12}{worst:>12}{:>8}", each.rounds);
            }
        }
    }
    Ok(())
}

struct Site {
    cluster: Cluster,
    client: ControlClient,
    rest: Rest,
}

/// What is taken of a Manager's own status.
#[derive(Deserialize)]
struct Itself {
    services: Vec<ServiceReport>,
}

/// Where the Trader is.
struct Holder {
    manager: String,
    implementation: String,
}

impl Site {
    async fn start(data: DataDirectory) -> anyhow::Result<Self> {
        let binary = std::env::current_exe().context("this program's own path")?;
        let environment = vec![("TRADEWIND_LOG".to_string(), "warn,openraft=error".to_string())];
        let (nodes, implementations) = (NODES, IMPLEMENTATIONS);
        let plan = Plan { binary, nodes, implementations, port_base: None, environment };
        let mut cluster = Cluster::new(&plan, data)?;
        cluster.start_all().await?;
        let rest = Rest::default();
        let client = ControlClient::new(cluster.members(), rest.clone());
        let name = ClientId::new(&format!("bench-{}", std::process::id()))?;
        let keys = KeySource::new(name, Arc::new(crate::clock::now)).following(client.time());
        let customer = CustomerId::new("acme")?;
        let spec = CustomerSpec { key_hashes: BTreeSet::from([KeyHash::of("bench-key")]) };
        client.put_customer(&customer, &spec, &keys.next(), WITHIN).await.accepted()?;
        let command = vec!["sleep".to_string(), "86400".to_string()];
        let spec = TraderSpec { customer, command, state: TraderWish::Running };
        let trader = TraderId::new("bench")?;
        client.put_trader(&trader, &spec, &keys.next(), WITHIN).await.accepted()?;
        Ok(Self { cluster, client, rest })
    }

    async fn round(&mut self, loss: Loss) -> anyhow::Result<Duration> {
        let (status, holder) = self.quiet().await?;
        let others = traders_at(&status, |name| name != holder.manager);
        let pids = self.pids(&status, &holder.implementation);
        let since = Instant::now();
        match loss {
            Loss::ManagerKilled => self.cluster.kill_manager(&holder.manager).await,
            Loss::ManagerStopped => self.pause(&holder.manager, true),
            Loss::NodeKilled => {
                if let Some(leader) = status.stand.leader {
                    self.cluster.kill_member(leader.0).await;
                }
                for kind in ManagerKind::ALL {
                    self.cluster.kill_manager(&format!("{}.{kind}", holder.implementation)).await;
                }
                pids.iter().for_each(|pid| kill_process(*pid));
            }
        }
        let took = self.taken_over(&others, since).await?;
        match loss {
            Loss::ManagerStopped => self.pause(&holder.manager, false),
            Loss::ManagerKilled | Loss::NodeKilled => self.cluster.revive().await?,
        }
        self.cluster.reap();
        Ok(took)
    }

    fn pause(&self, manager: &str, stops: bool) {
        if let Some(process) = self.cluster.manager_process(manager) {
            if stops { process.pause() } else { process.resume() }
        }
    }

    /// Processes of the services of an implementation.
    fn pids(&self, status: &Status, implementation: &str) -> Vec<u32> {
        let of_it = status
            .services
            .iter()
            .filter(|service| service.manager.implementation.to_string() == implementation);
        of_it.filter_map(|service| service.report.pid).collect()
    }

    /// Until one of these Managers says that the Trader is live there.
    async fn taken_over(&self, others: &[String], since: Instant) -> anyhow::Result<Duration> {
        while since.elapsed() < WITHIN {
            for address in others {
                let asked = self.rest.request::<(), Itself>(
                    Method::GET,
                    address,
                    "/v1/status",
                    &[],
                    None,
                    WITHIN,
                );
                if asked.await.is_ok_and(|(_, itself)| itself.services.iter().any(is_live)) {
                    return Ok(since.elapsed());
                }
            }
            tokio::time::sleep(POLL).await;
        }
        bail!("nobody took the Trader over within {WITHIN:?}")
    }

    /// Waits until all is there and well, the Trader live in one place, and it has been so for a while.
    async fn quiet(&self) -> anyhow::Result<(Status, Holder)> {
        let (began, mut whole_since) = (Instant::now(), None::<Instant>);
        loop {
            let status = self.client.status(WITHIN).await.ok().filter(whole);
            match status.and_then(|status| holder(&status).map(|holder| (status, holder))) {
                Some(found) => {
                    if whole_since.get_or_insert_with(Instant::now).elapsed() >= REST {
                        return Ok(found);
                    }
                }
                None => whole_since = None,
            }
            if began.elapsed() > WITHIN {
                bail!("the cluster was not whole within {WITHIN:?}");
            }
            tokio::time::sleep(POLL * 10).await;
        }
    }
}

fn is_live(report: &ServiceReport) -> bool {
    report.state == ServiceState::Live && matches!(report.service, ServiceId::Trader { .. })
}

fn whole(status: &Status) -> bool {
    let reached = |role: MemberRole| role != MemberRole::Unreachable;
    status.members.iter().filter(|member| reached(member.role)).count() as u64 == NODES
        && status.managers.len() == 3 * IMPLEMENTATIONS
        && status.managers.iter().all(|manager| manager.health == Health::Well)
}

/// The one that has the Trader; nobody, while two have a copy or none has.
fn holder(status: &Status) -> Option<Holder> {
    let mut copies = status.services.iter().filter(|service| is_live(&service.report));
    let (one, none) = (copies.next()?, copies.next());
    let (manager, implementation) =
        (one.manager.to_string(), one.manager.implementation.to_string());
    none.is_none().then_some(Holder { manager, implementation })
}

/// Addresses of TraderManagers by their names.
fn traders_at(status: &Status, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let traders =
        status.managers.iter().filter(|row| row.manager.kind == ManagerKind::TraderManager);
    traders.filter(|row| wanted(&row.manager.to_string())).map(|row| row.address.clone()).collect()
}
