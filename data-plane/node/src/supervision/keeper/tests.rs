//! Claims about one service's keeper, with real processes; the supervisor is played here.

#![allow(clippy::unwrap_used)]
use super::*;
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tradewind_domain::{
    control::desired::BrokerWanted,
    ids::{ClusterIncarnation, Epoch, Incarnation},
    limits::CHECK_IN_WITHIN,
};
use tradewind_protocol::asks::ServiceAnswer;

mod orphans;
mod shut;
mod unrecorded;

const PATIENCE: Duration = Duration::from_secs(20);

fn configuration(epoch: u64) -> Arc<Configuration> {
    let wanted = BrokerWanted {
        account: "sim-1".parse().unwrap(),
        shard: 0,
        fence: Fence { cluster: ClusterIncarnation(7), epoch: Epoch(epoch) },
        venue: "sim".parse().unwrap(),
        adapter: "sim".to_string(),
        endpoint: String::new(),
        customers: [].into(),
        fences: Vec::new(),
        controls: Default::default(),
        copies: None,
    };
    Arc::new(Configuration::Broker { wanted })
}

/// What a keeper's supervisor has in its hands.
struct World {
    dir: TempDir,
    target: watch::Sender<Target>,
    told: mpsc::Receiver<News>,
    check_ins: mpsc::Sender<CheckIn>,
    keeper: JoinHandle<()>,
}

impl World {
    /// Keeps `service`, whose process does what `script` says.
    fn start(service: &str, script: &str) -> Self {
        Self::keeping(service, script, None)
    }

    /// The same of one of which a process was on record.
    fn keeping(service: &str, script: &str, orphan: Option<Record>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let binary = dir.path().join("service");
        fs::write(&binary, format!("#!/bin/sh\ncd {}\n{script}\n", dir.path().display())).unwrap();
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o700)).unwrap();
        let setup = Setup {
            manager: "a1.broker-manager".parse().unwrap(),
            incarnation: Incarnation(1),
            address: "127.0.0.1:1".to_string(),
            state_dir: dir.path().to_path_buf(),
            binary,
            open_files: None,
            figures: Arc::default(),
            confirmed: watch::channel(true).1,
            answers: Box::new(|_, _| ServiceAnswer::NotKnown),
            loads: Box::new(|_, _| {}),
        };
        let service: ServiceId = service.parse().unwrap();
        let (target, targets) = watch::channel(Target::Run(configuration(1)));
        let (check_ins, asked) = mpsc::channel(1);
        let (news, told) = mpsc::channel(1);
        let report = ServiceReport {
            service: service.clone(),
            state: ServiceState::Starting,
            detail: String::new(),
            incarnation: None,
            pid: orphan.as_ref().map(|record| record.process.pid),
            address: None,
            crashes: 0,
            handed_back: None,
            fenced: Default::default(),
            venue: None,
            ledger: None,
        };
        let keeper = Keeper {
            service,
            generation: 1,
            setup: Arc::new(setup),
            target: targets,
            check_ins: asked,
            news,
            backoff: Backoff::default(),
            report,
            log_from: 0,
            crashes: None,
        };
        let keeper = tokio::spawn(keeper.run(orphan));
        Self { dir, target, told, check_ins, keeper }
    }

    async fn news(&mut self) -> News {
        timeout(PATIENCE, self.told.recv()).await.unwrap().unwrap()
    }

    /// Stops the service, and waits until it is gone.
    async fn stop(mut self) -> TempDir {
        self.target.send_replace(Target::Stop);
        let answer = async {
            while let Some(news) = self.told.recv().await {
                let _ = news.kept.send(Ok(()));
            }
        };
        timeout(PATIENCE, answer).await.unwrap();
        self.keeper.await.unwrap();
        self.dir
    }
}

async fn eventually(path: &Path) {
    let until = Instant::now() + PATIENCE;
    while !path.exists() {
        assert!(Instant::now() < until, "{} did not come", path.display());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_target_that_changes_while_the_keeper_waits_for_the_disk_is_not_lost() {
    // given: a service whose record is being written
    let mut world = World::start("broker.sim-1.0", "exec sleep 100");
    let first = world.news().await;
    assert_eq!(first.record.unwrap().fence.epoch, Epoch(1));
    // when
    world.target.send_replace(Target::Run(configuration(2)));
    first.kept.send(Ok(())).unwrap();
    // then
    let second = world.news().await;
    assert_eq!(second.record.unwrap().fence.epoch, Epoch(2));
    second.kept.send(Ok(())).unwrap();
    world.stop().await;
}

#[tokio::test]
async fn a_trader_without_a_pipe_has_its_whole_time_to_wind_down() {
    // given: one that takes longer than other services may
    let script = "trap 'sleep 2; touch wound-down; exit 0' TERM
        touch trapped
        while :; do sleep 0.02; done";
    let mut world = World::start("trader.algo", script);
    world.news().await.kept.send(Ok(())).unwrap();
    eventually(&world.dir.path().join("trapped")).await;
    // when
    let dir = world.stop().await;
    // then
    assert!(dir.path().join("wound-down").exists(), "it was killed before its time");
}

#[tokio::test]
async fn a_manager_that_was_itself_asleep_does_not_take_its_services_for_hung() {
    // given
    let process = Process::spawn(std::process::Command::new("true")).unwrap();
    let process_of = process.identity().clone();
    let record = Record {
        process: process_of,
        token: String::new(),
        pipe_token: None,
        fence: Fence::default(),
        incarnation: None,
        address: None,
    };
    let mut life = Life::new(process, record);
    let (deadline, _) = life.deadline();
    // when, then: it looks in time
    assert!(life.overdue(deadline).is_some());
    // when: it looks long after, as after a SIGSTOP of its own
    let awake = deadline + CHECK_IN_WITHIN * 2;
    // then: the service has its time once more, and no longer
    assert_eq!(life.overdue(awake), None);
    assert_eq!(life.deadline().0, awake + CHECK_IN_WITHIN);
    assert!(life.overdue(awake + CHECK_IN_WITHIN).is_some());
}
