//! A Broker, a Market and a BrokerManager that stand still (SIGSTOP) for longer than their leases last, under a Market that an algo
//! trades through: what stands still is fenced, or replaced, and does no harm when it wakes (SIGCONT). Real processes throughout; the
//! venue's own ledger is the judge. What comes of a Broker that is continued elsewhere meanwhile is claimed in `ledger_copies.rs`.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use serde_json::Value;
use tradewind_domain::control::row::ManagerState;
use tradewind_launcher::process_is_alive;
use tradewind_tests_cluster::{
    eventually_async,
    other_venue::page,
    send,
    sharded::{SHARDS, SOON, World},
    started::{services, zombies},
};

const BROKER: &str = "broker.sim-1.0";
/// The node of the BrokerManager.
const BROKERS: usize = 0;

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
    let is_down = async || {
        let down = site.down().await;
        down.iter().any(|row| row.manager.to_string() == site.nodes[BROKERS].manager)
    };
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
        let managers = site.told().await.managers;
        let well = managers.iter().any(|row| {
            row.manager.to_string() == site.nodes[BROKERS].manager
                && row.state == ManagerState::Live
        });
        well && right(&world, BROKERS, BROKER).await.1
    };
    eventually_async("it is there again, and stands behind its Broker", SOON, live).await;
    trading.goes_on("once it is awake").await;
    assert!(site.fences().await[BROKERS] > fences, "it did not see that its lease was over");
    assert_eq!(pid(&world, BROKERS, BROKER).await, broker, "the same one");
    assert_eq!(services(site.data(BROKERS)), [BROKER]);
    world.judge(trading).await;
}
