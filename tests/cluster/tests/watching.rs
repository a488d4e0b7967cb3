//! Watching over real processes: through kills of the leader, each revision once and in order (W1), and the
//! figures that a scraper finds.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::timeout;
use tradewind_control_client::{Answer, ControlClient, KeySource, Watched};
use tradewind_launcher::{Cluster, DataDirectory, Plan};
use tradewind_link::rest::{HeaderMap, Method, Rest};
use tradewind_protocol::{
    control::Status,
    domain::{
        control::{
            Event, EventKind,
            resource::{Deed, Resource},
            row::CustomerSpec,
            watch::{Seen, violations},
        },
        ids::Revision,
        time::UnixNanos,
    },
};
use tradewind_tests_cluster::{binary, eventually_async};

const SOON: Duration = Duration::from_secs(30);

async fn members() -> Cluster {
    let plan = Plan {
        binary: binary(),
        nodes: 3,
        implementations: 0,
        port_base: None,
        environment: Vec::new(),
    };
    let mut cluster = Cluster::new(&plan, DataDirectory::open(None).unwrap()).unwrap();
    for node in 1..=3 {
        cluster.start_member(node).await.unwrap();
    }
    cluster
}

fn now() -> UnixNanos {
    let age = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    UnixNanos(u64::try_from(age.as_nanos()).unwrap())
}

/// Writes one customer after the other until it is told to stop, and notes the revision of each.
async fn write(
    client: ControlClient,
    written: Arc<Mutex<BTreeMap<Revision, EventKind>>>,
    stop: Arc<AtomicBool>,
) {
    let keys = KeySource::new("writer".parse().unwrap(), Arc::new(now)).following(client.time());
    for n in 0.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let customer: tradewind_protocol::domain::ids::CustomerId =
            format!("c{n}").parse().unwrap();
        let (spec, key) = (CustomerSpec { key_hashes: BTreeSet::new() }, keys.next());
        let answer = client.put_customer(&customer, &spec, &key, SOON).await;
        let Answer::Accepted(changed) = answer else { panic!("{customer}: {answer:?}") };
        let kind = EventKind::CustomerChanged { customer };
        assert!(written.lock().unwrap().insert(changed.applied, kind).is_none());
    }
}

/// What was seen of customers alone: the writer knows of nothing else. An entry of other things is a place all the same.
fn of_customers(seen: Watched) -> Seen {
    match seen {
        Watched::Opened { since, .. } => Seen::Opened { since },
        Watched::Beat { seen } => Seen::Beat { revision: seen },
        Watched::Events(entry) => {
            let of_customer = |kind: &EventKind| matches!(kind, EventKind::CustomerChanged { .. });
            let (revision, events) = (entry.revision, entry.whole());
            if entry.events.iter().any(of_customer) {
                Seen::Events { revision, events }
            } else {
                Seen::Beat { revision }
            }
        }
    }
}

/// Who declared a customer: the writer's client.
fn audited(kind: &EventKind) -> EventKind {
    let EventKind::CustomerChanged { customer } = kind else { panic!("{kind:?}") };
    EventKind::Audited {
        what: Resource::Customer(customer.clone()),
        deed: Deed::Declared,
        who: "writer".to_owned(),
        why: String::new(),
    }
}

