//! What this crate stores and sends: frozen structs of its own, converted from and to openraft's. Decides
//! the bytes of log entries, votes, memberships and snapshot heads; a released struct is never changed, an
//! enum only gets variants appended. Where they stand is decided by `log`, `state` and `snapshot`.

use crate::raft::{
    Entry, LeaderId, LogId, Membership, Payload, Proposal, SnapshotMeta, StoredMembership, Vote,
};
use bytes::Bytes;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, DeserializeOwned, Visitor},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Deref,
};
use tradewind_domain::{
    control::{
        IdempotencyKey, Row, StateHash,
        row::{AnsweredRow, AnsweredToRow},
    },
    ids::ClusterIncarnation,
    time::UnixNanos,
};
use tradewind_journal::codec;

/// What a record is, as the envelope tells it. Numbers are never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Proposal = 1,
    Entry = 2,
    Vote = 3,
    LogId = 4,
    Head = 5,
    Row = 6,
    RowKey = 7,
    SnapshotBlock = 8,
    Identity = 9,
    Request = 10,
    Reply = 11,
    Backup = 12,
    Disk = 13,
    Removed = 14,
    Diverged = 15,
    Known = 16,
    Answers = 20,
}

/// A record that is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("a record cannot be encoded or decoded")]
    Codec(#[from] codec::CodecError),
    #[error("a membership names a voter that it gives no address for")]
    Membership,
}

pub(crate) fn encode<T: Serialize>(kind: Kind, value: &T) -> Result<Vec<u8>, RecordError> {
    Ok(codec::encode(kind as u8, value)?)
}

pub(crate) fn decode<T: DeserializeOwned>(kind: Kind, bytes: &[u8]) -> Result<T, RecordError> {
    Ok(codec::decode(kind as u8, bytes)?)
}

/// Encoded bytes within a record; copied whole, cloned by reference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Body(Bytes);

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl Deref for Body {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfBytes;
        impl Visitor<'_> for OfBytes {
            type Value = Body;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Body, E> {
                Ok(bytes.to_vec().into())
            }
            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Body, E> {
                Ok(bytes.into())
            }
        }
        deserializer.deserialize_byte_buf(OfBytes)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogIdRecord {
    pub(crate) term: u64,
    pub(crate) node: u64,
    pub(crate) index: u64,
}

impl From<LogId> for LogIdRecord {
    fn from(id: LogId) -> Self {
        Self { term: id.leader_id.term, node: id.leader_id.node_id, index: id.index }
    }
}

