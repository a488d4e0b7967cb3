//! Changing who belongs to the group, one step at a time. Decides that a step is taken only from the
//! membership it was decided on, and how long its answer is waited for; which step comes next is
//! `domain::control::membership`'s decision. A step that was cut off is seen by the next look.

use super::{Replica, leader_of};
use crate::{
    KnownLeader, Member,
    raft::{StoredMembership, TypeConfig},
    records::MemberRecord,
};
use openraft::{
    ChangeMembers,
    async_runtime::watch::WatchReceiver,
    errors::{ChangeMembershipError, ClientWriteError, RaftError},
    raft::Precondition,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::time::timeout;
use tradewind_domain::ids::{DiskId, NodeId};

/// Raft's membership at one moment. A change is made from it, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupView {
    /// The voters: one set, or two while the group passes from one to the other.
    pub voters: Vec<BTreeSet<NodeId>>,
    /// All members, with those that only learn.
    pub members: BTreeMap<NodeId, Member>,
    /// Whether this membership is committed.
    pub committed: bool,
    stored: StoredMembership,
}

/// What the leader knows of another member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The last entry it is known to hold durably.
    pub matched: Option<u64>,
    /// How long ago it answered last.
    pub heard: Option<Duration>,
}

/// Why a change of the membership has no outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    #[error("this member does not lead")]
    NotLeader { leader: KnownLeader },
    /// Surely not made: look again, decide again.
    #[error("the membership has changed since, or is being changed")]
    Busy,
    /// Surely not made, and never will be.
    #[error("the change is not possible: {0}")]
    Refused(String),
    /// It may be made, in part or as a whole: look again.
    #[error("it is unknown what became of the change")]
    Unknown,
    #[error("the member is stopping")]
    Stopped,
}

type Changes = ChangeMembers<u64, MemberRecord>;

fn ids(nodes: &BTreeSet<NodeId>) -> BTreeSet<u64> {
    nodes.iter().map(|node| node.0).collect()
}

impl Replica {
    /// The identity of this member's disk.
    #[must_use]
    pub fn disk(&self) -> DiskId {
        self.shared.disk
    }

    /// Stops the member for a reason that its status then tells.
    pub async fn give_up(&self, reason: String) {
        let _ = self.shared.reason.set(reason);
        let _ = self.shared.raft.shutdown().await;
    }

    /// The membership that this member goes by.
    #[must_use]
    pub fn group(&self) -> GroupView {
        let metrics = self.shared.raft.metrics();
        let metrics = metrics.borrow_watched();
        let stored = (*metrics.membership_config).clone();
        let membership = stored.membership();
        let set = |voters: &BTreeSet<u64>| voters.iter().copied().map(NodeId).collect();
        let member = |(id, node): (&u64, &MemberRecord)| Some((NodeId(*id), node.member()?));
        GroupView {
            voters: membership.get_joint_config().iter().map(set).collect(),
            members: membership.nodes().filter_map(member).collect(),
            committed: stored.log_id() == metrics.committed_membership_config.log_id(),
            stored,
        }
    }

    /// On the leader: what it knows of the others.
    #[must_use]
    pub fn progress(&self) -> BTreeMap<NodeId, Progress> {
        let metrics = self.shared.raft.metrics();
        let metrics = metrics.borrow_watched();
        let replication = metrics.replication.iter().flatten();
        let others = replication.filter(|(id, _)| **id != metrics.id);
        let progress = others.map(|(id, last)| {
            let matched = last.map(|id| id.index);
            (NodeId(*id), Progress { matched, heard: self.ack_age(&metrics, *id) })
        });
        progress.collect()
    }

    /// Begins to send the log, or a snapshot and then the log, to a new member. It does not vote.
    pub async fn add_learner(
        &self,
        from: &GroupView,
        node: NodeId,
        member: &Member,
    ) -> Result<(), ChangeError> {
        self.change(from, Changes::AddNodes([(node.0, member.into())].into())).await
    }

    /// Writes a member's address or disk into the membership anew.
    pub async fn update_member(
        &self,
        from: &GroupView,
        node: NodeId,
        member: &Member,
    ) -> Result<(), ChangeError> {
        let bound = from.members.get(&node).and_then(|held| held.disk);
        if bound.is_some() && bound != member.disk {
            return Err(ChangeError::Refused(format!("node {node} is known with another disk")));
        }
        self.change(from, Changes::SetNodes([(node.0, member.into())].into())).await
    }

    /// Changes the voters by way of a membership in which both sets must agree. Whoever is no voter any
    /// more stays as a learner, so that he hears of it.
    pub async fn set_voters(
        &self,
        from: &GroupView,
        voters: &BTreeSet<NodeId>,
    ) -> Result<(), ChangeError> {
        self.change(from, Changes::ReplaceAllVoters(ids(voters))).await
    }

    /// Passes on to the second of two voter sets, where a leader went before it could.
    pub async fn settle_voters(&self, from: &GroupView) -> Result<(), ChangeError> {
        self.change(from, Changes::AddVoterIds(BTreeSet::new())).await
    }

    /// Ends sending the log to a member that is no voter.
    pub async fn remove_learner(&self, from: &GroupView, node: NodeId) -> Result<(), ChangeError> {
        self.change(from, Changes::RemoveNodes([node.0].into())).await
    }

    async fn change(&self, from: &GroupView, changes: Changes) -> Result<(), ChangeError> {
        let last_membership_log_id = *from.stored.log_id();
        let unchanged = Precondition::<TypeConfig>::LastMembershipLogId { last_membership_log_id };
        let changed = self.shared.raft.change_membership_if(changes, true, [unchanged]);
        // Given up between its two steps it is left at the first: the next look settles that.
        match timeout(self.shared.timing.propose, changed).await {
            Err(_) => Err(ChangeError::Unknown),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(RaftError::Fatal(_))) => Err(ChangeError::Stopped),
            Ok(Err(RaftError::APIError(error))) => Err(told(error)),
        }
    }
}

fn told(error: ClientWriteError<TypeConfig>) -> ChangeError {
    match error {
        ClientWriteError::ForwardToLeader(forward) => {
            ChangeError::NotLeader { leader: leader_of(&forward) }
        }
        ClientWriteError::LogEntryDiscarded(_) => ChangeError::Unknown,
        ClientWriteError::PreconditionFailed(_)
        | ClientWriteError::ChangeMembershipError(ChangeMembershipError::InProgress(_)) => {
            ChangeError::Busy
        }
        ClientWriteError::ChangeMembershipError(other) => ChangeError::Refused(other.to_string()),
    }
}
