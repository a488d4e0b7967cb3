//! Claims about what goes with a Manager: a Broker only by an operator's word, and nothing stays in the hands of who is
//! gone.

use super::*;
use crate::{
    control::{
        Machine,
        desired::{Work, desired},
        refusal::Noun,
    },
    ids::ManagerId,
    time::Monotonic,
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
    // Whoever has a Broker taken from it stops it, and says so.
    world.told.insert("a.broker-manager", Told { held: Some(0), ..Told::default() });
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

#[test]
fn the_next_broker_is_not_placed_while_the_one_before_may_run_where_it_was() {
    // given: a BrokerManager that lives, and has not stopped its Broker
    let mut world = with_a_broker(World::new());
    let runs = Told { held: Some(1), brokers: [(name("one"), 0)].into(), ..Told::default() };
    world.told.insert("a.broker-manager", runs);
    world.accept(begin("a.broker-manager", DropSchedule::Never));
    world.accept(abandon("a.broker-manager"));
    // when, then
    world.settle(&[]);
    assert_eq!(holder(&world, "one"), None, "two Brokers of one account");
    world.told.insert("a.broker-manager", Told { held: None, ..Told::default() });
    world.settle(&[]);
    assert_eq!(holder(&world, "one"), None, "it has not heard from all its services");
    world.told.insert("a.broker-manager", Told { held: Some(0), ..Told::default() });
    world.settle(&[]);
    assert_eq!(holder(&world, "one"), Some(name("b.broker-manager")));
    assert_eq!(world.machine.abandoned(&name("one"), 0), None);
}

#[test]
fn where_the_manager_is_dead_nothing_is_waited_for() {
    let mut world = with_a_broker(World::new());
    let runs = Told { held: Some(1), brokers: [(name("one"), 0)].into(), ..Told::default() };
    world.told.insert("a.broker-manager", runs);
    world.accept(begin("a.broker-manager", DropSchedule::Never));
    world.accept(abandon("a.broker-manager"));
    world.settle(&["a.broker-manager"]);
    assert_eq!(holder(&world, "one"), Some(name("b.broker-manager")));
}

/// T1: the ledger that knew whom to refuse is gone, and with it all its fences.
#[test]
fn whoever_may_trade_on_an_account_that_is_given_up_is_fenced_in_its_next_ledger() {
    // given: a Trader at work under a right that the ledger has on record
    let mut world = with_a_broker(World::new());
    let account = world.machine.account(&name("one")).expect("there").spec.clone();
    let spec = AccountSpec { customers: [name("acme")].into(), ..account };
    world.accept(Command::PutAccount { account: name("one"), spec });
    let right = world.machine.trader_right(&name("sample")).expect("placed");
    assert!(!world.machine.is_fencing(&name("sample"), right));
    // when
    world.accept(begin("a.broker-manager", DropSchedule::Never));
    world.accept(abandon("a.broker-manager"));
    // then: it goes on under its right, and no copy of it is started
    assert!(world.machine.is_fencing(&name("sample"), right));
    // while the ledger has no place, too
    world.accept(begin("b.broker-manager", DropSchedule::Never));
    world.settle(&[]);
    assert_eq!(holder(&world, "one"), None);
    assert!(world.machine.is_fencing(&name("sample"), right), "nobody has it on record");
    // when: there is a place
    let cancel = DrainCommand::Cancel { target: name("b.broker-manager"), at: None, by: by("on") };
    world.accept(Command::Drain(cancel));
    world.settle(&[]);
    // then: the next ledger begins with the right
    let told = desired(&world.machine, Revision(world.revision), &name("b.broker-manager"));
    let Some(Work::Brokers { brokers, .. }) = told.map(|told| told.work) else {
        panic!("no Brokers")
    };
    let fences: Vec<_> = brokers.iter().flat_map(|broker| &broker.fences).collect();
    assert_eq!(fences.len(), 1);
    assert_eq!((fences[0].trader.as_str(), fences[0].epoch), ("sample", right));
    assert!(world.machine.is_fencing(&name("sample"), right));
    // and once it has it on record the next copy may start
    let mut observed = world.observed(&[]);
    let of_account = [(name("one"), [(name("sample"), right)].into())].into();
    observed.fenced.insert(name("b.broker-manager"), of_account);
    for command in plan(&world.machine, &observed, Monotonic(0)) {
        world.accept(command);
    }
    assert!(!world.machine.is_fencing(&name("sample"), right));
}

#[test]
fn of_an_implementation_that_was_dropped_nothing_is_taken_from_who_came_later() {
    // given: it had no BrokerManager when it was dropped
    let mut world = World::new();
    for manager in ["x.trader-manager", "b.broker-manager"] {
        world.check_in(manager, 1);
    }
    world.accept(begin("x", DropSchedule::WhenIdle));
    let cordons = [epoch(&world, "x")].into();
    let idle = Told { cordons, held: Some(0), ..Told::default() };
    world.told.insert("x.trader-manager", idle);
    world.settle(&[]);
    assert_eq!(state(&world, "x"), Some(DrainState::Dropped));
    // when: its BrokerManager begins its first life
    world.check_in("x.broker-manager", 1);
    // then: nothing of the drain is left
    assert_eq!(state(&world, "x"), None);
    assert_eq!(refused(world.apply(abandon("x"))), Refusal::NotFound { what: Noun::Drain });
}

#[test]
fn a_dropped_drain_that_stands_beside_a_live_manager_takes_nothing_from_it() {
    // given: as builds before left it
    let mut world = with_a_broker(World::new());
    world.accept(begin("a", DropSchedule::WhenIdle));
    let row = world.machine.drain(&name("a")).expect("there").clone();
    world.machine.tables.put(Row::Drain(DrainRow { state: DrainState::Dropped, ..row }));
    // when, then
    let refusal = refused(world.apply(abandon("a")));
    assert_eq!(refusal, Refusal::WrongState { state: DrainState::Dropped });
    assert_eq!(holder(&world, "one"), Some(name("a.broker-manager")));
}
