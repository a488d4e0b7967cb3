//! Claims about names and disks: who is let in under a name, and what is kept of it.

use super::*;
use crate::{
    control::{
        Command, Outcome,
        command::DownReason,
        machine::world::{World, name},
        resource::{Condition, Resource, ResourceCommand},
        row::AccountSpec,
    },
    ids::Incarnation,
};
use alloc::{collections::BTreeSet, string::ToString};

const ONE: DiskId = DiskId(1);
const OTHER: DiskId = DiskId(2);

fn check_in(world: &mut World, manager: &str, incarnation: u64, disk: DiskId) -> Outcome {
    let command = Command::CheckInFrom {
        manager: name(manager),
        location: name("here"),
        address: "127.0.0.1:1".to_string(),
        incarnation: Incarnation(incarnation),
        capacity: 10,
        disk,
        node: name("rack-7"),
    };
    world.apply(command).outcome
}

fn is_accepted(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Accepted { .. } => true,
        Outcome::Refused { .. } => false,
    }
}

fn is_other_disk(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Refused { refusal: Refusal::OtherManagerDisk { disk: ONE, .. } })
}

fn expire(world: &mut World, manager: &str) {
    let row = world.machine.manager(&name(manager)).cloned().expect("registered");
    let ManagerRow { manager, incarnation, epoch, .. } = row;
    let why = DownReason::Silent;
    world.accept(Command::ExpireManager { manager, incarnation, epoch, why });
}

fn with_an_account(world: &mut World) {
    let spec = AccountSpec {
        venue: name("sim"),
        adapter: "sim".to_string(),
        endpoint: "127.0.0.1:2".to_string(),
        customers: BTreeSet::new(),
    };
    world.accept(Command::PutAccount { account: name("one"), spec });
    let (account, manager) = (name("one"), name("a.broker-manager"));
    world.accept(Command::AssignBroker { account, shard: 0, manager, replaces: None });
}

#[test]
fn a_name_that_is_live_belongs_to_its_disk() {
    let mut world = World::new();
    assert!(is_accepted(&check_in(&mut world, "a.trader-manager", 1, ONE)));
    assert!(is_other_disk(&check_in(&mut world, "a.trader-manager", 2, OTHER)));
    // A later life on the same disk is the ordinary restart.
    assert!(is_accepted(&check_in(&mut world, "a.trader-manager", 3, ONE)));
    let unsaid = world.check_in("a.trader-manager", 4);
    assert!(is_other_disk(&unsaid), "nor is one let in that does not say which it has");
    expire(&mut world, "a.trader-manager");
    assert!(is_accepted(&check_in(&mut world, "a.trader-manager", 5, OTHER)), "it held nothing");
    let held = world.machine.manager_disk(&name("a.trader-manager")).expect("bound");
    assert_eq!((held.disk, held.node.as_str()), (OTHER, "rack-7"));
}

#[test]
fn the_name_of_a_broker_manager_that_is_down_belongs_to_its_disk_as_long_as_it_holds_a_broker() {
    // given
    let mut world = World::new();
    check_in(&mut world, "a.broker-manager", 1, ONE);
    with_an_account(&mut world);
    expire(&mut world, "a.broker-manager");
    // when, then: on another disk the Broker would begin an empty ledger under the right of the old one
    assert!(is_other_disk(&check_in(&mut world, "a.broker-manager", 2, OTHER)));
    assert!(is_accepted(&check_in(&mut world, "a.broker-manager", 2, ONE)));
    // and its operator has given the account up
    expire(&mut world, "a.broker-manager");
    let (what, on) = (Resource::Account(name("one")), Condition::Always);
    world.accept(Command::Resource(ResourceCommand::Delete { what, on, release: true }));
    assert!(is_accepted(&check_in(&mut world, "a.broker-manager", 3, OTHER)));
}

#[test]
fn a_customer_who_waits_for_a_place_keeps_the_name_to_its_disk_too() {
    let mut world = World::with_a_customer_and_a_trader();
    check_in(&mut world, "c.trader-manager", 1, ONE);
    let (customer, manager) = (name("acme"), name("c.trader-manager"));
    world.accept(Command::AssignCustomer { customer, manager, replaces: None });
    expire(&mut world, "c.trader-manager");
    assert!(is_other_disk(&check_in(&mut world, "c.trader-manager", 2, OTHER)));
    world.settle(&[]);
    assert!(is_accepted(&check_in(&mut world, "c.trader-manager", 2, OTHER)));
}

#[test]
fn a_name_that_said_no_disk_before_is_bound_by_the_first_that_does() {
    let mut world = World::new();
    assert!(is_accepted(&world.check_in("a.trader-manager", 1)));
    assert!(is_accepted(&check_in(&mut world, "a.trader-manager", 2, ONE)));
    assert!(is_other_disk(&check_in(&mut world, "a.trader-manager", 3, OTHER)));
}
