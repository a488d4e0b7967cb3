//! The newest part of the log in memory. Decides what is kept there and what the log's bounds are; the
//! journal holds everything from the purge mark on.

use crate::{
    limits::{LOG_CACHE_BYTES, LOG_CACHE_ENTRIES},
    raft::{Entry, LogId, Vote},
};
use std::{collections::VecDeque, ops::Range};

pub(super) struct Tail {
    /// Openraft's purge mark: entries up to it are out of sight, though maybe still on disk.
    pub(super) purged: Option<LogId>,
    pub(super) last: Option<LogId>,
    pub(super) vote: Option<Vote>,
    pub(super) committed: Option<LogId>,
    /// The number of the newest append; they count from 1.
    pub(super) appends: u64,
    /// Consecutive entries ending with `last`; may be fewer than the log holds.
    kept: VecDeque<Kept>,
    kept_bytes: usize,
}

struct Kept {
    entry: Entry,
    bytes: usize,
    /// Number of the append that wrote it; 0 if it was there at the start.
    append: u64,
}

impl Tail {
    pub(super) fn new(purged: Option<LogId>, vote: Option<Vote>) -> Self {
        let kept = VecDeque::new();
        Self { purged, last: purged, vote, committed: None, appends: 0, kept, kept_bytes: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.last == self.purged
    }

    pub(super) fn push(&mut self, entry: Entry, bytes: usize, append: u64) {
        self.last = Some(entry.log_id);
        self.kept_bytes += bytes;
        self.kept.push_back(Kept { entry, bytes, append });
    }

    /// Forgets old entries until the rest is within bounds, but none that is not durable yet.
    pub(super) fn evict(&mut self, durable_append: u64) {
        while self.kept.len() > LOG_CACHE_ENTRIES || self.kept_bytes > LOG_CACHE_BYTES {
            match self.kept.front() {
                Some(oldest) if oldest.append <= durable_append => self.drop_front(),
                _ => return,
            }
        }
    }

    fn drop_front(&mut self) {
        if let Some(gone) = self.kept.pop_front() {
            self.kept_bytes -= gone.bytes;
        }
    }

    /// Takes everything above `last` out.
    pub(super) fn truncate_after(&mut self, last: Option<LogId>) {
        if last.is_some_and(|last| self.last.is_some_and(|held| held.index <= last.index)) {
            return;
        }
        let keep = |entry: &Entry| last.is_some_and(|last| entry.log_id.index <= last.index);
        while self.kept.back().is_some_and(|newest| !keep(&newest.entry)) {
            if let Some(gone) = self.kept.pop_back() {
                self.kept_bytes -= gone.bytes;
            }
        }
        self.last = last.or(self.purged);
    }

    /// Puts everything up to `purged` out of sight. Tells whether that was all there is.
    pub(super) fn purge(&mut self, purged: LogId) -> bool {
        if self.purged.is_some_and(|held| held >= purged) {
            return false;
        }
        self.purged = Some(purged);
        while self.kept.front().is_some_and(|oldest| oldest.entry.log_id.index <= purged.index) {
            self.drop_front();
        }
        let all = self.last.is_none_or(|last| last.index <= purged.index);
        if all {
            self.last = Some(purged);
        }
        all
    }

    /// Indices of the entries in sight.
    pub(super) fn bounds(&self) -> Range<u64> {
        let start = self.purged.map_or(0, |id| id.index + 1);
        let end = self.last.map_or(0, |id| id.index + 1);
        // A log that was never purged may begin above 0 where it was filled so from outside.
        start..end.max(start)
    }

    /// Index of the oldest entry in memory; the end of the log if there is none.
    pub(super) fn kept_from(&self) -> u64 {
        self.kept.front().map_or(self.bounds().end, |oldest| oldest.entry.log_id.index)
    }

    /// Entries of the range that are in memory, with their sizes.
    pub(super) fn kept(&self, range: Range<u64>) -> impl Iterator<Item = (&Entry, usize)> {
        let from = self.kept_from();
        let place = |index: u64| usize::try_from(index.saturating_sub(from)).unwrap_or(usize::MAX);
        let end = place(range.end).min(self.kept.len());
        let start = place(range.start).min(end);
        self.kept.range(start..end).map(|kept| (&kept.entry, kept.bytes))
    }

    /// The append that must be durable for this entry to be; 0 if it is.
    pub(super) fn append_of(&self, index: u64) -> u64 {
        let place =
            index.checked_sub(self.kept_from()).and_then(|place| usize::try_from(place).ok());
        place.and_then(|place| self.kept.get(place)).map_or(0, |kept| kept.append)
    }

    /// Whether the log holds this very entry, or has purged it.
    pub(super) fn holds(&self, id: LogId) -> bool {
        if self.purged.is_some_and(|purged| id <= purged) {
            return true;
        }
        match self.kept(id.index..id.index + 1).next() {
            Some((entry, _)) => entry.log_id == id,
            // Older than what is in memory: one this old is below the newest thousands.
            None => self.bounds().contains(&id.index),
        }
    }
}
