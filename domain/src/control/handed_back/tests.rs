//! Claims about what was handed back: what is recorded, who moves for it and when, who never does, and when it is
//! forgotten; and that the invariant sees rows that must not be.

use super::*;
use crate::{
    control::{
        Command, Outcome,
        machine::world::{SECOND, World, name},
        plan::{Told, plan},
        row::{AccountSpec, TraderSpec, TraderWish},
    },
    ids::TraderId,
    time::Monotonic,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::ToString,
};

const ENDED: Failure = Failure::Ended { exit: Exit::Code(7) };

fn trader(id: &str) -> ServiceId {
    ServiceId::Trader { trader: name(id) }
}

/// A customer with one Trader on `a.trader-manager`; `b.trader-manager` has room.
fn serving() -> World {
    let mut world = World::with_a_customer_and_a_trader();
    world.settle(&[]);
    assert_eq!(home(&world), "a.trader-manager");
    world
}

fn home(world: &World) -> String {
    let row = world.machine.customer(&name("acme")).expect("there");
    row.affinity.as_ref().expect("placed").manager.to_string()
}

fn put_trader(world: &mut World, trader: &str, command: &str) {
    let (customer, command) = (name("acme"), vec![command.to_string()]);
    let spec = TraderSpec { customer, command, state: TraderWish::Running };
    world.accept(Command::PutTrader { trader: name(trader), spec });
}

/// From now on that Manager says it gives these up.
fn gives_up<'a>(
    world: &mut World,
    manager: &'static str,
    services: impl IntoIterator<Item = &'a ServiceId>,
) {
    let given_up = services.into_iter().map(|id| (id.clone(), ENDED));
    let handed_back: BTreeMap<_, _> = given_up.collect();
    world.told.insert(manager, Told { handed_back, ..Told::default() });
}

/// Plans and applies until nothing is left to do as of now.
fn run(world: &mut World) {
    world.settle(&[]);
}

fn count(world: &World, service: &ServiceId) -> Option<u32> {
    world.machine.handed_back(service).map(|row| row.count)
}

#[test]
fn a_trader_that_is_given_up_is_on_record_and_moves_with_its_customer_after_a_second() {
    // given
    let (mut world, sample) = (serving(), trader("sample"));
    // when
    gives_up(&mut world, "a.trader-manager", [&sample]);
    run(&mut world);
    // then
    let row = world.machine.handed_back(&sample).expect("on record").clone();
    assert_eq!((row.manager.to_string().as_str(), row.count), ("a.trader-manager", 1));
    assert_eq!(row.failure, ENDED);
    assert_eq!(home(&world), "a.trader-manager", "it moved at once");
    // when
    world.at += SECOND;
    run(&mut world);
    // then
    assert_eq!(home(&world), "b.trader-manager");
    let held = world.machine.holder(&sample).expect("placed").clone();
    assert_eq!(held.manager.to_string(), "b.trader-manager");
    assert!(held.epoch > row.epoch);
}

