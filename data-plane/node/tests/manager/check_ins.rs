//! Claims about services that say of themselves, with their own secret, what is not so: which of their lives they are, where they
//! are, who answers there. Whoever else is meant notices nothing.

use crate::{broker_process::NOWHERE, ticker::Ticker, watcher::Watcher, world::World};
use std::collections::BTreeSet;
use tradewind_protocol::supervision::{ServiceReport, ServiceState};

/// It is the same process, in the same life, where it was, and was never given up.
fn is_untouched(now: &ServiceReport, before: &ServiceReport) -> bool {
    let of = |report: &ServiceReport| {
        (report.pid, report.incarnation, report.address.clone(), report.crashes)
    };
    of(now) == of(before)
}

#[tokio::test]
async fn one_that_says_it_is_an_earlier_life_of_itself_is_refused_and_stays_where_it_is() {
    // given
    let mut world = World::start().await;
    let mut watcher = Watcher::start(&world).await;
    // when: it says so before it says that it lives
    world.want(&["earlier"]);
    let lives = |w: &Watcher| w.state("broker.earlier.0") == Some(ServiceState::Live);
    watcher.until("it lives", lives).await;
    // then
    let (_, text) = world.get("/v1/services/broker.earlier.0/logs").await;
    assert!(text.contains("earlier: 409"), "{text}");
    let told = &watcher.reports["broker.earlier.0"];
    let addresses: BTreeSet<_> = told.iter().filter_map(|r| r.address.as_deref()).collect();
    let lives: BTreeSet<_> = told.iter().filter_map(|r| r.incarnation).collect();
    assert_eq!((addresses.len(), lives.len()), (1, 1), "{told:?}");
    assert!(!addresses.contains(NOWHERE), "{told:?}");
    assert!(told.iter().all(|report| report.crashes == 0), "{told:?}");
    world.stop().await;
}

#[tokio::test]
async fn one_that_says_it_is_elsewhere_while_it_lives_is_looked_for_there_and_then_found_again() {
    // given
    let mut world = World::start().await;
    let mut watcher = Watcher::start(&world).await;
    // when
    world.want(&["elsewhere"]);
    // then
    let is_missed = |report: &ServiceReport| {
        report.address.as_deref() == Some(NOWHERE)
            && report.detail.contains("nobody listens at the address")
    };
    let missed = |w: &Watcher| w.report("broker.elsewhere.0").is_some_and(is_missed);
    watcher.until("it is looked for there", missed).await;
    let lives = |w: &Watcher| w.state("broker.elsewhere.0") == Some(ServiceState::Live);
    watcher.until("it is found", lives).await;
    let now = watcher.report("broker.elsewhere.0").unwrap();
    assert!(now.address.as_deref().is_some_and(|address| address != NOWHERE), "{now:?}");
    let told = &watcher.reports["broker.elsewhere.0"];
    let processes: BTreeSet<_> = told.iter().filter_map(|report| report.pid).collect();
    assert_eq!((processes.len(), now.crashes), (1, 0), "{told:?}");
    world.stop().await;
}

#[tokio::test]
async fn one_that_says_it_is_where_another_one_is_is_killed_and_the_other_notices_nothing() {
    // given: one that knows its Manager by a secret, and one that lets everybody in who means it
    let ticker = Ticker::start();
    let mut world = World::start().await;
    world.want(&["good", "older"]);
    let others = [world.until_live("good").await, world.until_live("older").await];
    let mut watcher = Watcher::start(&world).await;
    // when
    world.want(&["good", "older", "at-good", "at-older"]);
    // then
    let refusals = [
        ("broker.at-good.0", "only the Manager that has started this service opens its pipe"),
        ("broker.at-older.0", "This is `broker.older.0`, not `broker.at-older.0`"),
    ];
    for (service, why) in refusals {
        let crashed = |w: &Watcher| w.report(service).is_some_and(|report| report.crashes >= 1);
        watcher.until("it counts as crashed", crashed).await;
        let told = &watcher.reports[service];
        assert!(told.iter().any(|report| report.detail.contains(why)), "{told:?}");
        assert!(!watcher.states(service).contains(&ServiceState::Live), "{told:?}");
    }
    for other in others {
        let told = &watcher.reports[&other.service.to_string()];
        assert!(told.iter().all(|report| is_untouched(report, &other)), "{told:?}");
        // Where the machine stood still its pipe may have been lost.
        assert!(ticker.stood_still() || told.iter().all(|report| *report == other), "{told:?}");
    }
    world.stop().await;
}

#[tokio::test]
async fn one_in_whose_place_another_life_answers_is_told_nothing_there_and_is_killed() {
    // given
    let mut world = World::start().await;
    let mut watcher = Watcher::start(&world).await;
    // when: who answers says that it lives
    world.want(&["later"]);
    // then
    let crashed = |w: &Watcher| w.report("broker.later.0").is_some_and(|r| r.crashes >= 1);
    watcher.until("it counts as crashed", crashed).await;
    let (_, text) = world.get("/v1/services/broker.later.0/logs").await;
    assert!(text.contains("a pipe") && !text.contains("told:"), "{text}");
    let states = watcher.states("broker.later.0");
    assert!(!states.contains(&ServiceState::Live), "{states:?}");
    world.stop().await;
}
