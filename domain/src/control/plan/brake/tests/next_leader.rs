//! Claims about what a new leader makes of what the one before has done.

use super::*;
use crate::{
    control::{
        event::{Event, EventKind},
        manager_disk::ManagerDiskRow,
        plan::Observations,
        row::Row,
    },
    ids::DiskId,
};

#[test]
fn the_next_leader_goes_on_where_the_brake_was() {
    // given: the leader before has let a node go a moment ago
    let machine = without(&nodes(3), 0);
    let at = machine.managers().map(|row| row.since).max().unwrap();
    let mut seen = Observations::since(NOW);
    // when
    seen.after(&machine, &[], at, NOW);
    // then
    let later = NOW + limits::DOWN_AFTER;
    let mut observed = seen.observed().clone();
    assert_eq!(held(&judge(&machine, &observed, later)), [node(1), node(2)]);
    for other in [1, 2] {
        found(&mut observed, &machine, other, &[], &[2, 3]);
    }
    observed.probes.values_mut().for_each(|probe| probe.at = later);
    assert_eq!(judge(&machine, &observed, later).expiries, [], "not within the time");
}

/// What a leader proposes that was elected `NOW`, a minute after a node went down, and hears of the others but the last.
fn after_a_minute(machine: &Machine, why: DownReason) -> Judged {
    let at = machine.managers().map(|row| row.since).max().unwrap() + Duration::from_secs(60);
    let mut events = Vec::new();
    for row in machine.managers().filter(|row| row.state == ManagerState::Down) {
        let manager = row.manager.clone();
        let kind = EventKind::ManagerDown { manager, why };
        events.push(Event { revision: Revision(99), at: UnixNanos(2), kind });
    }
    let mut seen = Observations::since(NOW);
    seen.after(machine, &events, at, NOW);
    let later = NOW + limits::DOWN_AFTER;
    let mut observed = seen.observed().clone();
    for row in machine.managers().filter(|row| row.state == ManagerState::Live) {
        if Node::of(row) != node(3) {
            let incarnation = row.incarnation;
            let sighting = Sighting { incarnation, last_proof: later, refused: false, told: None };
            observed.managers.insert(row.manager.clone(), sighting);
        }
    }
    judge(machine, &observed, later)
}

#[test]
fn a_new_leader_does_not_expire_at_once_what_the_one_before_may_have_held() {
    // given: of four nodes two fell silent together, one was let go, and the other is reached by somebody for long
    let machine = without(&nodes(4), 0);
    // when, then: it is held until others have looked
    let judged = after_a_minute(&machine, DownReason::Silent);
    assert_eq!((held(&judged), expired(&judged, &machine)), (vec![node(3)], [].into()));
    // A proven death was never under the brake.
    let judged = after_a_minute(&machine, DownReason::Refused);
    assert_eq!((held(&judged), expired(&judged, &machine)), (vec![], [node(3)].into()));
}

#[test]
fn nodes_that_are_told_apart_by_their_names_alone_are_remembered_as_well() {
    // given: one address for all, as behind a NAT; the leader before has let one of them go
    let machine = without(&nodes(4), 0);
    let disks = machine.managers().map(|row| {
        let node = Node::of(row).host.parse().unwrap();
        Row::ManagerDisk(ManagerDiskRow { manager: row.manager.clone(), disk: DiskId(1), node })
    });
    let rows = machine.rows().map(|row| match row {
        Row::Manager(row) => Row::Manager(ManagerRow { address: "nat:1".to_string(), ..row }),
        other => other,
    });
    let machine = Machine::from_rows(rows.chain(disks).collect::<Vec<_>>());
    let at = machine.managers().map(|row| row.since).max().unwrap() + Duration::from_secs(60);
    // when
    let mut seen = Observations::since(NOW);
    seen.after(&machine, &[], at, NOW);
    // then
    assert_eq!(seen.observed().braked, ["here".parse().unwrap()].into());
}

#[test]
fn proven_deaths_are_no_lapses_to_the_next_leader_either() {
    // given: a process has ended a moment ago, and the leader with it
    let machine = without(&nodes(3), 0);
    let at = machine.managers().map(|row| row.since).max().unwrap();
    let manager: Vec<ManagerId> = machine.managers().map(|row| row.manager.clone()).collect();
    let events = manager.into_iter().map(|manager| {
        let why = DownReason::Refused;
        let kind = EventKind::ManagerDown { manager, why };
        Event { revision: Revision(99), at: UnixNanos(2), kind }
    });
    let events: Vec<_> = events.collect();
    // when
    let mut seen = Observations::since(NOW);
    seen.after(&machine, &events, at, NOW);
    // then
    assert!(seen.observed().lapsed.is_empty() && seen.observed().braked.is_empty());
}
