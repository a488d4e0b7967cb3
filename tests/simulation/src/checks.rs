//! What must hold after every step. Decides what is compared: each member with itself a step ago, and all
//! members with one another at the same revision. Each sentence of `domain`'s invariants is called here.

pub(crate) mod group;

use crate::{
    member::{Running, Seat},
    scene::Scene,
    world::World,
};
use group::Members;
use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hasher},
};
use tradewind_domain::{
    control::{
        Machine,
        invariants::{Epochs, violations_across},
    },
    ids::Revision,
};
use tradewind_journal::codec;
use tradewind_replication::{Role, Status};

/// States are hashed at every so manieth revision: a hash costs as much as the state is large.
const HASHED_EVERY: u64 = 4;

#[derive(Default)]
pub(crate) struct Checks {
    seen: BTreeMap<u64, Seen>,
    epochs: Epochs,
    /// The entry applied at an index: the same on every member.
    applied: BTreeMap<u64, (u64, u64)>,
    /// Hash of the state at a revision: the same on every member.
    states: BTreeMap<u64, u128>,
    /// Who led, by term.
    pub(crate) leaders: BTreeSet<(u64, u64)>,
    members: Members,
}

/// A member as it was a step ago, in this boot of it.
struct Seen {
    boot: u64,
    status: Status,
    revision: Revision,
    machine: Machine,
}

impl Checks {
    pub(crate) fn after_step(&mut self, world: &World) {
        let mut confirmed = Vec::new();
        for seat in &world.seats {
            let applied = seat.rows.borrow().take_applied();
            for id in applied {
                let first = *self.applied.entry(id.index).or_insert((id.term, id.node));
                if first != (id.term, id.node) {
                    world.violation(format!(
                        "log matching: {} applied {id:?}, another {first:?} there",
                        seat.name()
                    ));
                }
            }
            let Some(running) = seat.running.borrow().clone() else {
                self.seen.remove(&seat.place);
                continue;
            };
            if !world.sites().is_empty() {
                let (revision, machine) = running.replica.machine_at();
                world.overseen.borrow_mut().look(world, revision, &machine);
            }
            if seat.is_confirmed(world.now_ms.get()) {
                confirmed.push(seat.node.get());
            }
            if self.seen.get(&seat.place).is_some_and(|seen| seen.boot != running.boot) {
                self.seen.remove(&seat.place);
            }
            self.member(world, seat, &running);
            if world.scene == Scene::Members {
                self.members.look(world, seat, &running.replica);
            }
        }
        if confirmed.len() > 1 {
            world.violation(format!("election safety: {confirmed:?} lead at once"));
        }
    }

    fn member(&mut self, world: &World, seat: &Seat, running: &Running) {
        let (replica, boot) = (&running.replica, running.boot);
        let node = seat.place;
        let (status, (revision, machine)) = (replica.status(), replica.machine_at());
        let Some(seen) = self.seen.get(&node) else {
            self.state(world, node, revision, &machine);
            self.seen.insert(node, Seen { boot, status, revision, machine });
            return;
        };
        if status != seen.status {
            compare(world, seat, &seen.status, &status);
            if status.role == Role::Leader && seen.status.role != Role::Leader {
                self.leaders.insert((status.term, status.node.0));
            }
        }
        if revision < seen.revision {
            let before = seen.revision;
            world.violation(format!("applied went back from {before} to {revision} at m{node}"));
        }
        let moved = revision != seen.revision;
        if moved {
            for what in violations_across(&seen.machine, &machine, seen.revision, revision) {
                world.violation(format!("{what} (m{node})"));
            }
            self.state(world, node, revision, &machine);
        }
        self.seen.insert(node, Seen { boot, status, revision, machine });
    }

    fn state(&mut self, world: &World, node: u64, revision: Revision, machine: &Machine) {
        for what in self.epochs.note(machine) {
            world.violation(format!("{what} (m{node})"));
        }
        if revision.0.is_multiple_of(HASHED_EVERY) {
            let hash = hash(machine);
            let first = *self.states.entry(revision.0).or_insert(hash);
            if first != hash {
                world.violation(format!("m{node} holds another state at {revision}"));
            }
        }
    }
}

/// What may only grow, within a boot.
fn compare(world: &World, seat: &Seat, before: &Status, after: &Status) {
    let node = seat.place;
    let grown = |what: &str, before: Option<u64>, after: Option<u64>| {
        if after < before {
            world.violation(format!("{what} went back from {before:?} to {after:?} at m{node}"));
        }
    };
    grown("term", Some(before.term), Some(after.term));
    grown("committed", before.committed, after.committed);
    grown("applied", before.applied, after.applied);
    grown("purged", before.purged, after.purged);
    grown("snapshot", before.snapshot, after.snapshot);
    if before.term == after.term && before.leader.is_some() && after.leader < before.leader {
        // A term may see several leaders, one after the other; a later one has the higher id.
        if after.leader.is_some() {
            world.violation(format!("m{node} went back to an earlier leader of a term"));
        }
    }
    if let Some(failure) = &after.failure
        && before.failure.is_none()
        && !seat.failing.get()
        && !world.grouping.was_removed(after.node)
    {
        world.violation(format!("m{node} has failed: {failure}"));
    }
    world.note(&format!(
        "m{node} {:?} term {} leader {:?} log {:?} committed {:?} applied {:?} snapshot {:?}",
        after.role,
        after.term,
        after.leader,
        after.last_log,
        after.committed,
        after.applied,
        after.snapshot
    ));
}

/// The same for equal rows, in whatever order they come.
pub(crate) fn hash(machine: &Machine) -> u128 {
    let mut sum = 0u128;
    for row in machine.rows() {
        let Ok(bytes) = codec::encode(0, &row) else { continue };
        let mut halves = [0u64; 2];
        for (half, salt) in halves.iter_mut().zip([1, 2]) {
            let mut hasher = DefaultHasher::new();
            hasher.write_u8(salt);
            hasher.write(&bytes);
            *half = hasher.finish();
        }
        sum = sum.wrapping_add(u128::from(halves[0]) << 64 | u128::from(halves[1]));
    }
    sum
}
