//! A group of members for the tests. Decides nothing but how tests start, stop and wait.

use crate::{
    Member, Options, ProposeError, Proposed, Replica, Role, Snapshots, StartError, Status, Timing,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tradewind_domain::{
    control::{Command, IdempotencyKey, Machine, Outcome, Request, Row},
    ids::{ClientId, DiskId, NodeId, RegisterId, Revision},
    time::UnixNanos,
};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until the condition gives a value. Fails the test with `what` when it takes too long.
pub(crate) async fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub(crate) fn now() -> UnixNanos {
    let age = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UnixNanos(u64::try_from(age.as_nanos()).unwrap())
}

pub(crate) fn request(command: Command) -> Request {
    static N: AtomicU64 = AtomicU64::new(0);
    let n = N.fetch_add(1, Ordering::Relaxed);
    let key = IdempotencyKey { client: ClientId::new("test").unwrap(), issued_at: now(), n };
    Request { key, command }
}

pub(crate) fn put(register: &str, value: &str) -> Request {
    let register = RegisterId::new(register).unwrap();
    request(Command::PutRegister { register, value: value.to_owned(), expected: None })
}

pub(crate) fn value(machine: &Machine, register: &str) -> Option<String> {
    let register = RegisterId::new(register).unwrap();
    machine.register(&register).map(|row| row.value.clone())
}

pub(crate) fn rows(machine: &Machine) -> Vec<Row> {
    machine.rows().collect()
}

pub(crate) struct World {
    home: TempDir,
    pub(crate) members: BTreeMap<NodeId, Member>,
    pub(crate) running: BTreeMap<NodeId, Replica>,
    pub(crate) snapshots: Snapshots,
    pub(crate) timing: Timing,
    /// How far a member's clock is ahead.
    pub(crate) ahead: BTreeMap<NodeId, Duration>,
    listeners: BTreeMap<NodeId, TcpListener>,
    wiped: BTreeSet<NodeId>,
}

impl World {
    /// A world of so many members, none of them running.
    pub(crate) fn of(count: u64) -> Self {
        let mut members = BTreeMap::new();
        let mut listeners = BTreeMap::new();
        for node in (1..=count).map(NodeId) {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let peer_address = listener.local_addr().unwrap();
            members.insert(
                node,
                Member {
                    peer_address,
                    api_address: format!("api-{node}"),
                    disk: Some(DiskId(u128::from(node.0))),
                },
            );
            listeners.insert(node, listener);
        }
        // Tests share two cores: a slow moment is no reason for an election.
        let timing = Timing {
            election_min: Duration::from_millis(400),
            election_max: Duration::from_millis(800),
            propose: Duration::from_secs(5),
            ..Timing::default()
        };
        Self {
            home: tempfile::tempdir().unwrap(),
            members,
            running: BTreeMap::new(),
            snapshots: Snapshots::default(),
            timing,
            ahead: BTreeMap::new(),
            listeners,
            wiped: BTreeSet::new(),
        }
    }

    /// All members running, the group formed and a leader found.
    pub(crate) async fn serving(count: u64) -> Self {
        let mut world = Self::of(count);
        world.start_all().await;
        world.form().await;
        world
    }

    pub(crate) async fn form(&self) {
        let first = self.running.values().next().unwrap();
        first.initialize(self.members.clone()).await.unwrap();
        self.leader().await;
    }

    /// A member that the group does not know yet, with an address of its own. Not started.
    pub(crate) fn newcomer(&mut self, node: NodeId) -> Member {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer_address = listener.local_addr().unwrap();
        let (api_address, disk) = (format!("api-{node}"), Some(DiskId(u128::from(node.0))));
        let member = Member { peer_address, api_address, disk };
        self.members.insert(node, member.clone());
        self.listeners.insert(node, listener);
        member
    }

    /// From now on the directory of this node is on another disk, empty.
    pub(crate) fn wipe(&mut self, node: NodeId) {
        std::fs::remove_dir_all(self.directory(node)).unwrap();
        self.wiped.insert(node);
    }

    pub(crate) fn directory(&self, node: NodeId) -> PathBuf {
        self.home.path().join(node.to_string())
    }

    pub(crate) fn options(&self, node: NodeId) -> Options {
        let address: SocketAddr = self.members[&node].peer_address;
        let peer_listener = match self.listeners.get(&node) {
            Some(listener) => listener.try_clone().unwrap(),
            None => TcpListener::bind(address).unwrap(),
        };
        Options {
            node,
            cluster: "test".to_owned(),
            state_dir: self.directory(node),
            new_disk: DiskId(u128::from(node.0) + if self.wiped.contains(&node) { 900 } else { 0 }),
            peer_listener: peer_listener.into(),
            timing: self.timing.clone(),
            snapshots: self.snapshots.clone(),
            environment: Default::default(),
        }
    }

    pub(crate) async fn try_start(&mut self, node: NodeId) -> Result<(), StartError> {
        let ahead = self.ahead.get(&node).copied().unwrap_or_default();
        let clock = Arc::new(move || now() + ahead);
        let replica = Replica::start(self.options(node), clock).await?;
        self.running.insert(node, replica);
        Ok(())
    }

    pub(crate) async fn start(&mut self, node: NodeId) {
        self.try_start(node).await.unwrap();
    }

    pub(crate) async fn start_all(&mut self) {
        for node in self.members.keys().copied().collect::<Vec<_>>() {
            self.start(node).await;
        }
    }

    /// Begins to stop a member, without waiting for it.
    pub(crate) fn let_go(&mut self, node: NodeId) -> JoinHandle<()> {
        self.listeners.remove(&node);
        tokio::spawn(self.running.remove(&node).unwrap().shutdown())
    }

    /// Stops a member. Its port refuses connections from then on, as that of a dead process does.
    pub(crate) async fn stop(&mut self, node: NodeId) {
        self.let_go(node).await.unwrap();
    }

    pub(crate) async fn stop_all(&mut self) {
        for node in self.running.keys().copied().collect::<Vec<_>>() {
            self.stop(node).await;
        }
    }

    /// The member that leads and is confirmed by a quorum.
    pub(crate) async fn leader(&self) -> Replica {
        eventually("a confirmed leader", || {
            let mut running = self.running.values();
            running.find(|replica| replica.confirmed_leader()).cloned()
        })
        .await
    }

    pub(crate) async fn follower(&self) -> Replica {
        let leader = self.leader().await.node();
        let mut others = self.running.values().filter(|replica| replica.node() != leader);
        others.next().unwrap().clone()
    }

    /// Proposes on whoever leads, as a client does: until somebody answers.
    pub(crate) async fn propose(&self, request: Request) -> Proposed {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let leader = self.leader().await;
            match leader.propose(request.clone()).await {
                Ok(proposed) => return proposed,
                Err(ProposeError::TooLarge { .. }) => panic!("too large"),
                Err(error) => assert!(Instant::now() < deadline, "no answer: {error}"),
            }
        }
    }

    pub(crate) async fn put(&self, register: &str, value: &str) -> Proposed {
        let proposed = self.propose(put(register, value)).await;
        assert!(matches!(proposed.outcome, Outcome::Accepted { .. }), "{proposed:?}");
        proposed
    }

    /// Asks whoever leads, as a client does: until one still leads when it answers.
    async fn read_barrier(&self) -> Revision {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.leader().await.read_barrier().await {
                Ok(revision) => return revision,
                Err(error) => assert!(Instant::now() < deadline, "no answer: {error}"),
            }
        }
    }

    /// Waits until every running member has applied what the leader has, and gives the machines.
    pub(crate) async fn settled(&self) -> Vec<Machine> {
        let revision = self.read_barrier().await;
        let mut machines = Vec::new();
        for replica in self.running.values() {
            let mut watch = replica.watch_machine();
            let reached = watch.wait_for(|(applied, _)| *applied >= revision);
            let reached = tokio::time::timeout(PATIENCE, reached).await;
            machines.push(reached.unwrap().unwrap().1.clone());
        }
        machines
    }
}

pub(crate) fn is_stopped(status: &Status) -> bool {
    status.role == Role::Stopped
}
