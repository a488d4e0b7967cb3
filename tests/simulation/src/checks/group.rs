//! What must hold of the group's membership after every step, as all members see it. M4: no more voters than were
//! wanted a moment ago, unless they were voters before. M5: nobody votes who has not been a learner for as long as
//! keeping up takes, and who is not near the leader's log. M6: who votes is a member, and who is a member no more does
//! not lead. Decides these sentences, and when all changes have come to their end; M1 and M2 are `domain`'s own.

use crate::{member::Seat, world::World};
use std::collections::{BTreeMap, BTreeSet};
use tradewind_domain::{
    control::{Machine, group::AdmissionRow},
    ids::NodeId,
    limits::{CAUGHT_UP_ENTRIES, CAUGHT_UP_FOR},
};
use tradewind_replication::Replica;

/// A step may be decided on what was wanted a moment before, and members show what they hold a moment later.
const SOON_MS: u64 = 2_000;

/// A leader looks at every step whether it is confirmed.
const CONFIRMED_LATELY_MS: u64 = 50;

#[derive(Default)]
pub(crate) struct Members {
    /// When a member was first seen as one.
    since: BTreeMap<NodeId, u64>,
    /// Whoever was seen to vote.
    voters: BTreeSet<NodeId>,
    /// How many voters were wanted from when on.
    wanted: Vec<(u64, usize)>,
    /// Since when a leader has had a voter that is no member.
    strange: BTreeMap<NodeId, u64>,
}

impl Members {
    pub(crate) fn look(&mut self, world: &World, seat: &Seat, replica: &Replica) {
        let now = world.now_ms.get();
        let (revision, machine) = replica.machine_at();
        world.grouping.look(revision, &machine);
        let newest = world.grouping.machine();
        let Some(group) = newest.group() else { return };
        let wanted = usize::from(group.voters_wanted);
        if self.wanted.last().map(|(_, wanted)| *wanted) != Some(wanted) {
            self.wanted.push((now, wanted));
        }
        let view = replica.group();
        for node in view.members.keys() {
            self.since.entry(*node).or_insert(now);
        }
        let voters: BTreeSet<NodeId> = view.voters.iter().flatten().copied().collect();
        let new: Vec<NodeId> = voters.difference(&self.voters).copied().collect();
        let latest = view.voters.last().map_or(0, BTreeSet::len);
        if !new.is_empty() && !self.voters.is_empty() && latest > self.most_wanted(now) {
            world.violation(format!("M4: {latest} voters, {wanted} are wanted ({new:?} are new)"));
        }
        for node in new {
            if node.0 > world.founders {
                self.promoted(world, node);
            }
            self.voters.insert(node);
        }
        if seat.is_confirmed(now) {
            self.led(world, &newest, replica.node(), &voters);
        }
    }

    /// What the leader has, for sure: any other may not have heard of the last change.
    fn led(&mut self, world: &World, newest: &Machine, leader: NodeId, voters: &BTreeSet<NodeId>) {
        let now = world.now_ms.get();
        if newest.was_removed(leader) {
            world.violation(format!("M6: node {leader} leads and was removed"));
        }
        let strange = |node: &NodeId| voters.contains(node) && newest.admission(*node).is_none();
        self.strange.retain(|node, _| strange(node));
        for node in voters.iter().filter(|node| strange(node)) {
            let since = *self.strange.entry(*node).or_insert(now);
            if now - since > SOON_MS {
                self.strange.insert(*node, now);
                world.violation(format!("M6: node {node} votes and is no member"));
            }
        }
    }

    /// The most that were wanted within the last moment.
    fn most_wanted(&self, now: u64) -> usize {
        let ends = self.wanted.iter().skip(1).map(|(at, _)| *at).chain([u64::MAX]);
        let lately =
            self.wanted.iter().zip(ends).filter(|(_, end)| end.saturating_add(SOON_MS) > now);
        lately.map(|((_, wanted), _)| *wanted).max().unwrap_or_default()
    }

    fn promoted(&self, world: &World, node: NodeId) {
        let now = world.now_ms.get();
        let learnt_for = self.since.get(&node).map_or(0, |since| now - since);
        world.note(&format!("node {node} votes after {learnt_for} ms"));
        if u128::from(learnt_for) < CAUGHT_UP_FOR.as_millis() {
            world.violation(format!("M5: node {node} votes {learnt_for} ms after it was added"));
        }
        let log = |seat: &Seat| {
            let running = seat.running.borrow();
            running.as_ref().and_then(|running| running.replica.status().last_log)
        };
        let furthest = world.seats.iter().filter_map(log).max().unwrap_or_default();
        let own = world.seat_of(node).and_then(|at| log(&world.seats[at]));
        // What was written while the change was under way comes on top.
        if let Some(own) = own.filter(|own| furthest - own > 2 * CAUGHT_UP_ENTRIES) {
            world.violation(format!("M5: node {node} votes and has {own} of {furthest} entries"));
        }
    }
}

/// `Err`: what is not as it must be once nothing breaks any more.
pub(crate) fn settled(world: &World) -> Result<(), String> {
    // By its own word: here the time is not its own.
    let leads = |seat: &&Seat| {
        let confirmed = seat.confirmed.get();
        confirmed.is_some_and(|at| world.now_ms.get() - at < CONFIRMED_LATELY_MS)
    };
    let leader = world.seats.iter().find(leads).ok_or("nobody leads")?;
    let running = leader.running.borrow().clone().ok_or("nobody leads")?;
    let (view, machine) = (running.replica.group(), running.replica.machine());
    let group = machine.group().ok_or("the group is not founded")?;
    let [voters] = &view.voters[..] else {
        return Err(format!("the voters are being changed: {:?}", view.voters));
    };
    if let Some(row) = machine.admissions().find(|row| row.is_removing()) {
        return Err(format!("node {} is being removed", row.node));
    }
    let admitted: BTreeSet<NodeId> =
        machine.admissions().map(|row: &AdmissionRow| row.node).collect();
    let members: BTreeSet<NodeId> = view.members.keys().copied().collect();
    if !view.committed || admitted != members {
        return Err(format!("admitted are {admitted:?}, members {members:?}"));
    }
    for seat in &world.seats {
        let node = seat.node.get();
        if seat.running.borrow().is_none() || !members.contains(&node) {
            return Err(format!("{} is no member, as node {node}", seat.name()));
        }
    }
    let wanted = usize::from(group.voters_wanted).min(members.len());
    if voters.len() < wanted {
        return Err(format!("{voters:?} vote, {wanted} are wanted of {members:?}"));
    }
    Ok(())
}
