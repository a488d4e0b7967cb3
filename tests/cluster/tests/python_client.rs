//! A client in Python that was written from `docs/protocol` alone (`examples/python`), beside real processes: its Broker stands still
//! and is killed, the MarketManager that it is connected to is killed (`kill -9`), comes back and takes over again, or is drained.
//! The sim venue's ledger judges what it asked for and saw. Skipped, saying so, only where there is no python3.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tradewind_domain::{
    ids::{ClientOrderId, ExecId},
    trading::invariants::{AlgoView, check},
};
use tradewind_tests_cluster::{
    eventually, eventually_async,
    other_venue::{ledger, page},
    saw::truth,
    send,
    sharded::{ACCOUNT, INSTRUMENTS, SOON, World},
};

const BROKER: &str = "broker.sim-1.0";
/// The node of the BrokerManager.
const BROKERS: usize = 0;
/// More than it comes to before it is told to end.
const ORDERS: &str = "1000000";

/// Whether there is an interpreter that runs it; if not, that is said.
fn has_python() -> bool {
    let asked = Command::new("python3").arg("--version").output();
    let has = asked.is_ok_and(|asked| asked.status.success());
    if !has {
        eprintln!("skipped: there is no python3");
    }
    has
}

/// `trades.py`, which trades all instruments in turn. Killed when dropped.
struct Algo(Child);

impl Drop for Algo {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Algo {
    async fn trading(world: &World) -> Self {
        let home = world.site.group.home.path();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/python/trades.py");
        let said = fs::File::create(home.join("trades.json")).unwrap();
        let child = Command::new("python3")
            // Nothing is written beside the sources.
            .args(["-B", script.to_str().unwrap(), ORDERS])
            .args(INSTRUMENTS)
            .env("TRADEWIND_INFRASTRUCTURE", world.site.group.addresses().join(","))
            .env("TRADEWIND_API_KEY", fs::read_to_string(home.join("key")).unwrap())
            .stdin(Stdio::null())
            .stdout(said)
            .spawn()
            .unwrap();
        let algo = Self(child);
        goes_on(world, "at first").await;
        algo
    }

