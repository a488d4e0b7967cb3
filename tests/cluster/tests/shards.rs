//! A Market that gets a second process as its load grows, loses one by `kill -9`, and has one again once the load is gone. What
//! an algo sees at its one endpoint meanwhile, and what the venue says of its orders.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use std::time::Duration;
use tradewind_tests_cluster::{
    eventually_async, send,
    sharded::{INSTRUMENTS, SHARDS, SOON, World, of_the_second},
};

/// Until a load that is gone is believed to be.
const LATER: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_market_gets_a_second_shard_and_loses_it_and_its_algo_sees_one_endpoint_without_a_gap()
 {
    // given
    let (moves, stays) = (of_the_second(true), of_the_second(false));
    let world = World::trading(1).await;
    let edge = &world.edges[0];
    let reader = world.reader(&world.edges).await;
    let all = &reader.all;
    reader.quoted("all are quoted", &INSTRUMENTS, SOON);
    assert_eq!(world.processes(edge).await.len(), 1);
    let trading = world.trades();
    // when: there is more to do than one is to do
    let works = world.works(edge).await;
    world.is_on_both(edge);
    reader.whole(&INSTRUMENTS);
    // when: one of them dies
    works.asks_no_more();
    let killed = world.processes(edge).await[SHARDS[1]];
    send(killed, Signal::KILL);
    let another =
        async || world.processes(edge).await.get(SHARDS[1]).is_some_and(|pid| *pid != killed);
    eventually_async("another one is there", SOON, another).await;
    reader.goes_on("all are read again", &INSTRUMENTS, SOON);
    // then
    reader.whole(&stays);
    reader.told(&moves);
    assert!(moves.iter().all(|of| all.of(of).away == 1), "{all:?}");
    let gaps: Vec<usize> = moves.iter().map(|of| all.of(of).gaps).collect();
    // when: there is nearly nothing to do
    trading.pauses(1_000);
    works.end().await;
    reader.wants(&INSTRUMENTS, false).await;
    reader.wants(&[moves[0], stays[0]], true).await;
    let one = async || world.processes(edge).await.len() == 1;
    eventually_async("one shard is left", LATER, one).await;
    reader.goes_on("both go on", &[moves[0], stays[0]], SOON);
    // then
    reader.whole(&stays);
    reader.told(&moves);
    let now: Vec<usize> = moves.iter().map(|of| all.of(of).gaps).collect();
    assert_eq!(now, gaps, "that a shard goes is no gap");
    assert!(moves.iter().all(|of| all.of(of).away == 1), "{all:?}");
    assert_eq!(all.connections().len(), 1);
    world.judge(trading).await;
}
