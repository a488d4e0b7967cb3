//! A Broker, a Market, a Trader, a BrokerManager and a MarketManager that stand still (SIGSTOP) for longer than their leases last,
//! under a Market that an algo trades through: what stands still is fenced, left, replaced or, if it is to stop, killed, and does
//! no harm when it wakes (SIGCONT). Real processes throughout; the venue's own ledger is the judge, and of a Trader what its
//! copies have put on record. What comes of a Broker that is continued elsewhere meanwhile is claimed in `ledger_copies.rs`, of a
//! TraderManager in `traders.rs`.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use serde_json::Value;
use std::time::{Duration, Instant};
use tradewind_domain::{
    control::row::ManagerState,
    limits::{STOP_WITHIN, TRADER_STOPS_WITHIN},
};
use tradewind_launcher::process_is_alive;
use tradewind_protocol::supervision::ServiceState;
use tradewind_tests_cluster::{
    beside::{self, BESIDE, TRADER},
    copies::{Answer, Line},
    eventually_async,
    other_venue::page,
    send,
    sharded::{INSTRUMENTS, SHARDS, SOON, World},
    started::{services, zombies},
    watcher::Watcher,
};

const ALGO: &str = env!("CARGO_BIN_EXE_steady_algo");
/// For so long such an algo sends nothing once it has begun, in nanoseconds.
const RESTS_FOR: u64 = 1_000_000_000;
const BROKER: &str = "broker.sim-1.0";
/// The node of the BrokerManager.
const BROKERS: usize = 0;
/// A Manager takes a service for hung of which it has heard nothing for 10 s, unless it comes a second too late to see that: it
/// must have stood still itself.
const LONG: Duration = Duration::from_secs(12);

/// As its Manager has it; null if it has not.
async fn report(world: &World, node: usize, service: &str) -> Value {
    page(world.site.own(node), &format!("/v1/services/{service}")).await
}

async fn is(world: &World, node: usize, service: &str, state: &str) -> bool {
    report(world, node, service).await["state"] == state
}

async fn pid(world: &World, node: usize, service: &str) -> u32 {
    u32::try_from(report(world, node, service).await["pid"].as_u64().unwrap()).unwrap()
}

/// How often it was fenced since its start, and whether it is confirmed, as it says itself.
async fn right(world: &World, node: usize, service: &str) -> (f64, bool) {
    let address = report(world, node, service).await["address"].as_str().unwrap().to_owned();
    let figures = reqwest::get(format!("http://{address}/metrics")).await.unwrap();
    let figures = figures.text().await.unwrap();
    let figure = |name: &str| {
        let line = figures.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap().parse::<f64>().unwrap()
    };
    (figure("tradewind_service_fences_total"), figure("tradewind_service_confirmed") > 0.0)
}

/// What the group takes a node's Manager for.
async fn is_taken_for(world: &World, node: usize, state: ManagerState) -> bool {
    let (managers, name) = (world.site.told().await.managers, &world.site.nodes[node].manager);
    managers.iter().any(|row| row.manager.to_string() == *name && row.state == state)
}

