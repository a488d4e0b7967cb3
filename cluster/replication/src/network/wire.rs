//! What members say to each other: frozen structs, variants only appended. Decides the messages and their
//! translation from and to openraft's; when they are sent is openraft's decision.

use crate::{
    audit::Checkpoint,
    raft::{Entry, LogId, TypeConfig, Vote},
    records::{Body, EntryRecord, HeadRecord, LogIdRecord, RecordError, VoteRecord},
};
use openraft::raft::{
    AppendEntriesRequest, StreamAppendError, StreamAppendResult, TransferLeaderError,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use serde::{Deserialize, Serialize};
use tradewind_domain::{control::StateHash, time::UnixNanos};

/// From a caller.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    Append(AppendRecord),
    Vote(VoteCallRecord),
    PreVote(VoteCallRecord),
    TransferLeader(TransferRecord),
    SnapshotBegin {
        vote: VoteRecord,
        head: HeadRecord,
        bytes: u64,
    },
    SnapshotChunk {
        offset: u64,
        bytes: Body,
    },
    /// All chunks are sent: `crc` is theirs, taken together.
    SnapshotEnd {
        crc: u32,
    },
    /// A snapshot by its identity: head, length and the checksum of all of it. What the receiver has of the
    /// very same one is not sent again.
    SnapshotOffer {
        vote: VoteRecord,
        head: HeadRecord,
        bytes: u64,
        crc: u32,
    },
    /// A chunk with its own checksum.
    SnapshotPiece {
        offset: u64,
        bytes: Body,
        crc: u32,
    },
    /// Asks for nothing: whoever is not welcome hears of it before.
    Greet,
    /// What time is it there, and which hashes has the state at indices above this.
    Report {
        above: u64,
    },
    /// From a member whose state is lost: a snapshot is wanted that reaches at least so far.
    SnapshotWanted {
        least: Option<LogIdRecord>,
    },
    /// The next piece of the one that was given.
    SnapshotRead {
        offset: u64,
    },
    /// Whether the peer has promised no leader after this one anything.
    Confirm(VoteRecord),
}

/// The answer to the call of the same number.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// Stored durably up to here.
    Appended(Option<LogIdRecord>),
    /// The entry before these is another one here.
    Conflict(LogIdRecord),
    /// A newer leader or candidate is known here.
    HigherVote(VoteRecord),
    Vote(VoteAnswerRecord),
    TransferStarted,
    TransferRefused(TransferRefusalRecord),
    SnapshotContinue,
    SnapshotInstalled {
        vote: VoteRecord,
    },
    /// The call cannot be answered, and why. Nothing is known of its effect.
    Failed(String),
    /// So much of the snapshot offered is here already: go on behind it.
    SnapshotHeld {
        bytes: u64,
    },
    Greeted,
    Report(ReportRecord),
    /// This one can be read, on this connection; `crc` is that of all of it.
    SnapshotGiven {
        head: HeadRecord,
        bytes: u64,
        crc: u32,
    },
    SnapshotPart {
        bytes: Body,
        crc: u32,
    },
    Confirmed,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReportRecord {
    /// The time this member uses.
    pub(crate) clock: UnixNanos,
    /// What its machine's calendar says, from which it may keep away.
    pub(crate) calendar: UnixNanos,
    checkpoints: Vec<CheckpointRecord>,
}

#[derive(Debug, Serialize, Deserialize)]
struct CheckpointRecord {
    index: u64,
    hash: StateHash,
}

impl ReportRecord {
    pub(crate) fn new(clock: UnixNanos, calendar: UnixNanos, checkpoints: Vec<Checkpoint>) -> Self {
        let record = |Checkpoint { index, hash }| CheckpointRecord { index, hash };
        Self { clock, calendar, checkpoints: checkpoints.into_iter().map(record).collect() }
    }

