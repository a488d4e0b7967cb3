//! Membership of the Raft group, step by step: from what Raft's membership is to what the machine wants.
//! Decides the one change that comes next; a leader carries it out, looks again and asks again, so a crash
//! at any point loses nothing but time. M3: every change keeps a quorum of members that answer, unless an
//! operator forced it. M4: at most as many voters as wanted, unless they were voters before. M6: nobody who was removed
//! leads.

use super::{
    group::{AdmissionRow, AdmissionState, Founder, MemberAddress},
    machine::Machine,
};
use crate::{
    ids::{DiskId, NodeId},
    limits::{CAUGHT_UP_ENTRIES, CAUGHT_UP_FOR},
    time::Monotonic,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

/// Raft's membership and the members behind it, as a confirmed leader sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub leader: NodeId,
    /// The voters: one set, or two while the group passes from one to the other.
    pub voters: Vec<BTreeSet<NodeId>>,
    pub members: BTreeMap<NodeId, Seen>,
    /// Whether the membership is committed: before that nothing else may change.
    pub committed: bool,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub address: MemberAddress,
    pub disk: Option<DiskId>,
    /// Whether it answered a moment ago; the leader answers itself.
    pub answers: bool,
    /// Whether it has kept up with the log for long enough: see [`CatchUp`].
    pub caught_up: bool,
}

/// What the leader does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Tell the machine who forms the group.
    Found { voters_wanted: u8, members: BTreeMap<NodeId, Founder> },
    /// Pass on to the second of two voter sets.
    Settle,
    /// Begin to send the log to a new member.
    AddLearner(NodeId),
    /// Write a member's new address, or the disk it was bound to, into the membership.
    Update(NodeId),
    /// Change the voters, by way of both sets; who is no voter any more stays as a learner.
    SetVoters(BTreeSet<NodeId>),
    /// End sending the log to a member that is no voter.
    RemoveLearner(NodeId),
    /// This leader is to be removed: let another lead.
    HandOver { to: NodeId },
    /// Tell the machine that a removal is done.
    Forget(NodeId),
}

/// Since when learners keep up. Reset by every look that finds one too far behind, or silent.
#[derive(Clone, Debug, Default)]
pub struct CatchUp {
    since: BTreeMap<NodeId, Monotonic>,
}

impl CatchUp {
    /// Notes a look at a member; whether it has kept up for long enough.
    pub fn look(&mut self, node: NodeId, answers: bool, lag: Option<u64>, now: Monotonic) -> bool {
        if !answers || lag.is_none_or(|lag| lag > CAUGHT_UP_ENTRIES) {
            self.since.remove(&node);
            return false;
        }
        let since = *self.since.entry(node).or_insert(now);
        now.since(since) >= CAUGHT_UP_FOR
    }

    /// Nothing is inherited from an earlier leadership.
    pub fn clear(&mut self) {
        self.since.clear();
    }
}

impl Group {
    fn is_voter(&self, node: NodeId) -> bool {
        self.voters.iter().any(|set| set.contains(&node))
    }

    fn answers(&self, node: NodeId) -> bool {
        node == self.leader || self.members.get(&node).is_some_and(|seen| seen.answers)
    }

    /// Whether so many of the voters answer that the group can decide.
    #[must_use]
    pub fn serves(&self, voters: &BTreeSet<NodeId>) -> bool {
        let answering = voters.iter().filter(|node| self.answers(**node)).count();
        answering > voters.len() / 2
    }

    /// The voters that remain when one goes and nobody comes in its place.
    #[must_use]
    pub fn without(&self, node: NodeId) -> BTreeSet<NodeId> {
        let latest = self.voters.last().cloned().unwrap_or_default();
        latest.into_iter().filter(|voter| *voter != node).collect()
    }
}

/// The next step, if there is one to take now.
#[must_use]
pub fn plan_membership(machine: &Machine, group: &Group) -> Option<Change> {
    let [voters] = &group.voters[..] else {
        // Left over from a leader that went in the middle, or nothing at all.
        return (group.committed && group.voters.len() > 1).then(|| settle(group));
    };
    if !group.committed {
        return None;
    }
    if machine.group().is_none() {
        return found(group, voters);
    }
    if let Some(row) = machine.admissions().find(|row| row.is_removing()) {
        return remove(machine, group, voters, row);
    }
    let new = machine.admissions().find(|row| !group.members.contains_key(&row.node));
    if let Some(row) = new {
        return Some(Change::AddLearner(row.node));
    }
    let moved = |row: &&AdmissionRow| {
        let seen = group.members.get(&row.node);
        seen.is_some_and(|seen| seen.address != row.address || seen.disk != row.disk)
    };
    if let Some(row) = machine.admissions().find(moved) {
        return Some(Change::Update(row.node));
    }
    promote(machine, group, voters)
}

