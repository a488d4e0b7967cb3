//! Reading the log for followers and for applying. Decides when an entry may be applied: once the append
//! that wrote it is durable in this member's journal.

use super::{LogStore, tail::Tail};
use crate::{
    limits::APPEND_BYTES_MAX,
    raft::{Entry, TypeConfig, Vote},
    records::{self, EntryRecord, Kind},
    runtime::spawn_blocking,
};
use futures_util::{Stream, TryStreamExt, stream};
use openraft::{OptionalSend, storage::RaftLogReader};
use std::{
    fmt::Debug,
    io,
    ops::{Bound, Range, RangeBounds},
};
use tradewind_journal::{Failure, Journal, ReadError};

/// The part of `asked` that the log has in sight.
fn clip(tail: &Tail, asked: &impl RangeBounds<u64>) -> Range<u64> {
    let bounds = tail.bounds();
    let start = match asked.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match asked.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    let start = start.max(bounds.start);
    start..end.min(bounds.end).max(start)
}

impl LogStore {
    /// Entries of the range, cut after `bytes_max` but never before the first.
    async fn entries(
        &self,
        asked: impl RangeBounds<u64>,
        bytes_max: usize,
    ) -> io::Result<Vec<Entry>> {
        let (mut entries, mut bytes) = (Vec::new(), 0_usize);
        let mut range = clip(&self.tail(), &asked);
        loop {
            let left = bytes_max.saturating_sub(bytes);
            // Looked at anew each time: while the disk was read, more may have left memory.
            let kept_from = {
                let tail = self.tail();
                if range.start >= tail.kept_from() {
                    entries.extend(within(tail.kept(range), left));
                    return Ok(entries);
                }
                tail.kept_from()
            };
            let (journal, end) = (self.0.journal.clone(), range.end.min(kept_from));
            let older = range.start..end;
            let older = spawn_blocking(move || from_disk(&journal, older, left))
                .await
                .map_err(io::Error::other)??;
            let begins = older.entries.first().map(|entry| entry.log_id.index);
            if !entries.is_empty() && begins != Some(range.start) {
                // Purged meanwhile: what was read before it is all that goes together.
                return Ok(entries);
            }
            bytes = bytes.saturating_add(older.bytes);
            entries.extend(older.entries);
            if !older.whole || end == range.end || bytes >= bytes_max {
                return Ok(entries);
            }
            range.start = end;
        }
    }

    /// The first entries of the range, for applying.
    async fn committed_entries(&self, range: Range<u64>) -> io::Result<Vec<Entry>> {
        let entries = self.entries(range, APPEND_BYTES_MAX).await?;
        if let Some(last) = entries.last().map(|entry| entry.log_id) {
            self.durable(last.index).await?;
            let committed = self.tail().committed;
            if committed.is_some_and(|committed| last <= committed) {
                let failed =
                    |error| io::Error::other(format!("cannot write log/committed: {error}"));
                // On this thread: 64 bytes into a page that is in memory, never synced. With the disk flooded
                // by another writer (325 MB/s into the page cache, ext4) it took 6 us, 0.1 ms in one of a
                // thousand cases and 5 ms at worst; to hand it to another thread costs more, at every commit.
                self.0.committed_file.raise(last).map_err(failed)?;
            }
        }
        Ok(entries)
    }

    /// Waits until the entry is durable in this journal, and so are all before it.
    async fn durable(&self, index: u64) -> io::Result<()> {
        let append = self.tail().append_of(index);
        let mut durable = self.0.durable.subscribe();
        let state = *durable
            .wait_for(|durable| durable.append >= append || durable.failed)
            .await
            .map_err(io::Error::other)?;
        if state.append >= append {
            Ok(())
        } else {
            // Openraft may come here before it is told of the append: the cause must be in both.
            Err(io::Error::other(self.0.journal.failed().unwrap_or(Failure::Closed)))
        }
    }
}

fn within<'a>(entries: impl Iterator<Item = (&'a Entry, usize)>, bytes_max: usize) -> Vec<Entry> {
    let mut bytes = 0usize;
    entries
        .take_while(|(_, size)| {
            let first = bytes == 0;
            bytes = bytes.saturating_add(*size);
            first || bytes <= bytes_max
        })
        .map(|(entry, _)| entry.clone())
        .collect()
}

/// What the journal gave of a range.
#[derive(Default)]
struct Older {
    entries: Vec<Entry>,
    bytes: usize,
    /// All of the range that there is: only then may newer entries follow.
    whole: bool,
}

fn from_disk(journal: &Journal, mut range: Range<u64>, bytes_max: usize) -> io::Result<Older> {
    // A log that was filled from an index above 0 has nothing before it.
    range.start = range.start.max(journal.first_index().unwrap_or(range.start));
    let mut older = Older::default();
    while range.start < range.end && (older.bytes < bytes_max || older.entries.is_empty()) {
        let piece = (bytes_max - older.bytes).min(APPEND_BYTES_MAX);
        let records = match journal.read(range.clone(), piece) {
            Ok(records) => records,
            // Purged while we read: what is missing, is missing at the beginning.
            Err(ReadError::Purged { .. }) => return Ok(Older { whole: true, ..Older::default() }),
            Err(error) => return Err(io::Error::other(error)),
        };
        if records.is_empty() {
            return Ok(older);
        }
        for (index, body) in records {
            let record: EntryRecord =
                records::decode(Kind::Entry, &body).map_err(io::Error::other)?;
            older.entries.push(Entry::try_from(record).map_err(io::Error::other)?);
            older.bytes += body.len();
            range.start = index + 1;
        }
    }
    older.whole = range.start >= range.end;
    Ok(older)
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        self.entries(range, usize::MAX).await
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.entries(start..end, APPEND_BYTES_MAX).await
    }

    /// Openraft reads what it applies through here. The entries are committed; nothing is given before it
    /// is durable, and the commit index is saved on the way (G2). They are read piece by piece: a member
    /// that was away for long applies more entries than its memory should hold.
    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = Result<Entry, io::Error>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let range = clip(&self.tail(), &range);
        let pieces = stream::try_unfold((self.clone(), range), |(log, range)| async move {
            if range.is_empty() {
                return Ok(None);
            }
            let entries = log.committed_entries(range.clone()).await?;
            let next = entries.last().map_or(range.end, |last| last.log_id.index + 1);
            io::Result::Ok(Some((
                stream::iter(entries.into_iter().map(Ok)),
                (log, next..range.end),
            )))
        });
        pieces.try_flatten()
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.tail().vote)
    }
}
