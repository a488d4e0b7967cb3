//! Claims about the planner: who is expired, who gets what, and who waits.

use super::*;
use crate::{
    control::{
        command::{DownReason, IdempotencyKey, Request, Stamped},
        row::{AccountSpec, CustomerSpec},
    },
    ids::{Incarnation, Revision},
    limits,
    time::UnixNanos,
};
use alloc::{collections::BTreeSet, string::ToString, vec};
use core::time::Duration;

fn machine(commands: Vec<Command>) -> Machine {
    let mut machine = Machine::default();
    for (n, command) in commands.into_iter().enumerate() {
        let client = "test".parse().expect("legal");
        let key = IdempotencyKey { client, issued_at: UnixNanos(1), n: n as u64 };
        let entry = Stamped { at: UnixNanos(1), request: Request { key, command } };
        machine.apply(Revision(n as u64 + 1), &entry);
    }
    machine
}

fn check_in(manager: &str, capacity: u32) -> Command {
    Command::CheckIn {
        manager: manager.parse().expect("legal"),
        location: "here".parse().expect("legal"),
        address: "127.0.0.1:1".to_string(),
        incarnation: Incarnation(1),
        capacity,
    }
}

fn account(name: &str) -> Command {
    Command::PutAccount {
        account: name.parse().expect("legal"),
        spec: AccountSpec {
            venue: "sim".parse().expect("legal"),
            adapter: "sim".to_string(),
            endpoint: "127.0.0.1:2".to_string(),
            customers: BTreeSet::new(),
        },
    }
}

fn seen(managers: &[(&str, Duration, bool)]) -> Observed {
    let sightings = managers.iter().map(|(name, at, refused)| {
        let last_proof = Monotonic(0) + *at;
        let (incarnation, refused) = (Incarnation(1), *refused);
        let told = Some(Told::default());
        let sighting = Sighting { incarnation, last_proof, refused, told };
        (name.parse().expect("legal"), sighting)
    });
    Observed { managers: sightings.collect(), ..Observed::default() }
}

const NOW: Monotonic = Monotonic(10_000_000_000);
const WELL: Duration = Duration::from_secs(10);

