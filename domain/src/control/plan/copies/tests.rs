//! What the leader does of itself about ledgers' copies.

use super::*;
use crate::{
    control::{
        copies::tests::{check_in, declare, view, world},
        machine::world::{World, name},
        plan,
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
