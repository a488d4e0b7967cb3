//! The brake, with real processes: nodes that fall silent together keep what they have as long as other members
//! reach them, and go one at a time when nobody does.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};
use tradewind_domain::limits::{BRAKE_EVERY, DOWN_AFTER};
use tradewind_launcher::Passing;
use tradewind_protocol::control::Health;
use tradewind_tests_cluster::{eventually_async, site::Site};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_only_the_leader_does_not_reach_are_held_and_nothing_is_moved() {
    let site = Site::of(3).await;
    let epochs = site.epochs().await;
    // given
    site.let_through(0, Passing::AllButPipes);
    site.let_through(1, Passing::AllButPipes);
    // when
    let both = [site.nodes[0].host.clone(), site.nodes[1].host.clone()];
    let held = async || site.braked().await == both;
    eventually_async("the brake holds both", SOON, held).await;
    // then: for longer than it would take to go on, if others found the same
    let began = Instant::now();
    while began.elapsed() < DOWN_AFTER + 2 * BRAKE_EVERY {
        assert_eq!(site.down().await, [], "after {:?}", began.elapsed());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    eventually_async("it still does", SOON, held).await;
    // and as the cut heals, whoever is heard first says nothing of the other
    site.let_through(0, Passing::All);
    let one = [both[1].clone()];
    let left = async || site.braked().await == one;
    eventually_async("one is left", SOON, left).await;
    let began = Instant::now();
    while began.elapsed() < DOWN_AFTER {
        assert_eq!(site.down().await, [], "one is well again for {:?}", began.elapsed());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    site.let_through(1, Passing::All);
    let well = |managers: &[tradewind_protocol::control::ManagerStatus]| {
        managers.iter().all(|manager| manager.health == Health::Well)
    };
    site.eventually("all are well again", well).await;
    let off = async || site.braked().await.is_empty();
    eventually_async("the brake is off", SOON, off).await;
    assert_eq!(site.epochs().await, epochs, "nobody was taken for down meanwhile");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_nobody_reaches_are_taken_for_down_one_at_a_time() {
    let site = Site::of(3).await;
    // Stopped, they are cut off both ways: behind a door they would go on checking in.
    site.stop(0);
    site.stop(1);
    let both = async || site.down().await.len() == 2;
    eventually_async("both are down", SOON, both).await;
    let mut since: Vec<u64> = site.down().await.iter().map(|manager| manager.since.0).collect();
    since.sort_unstable();
    let apart = Duration::from_nanos(since[1] - since[0]);
    // The log's time is that of the members' clocks together, the leader counts by its own.
    assert!(apart >= BRAKE_EVERY - Duration::from_millis(200), "{apart:?} apart");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_that_falls_silent_is_an_ordinary_failure() {
    let site = Site::of(3).await;
    site.let_through(2, Passing::AllButPipes);
    let lost = site.nodes[2].manager.clone();
    site.eventually("it is down", |managers| {
        managers
            .iter()
            .any(|manager| manager.manager.to_string() == lost && manager.health == Health::Down)
    })
    .await;
    let down: Vec<_> = site.down().await.into_iter().map(|row| row.manager.to_string()).collect();
    assert_eq!(down, [lost]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_manager_loses_its_customer_with_his_trader_and_woken_it_takes_nothing_back() {
    // given
    let site = Site::of(2).await;
    site.does(&["customer", "put", "acme"], &[]);
    site.does(&["trader", "put", "t", "--customer", "acme"], &["sleep", "86400"]);
    let live = Some(vec!["live".to_owned()]);
    let runs_at = async |node: usize| site.services(node).await == live;
    let placed = async || site.manager_of("acme").await.is_some();
    eventually_async("the customer has a place", SOON, placed).await;
    let holder = site.manager_of("acme").await.unwrap();
    let stopped = site.nodes.iter().position(|node| node.manager == holder).unwrap();
    let other = 1 - stopped;
    eventually_async("his Trader runs there", SOON, || runs_at(stopped)).await;
    // when
    site.stop(stopped);
    let moved = async || site.manager_of("acme").await.as_ref() == Some(&site.nodes[other].manager);
    eventually_async("the customer is with the other one", SOON, moved).await;
    eventually_async("and his Trader runs there", SOON, || runs_at(other)).await;
    site.wake(stopped);
    // then: it is there again, as a new registration that has nothing
    let ended = async || site.services(stopped).await == Some(vec![]);
    eventually_async("the old copy is gone", SOON, ended).await;
    site.eventually("all are well", |managers| {
        managers.iter().all(|manager| manager.health == Health::Well)
    })
    .await;
    assert!(moved().await);
    assert!(runs_at(other).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_refuse_together_are_taken_for_dead_when_others_have_found_the_same_and_come_back()
 {
    // given
    let site = Site::of(3).await;
    let epochs = site.epochs().await;
    // when: nobody listens at two of three any more, for whoever comes
    site.let_through(0, Passing::Nobody);
    site.let_through(1, Passing::Nobody);
    let both = [site.nodes[0].manager.clone(), site.nodes[1].manager.clone()];
    let anew = async || {
        let now = site.epochs().await;
        both.iter().all(|name| {
            let of = |all: &[(String, u64)]| all.iter().find(|(one, _)| one == name).cloned();
            of(&now) != of(&epochs)
        })
    };
    // then: they check in again, and are registered anew
    eventually_async("both were taken for dead", SOON, anew).await;
    assert_eq!(site.epochs().await[2], epochs[2]);
    // and once somebody listens again they are well
    site.let_through(0, Passing::All);
    site.let_through(1, Passing::All);
    site.eventually("all are well", |managers| {
        managers.iter().all(|manager| manager.health == Health::Well)
    })
    .await;
}
