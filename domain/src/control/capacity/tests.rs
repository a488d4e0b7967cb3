//! Claims about capacities: what is refused, what is kept, and what waits.

use crate::{
    control::{
        Command, EventKind, Outcome, Refusal,
        fencing::TraderCommand,
        machine::world::{World, name},
        row::{AccountSpec, CustomerSpec, TraderSpec, TraderWish},
    },
    ids::{Epoch, ManagerId},
};
use alloc::{collections::BTreeSet, string::ToString, vec, vec::Vec};

fn account(world: &mut World, account: &str) {
    let (adapter, endpoint) = ("sim".to_string(), "h:1".to_string());
    let spec = AccountSpec { venue: name("sim"), adapter, endpoint, customers: BTreeSet::new() };
    world.accept(Command::PutAccount { account: name(account), spec });
}

fn customer(world: &mut World, customer: &str) {
    let spec = CustomerSpec { key_hashes: BTreeSet::new() };
    world.accept(Command::PutCustomer { customer: name(customer), spec });
}

fn trader(world: &mut World, trader: &str, of: &str, state: TraderWish) -> Vec<EventKind> {
    let spec = TraderSpec { customer: name(of), command: vec!["algo".to_string()], state };
    let applied = world.apply(Command::PutTrader { trader: name(trader), spec });
    assert!(matches!(applied.outcome, Outcome::Accepted { .. }), "{applied:?}");
    applied.events.into_iter().map(|event| event.kind).collect()
}

fn give_customer(world: &mut World, customer: &str, to: &str) -> Outcome {
    let held = world.machine.customer(&name(customer)).and_then(|row| row.affinity.as_ref());
    let replaces = held.map(|held| held.epoch);
    let (customer, manager) = (name(customer), name(to));
    world.apply(Command::AssignCustomer { customer, manager, replaces }).outcome
}

fn place(world: &World, trader: &str) -> Option<(ManagerId, Epoch)> {
    let row = world.machine.trader(&name(trader)).expect("there");
    row.assignment.as_ref().map(|held| (held.manager.clone(), held.epoch))
}

fn is_full(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Refused { refusal: Refusal::NoRoom { .. } })
}

#[test]
fn a_broker_more_than_a_manager_takes_is_refused_and_what_it_has_it_keeps() {
    let mut world = World::new();
    world.check_in_taking("a.broker-manager", 1, 2);
    ["k", "l", "m"].into_iter().for_each(|name| account(&mut world, name));
    let give = |account: &str, replaces| Command::AssignBroker {
        account: name(account),
        shard: 0,
        manager: name("a.broker-manager"),
        replaces,
    };
    let first = world.accept(give("k", None));
    world.accept(give("l", None));
    let refused = world.apply(give("m", None)).outcome;
    let Outcome::Refused { refusal } = refused else { panic!("given") };
    assert!(refusal.to_string().contains("takes 2, has 2, and this is 1 more"), "{refusal}");
    // It comes back and takes less: it keeps both, and may be given one of them anew.
    world.check_in_taking("a.broker-manager", 2, 1);
    assert_eq!(world.machine.placed(&name("a.broker-manager")).brokers, 2);
    world.accept(give("k", Some(Epoch(first.0))));
    assert!(is_full(&world.apply(give("m", None)).outcome));
    world.check_in_taking("a.broker-manager", 3, 3);
    world.accept(give("m", None));
}

#[test]
fn a_customer_is_given_with_room_for_all_that_he_is_to_run_or_not_at_all() {
    let mut world = World::new();
    world.check_in_taking("a.trader-manager", 1, 2);
    ["x", "y"].into_iter().for_each(|name| customer(&mut world, name));
    for name in ["t", "u", "v"] {
        trader(&mut world, name, "x", TraderWish::Running);
    }
    assert!(is_full(&give_customer(&mut world, "x", "a.trader-manager")));
    trader(&mut world, "v", "x", TraderWish::Stopped);
    assert!(!is_full(&give_customer(&mut world, "x", "a.trader-manager")));
    // Without a Trader he takes a place too.
    assert!(is_full(&give_customer(&mut world, "y", "a.trader-manager")));
}

