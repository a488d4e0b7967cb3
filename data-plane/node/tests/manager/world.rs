//! A Manager with its state directory and the leader it answers to.

use super::leader::Leader;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tradewind_domain::{
    control::{
        Desired,
        desired::{BrokerWanted, Work as DesiredWork},
    },
    ids::{AccountId, ClusterIncarnation, Epoch, Fence, ManagerId, Revision, ServiceId, VenueId},
    trading::shards::Load,
};
use tradewind_link::rest::{Method, Rest};
use tradewind_node::manager::{self, Gauge, Options, Running, Wanted, Work};
use tradewind_protocol::{
    asks::{ServiceAnswer, ServiceAsk},
    supervision::{Configuration, ServiceReport, ServiceState},
};

const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Brokers {
    /// Services that have told of their load.
    loads: Mutex<BTreeSet<ServiceId>>,
}

impl Work for Brokers {
    fn wanted(&self, desired: &Desired) -> Vec<Wanted> {
        let DesiredWork::Brokers { brokers, .. } = &desired.work else { return Vec::new() };
        let wanted = brokers.iter().map(|wanted| {
            let service =
                ServiceId::Broker { account: wanted.account.clone(), shard: wanted.shard };
            Wanted::from((service, Configuration::Broker { wanted: wanted.clone() }))
        });
        wanted.collect()
    }

    fn on_load(&self, service: &ServiceId, _load: Load) {
        self.loads.lock().unwrap().insert(service.clone());
    }

    fn gauges(&self) -> Vec<Gauge> {
        let value = self.loads.lock().unwrap().len() as u64;
        vec![Gauge { name: "manager_loads_told", help: "Who has told", value }]
    }

    fn asked(&self, service: &ServiceId, ask: ServiceAsk) -> ServiceAnswer {
        let ServiceAsk::Connect { allowed, .. } = ask;
        assert!(service.to_string().starts_with("broker."));
        ServiceAnswer::Connect { left: allowed.connects - 1 }
    }
}

pub(crate) struct World {
    pub(crate) leader: Leader,
    pub(crate) epoch: u64,
    cluster: u64,
    revision: u64,
    dir: TempDir,
    listen: SocketAddr,
    running: Option<Running<Brokers>>,
}

impl World {
    pub(crate) async fn start() -> Self {
        // A process of ours that was given a claim's name to run would start processes without end.
        if std::env::var_os(tradewind_node::service::SERVICE).is_some() {
            std::process::exit(66);
        }
        let manager: ManagerId = "a1.broker-manager".parse().unwrap();
        let leader = Leader::start(manager, fence(7, 1), axum::Router::new()).await;
        let dir = tempfile::tempdir().unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let mut world =
            Self { leader, epoch: 1, cluster: 7, revision: 1, dir, listen, running: None };
        world.start_again().await;
        world
    }

    fn options(&self) -> Options {
        Options {
            manager: "a1.broker-manager".parse().unwrap(),
            location: "here".parse().unwrap(),
            advertise: None,
            listen: self.listen,
            node: None,
            members: vec![self.leader.address.clone()],
            state_dir: self.dir.path().to_path_buf(),
            capacity: 10,
            binary: std::env::current_exe().unwrap(),
        }
    }

    pub(crate) async fn start_again(&mut self) {
        let running = manager::start(self.options(), Arc::new(Brokers::default())).await.unwrap();
        self.listen = running.address();
        self.running = Some(running);
    }

    pub(crate) async fn second_manager(&self) -> manager::Error {
        manager::start(self.options(), Arc::new(Brokers::default())).await.err().unwrap()
    }

    /// Ends the Manager without a word to anybody.
    pub(crate) async fn crash(&mut self) {
        self.running = None;
        let listen = self.listen;
        eventually("its port is free", || std::net::TcpListener::bind(listen).is_ok()).await;
    }

    /// The cluster was begun anew, and its leader dials where the last one did.
    pub(crate) async fn begin_cluster(&mut self) {
        self.cluster += 1;
        let manager: ManagerId = "a1.broker-manager".parse().unwrap();
        let fence = fence(self.cluster, 1);
        self.leader = Leader::start(manager, fence, axum::Router::new()).await;
    }

