//! Managers that nobody reaches, that come back, and that share a name, with real processes: what they are given, and
//! what they start.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};
use tradewind_domain::{control::row::ManagerState, limits::DOWN_AFTER};
use tradewind_launcher::Passing;
use tradewind_tests_cluster::{eventually_async, site::Site};

const SOON: Duration = Duration::from_secs(60);

/// How often a Manager has been registered so far, as its epoch tells.
async fn epoch_of(site: &Site, manager: &str) -> Option<u64> {
    site.epochs().await.into_iter().find(|(name, _)| name == manager).map(|(_, epoch)| epoch)
}

async fn is_live(site: &Site, manager: &str) -> bool {
    let managers = site.told().await.managers;
    managers.iter().any(|row| row.manager.to_string() == manager && row.state == ManagerState::Live)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manager_that_checks_in_and_that_no_pipe_reaches_is_given_nothing() {
    // given: one that works, and an emptier one to which no pipe ever stands
    let mut site = Site::of(1).await;
    let unreached = site.start("trader-manager", "n2", Passing::AllButPipes).await;
    let name = site.nodes[unreached].manager.clone();
    eventually_async("it is registered", SOON, || async { is_live(&site, &name).await }).await;
    // when: it is taken for down and checks in again while customers come
    let (first, began) = (epoch_of(&site, &name).await, Instant::now());
    let mut customers = Vec::new();
    while customers.len() < 4 || epoch_of(&site, &name).await == first {
        assert!(began.elapsed() < SOON, "it is never registered anew");
        let customer = format!("c{}", customers.len());
        site.does(&["customer", "put", &customer], &[]);
        customers.push(customer);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // then
    for customer in &customers {
        let holder = async || site.manager_of(customer).await.is_some();
        eventually_async("the customer has a place", SOON, holder).await;
        assert_eq!(site.manager_of(customer).await.as_ref(), Some(&site.nodes[0].manager));
    }
    // and once it is reached it is one like the others
    site.let_through(unreached, Passing::All);
    site.does(&["customer", "put", "late"], &[]);
    let used = async || {
        site.does(&["customer", "rm", "late"], &[]);
        site.does(&["customer", "put", "late"], &[]);
        let placed = async || site.manager_of("late").await.is_some();
        eventually_async("the late customer has a place", SOON, placed).await;
        site.manager_of("late").await.as_ref() == Some(&name)
    };
    eventually_async("the emptier one is used", SOON, used).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_manager_of_a_name_from_another_directory_runs_nothing_until_the_name_is_free() {
    // given: a customer's Trader at the first
    let mut site = Site::of(1).await;
    site.does(&["customer", "put", "acme"], &[]);
    site.does(&["trader", "put", "t", "--customer", "acme"], &["sleep", "86400"]);
    let live = Some(vec!["live".to_owned()]);
    let runs_at = async |node: usize| site.services(node).await == live;
    eventually_async("the Trader runs", SOON, || runs_at(0)).await;
    let (epochs, pids) = (site.epochs().await, site.pids(0).await);
    // when
    let second = site.start("trader-manager", "n1", Passing::All).await;
    let up = async || site.services(second).await.is_some();
    eventually_async("the second one is up", SOON, up).await;
    // then: for longer than anything is decided in
    let began = Instant::now();
    while began.elapsed() < 2 * DOWN_AFTER {
        assert_eq!(site.services(second).await, Some(vec![]));
        assert_eq!((site.epochs().await, site.pids(0).await), (epochs.clone(), pids.clone()));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // when: the first one's machine is lost, and another takes the customer
    site.lose(0).await;
    let third = site.start("trader-manager", "n3", Passing::All).await;
    let runs_at = async |node: usize| site.services(node).await == live;
    eventually_async("the Trader runs at the third", SOON, || runs_at(third)).await;
    // then: the name holds nothing, and is the second one's
    let name = site.nodes[second].manager.clone();
    eventually_async("the name is live", SOON, || async { is_live(&site, &name).await }).await;
    assert_eq!(site.services(second).await, Some(vec![]));
    // and the first one that comes back with its directory finds it taken, and starts nothing
    let log = site.data(0).join("logs/trader.t.log");
    std::fs::remove_file(&log).unwrap();
    site.start_again(0);
    let up = async || site.services(0).await.is_some();
    eventually_async("the first one is there again", SOON, up).await;
    let began = Instant::now();
    while began.elapsed() < DOWN_AFTER {
        assert!(!log.exists(), "it has started a Trader");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(site.services(third).await, live);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_manager_that_comes_back_starts_no_broker_that_was_given_up_meanwhile() {
    // given: an account's Broker, whose venue need not be there
    let mut site = Site::of(0).await;
    let put = ["account", "put", "k", "--venue", "sim", "--endpoint", "127.0.0.1:1"];
    let first = site.start("broker-manager", "b1", Passing::All).await;
    site.does(&put, &[]);
    let runs_at = async |site: &Site, node: usize| {
        site.services(node).await.is_some_and(|states| !states.is_empty())
            && !site.pids(node).await.is_empty()
    };
    eventually_async("the Broker runs", SOON, || runs_at(&site, first)).await;
    // when: its machine is lost, and the account is given up and declared anew
    site.lose(first).await;
    let name = site.nodes[first].manager.clone();
    eventually_async("it is down", SOON, || async { !is_live(&site, &name).await }).await;
    site.does(&["account", "rm", "k", "--release"], &[]);
    let second = site.start("broker-manager", "b2", Passing::All).await;
    site.does(&put, &[]);
    eventually_async("the Broker runs elsewhere", SOON, || runs_at(&site, second)).await;
    let log = site.data(first).join("logs/broker.k.0.log");
    std::fs::remove_file(&log).unwrap();
    site.start_again(first);
    // then
    eventually_async("it is registered again", SOON, || async { is_live(&site, &name).await })
        .await;
    let nothing = async || site.services(first).await == Some(vec![]);
    eventually_async("it has nothing", SOON, nothing).await;
    assert!(!log.exists(), "a second Broker was started on the account");
    assert!(runs_at(&site, second).await);
}