/// What happened, with the times as they were shown: the writer does not know them.
fn happened(
    written: &BTreeMap<Revision, EventKind>,
    seen: &[Seen],
) -> BTreeMap<Revision, Vec<Event>> {
    let mut times = BTreeMap::new();
    for step in seen {
        if let Seen::Events { revision, events } = step {
            times.insert(*revision, events[0].at);
        }
    }
    let event = |(revision, kind): (&Revision, &EventKind)| {
        let at = times.get(revision).copied().unwrap_or_default();
        let kinds = [kind.clone(), audited(kind)];
        (*revision, kinds.map(|kind| Event { revision: *revision, at, kind }).into())
    };
    written.iter().map(event).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_through_three_kills_of_the_leader_sees_each_revision_once_and_in_order() {
    let mut cluster = members().await;
    let client = ControlClient::new(cluster.members(), Rest::default());
    eventually_async("a leader", SOON, async || client.status(SOON).await.is_ok()).await;
    client.learn_time(SOON).await.unwrap();
    let (written, stop) = (Arc::new(Mutex::new(BTreeMap::new())), Arc::new(AtomicBool::new(false)));
    let writer = tokio::spawn(write(client.clone(), written.clone(), stop.clone()));
    let (mut watch, done) = (client.watch(Some(Revision(0))), Arc::new(Mutex::new(None)));
    let until = done.clone();
    let watcher = tokio::spawn(async move {
        let mut seen = Vec::new();
        loop {
            let next = timeout(SOON, watch.next()).await.expect("the watch is stuck").unwrap();
            seen.push(of_customers(next));
            let until: Option<Revision> = *until.lock().unwrap();
            if until.is_some_and(|until| watch.place() >= Some(until)) {
                return seen;
            }
        }
    });
    let count = || written.lock().unwrap().len();
    for _ in 0..3 {
        let before = count();
        eventually_async("writes", SOON, async || count() >= before + 20).await;
        let status: Status = client.status(SOON).await.unwrap();
        let leader = status.stand.leader.unwrap().0;
        cluster.kill_member(leader).await;
        let before = count();
        eventually_async("writes again", SOON, async || count() >= before + 20).await;
        cluster.start_member(leader).await.unwrap();
    }
    stop.store(true, Ordering::SeqCst);
    writer.await.unwrap();
    let last = *written.lock().unwrap().keys().last().unwrap();
    *done.lock().unwrap() = Some(last);
    let seen = timeout(SOON, watcher).await.unwrap().unwrap();
    let written = written.lock().unwrap().clone();
    let found = violations(&seen, &happened(&written, &seen));
    assert!(found.is_empty(), "{found:?}");
    let shown = seen.iter().filter(|step| matches!(step, Seen::Events { .. })).count();
    assert_eq!(shown, written.len(), "each of them once");
    let opened = seen.iter().filter(|step| matches!(step, Seen::Opened { .. })).count();
    assert!(opened > 1, "it never had to go on elsewhere");
    // The one that was started last has missed writes, and is told them now.
    let has_all = async |member: String| {
        series(&member).await["tradewind_raft_applied_index"] >= last.0 as f64
    };
    for member in cluster.members() {
        eventually_async("all has arrived", SOON, async || has_all(member.clone()).await).await;
    }
    figures(&cluster).await;
    cluster.stop().await;
}

/// What a member tells, in the form that scrapers read.
async fn series(member: &str) -> BTreeMap<String, f64> {
    let rest = Rest::default();
    let asked =
        rest.raw(Method::GET, member, "/metrics", HeaderMap::new(), Default::default(), SOON);
    let (status, _, body) = asked.await.unwrap();
    assert_eq!(status.as_u16(), 200);
    let text = String::from_utf8(body.to_vec()).unwrap();
    let mut series = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        assert!(name.starts_with("tradewind_"), "{line}");
        assert!(series.insert(name.to_owned(), value).is_none(), "twice: {line}");
    }
    series
}

/// At every member.
async fn figures(cluster: &Cluster) {
    let mut leaders = 0;
    for member in cluster.members() {
        let series = series(&member).await;
        for name in [
            "raft_term",
            "raft_leader_id",
            "raft_last_log_index",
            "raft_committed_index",
            "raft_applied_index",
            "journal_fsync_seconds_count",
            "journal_append_records_count",
            "apply_seconds_count",
            "events_kept",
        ] {
            let value = series.get(&format!("tradewind_{name}"));
            assert!(value.is_some_and(|value| *value > 0.0), "{name} of {member}: {value:?}");
        }
        assert_eq!(series["tradewind_state_hash_alarm"] as u64, 0);
        leaders += series["tradewind_raft_is_leader"] as u64;
    }
    assert_eq!(leaders, 1);
}
