//! Claims about the brake: when it is on, who is held, and what lets it go on.

use super::*;
use crate::{
    control::{
        command::{IdempotencyKey, Request, Stamped},
        plan::Sighting,
    },
    ids::Revision,
    time::UnixNanos,
};
use alloc::{format, string::ToString, vec};
use core::time::Duration;

const MS: Duration = Duration::from_millis(1);
const NOW: Monotonic = Monotonic(60_000_000_000);
const LONG_AGO: Duration = Duration::from_secs(10);

/// Nodes of one location, each with Managers of two kinds.
fn nodes(count: u32) -> Machine {
    let mut machine = Machine::default();
    let managers = (0..count).flat_map(|node| {
        ["broker-manager", "market-manager"].map(|kind| (node, format!("n{node}.{kind}")))
    });
    for (n, (node, manager)) in managers.enumerate() {
        let command = Command::CheckIn {
            manager: manager.parse().unwrap(),
            location: "here".parse().unwrap(),
            address: format!("10.0.0.{node}:{}", 4_000 + n),
            incarnation: Incarnation(1),
            capacity: 1,
        };
        let key = IdempotencyKey {
            client: "test".parse().unwrap(),
            issued_at: UnixNanos(1),
            n: n as u64,
        };
        let entry = Stamped { at: UnixNanos(1), request: Request { key, command } };
        machine.apply(Revision(n as u64 + 1), &entry);
    }
    machine
}

fn node(n: u32) -> Node {
    Node { location: "here".parse().unwrap(), host: format!("10.0.0.{n}") }
}

/// All Managers heard of so long ago, node by node.
fn heard(machine: &Machine, ages: &[Duration]) -> Observed {
    let mut observed = Observed::default();
    for row in machine.managers() {
        let n: usize = Node::of(row).host.rsplit_once('.').unwrap().1.parse().unwrap();
        let last_proof = Monotonic(NOW.0 - u64::try_from(ages[n].as_nanos()).unwrap());
        let incarnation = row.incarnation;
        let sighting = Sighting { incarnation, last_proof, refused: false, told: None };
        observed.managers.insert(row.manager.clone(), sighting);
    }
    observed
}

/// What others found of every Manager of a node, asked just now.
fn found(observed: &mut Observed, machine: &Machine, of: u32, reached: &[u64], missed: &[u64]) {
    for row in machine.managers().filter(|row| Node::of(row) == node(of)) {
        let nodes = |ids: &[u64]| ids.iter().map(|id| NodeId(*id)).collect();
        let probe = Probe {
            incarnation: row.incarnation,
            at: NOW,
            voters: 3,
            reached_by: nodes(reached),
            missed_by: nodes(missed),
            missed_again: nodes(missed),
        };
        observed.probes.insert(row.manager.clone(), probe);
    }
}

fn expired(judged: &Judged, machine: &Machine) -> BTreeSet<Node> {
    let each = judged.expiries.iter().map(|command| match command {
        Command::ExpireManager { manager, .. } => Node::of(machine.manager(manager).unwrap()),
        other => panic!("{other:?}"),
    });
    each.collect()
}

fn held(judged: &Judged) -> Vec<Node> {
    judged.brake.held.keys().cloned().collect()
}

const WELL: Duration = Duration::ZERO;
const LOST: Duration = limits::DOWN_AFTER;

#[test]
fn one_whole_node_is_an_ordinary_failure() {
    let machine = nodes(3);
    let judged = judge(&machine, &heard(&machine, &[LOST, WELL, WELL]), NOW);
    assert_eq!(expired(&judged, &machine), [node(0)].into());
    assert_eq!(judged.expiries.len(), 2, "with all its Managers");
    assert_eq!(judged.brake, Brake::default());
}

#[test]
fn two_of_three_nodes_that_fall_silent_together_are_held() {
    let machine = nodes(3);
    let judged = judge(&machine, &heard(&machine, &[LOST, LOST, WELL]), NOW);
    assert_eq!(expired(&judged, &machine), [].into());
    assert_eq!(held(&judged), [node(0), node(1)]);
}

