//! Claims about fencing Traders: by example, against the leader's plan.

mod many;

use super::*;
use crate::{
    control::{
        Command, Outcome,
        desired::{Work, desired},
        machine::world::{World, name},
        plan::{Observed, plan},
        resource::{Condition, Declaration, ResourceCommand},
        row::{AccountSpec, TraderSpec, TraderWish},
        trader::TraderRun,
    },
    ids::Revision,
    time::Monotonic,
};
use alloc::string::ToString;

fn put(world: &mut World, what: Declaration) {
    world.accept(Command::Resource(ResourceCommand::Put { what, on: Condition::Always }));
}

/// A customer with a Trader, who may use an account, on two machines.
fn world() -> World {
    let mut world = World::new();
    for manager in ["a.trader-manager", "b.trader-manager", "a.broker-manager"] {
        world.check_in(manager, 1);
    }
    put(&mut world, Declaration::Customer { customer: name("acme"), key_hashes: None });
    let spec = AccountSpec {
        venue: name("sim"),
        adapter: "sim".to_string(),
        endpoint: "h:1".to_string(),
        customers: [name("acme")].into(),
    };
    put(&mut world, Declaration::Account { account: name("acc"), spec });
    let command = vec!["algo".to_string()];
    let spec = TraderSpec { customer: name("acme"), command, state: TraderWish::Running };
    let run = TraderRun::default();
    put(&mut world, Declaration::TraderRun { trader: name("t"), spec, run });
    world
}

/// Does what the leader would, until it has nothing more to do.
fn settle(world: &mut World, observed: impl Fn(&World) -> Observed) {
    for _ in 0..10 {
        let commands = plan(&world.machine, &observed(world), Monotonic(0));
        if commands.is_empty() {
            return;
        }
        commands.into_iter().for_each(|command| drop(world.apply(command)));
    }
    panic!("it never comes to rest");
}

fn right(world: &World) -> (ManagerId, Epoch) {
    let held = world.machine.trader(&name("t")).and_then(|row| row.assignment.clone());
    held.map(|held| (held.manager, held.epoch)).expect("it is placed")
}

fn waits(world: &World) -> bool {
    let (manager, epoch) = right(world);
    let told = desired(&world.machine, Revision(world.revision), &manager);
    let Some(Work::Traders { traders, .. }) = told.map(|told| told.work) else {
        panic!("no Traders")
    };
    assert_eq!(traders.len(), 1);
    assert_eq!(traders[0].fencing, world.machine.is_fencing(&name("t"), epoch));
    traders[0].fencing
}

/// What the Broker is asked to put on record.
fn asked(world: &World) -> Vec<TraderFence> {
    let told = desired(&world.machine, Revision(world.revision), &name("a.broker-manager"));
    let Some(Work::Brokers { brokers, .. }) = told.map(|told| told.work) else {
        panic!("no Brokers")
    };
    brokers.into_iter().flat_map(|broker| broker.fences).collect()
}

fn has_on_record(world: &World, epoch: Epoch) -> Observed {
    let mut observed = world.observed(&[]);
    let of_account = [(name("acc"), [(name("t"), epoch)].into())].into();
    observed.fenced.insert(name("a.broker-manager"), of_account);
    observed
}

#[test]
fn a_trader_waits_until_the_broker_has_its_right_on_record() {
    // given
    let mut world = world();
    // when: nobody has told anything
    settle(&mut world, |world| world.observed(&[]));
    // then
    let (_, epoch) = right(&world);
    assert!(waits(&world));
    let fence = TraderFence { trader: name("t"), customer: name("acme"), epoch };
    assert_eq!(asked(&world), [fence]);
    // and what is on record of another right is none of this one
    settle(&mut world, |world| has_on_record(world, Epoch(epoch.0 - 1)));
    assert!(waits(&world));
    // when
    settle(&mut world, |world| has_on_record(world, epoch));
    // then
    assert!(!waits(&world));
    assert_eq!(asked(&world), []);
}

#[test]
fn after_a_move_it_waits_anew_and_for_a_broker_whose_manager_is_down_as_well() {
    // given: it runs
    let mut world = world();
    settle(&mut world, |world| world.observed(&[]));
    let (from, first) = right(&world);
    settle(&mut world, |world| has_on_record(world, first));
    // when: its TraderManager dies
    let lost = from.to_string();
    settle(&mut world, |world| {
        let mut observed = has_on_record(world, first);
        observed.managers.extend(world.observed(&[&lost]).managers);
        observed
    });
    // then
    let (to, second) = right(&world);
    assert!(to != from && second > first);
    assert!(waits(&world), "it starts beside the old copy");
    // and: with the BrokerManager dead its Broker may run, and know nothing of it
    let dead = |world: &World| {
        let mut observed = has_on_record(world, second);
        observed.managers.extend(world.observed(&[&lost, "a.broker-manager"]).managers);
        observed
    };
    settle(&mut world, dead);
    assert!(waits(&world));
    // when: it is back
    world.check_in("a.broker-manager", 2);
    settle(&mut world, |world| {
        let mut observed = has_on_record(world, second);
        observed.managers.extend(world.observed(&[&lost]).managers);
        observed
    });
    assert!(!waits(&world));
}

#[test]
fn a_customer_without_accounts_waits_for_nobody() {
    let mut world = world();
    let spec = AccountSpec {
        venue: name("sim"),
        adapter: "sim".to_string(),
        endpoint: "h:1".to_string(),
        customers: [].into(),
    };
    put(&mut world, Declaration::Account { account: name("acc"), spec });
    settle(&mut world, |world| world.observed(&[]));
    assert!(!waits(&world));
}

#[test]
fn what_waits_for_a_right_that_is_gone_is_forgotten() {
    // given
    let mut world = world();
    settle(&mut world, |world| world.observed(&[]));
    let (_, epoch) = right(&world);
    let fenced = |epoch| Command::Trader(TraderCommand::Fenced { trader: name("t"), epoch });
    let refused = world.apply(fenced(Epoch(epoch.0 + 1))).outcome;
    assert_eq!(refused, Outcome::Refused { refusal: Refusal::Superseded });
    // when
    let what = crate::control::resource::Resource::Trader(name("t"));
    let delete = ResourceCommand::Delete { what, on: Condition::Always, release: false };
    world.accept(Command::Resource(delete));
    settle(&mut world, |world| world.observed(&[]));
    // then
    assert_eq!(world.machine.fencings().count(), 0);
    let refused = world.apply(fenced(epoch)).outcome;
    assert_eq!(refused, Outcome::Refused { refusal: Refusal::NotFound { what: Noun::Trader } });
}
