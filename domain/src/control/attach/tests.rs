//! Claims about Traders that their customers run themselves: by example, against the leader's plan.

use super::*;
use crate::{
    control::{
        Command, Outcome,
        desired::{Work, desired},
        fencing::TraderCommand,
        invariants,
        machine::world::{World, name},
        plan::{Observed, plan},
        resource::{Condition, Declaration, Resource, ResourceCommand},
        row::AccountSpec,
    },
    time::Monotonic,
};
use alloc::{format, string::ToString};

const SECRET: &str = "secret";

fn put(world: &mut World, what: Declaration) {
    world.accept(Command::Resource(ResourceCommand::Put { what, on: Condition::Always }));
}

fn spec(command: &[&str], state: TraderWish) -> TraderSpec {
    let command = command.iter().map(ToString::to_string).collect();
    TraderSpec { customer: name("acme"), command, state }
}

fn is_to_be(world: &mut World, state: TraderWish) {
    let (trader, spec, run) = (name("t"), spec(&[], state), TraderRun::default());
    put(world, Declaration::SelfManaged { trader, spec, run });
}

/// A customer with a Trader of his own, who may use an account, on two machines.
fn world() -> World {
    let mut world = World::new();
    for manager in ["a.trader-manager", "b.trader-manager", "a.broker-manager"] {
        world.check_in(manager, 1);
    }
    let key_hashes = Some([KeyHash::of(SECRET)].into());
    put(&mut world, Declaration::Customer { customer: name("acme"), key_hashes });
    let spec = AccountSpec {
        venue: name("sim"),
        adapter: "sim".to_string(),
        endpoint: "h:1".to_string(),
        customers: [name("acme")].into(),
    };
    put(&mut world, Declaration::Account { account: name("acc"), spec });
    is_to_be(&mut world, TraderWish::Running);
    settle(&mut world, &[], None);
    world
}

/// Does what the leader would, with some of the Managers lost, and this right on record at the Broker.
fn settle(world: &mut World, lost: &[&str], on_record: Option<Epoch>) {
    for _ in 0..10 {
        let mut observed: Observed = world.observed(lost);
        let rights = on_record.map(|epoch| (name("t"), epoch)).into_iter().collect();
        let of_account = [(name("acc"), rights)].into();
        observed.fenced.insert(name("a.broker-manager"), of_account);
        let commands = plan(&world.machine, &observed, Monotonic(0));
        if commands.is_empty() {
            return;
        }
        commands.into_iter().for_each(|command| drop(world.apply(command)));
    }
    panic!("it never comes to rest");
}

fn home(world: &World) -> ManagerId {
    let held = world.machine.trader(&name("t")).and_then(|row| row.assignment.clone());
    held.expect("it is placed").manager
}

fn right(world: &World) -> Option<Epoch> {
    world.machine.trader_right(&name("t"))
}

fn ask(world: &World, copy: &str, takes_over: bool) -> Attach {
    Attach {
        trader: name("t"),
        manager: home(world),
        incarnation: Incarnation(1),
        copy: name(copy),
        key_id: KeyHash::of(SECRET).key_id(),
        takes_over,
        replaces: right(world),
    }
}

fn attach(world: &mut World, ask: Attach) -> Result<Revision, Refusal> {
    match world.apply(Command::Trader(TraderCommand::Attach(ask))).outcome {
        Outcome::Accepted { revision } => Ok(revision),
        Outcome::Refused { refusal } => Err(refusal),
    }
}

fn attached(world: &mut World, copy: &str) -> Epoch {
    let ask = ask(world, copy, true);
    let revision = attach(world, ask).expect("it attaches");
    assert_eq!(right(world), Some(Epoch(revision.0)));
    Epoch(revision.0)
}

fn wanted(world: &World) -> TraderWanted {
    let told = desired(&world.machine, Revision(world.revision), &home(world));
    let Some(Work::Traders { traders, access }) = told.map(|told| told.work) else { panic!() };
    assert_eq!(access.customers.len(), 1, "nobody could be let in");
    traders.into_iter().next().expect("it is told of")
}

/// What the Broker is asked to put on record.
fn asked(world: &World) -> Vec<Epoch> {
    let told = desired(&world.machine, Revision(world.revision), &name("a.broker-manager"));
    let Some(Work::Brokers { brokers, .. }) = told.map(|told| told.work) else {
        panic!("no Brokers")
    };
    brokers.into_iter().flat_map(|broker| broker.fences).map(|fence| fence.epoch).collect()
}