/// The one of a kind that stands still for longer than its lease wakes as what it was; for longer than is waited for, it is replaced.
async fn stands_still(service: &str, of: impl Fn(&World) -> usize) {
    // given
    let world = World::trading(1).await;
    let node = of(&world);
    let trading = world.trades();
    trading.goes_on("at first").await;
    let (first, (fenced, _)) =
        (pid(&world, node, service).await, right(&world, node, service).await);
    // when: its Manager has heard nothing for as long as a pipe may be silent, which is longer than a lease
    send(first, Signal::STOP);
    let silent = async || is(&world, node, service, "connecting").await;
    eventually_async("it is not heard of", SOON, silent).await;
    send(first, Signal::CONT);
    // then: it finds that its time is over, and is confirmed anew
    let confirmed = async || {
        let (fences, confirmed) = right(&world, node, service).await;
        is(&world, node, service, "live").await && fences > fenced && confirmed
    };
    eventually_async("it was fenced, and is confirmed again", SOON, confirmed).await;
    trading.goes_on("with the one that woke").await;
    assert_eq!(pid(&world, node, service).await, first, "it is the same one");
    // when: it never wakes
    send(first, Signal::STOP);
    let another = async || {
        let report = report(&world, node, service).await;
        report["state"] == "live" && report["pid"] != first && report["crashes"] == 1
    };
    eventually_async("another one serves", SOON, another).await;
    // then
    assert!(!process_is_alive(first), "two are there");
    assert_eq!(zombies(world.site.pid(node)), 0);
    trading.goes_on("with another one").await;
    let there = services(world.site.data(node));
    assert_eq!(there.iter().filter(|one| *one == service).count(), 1, "{there:?}");
    // Each time the Broker may have had one that it had accepted and had not sent.
    assert!(world.judge_all_but_rejected(trading).await <= 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_stands_still_is_fenced_or_replaced_and_no_order_is_lost_or_placed_twice() {
    stands_still(BROKER, |_| BROKERS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_market_that_stands_still_is_fenced_or_replaced_and_no_order_is_lost_or_placed_twice() {
    stands_still(SHARDS[0], |world| world.edges[0].node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_manager_that_stands_still_is_down_its_broker_trades_on_and_it_wakes_to_take_it_back()
 {
    // given
    let world = World::trading(1).await;
    let (trading, site) = (world.trades(), &world.site);
    trading.goes_on("at first").await;
    let (broker, fences) = (pid(&world, BROKERS, BROKER).await, site.fences().await[BROKERS]);
    let confirmed = async || right(&world, BROKERS, BROKER).await.1;
    eventually_async("its right is confirmed", SOON, confirmed).await;
    let address = report(&world, BROKERS, BROKER).await["address"].as_str().unwrap().to_owned();
    // when
    site.stop(BROKERS);
    let is_down = || is_taken_for(&world, BROKERS, ManagerState::Down);
    eventually_async("it is taken for down", SOON, is_down).await;
    // then: nobody else can have its ledger, so that its Broker needs nobody
    let unsure = async || {
        let told = page(&address, "/readyz?verbose").await;
        let checks = told["checks"].as_array().cloned().unwrap_or_default();
        checks.iter().any(|check| check["name"] == "confirmed" && check["ok"] == false)
    };
    eventually_async("its Broker is fenced", SOON, unsure).await;
    trading.goes_on("while it stands still").await;
    // when
    site.wake(BROKERS);
    // then
    let live = async || {
        is_taken_for(&world, BROKERS, ManagerState::Live).await
            && right(&world, BROKERS, BROKER).await.1
    };
    eventually_async("it is there again, and stands behind its Broker", SOON, live).await;
    trading.goes_on("once it is awake").await;
    assert!(site.fences().await[BROKERS] > fences, "it did not see that its lease was over");
    assert_eq!(pid(&world, BROKERS, BROKER).await, broker, "the same one");
    assert_eq!(services(site.data(BROKERS)), [BROKER]);
    world.judge(trading).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_market_manager_that_stands_still_is_left_for_another_and_wakes_to_have_its_market_as_it_was()
 {
    // given
    let world = World::trading(2).await;
    let (first, other, site) = (&world.edges[0], &world.edges[1], &world.site);
    let reader = world.reader(&world.edges).await;
    let trading = world.trades();
    reader.goes_on("all are read at first", &INSTRUMENTS, SOON);
    let market = pid(&world, first.node, SHARDS[0]).await;
    let fences = site.fences().await[first.node];
    // when
    let began = Instant::now();
    site.stop(first.node);
    let is_down = || is_taken_for(&world, first.node, ManagerState::Down);
    eventually_async("it is taken for down", SOON, is_down).await;
    // then
    reader.goes_on("all are read at the other", &INSTRUMENTS, SOON);
    trading.goes_on("with the other").await;
    while began.elapsed() < LONG {
        trading.goes_on("while it stands still").await;
    }
    // when: what it was sent and has not read lies there still
    site.wake(first.node);
    // then
    let back = async || {
        let (now, there) = (world.processes(first).await, services(site.data(first.node)));
        is_taken_for(&world, first.node, ManagerState::Live).await
            && now.get(SHARDS[0]) == Some(&market)
            && there.iter().eq(now.keys())
            && zombies(site.pid(first.node)) == 0
            && site.is_confirmed(first.node).await
    };
    eventually_async("it is there again, and has what it had, once", SOON, back).await;
    assert!(site.fences().await[first.node] > fences, "it did not see that its lease was over");
    let another = world.reader(std::slice::from_ref(first)).await;
    another.goes_on("all are read at the one that is awake", &INSTRUMENTS, SOON);
    trading.goes_on("once it is awake").await;
    assert_eq!(reader.all.connections(), [&*first.address, &*other.address]);
    reader.told(&INSTRUMENTS);
    another.told(&INSTRUMENTS);
    world.judge(trading).await;
}

/// The process of the Trader's algo, as the Trader tells it.
async fn algo(world: &beside::World) -> u32 {
    let report = world.report(TRADER).await;
    let words = report["detail"].as_str().unwrap().strip_prefix("running as ").unwrap();
    words.split(' ').next().unwrap().parse().unwrap()
}

/// What was sent when a copy had begun and did not send anything yet: by another one.
fn sent_beside(lines: &[Line]) -> Vec<Line> {
    let begins = |line: &&Line| line.answer == Answer::Started;
    let begun: Vec<u64> = lines.iter().filter(begins).map(|line| line.sent).collect();
    let beside = |line: &&Line| {
        let rests = |began: &u64| (*began..*began + RESTS_FOR).contains(&line.sent);
        !begins(line) && begun.iter().any(rests)
    };
    lines.iter().filter(beside).cloned().collect()
}

#[test]
fn what_a_copy_sends_beside_one_that_has_begun_is_found() {
    let line = |sent, answer| Line { trader: "t".to_owned(), epoch: 5, sent, answer };
    let begins = |began| [line(began, Answer::Started), line(began + RESTS_FOR, Answer::Accepted)];
    let mut lines = Vec::from_iter([begins(7), begins(9 * RESTS_FOR)].into_iter().flatten());
    assert_eq!(sent_beside(&lines), []);
    // Planted: the old copy goes on.
    let planted = line(9 * RESTS_FOR + 1, Answer::Unknown);
    lines.push(planted.clone());
    assert_eq!(sent_beside(&lines), [planted]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trader_that_stands_still_goes_on_when_it_wakes_or_is_replaced_and_its_algo_is_dead_before_another_begins()
 {
    // given
    let world = beside::World::start(&[ALGO], &|_| Vec::new()).await;
    let trading = world.traded.trades();
    let (service, copy) = (world.pid(TRADER).await, algo(&world).await);
    // when: its Manager has heard nothing for as long as a pipe may be silent
    send(service, Signal::STOP);
    let silent = async || world.report(TRADER).await["state"] == "connecting";
    eventually_async("it is not heard of", SOON, silent).await;
    // then: its algo, a process of its own, needs it for nothing
    world.trades_on("while its Trader stands still");
    // when
    send(service, Signal::CONT);
    // then
    world.serves(TRADER, &[], "when it is awake").await;
    assert_eq!((world.pid(TRADER).await, algo(&world).await), (service, copy), "the same ones");
    // when: it never wakes
    send(service, Signal::STOP);
    let another = async || {
        let report = world.report(TRADER).await;
        report["state"] == "live" && report["pid"] != service && report["crashes"] == 1
    };
    eventually_async("another one serves", SOON, another).await;
    // then
    assert!(!process_is_alive(service) && !process_is_alive(copy), "two are there");
    world.serves(TRADER, &[service, copy], "in the place of the one that never woke").await;
    assert_eq!(sent_beside(&world.lines()), []);
    trading.goes_on("beside it").await;
    world.traded.judge(trading).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_each_kind_that_stands_still_when_it_is_to_stop_is_killed_by_its_manager() {
    // given
    let world = beside::World::start(&[ALGO], &|_| Vec::new()).await;
    let trading = world.traded.trades();
    for of in BESIDE {
        // when
        let pid = world.pid(of).await;
        let (mut watcher, _) = Watcher::start(world.traded.site.own(of.0)).await;
        send(pid, Signal::STOP);
        let began = Instant::now();
        world.remove(of);
        watcher.states(of.1, |report| report.state == ServiceState::Stopping).await;
        // One of whom that is told late may have had its time by then.
        let is_given = if of.1 == TRADER.1 { TRADER_STOPS_WITHIN } else { STOP_WITHIN };
        let lives = process_is_alive(pid);
        assert!(lives || began.elapsed() >= is_given, "it was not given its time");
        // then: nobody but its Manager is there to end it
        let gone = async || world.report(of).await.is_null() && world.is_whole(of, &[pid]).await;
        eventually_async(&format!("nothing of {of:?} is left"), SOON, gone).await;
        trading.goes_on("without it").await;
        assert!(gone().await, "it came back");
        // when
        world.declare(of);
        // then
        world.serves(of, &[pid], "when it is wanted again").await;
    }
    world.traded.judge(trading).await;
}
