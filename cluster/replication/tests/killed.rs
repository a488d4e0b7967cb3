//! S1 against a real process: what a member acknowledged before `kill -9` is there when it starts again.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command as Process, Stdio},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use tradewind_domain::{
    control::{Command, IdempotencyKey, Request},
    ids::{ClientId, DiskId, NodeId, RegisterId},
    time::UnixNanos,
};
use tradewind_replication::{Member, Options, Replica, Snapshots, Timing};

const DIRECTORY: &str = "TRADEWIND_TEST_DIRECTORY";

fn now() -> UnixNanos {
    let age = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UnixNanos(u64::try_from(age.as_nanos()).unwrap())
}

async fn start(directory: &Path) -> (Replica, SocketAddr) {
    let peer_listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = peer_listener.local_addr().unwrap();
    let options = Options {
        node: NodeId(1),
        cluster: "killed".to_owned(),
        state_dir: directory.to_owned(),
        new_disk: DiskId(1),
        peer_listener: peer_listener.into(),
        timing: Timing::default(),
        snapshots: Snapshots { every: 200, keep_entries: 50 },
        environment: Default::default(),
    };
    (Replica::start(options, Arc::new(now)).await.unwrap(), address)
}

async fn lead(replica: &Replica) {
    let mut status = replica.watch_status();
    status.wait_for(|status| status.leader == Some(NodeId(1))).await.unwrap();
}

fn put(n: u64) -> Request {
    let key = IdempotencyKey { client: ClientId::new("test").unwrap(), issued_at: now(), n };
    let register = RegisterId::new(&format!("r{n}")).unwrap();
    let command = Command::PutRegister { register, value: n.to_string(), expected: None };
    Request { key, command }
}

/// Not a claim: the process that is killed, which writes as fast as it can and prints what was
/// acknowledged. Without its environment it has nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_until_killed() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let (replica, peer_address) = start(directory.as_ref()).await;
    if !replica.is_initialized().await.unwrap() {
        let member = Member { peer_address, api_address: String::new(), disk: None };
        replica.initialize(BTreeMap::from([(NodeId(1), member)])).await.unwrap();
    }
    lead(&replica).await;
    let mut n = replica.machine_at().0.0 * 10;
    loop {
        let batch = (n..n + 5).map(|n| replica.propose(put(n)));
        for proposed in futures_util::future::join_all(batch).await {
            proposed.unwrap();
            println!("acknowledged {n}");
            n += 1;
        }
        std::io::stdout().flush().unwrap();
    }
}

fn spawn(directory: &Path) -> Child {
    Process::new(std::env::current_exe().unwrap())
        .args(["--exact", "serve_until_killed", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_member_holds_all_it_acknowledged() {
    let home = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for (round, lines) in [150, 701, 303, 42].into_iter().enumerate() {
        let mut child = spawn(home.path());
        let told = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let told = told.filter_map(|line| line.strip_prefix("acknowledged ")?.parse().ok());
        let told: Vec<u64> = told.take(lines).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(told.len(), lines, "round {round}: the member ended by itself");
        acknowledged.extend(told);

        // Seen before any leader speaks: the saved commit index reaches the last acknowledged entry.
        let (replica, _) = start(home.path()).await;
        let machine = replica.machine();
        let missing: Vec<_> = acknowledged
            .iter()
            .filter(|n| machine.register(&RegisterId::new(&format!("r{n}")).unwrap()).is_none())
            .collect();
        assert!(missing.is_empty(), "round {round}: {missing:?}");
        lead(&replica).await;
        replica.propose(put(u64::MAX - round as u64)).await.unwrap();
        replica.shutdown().await;
    }
}