#[test]
fn a_copy_that_attaches_waits_until_brokers_refuse_the_one_before() {
    let mut world = world();
    assert_eq!(wanted(&world).right(), None, "nobody has attached");
    // when
    let first = attached(&mut world, "one");
    // then
    assert!(wanted(&world).fencing);
    assert_eq!(asked(&world), [first]);
    settle(&mut world, &[], Some(first));
    assert!(!wanted(&world).fencing);
    assert_eq!(wanted(&world).right().map(|fence| fence.epoch), Some(first));
    // when: a second copy takes over
    let second = attached(&mut world, "two");
    // then: what is on record of the first does not let the second begin
    settle(&mut world, &[], Some(first));
    assert!(wanted(&world).fencing && second > first);
    settle(&mut world, &[], Some(second));
    assert!(!wanted(&world).fencing);
}

#[test]
fn one_that_another_has_taken_the_place_of_does_not_come_back_by_itself() {
    let mut world = world();
    attached(&mut world, "one");
    let second = attached(&mut world, "two");
    // when
    let returns = ask(&world, "one", false);
    // then
    assert_eq!(attach(&mut world, returns), Err(Refusal::TakenOver));
    let returns = ask(&world, "two", false);
    assert!(attach(&mut world, returns).is_ok());
    assert_eq!(right(&world), Some(second), "a copy that returns has the right it had");
    // and: a request that comes late takes nothing over
    let mut late = ask(&world, "one", true);
    late.replaces = Some(Epoch(1));
    assert_eq!(attach(&mut world, late), Err(Refusal::Superseded));
}

#[test]
fn a_copy_keeps_its_right_where_its_customer_moves() {
    // given
    let mut world = world();
    let (from, epoch) = (home(&world).to_string(), attached(&mut world, "one"));
    settle(&mut world, &[], Some(epoch));
    // when: its TraderManager dies
    settle(&mut world, &[&from], Some(epoch));
    // then
    assert_ne!(home(&world).to_string(), from);
    assert_eq!((right(&world), wanted(&world).fencing), (Some(epoch), false));
    let returns = ask(&world, "one", false);
    assert!(attach(&mut world, returns).is_ok());
    assert_eq!(right(&world), Some(epoch));
    // and: the old TraderManager gives no right any more
    let mut there = ask(&world, "two", true);
    there.manager = name(&from);
    assert_eq!(attach(&mut world, there), Err(Refusal::AgainstAffinity));
}

#[test]
fn a_stop_and_a_deletion_fence_the_copy_and_it_does_not_come_back() {
    let mut world = world();
    let first = attached(&mut world, "one");
    settle(&mut world, &[], Some(first));
    // when
    is_to_be(&mut world, TraderWish::Stopped);
    // then
    let stopped = right(&world).expect("a right that nobody has");
    assert!(stopped > first);
    assert_eq!(asked(&world), [stopped]);
    let again = ask(&world, "one", true);
    assert_eq!(attach(&mut world, again), Err(Refusal::TraderStopped));
    settle(&mut world, &[], Some(stopped));
    is_to_be(&mut world, TraderWish::Running);
    let returns = ask(&world, "one", false);
    assert_eq!(attach(&mut world, returns), Err(Refusal::TakenOver));
    // when
    attached(&mut world, "two");
    let what = Resource::Trader(name("t"));
    let delete = ResourceCommand::Delete { what, on: Condition::Always, release: false };
    let deleted = world.accept(Command::Resource(delete));
    // then
    assert_eq!(asked(&world), [Epoch(deleted.0)]);
    settle(&mut world, &[], Some(Epoch(deleted.0)));
    assert_eq!(world.machine.attachments().count() + world.machine.fencings().count(), 0);
}

#[test]
fn one_that_is_spawned_from_now_on_starts_under_a_right_above_the_copys() {
    let mut world = world();
    let epoch = attached(&mut world, "one");
    settle(&mut world, &[], Some(epoch));
    // when
    let (trader, spec, run) =
        (name("t"), spec(&["algo"], TraderWish::Running), TraderRun::default());
    put(&mut world, Declaration::TraderRun { trader, spec, run });
    settle(&mut world, &[], Some(epoch));
    // then
    let spawned = right(&world).expect("it is placed anew");
    assert!(spawned > epoch);
    assert_eq!(asked(&world), [spawned], "it starts beside the copy");
    let returns = ask(&world, "one", false);
    assert_eq!(attach(&mut world, returns), Err(Refusal::NotSelfManaged));
    // and back: its service is not wanted, and nobody has attached
    settle(&mut world, &[], Some(spawned));
    is_to_be(&mut world, TraderWish::Running);
    settle(&mut world, &[], Some(spawned));
    assert_eq!(wanted(&world).right(), None);
}

