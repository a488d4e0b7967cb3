//! A TraderManager with one Trader, its state directory and the leader it answers to. Scripts tell what
//! they do in a file.

use super::leader::Leader;
use axum::{Router, routing::post};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tradewind_domain::{
    control::{
        Desired,
        desired::{ManagerEndpoint, TraderWanted, Work as DesiredWork},
        trader::TraderRun,
    },
    ids::{ClusterIncarnation, Epoch, Fence, ManagerId, Revision},
    time::UnixNanos,
};
use tradewind_link::json::Json;
use tradewind_node::manager::{self, Options, Running};
use tradewind_protocol::{
    control::Stand,
    session::{OpenTraderSession, SessionOpened},
    supervision::{ServiceReport, ServiceState},
};
use tradewind_traders::TraderManager;

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct World {
    pub(crate) market_managers: Vec<String>,
    pub(crate) dir: Arc<TempDir>,
    leader: Option<Leader>,
    members: Vec<String>,
    revision: u64,
    listen: SocketAddr,
    running: Option<Running<TraderManager>>,
}

impl World {
    pub(crate) async fn start() -> Self {
        // A process of ours that was given a claim's name to run would start processes without end.
        let spawned = [tradewind_node::service::SERVICE, tradewind_traders::exec::PARENT];
        if spawned.iter().any(|name| std::env::var_os(name).is_some()) {
            std::process::exit(66);
        }
        let leader = Leader::start(manager_id(), fence(1), sessions()).await;
        let mut world = Self {
            market_managers: vec!["127.0.0.1:7".to_string()],
            dir: Arc::new(tempfile::tempdir().unwrap()),
            members: vec![leader.address.clone()],
            leader: Some(leader),
            revision: 1,
            listen: "127.0.0.1:0".parse().unwrap(),
            running: None,
        };
        world.start_again().await;
        world
    }

    pub(crate) async fn start_again(&mut self) {
        let options = Options {
            manager: manager_id(),
            location: "here".parse().unwrap(),
            advertise: None,
            listen: self.listen,
            node: None,
            members: self.members.clone(),
            state_dir: self.state_dir(),
            capacity: 10,
            binary: std::env::current_exe().unwrap(),
        };
        let running = manager::start(options, Arc::new(TraderManager::default())).await.unwrap();
        self.listen = running.address();
        self.running = Some(running);
    }

    /// Ends the Manager without a word to anybody.
    pub(crate) async fn crash(&mut self) {
        self.running = None;
        let listen = self.listen;
        eventually("its port is free", || std::net::TcpListener::bind(listen).is_ok()).await;
    }

    pub(crate) async fn control_plane_goes(&mut self) {
        self.leader = None;
        let member: SocketAddr = self.members[0].parse().unwrap();
        eventually("it is gone", || std::net::TcpListener::bind(member).is_ok()).await;
    }

    pub(crate) async fn stop(&mut self) {
        self.running.take().unwrap().stop().await;
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// The Trader runs a shell script, under an epoch of its assignment.
    pub(crate) fn want(&mut self, script: &str, epoch: u64) {
        self.want_run(script, epoch, TraderRun::default());
    }

    /// The same, run as is declared.
    pub(crate) fn want_run(&mut self, script: &str, epoch: u64, run: TraderRun) {
        let path = self.dir.path().join("algo");
        let told = self.dir.path().join("told");
        let text = format!("#!/bin/sh\nTOLD={}\n{script}\n", told.display());
        // Replaced whole: the old one may be running.
        let fresh = self.dir.path().join("algo.tmp");
        fs::write(&fresh, text).unwrap();
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&fresh, &path).unwrap();
        self.tell(vec![wanted(&[path.to_str().unwrap()], epoch, run)]);
    }

    pub(crate) fn want_command(&mut self, command: &[&str], epoch: u64) {
        self.tell(vec![wanted(command, epoch, TraderRun::default())]);
    }

    /// The script there is, and no copy of it.
    pub(crate) fn want_paused(&mut self, epoch: u64) {
        let path = self.dir.path().join("algo");
        let wanted = wanted(&[path.to_str().unwrap()], epoch, TraderRun::default());
        self.tell(vec![TraderWanted { paused: true, ..wanted }]);
    }

