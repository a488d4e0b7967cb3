//! Claims about whether a Trader should run: the table, and that the machine goes by it.

use super::*;
use crate::{
    control::{
        Command, Outcome,
        machine::world::{World, name},
        resource::{Condition, Resource, ResourceCommand},
        row::{Assignment, CustomerSpec, TraderRow, TraderSpec},
    },
    ids::Epoch,
};
use alloc::{string::ToString, vec};

const BEFORE: [Option<TraderWish>; 4] =
    [None, Some(TraderWish::Running), Some(TraderWish::Stopped), Some(TraderWish::Paused)];

#[test]
fn every_word_makes_of_a_place_what_the_table_says() {
    use Turn::{GoesOn, Starts, Stops};
    // Running, stopped, paused.
    let table = [
        [Starts, GoesOn, Starts],
        [GoesOn, Stops, GoesOn],
        [Starts, GoesOn, Starts],
        [GoesOn, Stops, GoesOn],
    ];
    for (before, expected) in BEFORE.into_iter().zip(table) {
        let found = TraderWish::ALL.map(|to| TraderWish::after(before, to));
        assert_eq!(found, expected, "{before:?}");
        for (to, turn) in TraderWish::ALL.into_iter().zip(expected) {
            let (had, has) = (before.is_some_and(TraderWish::takes_a_place), to.takes_a_place());
            assert_eq!(turn == Starts, !had && has, "{before:?} {to:?}");
            assert_eq!(turn == Stops, had && !has, "{before:?} {to:?}");
        }
    }
}

fn put(trader: &str, state: TraderWish) -> Command {
    let (customer, command) = (name("acme"), vec!["algo".to_string()]);
    Command::PutTrader { trader: name(trader), spec: TraderSpec { customer, command, state } }
}

fn assign(world: &World, trader: &str) -> Command {
    let held = row(world, trader).and_then(|row| row.assignment);
    let (trader, manager) = (name(trader), name("a.trader-manager"));
    Command::AssignTrader { trader, manager, replaces: held.map(|held| held.epoch) }
}

fn row(world: &World, trader: &str) -> Option<TraderRow> {
    world.machine.trader(&name(trader)).cloned()
}

/// A Trader of whom this was said last, with a TraderManager that takes one; another waits there for a place.
fn world(before: Option<TraderWish>) -> World {
    let mut world = World::new();
    world.check_in_taking("a.trader-manager", 1, 1);
    let spec = CustomerSpec { key_hashes: [].into() };
    world.accept(Command::PutCustomer { customer: name("acme"), spec });
    let (customer, manager) = (name("acme"), name("a.trader-manager"));
    world.accept(Command::AssignCustomer { customer, manager, replaces: None });
    if let Some(state) = before {
        world.accept(put("t", TraderWish::Running));
        let command = assign(&world, "t");
        world.accept(command);
        world.accept(put("t", state));
    }
    world
}

/// Takes the place that is left, if one is.
fn fill(world: &mut World) {
    world.accept(put("other", TraderWish::Running));
    let command = assign(world, "other");
    world.apply(command);
}

#[test]
fn the_machine_goes_by_the_table() {
    let ways = BEFORE.into_iter().flat_map(|before| TraderWish::ALL.map(|to| (before, to)));
    for (before, to) in ways {
        // given
        let mut world = world(before);
        fill(&mut world);
        let held = row(&world, "t").and_then(|row| row.assignment);
        assert_eq!(held.is_some(), before.is_some(), "who is stopped stays with whom he was");
        // when
        let declared = world.accept(put("t", to));
        // then
        let row = row(&world, "t").expect("declared");
        let expected = match TraderWish::after(before, to) {
            // Where it was is full.
            Turn::Starts => None,
            Turn::GoesOn | Turn::Stops => held,
        };
        assert_eq!((row.spec.state, row.assignment), (to, expected), "{before:?} {to:?}");
        assert_eq!(row.revision == declared, before != Some(to), "{before:?} {to:?}");
    }
}

#[test]
fn a_trader_is_assigned_and_deleted_in_every_state_and_its_word_stays() {
    for before in BEFORE {
        let mut world = world(before);
        let command = assign(&world, "t");
        let outcome = world.apply(command).outcome;
        let found = row(&world, "t");
        let delete = ResourceCommand::Delete {
            what: Resource::Trader(name("t")),
            on: Condition::Always,
            release: false,
        };
        let deleted = world.apply(Command::Resource(delete)).outcome;
        match (before, outcome, deleted) {
            (Some(state), Outcome::Accepted { revision }, Outcome::Accepted { .. }) => {
                let assignment =
                    Assignment { manager: name("a.trader-manager"), epoch: Epoch(revision.0) };
                let found = found.map(|row| (row.spec.state, row.assignment));
                assert_eq!(found, Some((state, Some(assignment))));
            }
            (None, Outcome::Refused { .. }, Outcome::Refused { .. }) => assert_eq!(found, None),
            other => panic!("{other:?}"),
        }
        assert_eq!(row(&world, "t"), None);
    }
}