impl From<LogIdRecord> for LogId {
    fn from(id: LogIdRecord) -> Self {
        LogId::new(LeaderId { term: id.term, node_id: id.node }, id.index)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VoteRecord {
    term: u64,
    node: u64,
    committed: bool,
}

impl From<Vote> for VoteRecord {
    fn from(vote: Vote) -> Self {
        let leader = vote.leader_id;
        Self { term: leader.term, node: leader.node_id, committed: vote.committed }
    }
}

impl From<VoteRecord> for Vote {
    fn from(vote: VoteRecord) -> Self {
        let leader_id = LeaderId { term: vote.term, node_id: vote.node };
        Self { leader_id, committed: vote.committed }
    }
}

/// A member as the log keeps it; also the node type given to openraft.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MemberRecord {
    pub(crate) peer_address: String,
    pub(crate) api_address: String,
    /// Which disk it votes and acknowledges with; `None` where nobody has told yet.
    pub(crate) disk: Option<u128>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MembershipRecord {
    configs: Vec<BTreeSet<u64>>,
    nodes: BTreeMap<u64, MemberRecord>,
}

impl From<&Membership> for MembershipRecord {
    fn from(membership: &Membership) -> Self {
        Self {
            configs: membership.get_joint_config().clone(),
            nodes: membership.nodes().map(|(id, node)| (*id, node.clone())).collect(),
        }
    }
}

impl TryFrom<MembershipRecord> for Membership {
    type Error = RecordError;
    fn try_from(record: MembershipRecord) -> Result<Self, RecordError> {
        if record.configs.is_empty() && record.nodes.is_empty() {
            return Ok(Membership::default());
        }
        Membership::new(record.configs, record.nodes).map_err(|_| RecordError::Membership)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredMembershipRecord {
    log_id: Option<LogIdRecord>,
    membership: MembershipRecord,
}

impl From<&StoredMembership> for StoredMembershipRecord {
    fn from(stored: &StoredMembership) -> Self {
        Self {
            log_id: stored.log_id().map(LogIdRecord::from),
            membership: stored.membership().into(),
        }
    }
}

impl TryFrom<StoredMembershipRecord> for StoredMembership {
    type Error = RecordError;
    fn try_from(record: StoredMembershipRecord) -> Result<Self, RecordError> {
        let membership = record.membership.try_into()?;
        Ok(StoredMembership::new(record.log_id.map(LogId::from), membership))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum PayloadRecord {
    Blank,
    Proposal(Body),
    Membership(MembershipRecord),
}

/// One entry of the log, on disk and on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EntryRecord {
    pub(crate) log_id: LogIdRecord,
    pub(crate) payload: PayloadRecord,
}

impl From<&Entry> for EntryRecord {
    fn from(entry: &Entry) -> Self {
        let payload = match &entry.payload {
            Payload::Blank => PayloadRecord::Blank,
            Payload::Normal(proposal) => PayloadRecord::Proposal(proposal.body().clone()),
            Payload::Membership(membership) => PayloadRecord::Membership(membership.into()),
        };
        Self { log_id: entry.log_id.into(), payload }
    }
}

impl TryFrom<EntryRecord> for Entry {
    type Error = RecordError;
    fn try_from(record: EntryRecord) -> Result<Self, RecordError> {
        let payload = match record.payload {
            PayloadRecord::Blank => Payload::Blank,
            PayloadRecord::Proposal(body) => Payload::Normal(Proposal::try_from(body)?),
            PayloadRecord::Membership(membership) => Payload::Membership(membership.try_into()?),
        };
        Ok(Entry { log_id: record.log_id.into(), payload })
    }
}

/// How far a state has come: stands beside the rows in sled, at the head of a snapshot file, and before
/// the chunks of a snapshot on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeadRecord {
    pub(crate) applied: Option<LogIdRecord>,
    pub(crate) membership: StoredMembershipRecord,
    /// The latest stamp among the entries applied.
    pub(crate) stamped: UnixNanos,
}

impl HeadRecord {
    pub(crate) fn meta(self) -> Result<SnapshotMeta, RecordError> {
        Ok(SnapshotMeta {
            last_log_id: self.applied.map(LogId::from),
            last_membership: self.membership.try_into()?,
        })
    }
}

/// A snapshot file is a sequence of these: one head, rows, one end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SnapshotBlock {
    Head(HeadRecord),
    Rows(Vec<Row>),
    /// As it ended before its hash was told.
    End {
        rows: u64,
    },
    /// The end, with the hash that the machine had when it was written: a sum kept from write to write, so a
    /// row that memory altered does not fit it any more.
    Sealed {
        rows: u64,
        hash: StateHash,
    },
}

/// A page of the answered commands in the state on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AnswersRecord {
    Answered(Vec<AnsweredRow>),
    Forgotten(Vec<IdempotencyKey>),
    /// Of commands that say which request they were made of.
    AnsweredTo(Vec<AnsweredToRow>),
}

/// Whose state directory this is. It is never taken over by another node or cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IdentityRecord {
    pub(crate) cluster: String,
    pub(crate) node: u64,
}

/// How often this member's state was found to differ from the majority's, and whether it is to be made anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DivergedRecord {
    pub(crate) times: u32,
    pub(crate) open: Option<OutvotedRecord>,
}

/// The majority's state at one index: its hash, and who has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutvotedRecord {
    pub(crate) index: u64,
    pub(crate) hash: StateHash,
    pub(crate) nodes: Vec<u64>,
}

/// Whom this member knew, and in which life of the cluster: beside the state, for when that is lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownRecord {
    pub(crate) members: BTreeMap<u64, MemberRecord>,
    pub(crate) incarnation: Option<ClusterIncarnation>,
}

#[cfg(test)]
mod tests;