    pub(crate) async fn until_state(&self, state: ServiceState, words: &str) {
        eventually(words, || {
            let report = self.report();
            report.is_some_and(|is| is.state == state && is.detail.contains(words))
        })
        .await;
    }

    pub(crate) fn want_nothing(&mut self) {
        self.tell(Vec::new());
    }

    fn tell(&mut self, traders: Vec<TraderWanted>) {
        self.revision += 1;
        let market_managers = self.market_managers.iter().enumerate().map(|(n, address)| {
            let manager = format!("a{n}.market-manager").parse().unwrap();
            ManagerEndpoint { manager, address: address.clone() }
        });
        self.leader.as_ref().unwrap().tell(Desired {
            revision: Revision(self.revision),
            fence: fence(1),
            work: DesiredWork::Traders { traders, access: Default::default() },
            market_managers: market_managers.collect(),
            cordons: Default::default(),
            empties: false,
        });
    }

    pub(crate) fn report(&self) -> Option<ServiceReport> {
        self.running.as_ref().unwrap().handle().service(&"trader.sample".parse().unwrap())
    }

    pub(crate) async fn until_live(&self) -> ServiceReport {
        eventually("the trader is live", || {
            self.report().is_some_and(|report| report.state == ServiceState::Live)
        })
        .await;
        self.report().unwrap()
    }

    /// What the scripts have told so far.
    pub(crate) fn told(&self) -> Vec<String> {
        told_in(&self.dir)
    }

    pub(crate) async fn until_told(&self, lines: usize) -> Vec<String> {
        eventually("the algo tells more", || self.told().len() >= lines).await;
        self.told()
    }
}

fn wanted(command: &[&str], epoch: u64, run: TraderRun) -> TraderWanted {
    TraderWanted {
        trader: "sample".parse().unwrap(),
        customer: "acme".parse().unwrap(),
        fence: fence(epoch),
        command: command.iter().map(|word| (*word).to_string()).collect(),
        run,
        paused: false,
        fencing: false,
        attached: None,
    }
}

pub(crate) fn told_in(dir: &TempDir) -> Vec<String> {
    let text = fs::read_to_string(dir.path().join("told")).unwrap_or_default();
    text.lines().map(str::to_string).collect()
}

/// Opens sessions: the token tells the epoch it was opened for and how many were opened before.
fn sessions() -> Router {
    let opened = AtomicU64::new(0);
    let open = async move |Json(ask): Json<OpenTraderSession>| {
        let n = opened.fetch_add(1, Ordering::Relaxed) + 1;
        let clock = tradewind_node::clock::now();
        Json(SessionOpened {
            stand: Stand::default(),
            customer: "acme".parse().unwrap(),
            trader: Some("sample".parse().unwrap()),
            token: format!("token-{}-{n}", ask.epoch),
            expires_at: UnixNanos(clock.0) + Duration::from_secs(3_600),
            market_managers: Vec::new(),
            infrastructure_managers: Vec::new(),
            trader_manager: None,
        })
    };
    let open = Arc::new(open);
    Router::new()
        .route("/v1/traders/{trader}/sessions", post(move |ask| async move { open(ask).await }))
}

fn manager_id() -> ManagerId {
    "a1.trader-manager".parse().unwrap()
}

fn fence(epoch: u64) -> Fence {
    Fence { cluster: ClusterIncarnation(7), epoch: Epoch(epoch) }
}

/// A token that SIGTERM cancels.
pub(crate) fn sigterm(runtime: &tokio::runtime::Runtime) -> CancellationToken {
    let token = CancellationToken::new();
    let cancelled = token.clone();
    runtime.spawn(async move {
        let kind = tokio::signal::unix::SignalKind::terminate();
        tokio::signal::unix::signal(kind).unwrap().recv().await;
        cancelled.cancel();
    });
    token
}

pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A zombie is not alive.
pub(crate) fn alive(pid: u32) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}

pub(crate) fn kill(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}
