//! Claims about what may be written of a ledger's copies. The rules themselves are tested with `trading::copies`.

use super::*;
use crate::{
    control::{
        Command, Outcome,
        desired::{BrokerWanted, CopyKept, Work, desired},
        machine::world::{World, name},
        resource::{Condition, Declaration, ResourceCommand},
    },
    ids::Incarnation,
};
use alloc::{format, string::ToString};

/// BrokerManagers `a` and `b` on nodes of their own, `c` beside `a`; the account's Broker is with `a`.
pub(in crate::control) fn world() -> World {
    let mut world = World::new();
    for (n, manager) in ["a", "b", "c"].into_iter().enumerate() {
        check_in(&mut world, manager, if manager == "c" { 0 } else { n }, 1);
    }
    declare(&mut world, Copies::Two);
    let manager = name("a.broker-manager");
    world.accept(Command::AssignBroker { account: name("x"), shard: 0, manager, replaces: None });
    world
}

pub(in crate::control) fn check_in(world: &mut World, manager: &str, node: usize, life: u64) {
    world.accept(Command::CheckIn {
        manager: name(&format!("{manager}.broker-manager")),
        location: name("here"),
        address: format!("10.0.0.{node}:1"),
        incarnation: Incarnation(life),
        capacity: 10,
    });
}

pub(in crate::control) fn declare(world: &mut World, copies: Copies) {
    let spec = AccountSpec {
        venue: name("sim"),
        adapter: "sim".to_string(),
        endpoint: "127.0.0.1:1".to_string(),
        customers: BTreeSet::new(),
    };
    let what = Declaration::AccountCopies { account: name("x"), spec, copies };
    world.accept(Command::Resource(ResourceCommand::Put { what, on: Condition::Always }));
}

pub(in crate::control) fn view(world: &World) -> View<ManagerId> {
    let row = world.machine.copies(&name("x")).expect("copies are wanted");
    row.view.clone().expect("placed")
}

fn ask(world: &mut World, command: CopyCommand) -> Outcome {
    world.apply(Command::Copies(command)).outcome
}

fn names(world: &mut World, holder: &str) -> Outcome {
    let on = view(world).naming.since;
    let holder = Some(name(&format!("{holder}.broker-manager")));
    ask(world, CopyCommand::Name { account: name("x"), holder, on })
}

fn refused(outcome: Outcome) -> Refusal {
    match outcome {
        Outcome::Refused { refusal } => refusal,
        Outcome::Accepted { .. } => panic!("accepted"),
    }
}

fn told(world: &World, manager: &str) -> (Vec<BrokerWanted>, Vec<CopyKept>) {
    let manager = name(&format!("{manager}.broker-manager"));
    match desired(&world.machine, Revision(world.revision), &manager).expect("live").work {
        Work::Brokers { brokers, copies } => (brokers, copies),
        Work::Markets { .. } | Work::Traders { .. } => panic!("a BrokerManager"),
    }
}

#[test]
fn a_copy_is_named_on_another_node_than_the_ledgers() {
    let mut world = world();
    assert_eq!(refused(names(&mut world, "a")), Refusal::NotEligible);
    assert_eq!(refused(names(&mut world, "c")), Refusal::NotEligible, "on the same node");
    names(&mut world, "b");
    let view = view(&world);
    assert_eq!(view.naming.holder, Some(name("b.broker-manager")));
    // told to both
    let (brokers, kept) = told(&world, "a");
    let copies = brokers[0].copies.clone().expect("of its copies");
    assert_eq!((copies.naming, copies.right), (view.naming.clone(), view.live.right));
    assert_eq!((copies.address.as_deref(), copies.succeeds), (Some("10.0.0.1:1"), false));
    assert!(kept.is_empty());
    let (brokers, kept) = told(&world, "b");
    assert!(brokers.is_empty());
    assert_eq!(kept, [CopyKept { account: name("x"), since: view.naming.since }]);
}

#[test]
fn a_ledger_is_continued_only_from_a_copy_that_joined_and_moves_when_its_successor_has_it() {
    // given a copy that is being filled
    let mut world = world();
    names(&mut world, "b");
    let (account, held) = (name::<AccountId>("x"), view(&world));
    let (since, on, manager) =
        (held.naming.since, held.highest(), name::<ManagerId>("b.broker-manager"));
    let succeed = CopyCommand::Succeed { account: account.clone(), manager: manager.clone(), on };
    assert_eq!(refused(ask(&mut world, succeed.clone())), Refusal::NotEligible);
    // when
    world.accept(Command::Copies(CopyCommand::Joined { account: account.clone(), since }));
    let right = world.accept(Command::Copies(succeed));
    // then the Broker is where it was, and its successor is told to load
    let assigned = |world: &World| world.machine.ledger_of(&account).cloned().expect("placed");
    assert_eq!(assigned(&world).manager, name("a.broker-manager"));
    let (brokers, _) = told(&world, "b");
    let copies = brokers[0].copies.clone().expect("of its copies");
    let right = world.machine.fence(Epoch(right.0));
    assert_eq!((copies.right, copies.succeeds, brokers[0].fence), (right, true, right));
    // and it moves with the entry that makes it live
    let live = CopyCommand::WentLive { account: account.clone(), right };
    let live = world.accept(Command::Copies(live));
    assert_eq!(assigned(&world), Assignment { manager, epoch: Epoch(live.0) });
    assert!(told(&world, "a").0.is_empty());
    let (brokers, kept) = told(&world, "b");
    let copies = brokers[0].copies.clone().expect("of its copies");
    assert_eq!((copies.naming.holder, copies.succeeds), (None, false), "one copy is left");
    assert!(kept.is_empty());
}

#[test]
fn a_succession_that_is_given_up_gives_the_broker_a_higher_right_where_it_was() {
    let mut world = world();
    names(&mut world, "b");
    let account = name::<AccountId>("x");
    let (since, on) = (view(&world).naming.since, view(&world).highest());
    world.accept(Command::Copies(CopyCommand::Joined { account: account.clone(), since }));
    let manager = name("b.broker-manager");
    let sealed = CopyCommand::Succeed { account: account.clone(), manager, on };
    let sealed = world.accept(Command::Copies(sealed));
    let on = world.machine.fence(Epoch(sealed.0));
    let back = CopyCommand::GiveBack { account: account.clone(), on };
    let back = world.accept(Command::Copies(back));
    let (brokers, _) = told(&world, "a");
    let right = world.machine.fence(Epoch(back.0));
    let told = brokers[0].copies.clone().expect("of its copies");
    assert_eq!((brokers[0].fence, told.right), (right, right));
    let late = CopyCommand::WentLive { account, right: on };
    assert_eq!(refused(ask(&mut world, late)), Refusal::Superseded);
}

#[test]
fn an_account_without_a_second_copy_is_told_of_none_and_one_that_goes_leaves_nothing() {
    let mut world = world();
    assert_eq!(
        world.machine.account_declaration(world.machine.account(&name("x")).unwrap()).copies,
        Copies::Two
    );
    declare(&mut world, Copies::One);
    assert_eq!(world.machine.copies(&name("x")).map(|row| row.wanted), Some(Copies::One));
    let what = crate::control::resource::Resource::Account(name("x"));
    let on = Condition::Always;
    world.accept(Command::Resource(ResourceCommand::Delete { what, on, release: true }));
    assert_eq!(world.machine.all_copies().count(), 0);
}