    pub(crate) fn checkpoints(&self) -> Vec<Checkpoint> {
        let told = |held: &CheckpointRecord| Checkpoint { index: held.index, hash: held.hash };
        self.checkpoints.iter().map(told).collect()
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AppendRecord {
    pub(crate) vote: VoteRecord,
    pub(crate) previous: Option<LogIdRecord>,
    pub(crate) entries: Vec<EntryRecord>,
    pub(crate) committed: Option<LogIdRecord>,
}

impl From<&AppendEntriesRequest<TypeConfig>> for AppendRecord {
    fn from(request: &AppendEntriesRequest<TypeConfig>) -> Self {
        Self {
            vote: request.vote.into(),
            previous: request.prev_log_id.map(LogIdRecord::from),
            entries: request.entries.iter().map(EntryRecord::from).collect(),
            committed: request.leader_commit.map(LogIdRecord::from),
        }
    }
}

impl TryFrom<AppendRecord> for AppendEntriesRequest<TypeConfig> {
    type Error = RecordError;
    fn try_from(record: AppendRecord) -> Result<Self, RecordError> {
        let entries: Result<Vec<Entry>, _> =
            record.entries.into_iter().map(Entry::try_from).collect();
        Ok(Self {
            vote: record.vote.into(),
            prev_log_id: record.previous.map(LogId::from),
            entries: entries?,
            leader_commit: record.committed.map(LogId::from),
        })
    }
}

impl From<StreamAppendResult<TypeConfig>> for Reply {
    fn from(result: StreamAppendResult<TypeConfig>) -> Self {
        match result {
            Ok(matching) => Self::Appended(matching.map(LogIdRecord::from)),
            Err(StreamAppendError::Conflict(at)) => Self::Conflict(at.into()),
            Err(StreamAppendError::HigherVote(vote)) => Self::HigherVote(vote.into()),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct VoteCallRecord {
    vote: VoteRecord,
    last: Option<LogIdRecord>,
    transfer: bool,
}

impl From<VoteRequest<TypeConfig>> for VoteCallRecord {
    fn from(request: VoteRequest<TypeConfig>) -> Self {
        Self {
            vote: request.vote.into(),
            last: request.last_log_id.map(LogIdRecord::from),
            transfer: request.leadership_transfer,
        }
    }
}

impl From<VoteCallRecord> for VoteRequest<TypeConfig> {
    fn from(record: VoteCallRecord) -> Self {
        let mut request = Self::new(record.vote.into(), record.last.map(LogId::from));
        request.leadership_transfer = record.transfer;
        request
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct VoteAnswerRecord {
    vote: VoteRecord,
    granted: bool,
    last: Option<LogIdRecord>,
}

impl From<VoteResponse<TypeConfig>> for VoteAnswerRecord {
    fn from(response: VoteResponse<TypeConfig>) -> Self {
        Self {
            vote: response.vote.into(),
            granted: response.vote_granted,
            last: response.last_log_id.map(LogIdRecord::from),
        }
    }
}

impl From<VoteAnswerRecord> for VoteResponse<TypeConfig> {
    fn from(record: VoteAnswerRecord) -> Self {
        Self {
            vote: record.vote.into(),
            vote_granted: record.granted,
            last_log_id: record.last.map(LogId::from),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TransferRecord {
    from: VoteRecord,
    to: u64,
    last: Option<LogIdRecord>,
}

impl From<TransferLeaderRequest<TypeConfig>> for TransferRecord {
    fn from(request: TransferLeaderRequest<TypeConfig>) -> Self {
        Self {
            from: (*request.from_leader()).into(),
            to: *request.to_node_id(),
            last: request.last_log_id().copied().map(LogIdRecord::from),
        }
    }
}

impl From<TransferRecord> for TransferLeaderRequest<TypeConfig> {
    fn from(record: TransferRecord) -> Self {
        Self::new(record.from.into(), record.to, record.last.map(LogId::from))
    }
}

/// Why the one called does not take over.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum TransferRefusalRecord {
    VoteChanged { expected: VoteRecord, actual: VoteRecord },
    LogNotFlushed { expected: Option<LogIdRecord>, actual: Option<LogIdRecord> },
}

impl From<TransferLeaderResponse<TypeConfig>> for Reply {
    fn from(response: TransferLeaderResponse<TypeConfig>) -> Self {
        match response {
            Ok(()) => Self::TransferStarted,
            Err(TransferLeaderError::VoteChanged { expected, actual }) => {
                Self::TransferRefused(TransferRefusalRecord::VoteChanged {
                    expected: expected.into(),
                    actual: actual.into(),
                })
            }
            Err(TransferLeaderError::LogNotFlushed { expected, actual }) => {
                Self::TransferRefused(TransferRefusalRecord::LogNotFlushed {
                    expected: expected.map(LogIdRecord::from),
                    actual: actual.map(LogIdRecord::from),
                })
            }
        }
    }
}

impl From<TransferRefusalRecord> for TransferLeaderError<TypeConfig> {
    fn from(record: TransferRefusalRecord) -> Self {
        match record {
            TransferRefusalRecord::VoteChanged { expected, actual } => {
                Self::VoteChanged { expected: Vote::from(expected), actual: Vote::from(actual) }
            }
            TransferRefusalRecord::LogNotFlushed { expected, actual } => Self::LogNotFlushed {
                expected: expected.map(LogId::from),
                actual: actual.map(LogId::from),
            },
        }
    }
}