#[test]
fn a_trader_that_finds_no_room_waits_is_told_and_takes_none_from_others() {
    // given: full
    let mut world = World::new();
    world.check_in_taking("a.trader-manager", 1, 2);
    customer(&mut world, "x");
    for name in ["t", "u"] {
        assert_eq!(trader(&mut world, name, "x", TraderWish::Running).len(), 1);
    }
    world.settle(&[]);
    // when
    let told = trader(&mut world, "v", "x", TraderWish::Running);
    // then
    assert!(matches!(told[1], EventKind::TraderWithoutRoom { capacity: 2, .. }), "{told:?}");
    world.settle(&[]);
    assert_eq!(place(&world, "v"), None);
    let here = name("a.trader-manager");
    assert_eq!(world.machine.waits_for_room(&name("v")), Some(&here));
    assert_eq!(world.machine.waits_for_room(&name("t")), None, "it has its place");
    let (trader, manager) = (name("v"), name("a.trader-manager"));
    let by_hand = Command::Trader(TraderCommand::Move { trader, manager, replaces: None });
    assert!(is_full(&world.apply(by_hand).outcome));
    // It is placed as soon as there is room.
    world.check_in_taking("a.trader-manager", 2, 3);
    world.settle(&[]);
    assert!(place(&world, "v").is_some());
}

#[test]
fn a_trader_that_stood_still_has_lost_its_place_if_others_have_taken_it() {
    let mut world = World::new();
    world.check_in_taking("a.trader-manager", 1, 2);
    customer(&mut world, "x");
    trader(&mut world, "t", "x", TraderWish::Running);
    trader(&mut world, "u", "x", TraderWish::Running);
    world.settle(&[]);
    trader(&mut world, "t", "x", TraderWish::Stopped);
    trader(&mut world, "v", "x", TraderWish::Running);
    world.settle(&[]);
    assert!(place(&world, "t").is_some() && place(&world, "v").is_some());
    // when it is to run again
    trader(&mut world, "t", "x", TraderWish::Running);
    world.settle(&[]);
    // then
    assert_eq!(place(&world, "t"), None);
    trader(&mut world, "v", "x", TraderWish::Stopped);
    world.settle(&[]);
    assert!(place(&world, "t").is_some());
}

#[test]
fn a_trader_that_is_paused_keeps_its_place() {
    let mut world = World::new();
    world.check_in_taking("a.trader-manager", 1, 1);
    customer(&mut world, "x");
    trader(&mut world, "t", "x", TraderWish::Running);
    world.settle(&[]);
    let before = place(&world, "t");
    trader(&mut world, "t", "x", TraderWish::Paused);
    trader(&mut world, "u", "x", TraderWish::Running);
    world.settle(&[]);
    trader(&mut world, "t", "x", TraderWish::Running);
    assert_eq!((place(&world, "t"), place(&world, "u")), (before, None));
}

#[test]
fn a_customer_moves_by_rebalance_to_where_there_is_room_for_his_trader_that_waits() {
    use crate::{
        control::{
            drain::By,
            placement::{RebalanceCommand, rebalance},
        },
        time::Monotonic,
    };
    let mut world = World::new();
    world.check_in_taking("a.trader-manager", 1, 2);
    customer(&mut world, "x");
    for name in ["t", "u", "v"] {
        trader(&mut world, name, "x", TraderWish::Running);
    }
    customer(&mut world, "y");
    world.check_in_taking("b.trader-manager", 1, 9);
    world.settle(&[]);
    assert!(place(&world, "v").is_some(), "he was placed with all of his");
    // when: where he is takes less than that from now on, and he wants more
    world.check_in_taking("b.trader-manager", 2, 3);
    trader(&mut world, "w", "x", TraderWish::Running);
    world.settle(&[]);
    assert_eq!(place(&world, "w"), None);
    world.check_in_taking("c.trader-manager", 1, 9);
    let moves = rebalance(&world.machine, &world.observed(&[]), Monotonic(0));
    let by = By { who: "me".to_string(), why: "room".to_string() };
    world.accept(Command::Rebalance(RebalanceCommand::Begin { by, moves }));
    world.settle(&[]);
    assert!(place(&world, "w").is_some_and(|(manager, _)| manager == name("c.trader-manager")));
}

#[test]
fn logs_of_earlier_builds_are_not_held_to_it() {
    let mut world = World::at_the_first_level();
    world.check_in_taking("a.trader-manager", 1, 1);
    ["x", "y"].into_iter().for_each(|name| customer(&mut world, name));
    for name in ["x", "y"] {
        assert!(matches!(
            give_customer(&mut world, name, "a.trader-manager"),
            Outcome::Accepted { .. }
        ));
    }
}
