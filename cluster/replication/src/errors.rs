//! What can go wrong for a caller, one variant for each thing he can do about it. Decides nothing.

use crate::{Member, log::LogError, options::InvalidOptions, state::StateError};
use std::{io, path::PathBuf, time::Duration};
use tradewind_domain::ids::NodeId;

/// Why a member does not start. Nothing on disk was given up.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the options cannot work")]
    Options(#[from] InvalidOptions),
    /// The directory is another member's. Give the right one, or an empty one to join as a new member.
    #[error(
        "{} belongs to node {found_node} of cluster {found_cluster:?}, not to node {node} of {cluster:?}: start \
         this node on its own directory, or on an empty one as a new member",
        directory.display()
    )]
    WrongIdentity {
        directory: PathBuf,
        found_node: u64,
        found_cluster: String,
        node: u64,
        cluster: String,
    },
    /// The group has removed this member, and no member comes back.
    #[error(
        "node {node} was removed from the group: move {} away and start with --join to be a new member",
        directory.display()
    )]
    Removed { directory: PathBuf, node: u64 },
    /// The log is damaged, in use or unreadable. It is never wiped: without it this member could vote
    /// twice.
    #[error(
        "the log of this member cannot be used; if it is lost, remove the member, move the directory away \
         and join as a new member"
    )]
    Log(#[from] LogError),
    /// The directory was this member's, and its log with its votes is not there.
    #[error(
        "{} is gone: bring it back, or remove the member, move the directory away and join as a new member",
        log.display()
    )]
    LogGone { log: PathBuf },
    /// Nobody has started a member here, or its file is lost.
    #[error(
        "{} is missing, the identity of this member's disk: either the directory was made by restore or recover \
         and was never started, then start it; or the file is lost, then bring it back", file.display()
    )]
    DiskGone { file: PathBuf },
    /// Its entries are of a term that its vote does not reach: it could vote a second time in that one.
    #[error(
        "the vote in {} is older than the log, or gone (entries are of term {term}): bring it back, or \
         remove the member, move the directory away and join as a new member", log.display()
    )]
    VoteLost { log: PathBuf, term: u64 },
    #[error("the state of this member cannot be used")]
    State(#[from] StateError),
    /// Neither state nor snapshot reach the beginning of the journal, and no other member is known that could
    /// be asked. The log alone cannot make up for it.
    #[error(
        "entries up to {purged} are purged, but state and snapshot reach only {covered:?}, and no other \
         member is known: remove the member, move the directory away and join as a new member"
    )]
    StateLost { purged: u64, covered: Option<u64> },
    /// The state was outvoted, no snapshot of this member's is proven, and none of the majority is known.
    #[error(
        "the state of this member is not the majority's at entry {index}, none of its snapshots is, and no \
         member of that majority is known: remove the member, move the directory away and join as a new \
         member"
    )]
    NotTheMajoritys { index: u64 },
    /// Made anew again and again, the state does not stay the group's.
    #[error(
        "the state of this member has differed from the majority's {times} times, at entry {index} the last \
         time: its disk or memory fails, or it is another build than the others. Remove the member, move the \
         directory away and join as a new member, on another machine"
    )]
    Diverged { times: u32, index: u64 },
    /// This program decides differently from the majority's.
    #[error(
        "the journal of this member, applied to a snapshot of the majority's, gives another state than theirs \
         at entry {index}: start it with the others' build, or remove the member, move the directory away and \
         join as a new member"
    )]
    Reproduced { index: u64 },
    /// Asked for a snapshot, another member says that this one does not belong to the group.
    #[error("the group does not want this member: {reason}")]
    Unwelcome { reason: String },
    #[error("{what}: {}", path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("raft did not start: {0}")]
    Raft(String),
}

/// Why a group was not formed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InitializeError {
    /// There is a log already: the group was formed before, or this member belongs to one. Go on with it.
    #[error("the group is initialised already")]
    AlreadyInitialized,
    #[error("this member is not among those named")]
    NotAMember,
    #[error("the member is stopping")]
    Stopped,
}

/// Who leads, as far as this member knows: where to turn to.
pub type KnownLeader = Option<(NodeId, Member)>;

/// Why a proposal has no outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// Surely not proposed: ask the leader.
    #[error("this member does not lead")]
    NotLeader { leader: KnownLeader },
    /// Surely not proposed, and never will be.
    #[error("the request has {bytes} bytes encoded, at most {most} are allowed")]
    TooLarge { bytes: usize, most: usize },
    /// It may be applied, now or later, or never. Repeat it with the same key.
    #[error("it is unknown whether the request was applied; repeat it with the same key")]
    Unknown,
    /// Surely not proposed: this member is stopping or has failed.
    #[error("the member is stopping")]
    Stopped,
    /// Surely not proposed: too few members have told what time it is. Try again shortly.
    #[error("the clocks of a majority of the members are not known yet")]
    NoTime,
}

/// Why a read cannot be answered from this member's state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("this member does not lead")]
    NotLeader { leader: KnownLeader },
    /// It may lead, but a quorum did not confirm it in time. Try again.
    #[error("no quorum confirmed the leadership in time")]
    NoQuorum,
    #[error("the member is stopping")]
    Stopped,
}

/// Why leadership was not handed over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    #[error("this member does not lead")]
    NotLeader { leader: KnownLeader },
    #[error("there is no other voter to hand over to")]
    NobodyElse,
    #[error("node {0} is not a voter")]
    NotAVoter(NodeId),
    /// Nothing was begun. `silent`: since when, if it was ever heard of.
    #[error("node {node} has not answered {}: leadership stays here; start it, or name another voter", for_long(*silent))]
    Silent { node: NodeId, silent: Option<Duration> },
    /// An election will decide; whoever leads then is told by the status.
    #[error("the hand-over was begun, but no new leader was seen in time")]
    Unknown,
    /// It was asked for in an earlier one, and whether it was done then nobody knows any more.
    #[error(
        "another leadership has begun since that was asked for, and node {0} leads: ask anew, under another key"
    )]
    Superseded(NodeId),
    #[error("the member is stopping")]
    Stopped,
}

fn for_long(silent: Option<Duration>) -> String {
    match silent {
        Some(silent) => format!("for {:.1} s", silent.as_secs_f64()),
        None => "yet".to_owned(),
    }
}