#[test]
fn two_of_seven_nodes_are_less_than_a_third_and_are_not_held() {
    let machine = nodes(7);
    let mut ages = vec![LOST, LOST];
    ages.resize(7, WELL);
    let judged = judge(&machine, &heard(&machine, &ages), NOW);
    assert_eq!(expired(&judged, &machine), [node(0), node(1)].into());
}

#[test]
fn one_that_is_about_to_be_lost_as_well_holds_the_first() {
    // given: cut off together, their last beats differ by what lies between two beats
    let machine = nodes(3);
    let ages = [LOST, LOST - limits::BEAT_EVERY, WELL];
    // when
    let judged = judge(&machine, &heard(&machine, &ages), NOW);
    // then
    assert_eq!(held(&judged), [node(0)]);
}

#[test]
fn one_that_lapses_within_a_down_time_of_another_is_held_and_later_it_is_not() {
    let machine = nodes(3);
    let mut observed = heard(&machine, &[WELL, LOST, WELL]);
    for (ago, is_held) in [(LOST - MS, true), (LOST, false)] {
        let at = Monotonic(NOW.0 - u64::try_from(ago.as_nanos()).unwrap());
        observed.lapsed = [(node(9), Lapse { at, braked: false })].into();
        assert_eq!(held(&judge(&machine, &observed, NOW)).is_empty(), !is_held);
    }
}

#[test]
fn a_process_whose_death_is_proven_is_never_held_and_holds_nobody() {
    // given
    let machine = nodes(3);
    let mut observed = heard(&machine, &[LOST, LOST, WELL]);
    let gone: Vec<_> = machine.managers().filter(|row| Node::of(row) == node(0)).collect();
    for row in gone {
        observed.managers.get_mut(&row.manager).unwrap().refused = true;
    }
    // when
    let judged = judge(&machine, &observed, NOW);
    // then: the second one alone is an ordinary failure
    assert_eq!(expired(&judged, &machine), [node(0), node(1)].into());
}

#[test]
fn held_ones_go_one_by_one_when_a_majority_finds_them_silent_too() {
    // given
    let machine = nodes(3);
    let mut observed = heard(&machine, &[LOST, LOST, WELL]);
    found(&mut observed, &machine, 0, &[], &[2]);
    found(&mut observed, &machine, 1, &[], &[2, 3]);
    // when, then: the first at once
    let judged = judge(&machine, &observed, NOW);
    assert_eq!((expired(&judged, &machine), held(&judged)), ([node(0)].into(), vec![node(1)]));
    // and the next after the time for it, with evidence that is fresh then
    observed.lapsed = [(node(0), Lapse { at: NOW, braked: true })].into();
    for (after, count) in
        [(Duration::ZERO, 0), (limits::BRAKE_EVERY - MS, 0), (limits::BRAKE_EVERY, 1)]
    {
        let now = NOW + after;
        observed.probes.values_mut().for_each(|probe| probe.at = now);
        let others = machine.managers().filter(|row| Node::of(row) == node(2));
        for row in others {
            observed.managers.get_mut(&row.manager).unwrap().last_proof = now;
        }
        let machine = without(&machine, 0);
        let judged = judge(&machine, &observed, now);
        assert_eq!(expired(&judged, &machine).len(), count, "after {after:?}");
    }
}

/// The same with a node's Managers taken for down.
fn without(machine: &Machine, n: u32) -> Machine {
    let mut machine = machine.clone();
    let lost: Vec<_> = machine.managers().filter(|row| Node::of(row) == node(n)).cloned().collect();
    for (i, row) in lost.iter().enumerate() {
        let i = i as u64;
        let key = IdempotencyKey { client: "test".parse().unwrap(), issued_at: UnixNanos(2), n: i };
        let command = expire(row, DownReason::Silent);
        let entry = Stamped { at: UnixNanos(2), request: Request { key, command } };
        machine.apply(Revision(1_000 + i), &entry);
    }
    machine
}

