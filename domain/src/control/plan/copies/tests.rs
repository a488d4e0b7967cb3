//! What the leader does of itself about ledgers' copies.

use super::*;
use crate::{
    control::{
        copies::tests::{check_in, declare, view, world},
        handed_back::Failure,
        machine::world::{SECOND, World, name},
        plan::{Told, plan},
    },
    ids::AccountId,
    trading::copies::Naming,
};

/// Everybody well but those that are lost, and what Brokers say.
fn plans(world: &World, lost: &[&str], told: &[(&str, LedgerTold)]) -> Vec<Command> {
    let mut observed = world.observed(lost);
    for (manager, told) in told {
        let account: AccountId = name("x");
        observed.ledgers.insert(name(manager), [(account, *told)].into());
    }
    plan(&world.machine, &observed, Monotonic(0))
}

/// Applies what is planned until nothing is.
fn settle(world: &mut World, lost: &[&str], told: &[(&str, LedgerTold)]) {
    for _ in 0..9 {
        let commands = plans(world, lost, told);
        if commands.is_empty() {
            return;
        }
        commands.into_iter().for_each(|command| drop(world.apply(command)));
    }
    panic!("the planner does not come to rest");
}

fn naming(world: &World) -> Naming<ManagerId> {
    view(world).naming
}

fn joined(world: &World) -> LedgerTold {
    LedgerTold { joined: Some(naming(world).since), ..LedgerTold::default() }
}

/// The copy is with `b` and has joined.
fn whole() -> World {
    let mut world = world();
    settle(&mut world, &[], &[]);
    let told = joined(&world);
    settle(&mut world, &[], &[("a.broker-manager", told)]);
    assert!(view(&world).whole);
    world
}

#[test]
fn a_copy_holder_is_chosen_on_another_node_when_a_broker_is_placed() {
    let mut world = world();
    assert_eq!(naming(&world).holder, None);
    settle(&mut world, &[], &[]);
    assert_eq!(naming(&world).holder, Some(name("b.broker-manager")), "c is on the Broker's node");
    assert!(!view(&world).whole, "nobody said so");
}

#[test]
fn with_no_other_node_a_ledger_has_one_copy() {
    let mut world = world();
    settle(&mut world, &["b.broker-manager"], &[]);
    assert_eq!(naming(&world).holder, None);
}

#[test]
fn a_copy_holder_that_is_lost_is_replaced_by_another_or_by_nobody() {
    // given
    let mut world = whole();
    check_in(&mut world, "d", 7, 1);
    settle(&mut world, &[], &[]);
    assert_eq!(
        naming(&world).holder,
        Some(name("b.broker-manager")),
        "the one that keeps it stays"
    );
    // when
    settle(&mut world, &["b.broker-manager"], &[]);
    // then
    assert_eq!(naming(&world).holder, Some(name("d.broker-manager")));
    assert!(!view(&world).whole);
    settle(&mut world, &["b.broker-manager", "d.broker-manager"], &[]);
    assert_eq!(naming(&world).holder, None, "the Broker waits for nobody");
    check_in(&mut world, "b", 1, 2);
    settle(&mut world, &["d.broker-manager"], &[]);
    assert_eq!(naming(&world).holder, Some(name("b.broker-manager")));
}

#[test]
fn a_copy_that_lost_what_it_had_is_named_anew() {
    let mut world = whole();
    let since = naming(&world).since;
    let lost = LedgerTold { lost: Some(since), ..LedgerTold::default() };
    settle(&mut world, &[], &[("a.broker-manager", lost)]);
    assert_eq!(naming(&world).holder, Some(name("b.broker-manager")));
    assert!(naming(&world).since > since && !view(&world).whole);
}

#[test]
fn a_ledger_whose_node_is_lost_is_continued_where_its_copy_is() {
    // given
    let mut world = whole();
    check_in(&mut world, "d", 7, 1);
    // when
    settle(&mut world, &["a.broker-manager", "c.broker-manager"], &[]);
    // then it is sealed and loaded there, and nothing more follows of itself
    let successor = view(&world).successor.expect("sealed");
    assert_eq!(successor.at, name("b.broker-manager"));
    assert_eq!(view(&world).live.at, name("a.broker-manager"));
    let loaded = LedgerTold { loaded: Some(successor.right), ..LedgerTold::default() };
    settle(&mut world, &["a.broker-manager", "c.broker-manager"], &[("b.broker-manager", loaded)]);
    assert_eq!(view(&world).live.at, name("b.broker-manager"));
    // and the copy is named anew elsewhere
    assert_eq!(naming(&world).holder, Some(name("d.broker-manager")));
}

#[test]
fn a_ledger_whose_copy_is_not_whole_waits_for_its_node() {
    let mut world = world();
    settle(&mut world, &[], &[]);
    settle(&mut world, &["a.broker-manager"], &[]);
    assert_eq!(view(&world).successor, None);
    assert_eq!(naming(&world).holder, Some(name("b.broker-manager")), "nobody would fill another");
}

