//! The types openraft works with here, and the body of a proposal. Decides what openraft is given as
//! data, answer and node; how they are stored and sent is decided in `records`, since openraft's own
//! structs are never stored.

use crate::{
    records::{self, Body, Kind, MemberRecord, RecordError},
    state::StateMachine,
};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};
use tradewind_domain::{
    control::{Outcome, Stamped},
    ids::Revision,
};

openraft::declare_raft_types!(
    /// A term may see several leaders here, the one with the higher node id wins: fewer split votes.
    pub(crate) TypeConfig:
        D = Proposal,
        R = Answer,
        NodeId = u64,
        Node = MemberRecord,
        AsyncRuntime = crate::runtime::Runtime,
);

pub(crate) type Raft = openraft::Raft<TypeConfig, StateMachine>;
pub(crate) type LeaderId = openraft::impls::leader_id_adv::LeaderId<u64, u64>;
pub(crate) type LogId = openraft::LogId<LeaderId>;
pub(crate) type Vote = openraft::Vote<LeaderId>;
pub(crate) type Payload = openraft::EntryPayload<Proposal, u64, MemberRecord>;
pub(crate) type Entry = openraft::Entry<LeaderId, Payload>;
pub(crate) type Membership = openraft::Membership<u64, MemberRecord>;
pub(crate) type StoredMembership = openraft::StoredMembership<LeaderId, u64, MemberRecord>;
pub(crate) type SnapshotMeta = openraft::SnapshotMeta<LeaderId, u64, MemberRecord>;

/// A stamped request and its encoded form. It is encoded once, where it is proposed; journal and network
/// copy the bytes. A clone costs two reference counts.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Body", into = "Body")]
pub(crate) struct Proposal {
    stamped: Arc<Stamped>,
    body: Body,
}

impl Proposal {
    /// Encodes the request. Fails only if the request is larger than a record may be.
    pub(crate) fn new(stamped: Stamped) -> Result<Self, RecordError> {
        let body = Body::from(records::encode(Kind::Proposal, &stamped)?);
        Ok(Self { stamped: Arc::new(stamped), body })
    }

    pub(crate) fn stamped(&self) -> &Stamped {
        &self.stamped
    }

    pub(crate) fn body(&self) -> &Body {
        &self.body
    }
}

impl TryFrom<Body> for Proposal {
    type Error = RecordError;
    fn try_from(body: Body) -> Result<Self, RecordError> {
        let stamped = Arc::new(records::decode(Kind::Proposal, &body)?);
        Ok(Self { stamped, body })
    }
}

impl From<Proposal> for Body {
    fn from(proposal: Proposal) -> Self {
        proposal.body
    }
}

impl PartialEq for Proposal {
    fn eq(&self, other: &Self) -> bool {
        self.body == other.body
    }
}

impl fmt::Debug for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Size and time only: commands may be long, and openraft prints entries in its logs.
impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "proposal of {} bytes at {}", self.body.len(), self.stamped.at)
    }
}

/// What applying an entry gave: its index and, for a proposal, the recorded outcome.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) revision: Revision,
    pub(crate) outcome: Option<Outcome>,
}

/// Whether whoever holds this vote has promised nobody anything that comes after `asked`.
pub(crate) fn promised_no_later(held: Option<Vote>, asked: &Vote) -> bool {
    held.is_none_or(|held| held.leader_id <= asked.leader_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vote(term: u64, node_id: u64) -> Vote {
        Vote { leader_id: LeaderId { term, node_id }, committed: false }
    }

    #[test]
    fn a_vote_for_anybody_later_is_no_consent() {
        assert!(promised_no_later(None, &vote(3, 2)));
        assert!(promised_no_later(Some(vote(3, 2)), &vote(3, 2)));
        assert!(promised_no_later(Some(vote(2, 9)), &vote(3, 2)));
        assert!(!promised_no_later(Some(vote(4, 1)), &vote(3, 2)));
        // A term may see several leaders here: the one with the higher number comes later.
        assert!(!promised_no_later(Some(vote(3, 3)), &vote(3, 2)));
    }
}