#[test]
fn evidence_is_a_majority_that_misses_the_same_life_after_it_fell_silent_and_nobody_who_reaches_it()
{
    let machine = nodes(3);
    let silent = heard(&machine, &[LOST, LOST, WELL]);
    let goes = |change: &dyn Fn(&mut Probe)| {
        let mut observed = silent.clone();
        found(&mut observed, &machine, 0, &[], &[2]);
        observed.probes.values_mut().for_each(change);
        !judge(&machine, &observed, NOW).expiries.is_empty()
    };
    assert!(goes(&|_| {}));
    assert!(!goes(&|probe| probe.missed_again.clear()), "nobody else has looked twice");
    assert!(!goes(&|probe| probe.voters = 5), "two of five are no majority");
    let one: &dyn Fn(&mut Probe) = &|probe| {
        probe.reached_by.insert(NodeId(3));
    };
    assert!(!goes(one), "one reaches it");
    assert!(!goes(&|probe| probe.incarnation = Incarnation(2)), "another life");
    assert!(!goes(&|probe| probe.at = Monotonic(NOW.0 - LONG_AGO.as_nanos() as u64)), "before");
    // One Manager of the node that was not looked for keeps all of it.
    let mut observed = silent.clone();
    found(&mut observed, &machine, 0, &[], &[2]);
    observed.probes.pop_first();
    assert!(judge(&machine, &observed, NOW).expiries.is_empty());
}

#[test]
fn as_a_cut_heals_those_that_are_heard_first_say_nothing_of_the_others() {
    // given: ten of thirty were held, and others reach all of them
    let machine = nodes(30);
    let mut ages = vec![LOST; 10];
    ages.resize(30, WELL);
    let mut observed = heard(&machine, &ages);
    observed.braked = judge(&machine, &observed, NOW).brake.locations;
    assert_eq!(observed.braked.len(), 1);
    // when: less than a third is left
    ages[0] = WELL;
    let healing = Observed { braked: observed.braked.clone(), ..heard(&machine, &ages) };
    let judged = judge(&machine, &healing, NOW);
    // then
    assert_eq!((judged.expiries.len(), held(&judged).len()), (0, 9));
    // and even the last one is held as long as others reach it
    let mut ages = vec![WELL; 30];
    ages[9] = LOST;
    let mut last = Observed { braked: observed.braked, ..heard(&machine, &ages) };
    found(&mut last, &machine, 9, &[2], &[3]);
    assert_eq!(held(&judge(&machine, &last, NOW)), [node(9)]);
    found(&mut last, &machine, 9, &[], &[3]);
    assert_eq!(expired(&judge(&machine, &last, NOW), &machine), [node(9)].into());
    // Off again when all are well.
    let well = Observed { braked: last.braked, ..heard(&machine, &[WELL; 30]) };
    assert_eq!(judge(&machine, &well, NOW).brake, Brake::default());
}

#[test]
fn a_pause_of_the_leader_does_not_open_the_brake() {
    // given: ten of thirty are cut off, and the leader stands still
    let machine = nodes(30);
    let mut ages = vec![LOST; 10];
    ages.resize(30, WELL);
    let mut observed = heard(&machine, &ages);
    observed.braked = judge(&machine, &observed, NOW).brake.locations;
    observed.leader_since = NOW;
    // when: all ages count from now, and one of the ten is back when they have passed
    observed.braked = judge(&machine, &observed, NOW).brake.locations;
    let later = NOW + limits::DOWN_AFTER;
    for row in machine.managers() {
        let n: u32 = Node::of(row).host.rsplit_once('.').unwrap().1.parse().unwrap();
        if n >= 9 {
            observed.managers.get_mut(&row.manager).unwrap().last_proof = later;
        }
    }
    // then
    let judged = judge(&machine, &observed, later);
    assert_eq!((judged.expiries.len(), held(&judged).len()), (0, 9));
}

