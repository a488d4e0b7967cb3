//! Raft's log on the journal: entries, vote, and how far entries are committed. Decides what openraft reads
//! back after a crash, and that no entry is applied here before it is durable here (openraft itself hands
//! out entries for applying as soon as they are submitted).
//!
//! G1 an append, a vote and a truncation become durable in the order they were asked for. G2 the saved
//! `committed` never names an entry that this journal does not durably hold. G3 entries leave the disk only
//! when [`LogStore::release`] says that state and snapshot cover them durably.

mod begun;
mod committed;
mod fit;
mod reader;
mod storage;
mod tail;
#[cfg(test)]
mod tests;

use crate::{
    Environment,
    raft::{Entry, LogId, Payload, Vote},
    records::{self, EntryRecord, Kind, LogIdRecord, RecordError, VoteRecord},
};
use committed::CommittedFile;
use std::{
    io,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};
use tail::Tail;
use tokio::sync::watch;
use tradewind_domain::time::UnixNanos;
use tradewind_journal::{
    Disk, Journal, Meters, OpenError, Options, ReadError, SlotError, SlotFile,
};

/// Why the log of this member cannot be used. It is never wiped: an operator decides.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("the journal cannot be opened")]
    Open(#[from] OpenError),
    #[error("the journal cannot be read")]
    Read(#[from] ReadError),
    #[error("a slot beside the journal cannot be read or written")]
    Slot(#[from] SlotError),
    #[error("a record of the journal cannot be understood")]
    Record(#[from] RecordError),
    #[error(
        "the journal begins at {found}, but entries up to {purged:?} are purged: entries are missing"
    )]
    Hole { found: u64, purged: Option<u64> },
    #[error("a file of the log cannot be used")]
    Io(#[from] io::Error),
}

/// How far appends are durable, by their number.
#[derive(Clone, Copy, Debug, Default)]
struct Durable {
    append: u64,
    failed: bool,
}

/// A cheap handle; clones are the same log.
#[derive(Clone)]
pub(crate) struct LogStore(Arc<Shared>);

struct Shared {
    journal: Journal,
    vote_slot: SlotFile,
    purged_slot: PurgedSlot,
    committed_file: CommittedFile,
    tail: Mutex<Tail>,
    durable: watch::Sender<Durable>,
    stamped: Stamps,
    /// The last to go, after the journal.
    open: Arc<()>,
}

/// The latest stamp of any entry ever appended: the next one must not be below it. Outlives the log.
#[derive(Clone, Default)]
pub(crate) struct Stamps(Arc<AtomicU64>);

impl Stamps {
    pub(crate) fn latest(&self) -> UnixNanos {
        UnixNanos(self.0.load(Ordering::Relaxed))
    }

    fn note<'a>(&self, entries: impl IntoIterator<Item = &'a Entry>) {
        let stamps = entries.into_iter().filter_map(|entry| match &entry.payload {
            Payload::Normal(proposal) => Some(proposal.stamped().at.0),
            Payload::Blank | Payload::Membership(_) => None,
        });
        if let Some(latest) = stamps.max() {
            self.0.fetch_max(latest, Ordering::Relaxed);
        }
    }
}

/// Tells whether anybody still uses a log: its files are open so long, and a moment longer while they are closed.
pub(crate) struct LogUse(Weak<()>);

impl LogUse {
    pub(crate) fn ended(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl LogStore {
    /// Opens the log in `directory` and reads all of it. Blocks.
    pub(crate) fn open_in(environment: &Environment, directory: &Path) -> Result<Self, LogError> {
        let disk = &environment.disk;
        disk.create_directory(directory)?;
        let options = Options::at(directory.join("entries"));
        let journal = (environment.journal)(options, disk.clone())?;
        Self::over(journal, disk, directory)
    }

    /// The same on the machine itself.
    #[cfg(test)]
    pub(crate) fn open(directory: &Path) -> Result<Self, LogError> {
        Self::open_in(&Environment::default(), directory)
    }

    pub(crate) fn over(
        journal: Journal,
        disk: &Arc<dyn Disk>,
        directory: &Path,
    ) -> Result<Self, LogError> {
        let slot = |name| SlotFile::on(directory.join(name), disk.clone());
        let vote_slot = slot("vote");
        let vote = load::<VoteRecord>(&vote_slot, Kind::Vote)?.map(Vote::from);
        let purged_slot = PurgedSlot::open(slot("purged"))?;
        let purged = purged_slot.get();
        let (committed_file, committed) =
            CommittedFile::open(disk.as_ref(), &directory.join("committed"))?;
        let mut tail = Tail::new(purged, vote);
        let stamped = Stamps::default();
        read_back(&journal, &mut tail, &stamped)?;
        tail.committed = committed.filter(|id| {
            let known = tail.holds(*id);
            if !known {
                tracing::warn!(index = id.index, "saved commit index is not in the log");
            }
            known
        });
        let durable = watch::Sender::new(Durable::default());
        let tail = Mutex::new(tail);
        Ok(Self(Arc::new(Shared {
            journal,
            vote_slot,
            purged_slot,
            committed_file,
            tail,
            durable,
            stamped,
            open: Arc::new(()),
        })))
    }

    pub(crate) fn stamps(&self) -> Stamps {
        self.0.stamped.clone()
    }

    pub(crate) fn meters(&self) -> Arc<Meters> {
        self.0.journal.meters()
    }

    /// The number of the last append that is durable, if a later one waits for the disk.
    pub(crate) fn waits_behind(&self) -> Option<u64> {
        let durable = *self.0.durable.borrow();
        (self.tail().appends > durable.append && !durable.failed).then_some(durable.append)
    }

    pub(crate) fn usage(&self) -> LogUse {
        LogUse(Arc::downgrade(&self.0.open))
    }

    /// The vote on disk: whom this member has promised to follow, and nobody before him.
    pub(crate) fn vote(&self) -> Option<Vote> {
        self.tail().vote
    }

    /// Whether this member has ever voted or followed: others may rely on what it answered a moment ago.
    pub(crate) fn took_part(&self) -> bool {
        self.tail().vote.is_some_and(|vote| vote.leader_id.term > 0)
    }

    /// The term of its last entry, if the vote on disk is older or gone: a vote is always durable before the
    /// entries of its term, so one has been lost.
    pub(crate) fn vote_lost_in(&self) -> Option<u64> {
        let tail = self.tail();
        let voted = tail.vote.map_or(0, |vote| vote.leader_id.term);
        tail.last.map(|id| id.leader_id.term).filter(|term| *term > voted)
    }

    /// The last entry that is no longer in the log.
    pub(crate) fn purged(&self) -> Option<LogId> {
        self.tail().purged
    }

    /// State up to `covered` is durable outside the log: entries that openraft has purged may leave the
    /// disk up to there. Blocks.
    pub(crate) fn release(&self, covered: LogId) -> io::Result<()> {
        let wanted = self.tail().purged;
        let Some(target) = wanted.map(|purged| purged.min(covered)) else { return Ok(()) };
        if self.0.purged_slot.raise(target)? {
            // Dropped: that the space is free is no fact anybody builds on.
            drop(self.0.journal.purge_to(target.index).map_err(io::Error::other)?);
        }
        Ok(())
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.0.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fills the tail from the journal. What is already purged is skipped; a journal that ends before the purge
/// mark is the trace of a reset that a crash prevented, and is made up for.
fn read_back(journal: &Journal, tail: &mut Tail, stamped: &Stamps) -> Result<(), LogError> {
    let purged = tail.purged.map(|id| id.index);
    let next = purged.map_or(0, |index| index + 1);
    let Some(first) = journal.first_index() else { return Ok(()) };
    if first > next {
        return Err(LogError::Hole { found: first, purged });
    }
    if journal.last_index().is_some_and(|last| last + 1 < next) {
        drop(journal.reset(next).map_err(io::Error::other)?);
        return Ok(());
    }
    for record in journal.stream_from(first.max(next)) {
        let (_, body) = record?;
        let entry = Entry::try_from(records::decode::<EntryRecord>(Kind::Entry, &body)?)?;
        stamped.note([&entry]);
        tail.push(entry, body.len(), 0);
        tail.evict(0);
    }
    Ok(())
}

/// Up to where entries have left the disk, as an id: the journal itself knows indices only.
struct PurgedSlot {
    slot: SlotFile,
    stored: Mutex<Option<LogId>>,
}

impl PurgedSlot {
    fn open(slot: SlotFile) -> Result<Self, LogError> {
        let stored = load::<LogIdRecord>(&slot, Kind::LogId)?.map(LogId::from);
        Ok(Self { slot, stored: Mutex::new(stored) })
    }

    fn get(&self) -> Option<LogId> {
        *self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores the id durably if it is above what is stored; tells whether it was. Blocks.
    fn raise(&self, to: LogId) -> io::Result<bool> {
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        if stored.is_some_and(|held| held >= to) {
            return Ok(false);
        }
        let body =
            records::encode(Kind::LogId, &LogIdRecord::from(to)).map_err(io::Error::other)?;
        self.slot.store(&body).map_err(io::Error::other)?;
        *stored = Some(to);
        Ok(true)
    }
}

fn load<T: serde::de::DeserializeOwned>(
    slot: &SlotFile,
    kind: Kind,
) -> Result<Option<T>, LogError> {
    let Some(bytes) = slot.load()? else { return Ok(None) };
    Ok(Some(records::decode(kind, &bytes)?))
}
