//! Claims about refused dials: which prove a death at once, and which only when others have looked too.

use crate::{
    control::{
        Command, Machine,
        command::{DownReason, IdempotencyKey, Request, Stamped},
        plan::{Node, Observations, Probe, Proof, Registration, Told},
    },
    ids::{Incarnation, ManagerId, NodeId, Revision},
    limits,
    time::{Monotonic, UnixNanos},
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::ToString,
    vec::Vec,
};
use core::time::Duration;

const START: Monotonic = Monotonic(1_000_000_000);
const MS: Duration = Duration::from_millis(1);

/// So many nodes of one location, each with a Manager, and a leader that has just begun.
struct Site {
    machine: Machine,
    seen: Observations,
    revision: u64,
}

impl Site {
    fn of(nodes: u64) -> Self {
        let mut site =
            Self { machine: Machine::default(), seen: Observations::since(START), revision: 0 };
        (1..=nodes).for_each(|n| site.check_in(n, 1));
        for n in 1..=nodes {
            site.seen.registered(site.registration(n), None);
        }
        site
    }

    fn apply(&mut self, command: Command) {
        self.revision += 1;
        let client = "test".parse().expect("legal");
        let key = IdempotencyKey { client, issued_at: UnixNanos(1), n: self.revision };
        let entry = Stamped { at: UnixNanos(1), request: Request { key, command } };
        self.machine.apply(Revision(self.revision), &entry);
    }

    fn check_in(&mut self, n: u64, incarnation: u64) {
        self.apply(Command::CheckIn {
            manager: manager(n),
            location: "here".parse().expect("legal"),
            address: format!("10.0.0.{n}:1"),
            incarnation: Incarnation(incarnation),
            capacity: 4,
        });
    }

    fn registration(&self, n: u64) -> Registration {
        self.machine.manager(&manager(n)).expect("registered").into()
    }

    fn heard(&mut self, n: u64, after: Duration, proof: Proof) {
        let of = self.registration(n);
        assert!(self.seen.heard(&of, START + after, proof));
    }

    fn up(&mut self, n: u64) {
        self.heard(n, Duration::ZERO, Proof::Up { incarnation: Incarnation(1) });
        self.heard(n, Duration::ZERO, Proof::Beat(Told::default()));
    }

    fn refuses(&mut self, n: u64, after: Duration) {
        self.heard(n, after, Proof::Down);
        self.heard(n, after, Proof::Refused);
    }

    /// The Managers that would be taken for down, and why.
    fn lost(&self, after: Duration) -> Vec<(ManagerId, DownReason)> {
        let planned = self.seen.plan(&self.machine, START + after).into_iter();
        let lost = planned.filter_map(|command| match command {
            Command::ExpireManager { manager, why, .. } => Some((manager, why)),
            _ => None,
        });
        lost.collect()
    }

    /// Carries out what is planned, as the leader does.
    fn carry_out(&mut self, after: Duration) {
        let commands = self.seen.plan(&self.machine, START + after);
        for command in commands.clone() {
            self.apply(command);
        }
        self.seen.proposed(&self.machine, &commands, START + after);
    }

    fn asked(&mut self, after: Duration) -> BTreeSet<ManagerId> {
        self.seen.brake(&self.machine, START + after).doubted
    }

    /// What member 2 found, asked at that time.
    fn found(&mut self, n: u64, after: Duration, reached: bool) {
        let by = |is: bool| is.then_some(NodeId(2)).into_iter().collect();
        let probe = Probe {
            incarnation: Incarnation(1),
            at: START + after,
            voters: 3,
            reached_by: by(reached),
            missed_by: by(!reached),
            missed_again: BTreeSet::new(),
        };
        self.seen.found(BTreeMap::from([(manager(n), probe)]));
    }

    /// In two questions in a row, the second at that time.
    fn found_twice(&mut self, n: u64, after: Duration, reached: bool) {
        self.found(n, after - limits::PROBE_EVERY, reached);
        self.found(n, after, reached);
    }
}

fn manager(n: u64) -> ManagerId {
    format!("n{n}.trader-manager").parse().expect("legal")
}

#[test]
fn one_whose_pipe_stood_and_whose_port_refuses_now_is_dead_at_once() {
    let mut site = Site::of(3);
    (1..=3).for_each(|n| site.up(n));
    site.refuses(1, MS);
    assert_eq!(site.lost(MS), [(manager(1), DownReason::Refused)]);
    assert_eq!(site.asked(MS), [].into());
}

#[test]
fn one_to_whom_no_pipe_has_stood_is_dead_only_when_another_member_has_missed_it_too() {
    // given: a leader that has just begun, and a port that refuses: the process died before, or something between does
    let mut site = Site::of(3);
    [2, 3].into_iter().for_each(|n| site.up(n));
    site.refuses(1, MS);
    // when, then
    assert_eq!(site.lost(MS), []);
    assert_eq!(site.asked(MS), [manager(1)].into());
    site.found(1, Duration::ZERO, false);
    assert_eq!(site.lost(2 * MS), [], "it was asked before the refusal");
    site.found(1, 2 * MS, true);
    assert_eq!(site.lost(3 * MS), [], "others reach it");
    site.found(1, 2 * MS, false);
    assert_eq!(site.lost(3 * MS), [(manager(1), DownReason::Refused)]);
    // and one that is there after all was not dead
    site.up(1);
    assert_eq!((site.lost(3 * MS), site.asked(3 * MS)), ([].into(), [].into()));
}

