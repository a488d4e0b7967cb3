//! What is lost or taken away under a Market of two shards that an algo trades through and another one reads: its MarketManager by
//! `kill -9`, its MarketManager by a drain, its main shard by `kill -9`, and both Managers by `kill -9` again and again. Real
//! processes throughout.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use std::collections::BTreeMap;
use tradewind_launcher::process_is_alive;
use tradewind_tests_cluster::{
    asked, eventually, eventually_async,
    reader::Reader,
    send,
    sharded::{INSTRUMENTS, SHARDS, SOON, Trading, Works, World, of_the_second},
    started::{services, zombies},
};

/// A world whose algos are at the first of so many MarketManagers, where the Market has two shards.
async fn on_two_shards(market_managers: u32) -> (World, Reader, Trading, Works) {
    let world = World::trading(market_managers).await;
    let reader = world.reader(&world.edges).await;
    reader.quoted("all are quoted", &INSTRUMENTS, SOON);
    let trading = world.trades();
    let works = world.works(&world.edges[0]).await;
    world.is_on_both(&world.edges[0]);
    reader.whole(&INSTRUMENTS);
    (world, reader, trading, works)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_of_a_killed_market_manager_go_to_another_and_come_back_to_both_shards_which_ran_on()
 {
    // given
    let (mut world, reader, trading, works) = on_two_shards(2).await;
    let (first, other) = (world.edges[0].clone(), world.edges[1].clone());
    let before = world.processes(&first).await;
    assert!(before.keys().eq(SHARDS.iter()), "{before:?}");
    // when
    world.site.kill(first.node);
    // then
    reader.goes_on("all are read at the other", &INSTRUMENTS, SOON);
    trading.goes_on("with the other").await;
    assert_eq!(reader.all.connections(), [&*first.address, &*other.address]);
    assert!(before.values().all(|pid| process_is_alive(*pid)), "they run on");
    // when
    world.site.start_again(first.node);
    let another = world.reader(std::slice::from_ref(&first)).await;
    another.goes_on("all are read at the one that is back", &INSTRUMENTS, SOON);
    world.is_on_both(&first);
    // then
    assert_eq!(world.processes(&first).await, before, "they are taken over as they were");
    assert_eq!(services(world.site.data(first.node)), SHARDS, "and nothing runs twice");
    another.whole(&INSTRUMENTS);
    // when: its sessions come back
    world.site.kill(other.node);
    reader.goes_on("all are read over both shards", &INSTRUMENTS, SOON);
    trading.goes_on("over both shards").await;
    // then
    let there = [&*first.address, &*other.address, &*first.address];
    assert_eq!(reader.all.connections(), there);
    reader.told(&INSTRUMENTS);
    another.whole(&INSTRUMENTS);
    assert_eq!(world.processes(&first).await, before);
    works.end().await;
    world.judge(trading).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_market_manager_that_is_drained_sends_its_sessions_away_and_both_its_shards_end() {
    // given
    let (world, reader, trading, works) = on_two_shards(2).await;
    let (first, other) = (world.edges[0].clone(), world.edges[1].clone());
    let before = world.processes(&first).await;
    // Whoever asks it for something keeps it; that its main shard is busy does not.
    works.asks_no_more();
    // when
    let drain = ["drain", &*first.manager, "--why", "a new disk"];
    world.site.does(&[&drain[..], &["--drop", "never"]].concat(), &[]);
    // then: it is drained, and comes down to its main shard
    assert_eq!(reader.all.connections(), [&*first.address, &*other.address]);
    assert_eq!(reader.all.sent_away(), 1);
    reader.goes_on("all are read at the other", &INSTRUMENTS, SOON);
    trading.goes_on("with the other").await;
    let ended = |shard: usize| !process_is_alive(before[SHARDS[shard]]);
    eventually("the second shard has ended", SOON, || ended(1));
    let main = [(SHARDS[0].to_owned(), before[SHARDS[0]])].into();
    let alone = async || world.processes(&first).await == main;
    eventually_async("the main one is there alone", SOON, alone).await;
    works.end().await;
    // when
    world.site.does(&[&drain[..], &["--reschedule", "--drop", "when-idle"]].concat(), &[]);
    // then
    let manager = world.site.pid(first.node);
    eventually("the other one has ended", SOON, || ended(0) && !process_is_alive(manager));
    assert!(services(world.site.data(first.node)).is_empty());
    let site = &world.site;
    let gone = site.eventually("it is not there any more", |all| {
        all.iter().all(|row| row.manager.to_string() != first.manager)
    });
    gone.await;
    trading.goes_on("without it").await;
    assert_eq!((reader.all.connections().len(), reader.all.sent_away()), (2, 1));
    reader.told(&INSTRUMENTS);
    world.judge(trading).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_main_shard_that_is_killed_costs_its_own_instruments_a_pause_and_orders_and_streams_go_on()
 {
    // given
    let (moves, stays) = (of_the_second(true), of_the_second(false));
    let (world, reader, trading, works) = on_two_shards(1).await;
    let edge = &world.edges[0];
    let before = world.processes(edge).await;
    works.asks_no_more();
    // when
    send(before[SHARDS[0]], Signal::KILL);
    // then
    trading.goes_on("while it is away").await;
    let another = async || {
        let now = world.processes(edge).await;
        now.keys().eq(SHARDS.iter()) && now[SHARDS[0]] != before[SHARDS[0]]
    };
    eventually_async("another one is there", SOON, another).await;
    reader.goes_on("all are read again", &INSTRUMENTS, SOON);
    // The work was at the dead one: without any, the second one would have to go.
    works.end().await;
    let works = world.works(edge).await;
    world.is_on_both(edge);
    trading.goes_on("over the new one").await;
    assert_eq!(world.processes(edge).await[SHARDS[1]], before[SHARDS[1]]);
    reader.whole(&moves);
    reader.told(&stays);
    let all = &reader.all;
    assert!(stays.iter().all(|of| all.of(of).away == 1), "{all:?}");
    assert_eq!(all.connections().len(), 1);
    works.end().await;
    world.judge(trading).await;
}

/// Waits until a Manager has all of these, live, of which nothing runs twice; they are those of before, but for the one that died.
async fn has(
    world: &World,
    node: usize,
    before: &BTreeMap<String, u32>,
    died: Option<&str>,
    when: &str,
) {
    let site = &world.site;
    let as_before = |now: &BTreeMap<String, u32>| {
        now.keys().eq(before.keys())
            && now.iter().all(|(name, pid)| (before[name] == *pid) == (died != Some(&**name)))
    };
    let whole = async || {
        let states = site.services(node).await.unwrap_or_default();
        states.len() == before.len()
            && states.iter().all(|state| state == "live")
            && site.processes(node).await.is_some_and(|now| as_before(&now))
            && services(site.data(node)).iter().eq(before.keys())
            && zombies(site.pid(node)) == 0
    };
    eventually_async(&format!("its services are there, once, {when}"), SOON, whole).await;
}

/// `TRADEWIND_MANAGER_KILLS=50` for the long run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn managers_killed_again_and_again_under_a_market_of_two_shards_lose_and_double_neither_service_nor_order()
 {
    // given
    let (mut world, reader, trading, mut works) = on_two_shards(1).await;
    let edge = world.edges[0].clone();
    let broker_manager = 0;
    let mut brokers_died = 0;
    let rounds = usize::try_from(asked("TRADEWIND_MANAGER_KILLS", 12)).unwrap();
    for round in 0..rounds {
        let (when, of_brokers) = (format!("in round {round}"), round % 3 == 2);
        let node = if of_brokers { broker_manager } else { edge.node };
        let before = world.site.processes(node).await.unwrap();
        assert_eq!(before.len(), if of_brokers { 1 } else { SHARDS.len() }, "{when}");
        // when: some die while nobody looks after them
        world.site.kill(node);
        let died = (round % 4 == 3)
            .then(|| before.keys().nth(round / 4 % before.len()))
            .flatten()
            .cloned();
        if let Some(died) = &died {
            send(before[died], Signal::KILL);
            brokers_died += usize::from(of_brokers);
        }
        let lives =
            |(name, pid): (&String, &u32)| died.as_ref() == Some(name) || process_is_alive(*pid);
        assert!(before.iter().all(lives), "{when}: {before:?}");
        world.site.start_again(node);
        // then
        has(&world, node, &before, died.as_deref(), &when).await;
        trading.goes_on(&when).await;
        reader.goes_on(&format!("all are read {when}"), &INSTRUMENTS, SOON);
        if died.as_deref() == Some(SHARDS[0]) {
            // The work was at the dead one: without any, the second one would have to go.
            works.end().await;
            works = world.works(&edge).await;
        }
        world.is_on_both(&edge);
    }
    // then
    let untold = |of: &&str| (reader.all.of(of).untold, reader.all.of(of).back);
    assert!(INSTRUMENTS.iter().all(|of| untold(of) == (0, 0)), "{:?}", reader.all);
    works.end().await;
    // What a Broker has accepted and has not sent when it dies it says.
    assert!(world.judge_all_but_rejected(trading).await <= brokers_died);
}