#[test]
fn brokers_are_spread_over_managers_that_are_well_and_have_room() {
    let machine = machine(vec![
        check_in("a.broker-manager", 1),
        check_in("b.broker-manager", 5),
        check_in("c.broker-manager", 5),
        account("one"),
        account("two"),
        account("three"),
    ]);
    let suspect = WELL - limits::SUSPECT_AFTER;
    let observed = seen(&[
        ("a.broker-manager", WELL, false),
        ("b.broker-manager", WELL, false),
        ("c.broker-manager", suspect, false),
    ]);
    let chosen: Vec<_> = plan(&machine, &observed, NOW)
        .into_iter()
        .map(|command| match command {
            Command::AssignBroker { manager, .. } => manager.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(chosen, ["a.broker-manager", "b.broker-manager", "b.broker-manager"]);
}

#[test]
fn a_silent_manager_is_expired_after_the_time_and_a_refusing_one_at_once() {
    let machine = machine(vec![check_in("a.broker-manager", 1), check_in("b.broker-manager", 1)]);
    let almost = WELL - limits::DOWN_AFTER + Duration::from_nanos(1);
    let observed = seen(&[("a.broker-manager", almost, false), ("b.broker-manager", WELL, false)]);
    assert_eq!(plan(&machine, &observed, NOW), vec![]);
    let observed = seen(&[
        ("a.broker-manager", WELL - limits::DOWN_AFTER, false),
        ("b.broker-manager", WELL, true),
    ]);
    let reasons: Vec<_> = plan(&machine, &observed, NOW)
        .into_iter()
        .map(|command| match command {
            Command::ExpireManager { why, .. } => why,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(reasons, [DownReason::Refused, DownReason::Silent], "what is proven first");
}

#[test]
fn a_new_leader_counts_from_its_own_election() {
    let machine = machine(vec![check_in("a.broker-manager", 1)]);
    let mut observed = seen(&[]);
    observed.leader_since = NOW;
    assert_eq!(plan(&machine, &observed, NOW), vec![]);
    assert_eq!(plan(&machine, &observed, NOW + limits::DOWN_AFTER).len(), 1);
}

#[test]
fn a_broker_whose_manager_is_lost_waits_for_it() {
    let mut machine = machine(vec![
        check_in("a.broker-manager", 1),
        account("one"),
        check_in("b.broker-manager", 1),
    ]);
    let observed = seen(&[("a.broker-manager", WELL, false), ("b.broker-manager", WELL, false)]);
    let mut n = 100;
    let mut run = |machine: &mut Machine, observed: &Observed| {
        for command in plan(machine, observed, NOW) {
            n += 1;
            let client = "leader".parse().expect("legal");
            let key = IdempotencyKey { client, issued_at: UnixNanos(1), n };
            let entry = Stamped { at: UnixNanos(1), request: Request { key, command } };
            machine.apply(Revision(n), &entry);
        }
    };
    run(&mut machine, &observed);
    let lost = seen(&[("a.broker-manager", WELL, true), ("b.broker-manager", WELL, false)]);
    run(&mut machine, &lost);
    run(&mut machine, &lost);
    let holder = machine.brokers().next().and_then(|row| row.assignment.clone());
    assert_eq!(holder.map(|a| a.manager.to_string()).as_deref(), Some("a.broker-manager"));
}

#[test]
fn a_customer_without_a_home_gets_one_and_then_nothing_is_left_to_do() {
    let spec = CustomerSpec { key_hashes: BTreeSet::new() };
    let customer = "acme".parse().expect("legal");
    let machine = machine(vec![
        check_in("a.trader-manager", 1),
        Command::PutCustomer { customer, spec },
        Command::AssignCustomer {
            customer: "acme".parse().expect("legal"),
            manager: "a.trader-manager".parse().expect("legal"),
            replaces: None,
        },
    ]);
    assert_eq!(plan(&machine, &seen(&[("a.trader-manager", WELL, false)]), NOW), vec![]);
}

#[test]
fn a_new_leader_gives_nothing_to_a_manager_it_has_not_heard_of() {
    let machine = machine(vec![check_in("a.broker-manager", 1), account("one")]);
    // It may have died with the leader before: a Broker given to it would wait for it.
    assert_eq!(plan(&machine, &seen(&[]), Monotonic(0)), vec![]);
    let observed = seen(&[("a.broker-manager", Duration::ZERO, false)]);
    assert_eq!(plan(&machine, &observed, Monotonic(0)).len(), 1);
}

#[test]
fn a_manager_that_has_checked_in_and_was_never_reached_gets_nothing() {
    // given: the emptier one has a wrong address, so that no pipe to it ever stands
    let machine = machine(vec![check_in("a.broker-manager", 9), check_in("b.broker-manager", 1)]);
    let now = Monotonic(0);
    let mut seen = Observations::since(now);
    for row in machine.managers() {
        seen.registered(row.into(), Some(now));
    }
    let beats = machine.managers().nth(1).expect("there are two").into();
    assert!(seen.heard(&beats, now, Proof::Beat(Told::default())));
    // when
    let machine = {
        let mut machine = machine;
        let client = "test".parse().expect("legal");
        let key = IdempotencyKey { client, issued_at: UnixNanos(1), n: 99 };
        let request = Request { key, command: account("one") };
        machine.apply(Revision(99), &Stamped { at: UnixNanos(1), request });
        machine
    };
    let planned = seen.plan(&machine, now);
    // then
    let [Command::AssignBroker { manager, .. }] = planned.as_slice() else { panic!("{planned:?}") };
    assert_eq!(manager.to_string(), "b.broker-manager");
}

#[test]
fn a_manager_that_comes_and_goes_gets_nothing_new_for_a_while() {
    // given: one that beats, falls silent, is taken for down and checks in anew
    let mut machine = machine(vec![check_in("a.trader-manager", 4)]);
    let (mut seen, mut now, mut n) = (Observations::since(Monotonic(0)), Monotonic(0), 100);
    let mut apply = |machine: &mut Machine, command: Command| {
        n += 1;
        let client = "test".parse().expect("legal");
        let key = IdempotencyKey { client, issued_at: UnixNanos(1), n };
        machine
            .apply(Revision(n), &Stamped { at: UnixNanos(1), request: Request { key, command } });
    };
    let spec = CustomerSpec { key_hashes: BTreeSet::new() };
    let customer = "acme".parse().expect("legal");
    apply(&mut machine, Command::PutCustomer { customer, spec });
    let takes = |seen: &mut Observations, machine: &Machine, now| {
        let of: Registration = machine.managers().next().expect("registered").into();
        seen.registered(of.clone(), Some(now));
        assert!(seen.heard(&of, now, Proof::Beat(Told::default())));
        !seen.plan(machine, now).is_empty()
    };
    assert!(takes(&mut seen, &machine, now));
    for (times, rests) in
        [(1, Duration::ZERO), (2, limits::REST_FIRST), (3, limits::REST_FIRST * 2)]
    {
        // when
        now = now + limits::DOWN_AFTER;
        let expiry = seen.plan(&machine, now);
        assert!(matches!(expiry.as_slice(), [Command::ExpireManager { .. }]), "{expiry:?}");
        seen.proposed(&machine, &expiry, now);
        expiry.into_iter().for_each(|command| apply(&mut machine, command));
        apply(&mut machine, check_in("a.trader-manager", 4));
        // then
        assert_eq!(takes(&mut seen, &machine, now), rests.is_zero(), "after {times}");
        now = now + rests;
        assert!(takes(&mut seen, &machine, now), "later, after {times}");
    }
}