#[test]
fn one_that_comes_and_goes_does_not_keep_a_dead_one_waiting() {
    // given: a dead node, and one that checks in again and again although nobody reaches it
    let machine = nodes(3);
    let mut observed = heard(&machine, &[LOST + MS, LONG_AGO, WELL]);
    for of in [0, 1] {
        found(&mut observed, &machine, of, &[], &[2, 3]);
    }
    // when, then
    let judged = judge(&machine, &observed, NOW);
    assert_eq!(expired(&judged, &machine), [node(1)].into(), "the one silent for longest");
}

#[test]
fn one_whose_pipe_stands_and_that_does_not_beat_is_not_held() {
    // given: the disks of two of three nodes stand still, their processes answer
    let machine = nodes(3);
    let stalled = LOST + limits::PIPE_SILENCE;
    let mut observed = heard(&machine, &[stalled, stalled, WELL]);
    observed.piped = machine.managers().map(|row| row.manager.clone()).collect();
    found(&mut observed, &machine, 0, &[2, 3], &[]);
    found(&mut observed, &machine, 1, &[2, 3], &[]);
    // when, then
    let judged = judge(&machine, &observed, NOW);
    assert_eq!(expired(&judged, &machine), [node(0), node(1)].into());
    // A pipe that has died a moment ago may still look as if it stood.
    let mut observed = heard(&machine, &[LOST, LOST, WELL]);
    observed.piped = machine.managers().map(|row| row.manager.clone()).collect();
    assert_eq!(held(&judge(&machine, &observed, NOW)).len(), 2);
}

#[test]
fn one_lost_packet_is_no_evidence_and_two_questions_are() {
    let machine = nodes(3);
    let mut observed = heard(&machine, &[LOST, LOST, WELL]);
    found(&mut observed, &machine, 0, &[], &[2]);
    let mut first = observed.probes.pop_first().unwrap().1;
    first.missed_again.clear();
    let later = |after: Duration| Probe { at: first.at + after, ..first.clone() };
    for (after, counts) in [(limits::PROBE_EVERY, true), (limits::PROBE_COUNTS_FOR, false)] {
        let mut second = later(after);
        second.follows(&first);
        assert_eq!(!second.missed_again.is_empty(), counts, "after {after:?}");
    }
    // As the leader notes them, answer by answer.
    let manager = machine.managers().next().unwrap().manager.clone();
    let mut seen = crate::control::plan::Observations::since(NOW);
    for after in [Duration::ZERO, limits::PROBE_EVERY] {
        assert!(seen.observed().probes.values().all(|probe| probe.missed_again.is_empty()));
        seen.found([(manager.clone(), later(after))].into());
    }
    assert!(!seen.observed().probes[&manager].missed_again.is_empty());
    let mut reached = later(limits::PROBE_EVERY);
    reached.missed_by.clear();
    reached.follows(&first);
    assert_eq!(reached.missed_again, [].into());
}

#[test]
fn locations_are_judged_each_by_itself() {
    // given: two nodes of this location are silent, and the only one of another
    let mut machine = nodes(3);
    let command = Command::CheckIn {
        manager: "far.broker-manager".parse().unwrap(),
        location: "there".parse().unwrap(),
        address: "10.0.1.1:1".to_string(),
        incarnation: Incarnation(1),
        capacity: 1,
    };
    let key = IdempotencyKey { client: "t".parse().unwrap(), issued_at: UnixNanos(1), n: 0 };
    machine.apply(Revision(99), &Stamped { at: UnixNanos(1), request: Request { key, command } });
    let mut observed = heard(&nodes(3), &[LOST, LOST, WELL]);
    observed.leader_since = Monotonic(0);
    // when
    let judged = judge(&machine, &observed, NOW);
    // then
    let there = Node { location: "there".parse().unwrap(), host: "10.0.1.1".to_string() };
    assert_eq!(expired(&judged, &machine), [there].into());
    assert_eq!(held(&judged).len(), 2);
}

mod any;
mod asked;
mod next_leader;