#[test]
fn a_succession_whose_place_is_lost_too_goes_back_to_the_broker_that_was_live() {
    let mut world = whole();
    settle(&mut world, &["a.broker-manager"], &[]);
    settle(&mut world, &["a.broker-manager", "b.broker-manager"], &[]);
    assert!(view(&world).successor.is_some(), "it waits for either");
    let before = view(&world).highest();
    check_in(&mut world, "a", 0, 2);
    settle(&mut world, &["b.broker-manager"], &[]);
    let held = view(&world);
    assert_eq!((held.live.at, held.successor), (name("a.broker-manager"), None));
    assert!(held.live.right > before, "above what the copy is sealed at");
}

#[test]
fn a_copy_that_is_wanted_no_more_is_given_up() {
    let mut world = whole();
    declare(&mut world, Copies::One);
    settle(&mut world, &[], &[]);
    assert_eq!(naming(&world).holder, None);
}

/// From now on that Manager says that it gives the Broker up, or nothing.
fn gives_up(world: &mut World, manager: &'static str, so: bool) {
    let given_up = (name("broker.x.0"), Failure::Hung);
    let handed_back = so.then_some(given_up).into_iter().collect();
    world.told.insert(manager, Told { handed_back, ..Told::default() });
}

/// Given up by `a` for the first time, and a second has passed.
fn given_up() -> World {
    let mut world = whole();
    gives_up(&mut world, "a.broker-manager", true);
    settle(&mut world, &[], &[]);
    assert_eq!(view(&world).successor, None, "it moved at once");
    world.at += SECOND;
    world
}

#[test]
fn a_broker_that_is_given_up_where_it_is_is_continued_where_its_copy_is() {
    // given, when
    let mut world = given_up();
    settle(&mut world, &[], &[]);
    // then its copy is sealed, and nobody else has it before it is loaded
    let held = view(&world);
    let successor = held.successor.expect("sealed");
    assert_eq!((held.live.at, successor.at), (name("a.broker-manager"), name("b.broker-manager")));
    let loaded = LedgerTold { loaded: Some(successor.right), ..LedgerTold::default() };
    gives_up(&mut world, "a.broker-manager", false);
    settle(&mut world, &[], &[("b.broker-manager", loaded)]);
    assert_eq!(view(&world).live.at, name("b.broker-manager"));
    assert!(naming(&world).holder.is_some(), "and has a copy again");
    // when it fails there as well, before that copy is whole
    gives_up(&mut world, "b.broker-manager", true);
    settle(&mut world, &[], &[]);
    world.at += 100 * SECOND;
    settle(&mut world, &[], &[]);
    // then it is tried where its ledger is
    let row = world.machine.handed_back(&name("broker.x.0")).expect("on record");
    assert_eq!((row.count, view(&world).live.at), (2, name("b.broker-manager")));
    assert_eq!(view(&world).successor, None);
}

#[test]
fn a_broker_that_runs_again_meanwhile_or_has_no_whole_copy_stays_although_it_was_given_up() {
    let mut one = given_up();
    gives_up(&mut one, "a.broker-manager", false);
    settle(&mut one, &[], &[]);
    assert_eq!(view(&one).successor, None, "it runs");
    let mut half = world();
    settle(&mut half, &[], &[]);
    gives_up(&mut half, "a.broker-manager", true);
    settle(&mut half, &[], &[]);
    half.at += 100 * SECOND;
    settle(&mut half, &[], &[]);
    assert_eq!(view(&half).successor, None);
    assert_eq!(naming(&half).holder, Some(name("b.broker-manager")), "it is filled once it runs");
}

#[test]
fn who_gives_up_a_broker_before_it_has_the_ledger_gives_it_back_to_where_it_was() {
    let mut world = given_up();
    settle(&mut world, &[], &[]);
    let sealed = view(&world).highest();
    gives_up(&mut world, "a.broker-manager", false);
    gives_up(&mut world, "b.broker-manager", true);
    settle(&mut world, &[], &[]);
    let held = view(&world);
    assert_eq!((held.live.at, held.successor), (name("a.broker-manager"), None));
    assert!(held.live.right > sealed, "a new try, above what the copy is sealed at");
}

#[test]
fn a_broker_that_is_given_up_waits_for_no_copy_that_is_lost() {
    let mut world = given_up();
    settle(&mut world, &["b.broker-manager"], &[]);
    assert_eq!((view(&world).successor, naming(&world).holder), (None, None));
}

#[test]
fn who_gives_up_a_broker_that_nobody_can_take_back_tries_it_again_though_others_could_have_the_ledger()
 {
    // given
    let mut world = whole();
    check_in(&mut world, "d", 7, 1);
    let lost = ["a.broker-manager", "c.broker-manager"];
    settle(&mut world, &lost, &[]);
    let successor = view(&world).successor.expect("sealed");
    // when
    gives_up(&mut world, "b.broker-manager", true);
    settle(&mut world, &lost, &[]);
    // then
    assert_eq!(view(&world).successor, Some(successor));
}