    /// Has it end, and gives what it saw.
    fn end(mut self, world: &World) -> Value {
        send(self.0.id(), Signal::TERM);
        let within = Duration::from_secs(120);
        eventually("it has seen all", within, || self.0.try_wait().unwrap().is_some());
        let text = fs::read_to_string(world.site.group.home.path().join("trades.json")).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        serde_json::from_str(&text).unwrap()
    }
}

/// Orders at the venue.
async fn arrived(world: &World) -> usize {
    ledger(&world.venue.address, ACCOUNT).await["arrivals"].as_array().map_or(0, Vec::len)
}

/// Waits until each instrument was ordered twice more.
async fn goes_on(world: &World, when: &str) {
    let wanted = arrived(world).await + 2 * INSTRUMENTS.len();
    let more = async || arrived(world).await >= wanted;
    eventually_async(&format!("it trades on {when}"), SOON, more).await;
}

fn texts(told: &Value) -> BTreeSet<&str> {
    let texts: Vec<&str> =
        told.as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    let each: BTreeSet<&str> = texts.iter().copied().collect();
    assert_eq!(each.len(), texts.len(), "one is named twice");
    each
}

/// Where it was connected, in turn: a connection that was made again to the same MarketManager is none.
fn hops(told: &Value) -> Vec<&str> {
    let connections = told["connections"].as_array().unwrap().iter();
    let mut hops: Vec<&str> = connections.map(|address| address.as_str().unwrap()).collect();
    hops.dedup();
    hops
}

/// What it asked for and saw is what is at the venue: each accepted order once, but for `rejected_most` that it was told were never
/// placed; every fill; and nothing is missing of a private stream.
async fn judge(world: &World, told: &Value, rejected_most: usize) {
    assert_eq!((&told["whole"], &told["untold"]), (&true.into(), &0.into()), "{told}");
    let names = ["accepted", "refused", "unknown"];
    let [accepted, refused, unknown] = names.map(|name| texts(&told[name]));
    assert!(refused.is_empty() && unknown.is_empty(), "{told}");
    let private = |gap: &&Value| gap.get("trades").is_none();
    assert_eq!(told["gaps"].as_array().unwrap().iter().find(private), None);
    let order = |id: &&str| ClientOrderId::new(id).unwrap();
    let rejected = |id: &&&str| told["states"][**id] == "rejected";
    let placed: Vec<ClientOrderId> =
        accepted.iter().filter(|id| !rejected(id)).map(order).collect();
    let rejects = accepted.len() - placed.len();
    assert!(rejects <= rejected_most, "{rejects} were never placed");
    let fills = told["fills"].as_array().unwrap().iter();
    let view = AlgoView {
        submitted: accepted.iter().map(order).collect(),
        acknowledged: placed,
        fills: fills.map(|id| ExecId::new(id.as_str().unwrap()).unwrap()).collect(),
        ..AlgoView::default()
    };
    let truth = truth(&view, "acme", &[(&world.venue.address, ACCOUNT)]).await;
    let found = check(&view, &truth);
    assert!(found.none(), "{found:?}");
    assert!(truth.fills.len() >= view.acknowledged.len(), "not each was filled");
    let seen = ["quotes", "trades"].map(|what| told[what].as_u64().unwrap());
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
}

async fn report(world: &World) -> Value {
    page(world.site.own(BROKERS), &format!("/v1/services/{BROKER}")).await
}

/// The Broker stands still until its Manager misses it, so that an order is on its way to it, and dies then.
async fn broker_dies_with_an_order_on_its_way(world: &World) {
    let first = report(world).await["pid"].clone();
    let pid = u32::try_from(first.as_u64().unwrap()).unwrap();
    send(pid, Signal::STOP);
    let missed = async || report(world).await["state"] == "connecting";
    eventually_async("it is not heard of", SOON, missed).await;
    send(pid, Signal::KILL);
    let another = async || {
        let report = report(world).await;
        report["state"] == "live" && report["pid"] != first
    };
    eventually_async("another one serves", SOON, another).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_in_python_goes_on_by_number_at_another_market_manager_and_doubles_nothing_of_which_it_did_not_know()
 {
    if !has_python() {
        return;
    }
    // given
    let mut world = World::trading(2).await;
    let (first, other) = (world.edges[0].clone(), world.edges[1].clone());
    let algo = Algo::trading(&world).await;
    // when
    broker_dies_with_an_order_on_its_way(&world).await;
    goes_on(&world, "with another Broker").await;
    world.site.kill(first.node);
    goes_on(&world, "at the other MarketManager").await;
    world.site.start_again(first.node);
    let reader = world.reader(std::slice::from_ref(&first)).await;
    reader.goes_on("the first one serves again", &INSTRUMENTS, SOON);
    world.site.kill(other.node);
    goes_on(&world, "where it was at first").await;
    // then
    let told = algo.end(&world);
    let there = [&first, &other, &first].map(|edge| &*edge.address);
    let hops = hops(&told);
    assert!(hops.starts_with(&there) && hops.last() == Some(&there[2]), "{told}");
    assert!(told["said_unknown"].as_u64().unwrap() > 0, "no order was on its way to the Broker");
    judge(&world, &told, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_in_python_that_is_sent_away_is_at_the_other_market_manager_before_it_leaves() {
    if !has_python() {
        return;
    }
    // given
    let world = World::trading(2).await;
    let algo = Algo::trading(&world).await;
    let sessions = async |at: usize| {
        page(world.site.own(world.edges[at].node), "/v1/status").await["sessions"].clone()
    };
    // Where it was at first, unless it had to leave that.
    let from = usize::from(sessions(0).await == 0);
    let there = [from, 1 - from].map(|at| &*world.edges[at].address);
    // when
    let drain = ["drain", &*world.edges[from].manager, "--why", "a new disk", "--drop", "never"];
    world.site.does(&drain, &[]);
    let own = world.site.own(world.edges[from].node);
    let left = async || page(own, "/v1/status").await["sessions"] == 0;
    eventually_async("nobody is at the first one", SOON, left).await;
    goes_on(&world, "at the other MarketManager").await;
    // then
    let told = algo.end(&world);
    assert!(hops(&told).ends_with(&there), "{told}");
    assert!(told["sent_away"].as_u64().unwrap() > 0, "{told}");
    // Where the machine stands still for longer than a heartbeat may be late, a connection more is made, and a request may be lost.
    if told["connections"] == serde_json::json!(there) {
        let each = ["sent_away", "said_unknown", "unanswered"].map(|name| told[name].as_u64());
        assert_eq!(each, [Some(1), Some(0), Some(0)], "{told}");
    }
    judge(&world, &told, 0).await;
}