#[test]
fn each_further_holder_that_gives_up_doubles_the_wait_up_to_a_minute() {
    let (mut world, sample) = (serving(), trader("sample"));
    let names = ["a.trader-manager", "b.trader-manager"];
    let mut waits = Vec::new();
    for n in 0..9 {
        let (at, other) = (names[n % 2], names[(n + 1) % 2]);
        assert_eq!(home(&world), at);
        gives_up(&mut world, other, []);
        gives_up(&mut world, at, [&sample]);
        run(&mut world);
        let begun = world.at;
        while home(&world) == at {
            world.at += SECOND;
            assert!(world.at - begun < 100 * SECOND, "it never moved");
            run(&mut world);
        }
        waits.push((world.at - begun) / SECOND);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    assert_eq!(count(&world, &sample), Some(9));
}

#[test]
fn where_no_other_manager_can_take_it_nothing_moves() {
    let (mut world, sample) = (serving(), trader("sample"));
    gives_up(&mut world, "a.trader-manager", [&sample]);
    run(&mut world);
    world.at += 10 * SECOND;
    let lost = world.observed(&["b.trader-manager"]);
    for command in plan(&world.machine, &lost, Monotonic(0)) {
        world.accept(command);
    }
    run(&mut world);
    assert_eq!(home(&world), "a.trader-manager");
    assert_eq!(count(&world, &sample), Some(1));
}

#[test]
fn a_customer_with_a_trader_that_runs_stays_where_he_is() {
    // given
    let (mut world, sample) = (serving(), trader("sample"));
    put_trader(&mut world, "other", "algo");
    run(&mut world);
    // when
    gives_up(&mut world, "a.trader-manager", [&sample]);
    run(&mut world);
    world.at += 100 * SECOND;
    run(&mut world);
    // then
    assert_eq!(home(&world), "a.trader-manager");
    // when the other fails as well
    gives_up(&mut world, "a.trader-manager", [&sample, &trader("other")]);
    run(&mut world);
    world.at += SECOND;
    run(&mut world);
    // then
    assert_eq!(home(&world), "b.trader-manager");
}

#[test]
fn one_that_has_come_to_itself_meanwhile_is_left_where_it_is() {
    let (mut world, sample) = (serving(), trader("sample"));
    gives_up(&mut world, "a.trader-manager", [&sample]);
    run(&mut world);
    gives_up(&mut world, "a.trader-manager", []);
    world.at += 30 * SECOND;
    run(&mut world);
    assert_eq!(home(&world), "a.trader-manager");
    assert_eq!(count(&world, &sample), Some(1), "not yet sure");
    world.at += 90 * SECOND;
    run(&mut world);
    assert_eq!(count(&world, &sample), None);
}

#[test]
fn a_broker_is_on_record_and_never_moves() {
    // given
    let mut world = World::new();
    world.check_in("a.broker-manager", 1);
    world.check_in("b.broker-manager", 1);
    let (venue, customers) = (name("sim"), BTreeSet::new());
    let (adapter, endpoint) = ("sim".to_string(), "h:1".to_string());
    let spec = AccountSpec { venue, adapter, endpoint, customers };
    world.accept(Command::PutAccount { account: name("one"), spec });
    run(&mut world);
    let broker = ServiceId::Broker { account: name("one"), shard: 0 };
    let held = world.machine.holder(&broker).expect("placed").clone();
    let holder = if held.manager.to_string().starts_with('a') { "a" } else { "b" };
    let holder = if holder == "a" { "a.broker-manager" } else { "b.broker-manager" };
    // when
    gives_up(&mut world, holder, [&broker]);
    run(&mut world);
    world.at += 100 * SECOND;
    run(&mut world);
    // then
    assert_eq!(count(&world, &broker), Some(1));
    assert_eq!(world.machine.holder(&broker), Some(&held));
}

#[test]
fn what_is_declared_anew_or_deleted_is_no_longer_handed_back() {
    let (mut world, sample) = (serving(), trader("sample"));
    gives_up(&mut world, "a.trader-manager", [&sample]);
    run(&mut world);
    assert_eq!(count(&world, &sample), Some(1));
    put_trader(&mut world, "sample", "mended");
    assert_eq!(count(&world, &sample), None);
}

#[test]
fn a_hand_back_is_refused_from_who_does_not_have_it_and_the_second_time() {
    let (mut world, sample) = (serving(), trader("sample"));
    let held = world.machine.holder(&sample).expect("placed").clone();
    let by = |manager: &str, epoch| {
        let (service, manager) = (sample.clone(), name(manager));
        Command::Service(ServiceCommand::HandBack { service, manager, epoch, failure: ENDED })
    };
    let stale = Outcome::Refused { refusal: Refusal::Superseded };
    assert_eq!(world.apply(by("b.trader-manager", held.epoch)).outcome, stale);
    assert_eq!(world.apply(by("a.trader-manager", Epoch(1))).outcome, stale);
    world.accept(by("a.trader-manager", held.epoch));
    assert_eq!(world.apply(by("a.trader-manager", held.epoch)).outcome, stale);
    let settle =
        |epoch| Command::Service(ServiceCommand::Settle { service: sample.clone(), epoch });
    let early = Outcome::Refused { refusal: Refusal::NotDue };
    assert_eq!(world.apply(settle(held.epoch)).outcome, early);
    assert_eq!(world.apply(settle(Epoch(1))).outcome, stale);
    let market = ServiceId::Market { market: name("crypto"), shard: 0 };
    let manager = name("a.market-manager");
    let command =
        ServiceCommand::HandBack { service: market, manager, epoch: Epoch(1), failure: ENDED };
    let never = Outcome::Refused { refusal: Refusal::NotEligible };
    assert_eq!(world.apply(Command::Service(command)).outcome, never);
}

#[test]
fn the_invariant_sees_rows_that_must_not_be() {
    let world = serving();
    let sample: TraderId = name("sample");
    let held = world.machine.holder(&trader("sample")).expect("placed").clone();
    let row = HandedBackRow {
        service: ServiceId::Trader { trader: sample },
        manager: held.manager,
        epoch: held.epoch,
        failure: ENDED,
        count: 1,
        at: UnixNanos(1),
    };
    let found = |row: HandedBackRow| {
        let mut machine = world.machine.clone();
        machine.tables.put(Row::HandedBack(row));
        violations(&machine).len()
    };
    assert_eq!(found(row.clone()), 0);
    assert_eq!(found(HandedBackRow { service: trader("nobody"), ..row.clone() }), 1);
    assert_eq!(found(HandedBackRow { epoch: Epoch(u64::MAX), ..row.clone() }), 1);
    assert_eq!(found(HandedBackRow { manager: name("b.trader-manager"), ..row.clone() }), 1);
    assert_eq!(found(HandedBackRow { count: 0, ..row }), 1);
}
