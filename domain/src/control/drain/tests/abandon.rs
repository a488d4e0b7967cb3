//! Claims about what goes with a Manager: a Broker only by an operator's word, and nothing stays in the hands of who is
//! gone.

use super::*;
use crate::{
    control::{Machine, refusal::Noun},
    ids::ManagerId,
};

fn abandon(target: &str) -> Command {
    let (target, by) = (name(target), by("its disk is gone"));
    Command::Drain(DrainCommand::Abandon { target, at: None, by })
}

fn force(target: &str) -> Command {
    let (target, by) = (name(target), by("broken disk"));
    Command::Drain(DrainCommand::Force { target, at: None, by })
}

fn holder(world: &World, account: &str) -> Option<ManagerId> {
    let row = world.machine.brokers_of(&name(account)).next().expect("there");
    row.assignment.as_ref().map(|held| held.manager.clone())
}

/// The Broker of `one` is at `a.broker-manager`.
fn with_a_broker(world: World) -> World {
    let mut world = serving_in(world);
    put_account(&mut world, "one");
    world.settle(&[]);
    assert_eq!(holder(&world, "one"), Some(name("a.broker-manager")));
    world
}

#[test]
fn a_broker_is_not_lost_by_force_and_the_refusal_says_what_next() {
    let mut world = with_a_broker(World::new());
    world.accept(begin("a", DropSchedule::WhenIdle));
    world.accept(force("a"));
    // The planner waits,
    world.settle(&[]);
    assert_eq!(state(&world, "a"), Some(DrainState::Drained));
    // and who does not is refused.
    let drop = DrainCommand::Drop { target: name("a"), epoch: epoch(&world, "a"), within: None };
    let refusal = refused(world.apply(Command::Drain(drop)));
    let said = refusal.to_string();
    assert!(matches!(refusal, Refusal::BrokersHeld { count: 1, .. }), "{said}");
    for part in ["a.broker-manager", "one", "undrain a", "--abandon-accounts"] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(holder(&world, "one"), Some(name("a.broker-manager")));
}

#[test]
fn an_account_that_is_given_up_is_told_with_who_and_why_and_begins_elsewhere() {
    let mut world = with_a_broker(World::new());
    world.accept(begin("a", DropSchedule::WhenIdle));
    world.accept(force("a"));
    let told = world.apply(abandon("a")).events;
    let [event] = &told[..] else { panic!("{told:?}") };
    let EventKind::BrokerAbandoned { account, manager, by, .. } = &event.kind else {
        panic!("{event:?}")
    };
    assert_eq!((account.as_str(), manager), ("one", &name("a.broker-manager")));
    assert_eq!(by.why, "its disk is gone");
    // when: asked again, nothing is left to give up
    assert_eq!(world.apply(abandon("a")).events, []);
    // then
    world.settle(&[]);
    assert_eq!(state(&world, "a"), Some(DrainState::Dropped));
    assert_eq!(holder(&world, "one"), Some(name("b.broker-manager")));
    assert_eq!(world.machine.manager_disks().count(), 0);
}

#[test]
fn the_accounts_of_a_dead_broker_manager_are_given_up_without_force() {
    let mut world = with_a_broker(World::new());
    world.settle(&["a.broker-manager"]);
    world.accept(begin("a.broker-manager", DropSchedule::WhenIdle));
    world.settle(&[]);
    assert_eq!(state(&world, "a.broker-manager"), Some(DrainState::Draining));
    assert_eq!(holder(&world, "one"), Some(name("a.broker-manager")));
    world.accept(abandon("a.broker-manager"));
    world.settle(&[]);
    assert_eq!(state(&world, "a.broker-manager"), Some(DrainState::Dropped));
    assert_eq!(holder(&world, "one"), Some(name("b.broker-manager")));
}

#[test]
fn nothing_is_given_up_that_is_not_being_drained() {
    let mut world = with_a_broker(World::new());
    assert_eq!(refused(world.apply(abandon("a"))), Refusal::NotFound { what: Noun::Drain });
    world.accept(begin("a", DropSchedule::Never));
    let (target, by, seen) = (name("a"), by("late"), Some(Revision(1)));
    let stale = Command::Drain(DrainCommand::Abandon { target, at: seen, by });
    assert!(matches!(refused(world.apply(stale)), Refusal::NotAsExpected { .. }));
    assert_eq!(holder(&world, "one"), Some(name("a.broker-manager")));
}

#[test]
fn what_an_earlier_build_left_with_who_is_gone_can_still_be_given_up() {
    // given: dropped by force with its Broker, before the level was raised
    let mut world = with_a_broker(World::at_the_first_level());
    world.accept(begin("a", DropSchedule::WhenIdle));
    world.accept(force("a"));
    world.settle(&[]);
    assert_eq!(state(&world, "a"), Some(DrainState::Dropped));
    assert_eq!(holder(&world, "one"), Some(name("a.broker-manager")));
    // An older build could not read it.
    assert!(matches!(refused(world.apply(abandon("a"))), Refusal::LevelTooLow { .. }));
    // when
    let raised = World::new().machine;
    let rows = world.machine.rows().chain(raised.rows().skip(1));
    world.machine = Machine::from_rows(rows.collect::<Vec<_>>());
    world.accept(abandon("a"));
    // then
    world.settle(&[]);
    assert_eq!(holder(&world, "one"), Some(name("b.broker-manager")));
}

#[test]
fn a_trader_whose_customer_left_before_is_not_left_behind_either() {
    // given: the customer is elsewhere, and his Trader has not followed yet
    let mut world = serving();
    let affinity = world.machine.customer(&name("acme")).and_then(|row| row.affinity.clone());
    let replaces = affinity.map(|held| held.epoch);
    let (customer, manager) = (name("acme"), name("b.trader-manager"));
    world.accept(Command::AssignCustomer { customer, manager, replaces });
    world.accept(begin("a", DropSchedule::WhenIdle));
    world.accept(force("a"));
    // when
    let drop = DrainCommand::Drop { target: name("a"), epoch: epoch(&world, "a"), within: None };
    world.accept(Command::Drain(drop));
    // then
    assert_eq!(world.machine.trader(&name("sample")).expect("there").assignment, None);
    assert_eq!(home(&world), "b.trader-manager");
    world.settle(&[]);
    let trader = world.machine.trader(&name("sample")).and_then(|row| row.assignment.clone());
    assert_eq!(trader.map(|held| held.manager), Some(name("b.trader-manager")));
}