#[test]
fn who_may_attach_is_told_by_his_key_and_by_where_the_trader_is() {
    let mut world = world();
    let refused = |world: &mut World, spoil: fn(&mut Attach)| {
        let mut ask = ask(world, "one", true);
        spoil(&mut ask);
        attach(world, ask).expect_err("it is refused")
    };
    let no = |what| Refusal::NotFound { what };
    assert_eq!(refused(&mut world, |ask| ask.trader = name("u")), no(Noun::Trader));
    assert_eq!(refused(&mut world, |ask| ask.key_id = "k".to_string()), no(Noun::Key));
    assert_eq!(refused(&mut world, |ask| ask.incarnation = Incarnation(2)), Refusal::NotEligible);
    assert_eq!(
        refused(&mut world, |ask| ask.manager = name("c.trader-manager")),
        Refusal::AgainstAffinity
    );
    // A copy that comes back with another key is kept by that one from then on.
    let epoch = attached(&mut world, "one");
    let other = KeyHash::of("other");
    let key_hashes = Some([KeyHash::of(SECRET), other.clone()].into());
    put(&mut world, Declaration::Customer { customer: name("acme"), key_hashes });
    let mut returns = ask(&world, "one", false);
    returns.key_id = other.key_id();
    assert!(attach(&mut world, returns).is_ok());
    let held = world.machine.attachment(&name("t")).cloned();
    let copy = Some(name("one"));
    assert_eq!(held, Some(Attachment { copy, key_id: other.key_id(), epoch }));
}

#[test]
fn one_that_changes_hands_is_fenced_at_its_old_owners_brokers_first() {
    // given
    let mut world = world();
    let epoch = attached(&mut world, "one");
    settle(&mut world, &[], Some(epoch));
    let key_hashes = Some([KeyHash::of("eve")].into());
    put(&mut world, Declaration::Customer { customer: name("eve"), key_hashes });
    // when
    let spec = TraderSpec { customer: name("eve"), ..spec(&[], TraderWish::Running) };
    let (trader, run) = (name("t"), TraderRun::default());
    put(&mut world, Declaration::SelfManaged { trader, spec, run });
    settle(&mut world, &[], Some(epoch));
    // then
    let fenced = right(&world).expect("a right that nobody has");
    assert!(fenced > epoch);
    assert_eq!(asked(&world), [fenced]);
    let of_eve =
        |world: &World| Attach { key_id: KeyHash::of("eve").key_id(), ..ask(world, "two", true) };
    let early = of_eve(&world);
    assert_eq!(attach(&mut world, early), Err(Refusal::StillHeld));
    settle(&mut world, &[], Some(fenced));
    let ask = of_eve(&world);
    assert!(attach(&mut world, ask).is_ok());
}

#[test]
fn how_it_is_run_is_not_declared_of_one_that_its_customer_runs() {
    let mut world = world();
    let fault = TraderFault::SelfManaged;
    let refused = Outcome::Refused { refusal: Refusal::TraderNotPossible { fault } };
    let run = TraderRun { directory: Some("/opt".to_string()), ..TraderRun::default() };
    for (spec, run) in [
        (spec(&[], TraderWish::Running), run),
        (spec(&["algo"], TraderWish::Running), TraderRun::default()),
    ] {
        let what = Declaration::SelfManaged { trader: name("u"), spec, run };
        let put = ResourceCommand::Put { what, on: Condition::Always };
        assert_eq!(world.apply(Command::Resource(put)).outcome, refused);
    }
}

#[test]
fn two_copies_under_one_right_and_a_right_that_goes_back_are_found() {
    let mut world = world();
    let epoch = attached(&mut world, "one");
    let planted = |copy: &str, epoch| {
        let mut after = world.machine.clone();
        let key_id = KeyHash::of(SECRET).key_id();
        let attachment = Attachment { copy: Some(name(copy)), key_id, epoch };
        after.tables.put(Row::Attachment(AttachmentRow { trader: name("t"), attachment }));
        let (from, to) = (Revision(epoch.0), Revision(epoch.0 + 1));
        let found = invariants::violations_across(&world.machine, &after, from, to);
        format!("{found:?}")
    };
    assert!(planted("two", epoch).contains("T1: two copies"));
    assert!(planted("two", Epoch(epoch.0 - 1)).contains("T1: the right of t went back"));
    assert_eq!(planted("one", epoch), "[]");
}

mod table;
