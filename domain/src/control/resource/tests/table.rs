//! Claims about the two states of a resource, declared and not: what each change makes of them on each condition.

use super::*;
use crate::control::scale::{Marks, Provisioner, ScaleSpec};

/// A world in which each of these may be declared, and none of them is.
fn world() -> (World, [Declaration; 10]) {
    let mut world = World::new();
    for what in [customer("acme", None), market("crypto", "BTC/USD")] {
        world.accept(put(what, Condition::Absent));
    }
    let marks = Marks { out_percent: 80, in_percent: 30 };
    let scale = ScaleSpec {
        provisioner: Provisioner::Exec { program: name("nomad"), arguments: BTreeMap::new() },
        least: 1,
        most: 3,
        brokers: marks,
        sessions: marks,
        traders: marks,
        sessions_each: 10,
        cool_down_seconds: 10,
        deadline_seconds: 20,
        drop: DropSchedule::WhenIdle,
    };
    let declarations = [
        account("k", &[]),
        customer("zed", None),
        market("metals", "XAU/USD"),
        trader("t", "acme", "algo"),
        hours("here"),
        Declaration::ExchangeDays { exchange: Exchange::Xnys, days: BTreeMap::new() },
        route("crypto", "ETH/USD", "sim"),
        risk(Scope::Global, 1),
        Declaration::TradingState { scope: Scope::Global, state: TradingState::Active },
        Declaration::Scale { location: name("here"), spec: scale },
    ];
    (world, declarations)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Done,
    NotFound,
    NotAsExpected,
}

fn answer(outcome: &Outcome) -> Answer {
    match outcome {
        Outcome::Accepted { .. } => Answer::Done,
        Outcome::Refused { refusal: Refusal::NotFound { .. } } => Answer::NotFound,
        Outcome::Refused { refusal: Refusal::NotAsExpected { .. } } => Answer::NotAsExpected,
        Outcome::Refused { refusal } => panic!("{refusal}"),
    }
}

#[test]
fn every_resource_takes_exactly_the_changes_of_the_table() {
    use Answer::{Done, NotAsExpected as Late, NotFound as Gone};
    // Always, absent, present, as it is, as it was at another time.
    let table = [
        (false, [Done, Done, Late, Late, Late], [Gone; 5]),
        (true, [Done, Late, Done, Done, Late], [Done, Late, Done, Done, Late]),
    ];
    let (_, all) = world();
    let nouns: BTreeSet<_> = all.iter().map(|what| what.resource().noun().to_string()).collect();
    assert_eq!(nouns.len(), all.len(), "each of another kind");
    for (n, (is_there, puts, deletes)) in (0..all.len()).flat_map(|n| table.map(|row| (n, row))) {
        let told = |deletes, which| {
            let (mut world, all) = world();
            let (what, of) = (all[n].clone(), all[n].resource());
            if is_there {
                world.accept(put(what.clone(), Condition::Absent));
            }
            let held = world.machine.declared_at(&of);
            let (right, other) = (held.unwrap_or(Revision(1)), Revision(99));
            let conditions = [
                Condition::Always,
                Condition::Absent,
                Condition::Present,
                Condition::At(right),
                Condition::At(other),
            ];
            let on: Condition = conditions[which];
            let change = if deletes { delete(of.clone(), on, false) } else { put(what, on) };
            let answer = answer(&world.apply(change).outcome);
            let stands = world.machine.declared_at(&of);
            let expected = match (answer, deletes) {
                (Done, true) => false,
                (Done, false) => true,
                (Late | Gone, _) => is_there,
            };
            assert_eq!(stands.is_some(), expected, "{of:?} {on:?}");
            answer
        };
        let what = &all[n];
        assert_eq!([0, 1, 2, 3, 4].map(|which| told(false, which)), puts, "put {what:?}");
        assert_eq!([0, 1, 2, 3, 4].map(|which| told(true, which)), deletes, "delete {what:?}");
    }
}

#[test]
fn a_change_on_condition_of_an_older_revision_is_refused_and_tells_the_one_that_is_held() {
    let mut world = World::new();
    let first = world.accept(put(customer("acme", Some(&["a"])), Condition::Absent));
    assert_eq!(world.machine.declared_at(&Resource::Customer(name("acme"))), Some(first));
    let again = put(customer("acme", Some(&["b"])), Condition::Absent);
    assert_eq!(refused(&mut world, again), Refusal::NotAsExpected { held: Some(first) });
    let second = world.accept(put(customer("acme", Some(&["b"])), Condition::At(first)));
    let late = put(customer("acme", Some(&["c"])), Condition::At(first));
    assert_eq!(refused(&mut world, late), Refusal::NotAsExpected { held: Some(second) });
    let nobody = put(customer("nobody", None), Condition::Present);
    assert_eq!(refused(&mut world, nobody), Refusal::NotAsExpected { held: None });
    world.accept(put(customer("acme", Some(&["c"])), Condition::Present));
}