/// Whoever is no voter afterwards lets another lead before: none would follow it.
fn settle(group: &Group) -> Change {
    let latest = group.voters.last().filter(|latest| !latest.contains(&group.leader));
    let heir = latest.into_iter().flatten().copied().find(|voter| group.answers(*voter));
    heir.map_or(Change::Settle, |to| Change::HandOver { to })
}

fn found(group: &Group, voters: &BTreeSet<NodeId>) -> Option<Change> {
    let voters_wanted = u8::try_from(voters.len()).ok()?;
    let founder = |seen: &Seen| Founder { address: seen.address.clone(), disk: seen.disk };
    let members = group.members.iter().map(|(node, seen)| (*node, founder(seen)));
    Some(Change::Found { voters_wanted, members: members.collect() })
}

fn wanted(machine: &Machine) -> usize {
    machine.group().map_or(0, |group| usize::from(group.voters_wanted))
}

/// Learners that may become voters, those with the lowest ids first.
fn learners<'a>(machine: &'a Machine, group: &'a Group) -> impl Iterator<Item = NodeId> + 'a {
    let rows = machine.admissions().filter(|row| !row.is_removing());
    rows.map(|row| row.node)
        .filter(|node| !group.is_voter(*node) && group.members.contains_key(node))
}

fn promote(machine: &Machine, group: &Group, voters: &BTreeSet<NodeId>) -> Option<Change> {
    let room = wanted(machine).saturating_sub(voters.len());
    let ready = learners(machine, group).filter(|node| group.members[node].caught_up).take(room);
    let ready: BTreeSet<NodeId> = ready.collect();
    let next: BTreeSet<NodeId> = voters.union(&ready).copied().collect();
    (!ready.is_empty() && group.serves(&next)).then_some(Change::SetVoters(next))
}

fn remove(
    machine: &Machine,
    group: &Group,
    voters: &BTreeSet<NodeId>,
    row: &AdmissionRow,
) -> Option<Change> {
    let node = row.node;
    let forced = match row.state {
        AdmissionState::Removing { forced } => forced,
        AdmissionState::Admitted => return None,
    };
    // First of all, whatever it still is: M6.
    if node == group.leader {
        let heir = voters.iter().copied().find(|voter| *voter != node && group.answers(*voter));
        return heir.map(|to| Change::HandOver { to });
    }
    if !group.members.contains_key(&node) {
        return Some(Change::Forget(node));
    }
    if !group.is_voter(node) {
        return Some(Change::RemoveLearner(node));
    }
    let mut next = group.without(node);
    let room = wanted(machine).saturating_sub(next.len());
    let mut candidates: Vec<NodeId> = learners(machine, group).collect();
    candidates.retain(|node| group.answers(*node));
    let ready: Vec<NodeId> =
        candidates.iter().copied().filter(|node| group.members[node].caught_up).collect();
    // A successor that answers is waited for: one joint change puts it in the other's place.
    if !forced && room > 0 && ready.is_empty() && !candidates.is_empty() {
        return None;
    }
    next.extend(ready.into_iter().take(room));
    let possible = !next.is_empty() && (forced || group.serves(&next));
    possible.then_some(Change::SetVoters(next))
}

/// Why a removal would not be taken on, to be said before it is asked of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemovalRefused {
    NotAMember,
    /// The only voter there is.
    LastVoter,
    /// So many of the voters that remain answer, and so many are needed.
    QuorumLost {
        answering: usize,
        needed: usize,
    },
    /// The voters are being changed.
    UnderWay,
}

/// Whether a member may be removed, as its group stands.
pub fn check_removal(group: &Group, node: NodeId, forced: bool) -> Result<(), RemovalRefused> {
    if !group.members.contains_key(&node) {
        return Err(RemovalRefused::NotAMember);
    }
    if group.voters.len() > 1 || !group.committed {
        return Err(RemovalRefused::UnderWay);
    }
    if !group.is_voter(node) {
        return Ok(());
    }
    let rest = group.without(node);
    if rest.is_empty() {
        return Err(RemovalRefused::LastVoter);
    }
    if forced || group.serves(&rest) {
        return Ok(());
    }
    let answering = rest.iter().filter(|node| group.answers(**node)).count();
    Err(RemovalRefused::QuorumLost { answering, needed: rest.len() / 2 + 1 })
}

#[cfg(test)]
mod tests;