#[test]
fn a_second_node_that_refuses_with_the_first_is_asked_about() {
    // given: a filter rejects the leader's dials to the whole site, all pipes stood before
    let mut site = Site::of(3);
    (1..=3).for_each(|n| site.up(n));
    site.refuses(1, MS);
    site.refuses(2, MS);
    // when, then
    assert_eq!(site.lost(2 * MS), []);
    assert_eq!(site.asked(2 * MS), [manager(1), manager(2)].into());
    site.found(2, 2 * MS, false);
    assert_eq!(site.lost(3 * MS), [(manager(2), DownReason::Refused)], "others find it dead");
}

#[test]
fn one_after_the_other_is_together_within_a_down_time() {
    for (between, lost) in [(limits::DOWN_AFTER - MS, 0), (limits::DOWN_AFTER, 1)] {
        // given
        let mut site = Site::of(3);
        (1..=3).for_each(|n| site.up(n));
        site.refuses(1, MS);
        site.carry_out(MS);
        site.seen.forget(&manager(1));
        // when
        let then = MS + between;
        for n in [2, 3] {
            site.heard(n, then, Proof::Beat(Told::default()));
        }
        site.refuses(2, then);
        // then
        assert_eq!(site.lost(then).len(), lost, "after {between:?}");
    }
}

#[test]
fn many_that_refuse_and_are_reached_by_others_are_held_when_their_time_is_over() {
    let mut site = Site::of(3);
    (1..=3).for_each(|n| site.up(n));
    site.refuses(1, MS);
    site.refuses(2, MS);
    let late = limits::DOWN_AFTER;
    site.heard(3, late, Proof::Beat(Told::default()));
    for n in [1, 2] {
        site.found(n, late, true);
    }
    assert_eq!(site.lost(late), []);
    let brake = site.seen.brake(&site.machine, START + late);
    assert_eq!(brake.held.len(), 2);
}

/// One checks in again, and no pipe of the leader ever stands to it; another one falls silent.
fn one_newcomer_and_one_that_was_there() -> Site {
    let mut site = Site::of(3);
    (1..=2).for_each(|n| site.up(n));
    site.check_in(3, 1);
    let of = site.registration(3);
    site.seen.registered(of, Some(START));
    site.heard(1, limits::DOWN_AFTER, Proof::Beat(Told::default()));
    site
}

#[test]
fn one_that_nobody_reaches_lapses_with_nobody() {
    // given
    let mut site = one_newcomer_and_one_that_was_there();
    let late = limits::DOWN_AFTER;
    // when: others were asked about it as soon as it was late, and have missed it too, one lost packet aside
    assert_eq!(site.asked(limits::DIAL_WITHIN - MS), [].into());
    assert_eq!(site.asked(limits::DIAL_WITHIN), [manager(3)].into());
    site.found(3, late - MS, false);
    assert_eq!(site.lost(late), []);
    site.found_twice(3, late - MS, false);
    // then: the silence of the other is an ordinary failure
    let mut lost: Vec<_> = site.lost(late).into_iter().map(|(manager, _)| manager).collect();
    lost.sort();
    assert_eq!(lost, [manager(2), manager(3)]);
    site.carry_out(late);
    let lapsed: Vec<&Node> = site.seen.observed().lapsed.keys().collect();
    assert_eq!(lapsed.iter().map(|node| node.host.to_string()).collect::<Vec<_>>(), ["10.0.0.2"]);
}

/// Found by the simulation (seed 795887677052 with Managers): all nodes refused the leader alone, two of them had checked
/// in anew since, and the third was taken for the only one that was silent.
#[test]
fn one_that_the_leader_alone_does_not_reach_lapses_with_the_others() {
    let late = limits::DOWN_AFTER;
    for others_reach_it in [None, Some(true)] {
        // given
        let mut site = one_newcomer_and_one_that_was_there();
        if let Some(reached) = others_reach_it {
            site.found_twice(3, late - MS, reached);
        }
        // when, then
        assert_eq!(site.lost(late), [], "others reach it: {others_reach_it:?}");
        let held = site.seen.brake(&site.machine, START + late).held;
        assert_eq!(
            held.into_values().flatten().collect::<BTreeSet<_>>(),
            [manager(2), manager(3)].into()
        );
    }
}

#[test]
fn a_check_in_does_not_hide_that_the_leader_is_cut_off() {
    // given: the leader hears nobody; one has checked in anew, over another member
    let late = limits::DOWN_AFTER;
    for (ago, held) in [(limits::DIAL_WITHIN, true), (limits::DIAL_WITHIN - MS, false)] {
        let mut site = Site::of(3);
        (1..=3).for_each(|n| site.up(n));
        site.heard(1, late, Proof::Beat(Told::default()));
        site.check_in(3, 2);
        let of = site.registration(3);
        site.seen.registered(of, Some(START + (late - ago)));
        // when the other one is lost
        let brake = site.seen.brake(&site.machine, START + late);
        // then
        assert_eq!(!brake.held.is_empty(), held, "it has checked in {ago:?} ago");
    }
}