    /// Returns when the Manager has no place in the group any more, and stops it.
    pub(crate) async fn put_out(&mut self) {
        let running = self.running.take().unwrap();
        tokio::time::timeout(PATIENCE, running.dropped()).await.unwrap();
        running.stop().await;
    }

    pub(crate) async fn stop(mut self) {
        self.running.take().unwrap().stop().await;
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.dir.path().to_path_buf()
    }

    pub(crate) fn address(&self) -> String {
        self.running.as_ref().unwrap().address().to_string()
    }

    /// The leader wants Brokers of these accounts and no others.
    pub(crate) fn want(&mut self, accounts: &[&str]) {
        self.revision += 1;
        self.want_as_of(accounts, self.revision);
    }

    pub(crate) fn want_as_of(&mut self, accounts: &[&str], revision: u64) {
        let broker = |account: &&str| BrokerWanted {
            account: AccountId::new(account).unwrap(),
            shard: 0,
            fence: fence(self.cluster, self.epoch),
            venue: VenueId::new("sim").unwrap(),
            adapter: "sim".to_string(),
            endpoint: String::new(),
            customers: [].into(),
            fences: Vec::new(),
            controls: Default::default(),
            copies: None,
        };
        self.leader.tell(Desired {
            revision: Revision(revision),
            fence: fence(self.cluster, 1),
            work: DesiredWork::Brokers {
                brokers: accounts.iter().map(broker).collect(),
                copies: Vec::new(),
            },
            market_managers: Vec::new(),
            cordons: Default::default(),
            empties: false,
        });
    }

    /// Whatever the Manager answers to a GET.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let (rest, within) = (Rest::default(), Duration::from_secs(10));
        let (headers, body) = (Default::default(), Default::default());
        let answer = rest.raw(Method::GET, &self.address(), path, headers, body, within).await;
        let (status, _, text) = answer.unwrap();
        (status.as_u16(), String::from_utf8_lossy(&text).into_owned())
    }

    pub(crate) fn report(&self, account: &str) -> Option<ServiceReport> {
        let service = format!("broker.{account}.0").parse().unwrap();
        self.running.as_ref().unwrap().handle().service(&service)
    }

    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        eventually(what, || condition(self)).await;
    }

    pub(crate) async fn until_live(&self, account: &str) -> ServiceReport {
        self.until("it is live", |world| {
            world.report(account).is_some_and(|report| report.state == ServiceState::Live)
        })
        .await;
        self.report(account).unwrap()
    }

    /// Waits for a field of the Manager's status page.
    pub(crate) async fn until_status(&self, field: &str, value: bool) {
        let (rest, deadline) = (Rest::default(), Instant::now() + PATIENCE);
        loop {
            let within = Duration::from_secs(2);
            let (_, status): (u16, serde_json::Value) = rest
                .request(Method::GET, &self.address(), "/v1/status", &[], None::<&()>, within)
                .await
                .unwrap();
            if status[field] == serde_json::Value::Bool(value) {
                return;
            }
            assert!(Instant::now() < deadline, "{field} did not become {value}: {status}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn fence(cluster: u64, epoch: u64) -> Fence {
    Fence { cluster: ClusterIncarnation(cluster), epoch: Epoch(epoch) }
}

pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The live processes that were started as services of this state directory, by service.
pub(crate) fn running(state_dir: &Path) -> Vec<String> {
    let below = format!("TRADEWIND_STATE_DIR={}/", state_dir.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(words) = std::fs::read(entry.path().join("environ")) else { continue };
        let words: Vec<String> =
            words.split(|byte| *byte == 0).map(|w| String::from_utf8_lossy(w).into()).collect();
        let service = words.iter().find_map(|word| word.strip_prefix("TRADEWIND_SERVICE="));
        if let Some(service) = service
            && words.iter().any(|word| word.starts_with(&below))
            && alive(pid)
        {
            found.push(service.to_owned());
        }
    }
    found.sort();
    found
}

/// A zombie is not alive.
pub(crate) fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

pub(crate) fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

pub(crate) fn freeze(pid: u32) {
    signal(pid, Signal::STOP);
}
