//! The log under a state that may have come from another member. Decides what of it goes: entries that are not
//! that state's past, and all if it ends before. Such an entry was never committed: another one was, at its
//! index, or at one before. A crash half-way leaves something that is put right by the same steps.

use super::LogStore;
use crate::{
    raft::{LogId, Vote},
    records::{self, EntryRecord, Kind, VoteRecord},
    runtime::spawn_blocking,
};
use std::io;
use tradewind_journal::{ReadError, SubmitError};

impl LogStore {
    /// Waits until everything asked of the journal so far is durable.
    pub(crate) async fn settled(&self) -> io::Result<()> {
        let journal = &self.0.journal;
        journal.room().await;
        journal.flush().map_err(io::Error::other)?.await.map_err(io::Error::other)
    }

    /// Makes the log go on behind a durable state that reaches to `applied`.
    pub(crate) async fn fit(&self, applied: LogId) -> io::Result<()> {
        if self.contradicts(applied)? {
            // This is no leftover of a crash: the state was put here from elsewhere. The log stays.
            let index = applied.index;
            let what = format!(
                "the state holds another entry {index} than the log, where it is committed"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        let (purged, last) = {
            let tail = self.tail();
            (tail.purged, tail.last)
        };
        if purged.is_some_and(|purged| purged.index >= applied.index) {
            return Ok(());
        }
        let reaches = last.is_some_and(|last| last.index >= applied.index);
        let other = reaches && self.id_at(applied.index)? != Some(applied);
        if reaches && !other {
            return Ok(());
        }
        tracing::warn!(index = applied.index, ?last, other, "log made to fit the state");
        // The log must never hold a term that its vote does not reach: this member could vote in it again.
        self.vote_at_least(applied).await?;
        if other {
            self.cut_before(applied.index).await?;
        }
        self.begin_after(applied).await
    }

    /// Whether this log knows another entry to be committed at the state's index. Blocks on the disk.
    pub(crate) fn contradicts(&self, applied: LogId) -> io::Result<bool> {
        let (purged, committed) = {
            let tail = self.tail();
            (tail.purged, tail.committed)
        };
        if purged.is_some_and(|purged| purged.index > applied.index)
            || committed.is_none_or(|committed| committed.index < applied.index)
        {
            return Ok(false);
        }
        let here = match purged.filter(|purged| purged.index == applied.index) {
            Some(purged) => Some(purged),
            None => self.id_at(applied.index)?,
        };
        Ok(here.is_some_and(|here| here != applied))
    }

    /// The id of the entry at that index, from the journal if memory does not hold it.
    fn id_at(&self, index: u64) -> io::Result<Option<LogId>> {
        if let Some((entry, _)) = self.tail().kept(index..index + 1).next() {
            return Ok(Some(entry.log_id));
        }
        let found = match self.0.journal.read(index..index + 1, 1) {
            Ok(found) => found,
            Err(ReadError::Purged { .. }) => return Ok(None),
            Err(error) => return Err(io::Error::other(error)),
        };
        let Some((_, body)) = found.first() else { return Ok(None) };
        let record: EntryRecord = records::decode(Kind::Entry, body).map_err(io::Error::other)?;
        Ok(Some(record.log_id.into()))
    }

    /// No vote in a term before that of an entry that a leader had committed, nor for a lesser one in it.
    async fn vote_at_least(&self, applied: LogId) -> io::Result<()> {
        let least = Vote::new(applied.leader_id.term, applied.leader_id.node_id);
        if self.tail().vote.is_some_and(|vote| vote >= least) {
            return Ok(());
        }
        let body =
            records::encode(Kind::Vote, &VoteRecord::from(least)).map_err(io::Error::other)?;
        let shared = self.0.clone();
        let stored = spawn_blocking(move || shared.vote_slot.store(&body)).await;
        stored.map_err(io::Error::other)?.map_err(io::Error::other)?;
        self.tail().vote = Some(least);
        Ok(())
    }

    async fn cut_before(&self, index: u64) -> io::Result<()> {
        let journal = &self.0.journal;
        let cut = match index.checked_sub(1).map(|after| journal.truncate_after(after)) {
            None | Some(Err(SubmitError::Purged { .. })) => journal.reset(index),
            Some(cut) => cut,
        };
        cut.map_err(io::Error::other)?.await.map_err(io::Error::other)?;
        self.tail().truncate_after(None);
        Ok(())
    }

    /// Nothing up to `applied` is of use any more, and nothing is behind it.
    async fn begin_after(&self, applied: LogId) -> io::Result<()> {
        self.tail().purge(applied);
        let shared = self.0.clone();
        spawn_blocking(move || shared.purged_slot.raise(applied))
            .await
            .map_err(io::Error::other)??;
        let reset = self.0.journal.reset(applied.index + 1).map_err(io::Error::other)?;
        reset.await.map_err(io::Error::other)
    }
}
