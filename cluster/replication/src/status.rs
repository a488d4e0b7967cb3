//! How a member sees itself and the group. Decides what is told outside; the numbers are openraft's.

use crate::{Member, raft::TypeConfig};
use openraft::{RaftMetrics, ServerState};
use std::collections::{BTreeMap, BTreeSet};
use tradewind_domain::ids::NodeId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Receives the log and does not vote.
    Learner,
    Follower,
    Candidate,
    /// Was elected, and may have been replaced without knowing: see `Replica::confirmed_leader`.
    Leader,
    /// Stopped, or stopping.
    Stopped,
}

/// As this member knows it; others may know more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub node: NodeId,
    pub role: Role,
    pub term: u64,
    pub leader: Option<NodeId>,
    pub members: BTreeMap<NodeId, Member>,
    pub voters: BTreeSet<NodeId>,
    /// Index of the last entry in this member's log.
    pub last_log: Option<u64>,
    /// Index of the last entry known to be committed and present here.
    pub committed: Option<u64>,
    /// Index of the last entry in this member's machine.
    pub applied: Option<u64>,
    /// Index of the last entry in the newest snapshot.
    pub snapshot: Option<u64>,
    /// Index of the last entry no longer in the log.
    pub purged: Option<u64>,
    /// On the leader: the last entry each other member is known to hold durably.
    pub replicated: BTreeMap<NodeId, Option<u64>>,
    /// Why this member stopped by itself, if it did. The process should exit.
    pub failure: Option<String>,
}

impl Status {
    /// Who leads, with its addresses.
    #[must_use]
    pub fn known_leader(&self) -> Option<(NodeId, Member)> {
        let leader = self.leader?;
        Some((leader, self.members.get(&leader)?.clone()))
    }
}

impl From<&RaftMetrics<TypeConfig>> for Status {
    fn from(metrics: &RaftMetrics<TypeConfig>) -> Self {
        let membership = metrics.membership_config.membership();
        let role = match (&metrics.running_state, metrics.state) {
            (Err(_), _) | (_, ServerState::Shutdown) => Role::Stopped,
            (_, ServerState::Learner) => Role::Learner,
            (_, ServerState::Follower) => Role::Follower,
            (_, ServerState::Candidate) => Role::Candidate,
            (_, ServerState::Leader) => Role::Leader,
        };
        let members = membership
            .nodes()
            .filter_map(|(id, node)| Some((NodeId(*id), node.member()?)))
            .collect();
        let replicated = metrics.replication.iter().flatten();
        Self {
            node: NodeId(metrics.id),
            role,
            term: metrics.current_term,
            leader: metrics.current_leader.map(NodeId),
            members,
            voters: membership.voter_ids().map(NodeId).collect(),
            last_log: metrics.last_log_index,
            committed: metrics.local_committed.map(|id| id.index),
            applied: metrics.last_applied.map(|id| id.index),
            snapshot: metrics.snapshot.map(|id| id.index),
            purged: metrics.purged.map(|id| id.index),
            replicated: replicated
                .map(|(id, last)| (NodeId(*id), last.map(|id| id.index)))
                .filter(|(id, _)| id.0 != metrics.id)
                .collect(),
            failure: failure(metrics),
        }
    }
}

/// A member that was asked to stop has not failed.
fn failure(metrics: &RaftMetrics<TypeConfig>) -> Option<String> {
    match &metrics.running_state {
        Ok(()) | Err(openraft::errors::Fatal::Stopped) => None,
        Err(fatal) => Some(fatal.to_string()),
    }
}
