//! View: the log as a reader sees it, submitted records included. Decides which indices exist,
//! which submissions fit, and where each record is to be read from: the tail in memory while it is
//! not yet durable, else a segment. It does no file work: `read` and `writer` do.
//!
//! V1 every index in `first..next` is in the tail, or below the tail in exactly one segment.
//! Segments may hold more (records already truncated here but not yet on disk); those are never
//! asked for.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::disk::DiskFile;
use crate::error::{ReadError, SubmitError};
use crate::limits::RECORD_BYTES_MAX;
use crate::record::{self, Record};
use crate::segment::Segment;

/// See the module.
pub(crate) struct View {
    /// First and next index; none while nothing has fixed where the log begins.
    bounds: Option<Range<u64>>,
    pub(crate) segments: VecDeque<Segment>,
    tail: VecDeque<Pending>,
    /// Last record that a submitted purge may remove.
    purged: Option<u64>,
    /// Sequence number of the last submitted reset.
    reset: u64,
}

struct Pending {
    sequence: u64,
    record: Record,
}

/// Where the records of a read are, in order.
pub(crate) enum Piece {
    /// Consecutive records of one file, and their extents in it.
    File { first: u64, file: Arc<dyn DiskFile>, path: PathBuf, extents: Vec<(u32, u32)> },
    /// Records not yet durable.
    Memory(Vec<(u64, Bytes)>),
}

impl View {
    /// The view of a journal just opened; `first_index` counts if there is no segment.
    pub(crate) fn new(segments: Vec<Segment>, first_index: Option<u64>) -> Self {
        let bounds = match (segments.first(), segments.last()) {
            (Some(first), Some(last)) => Some(first.first..last.next()),
            _ => first_index.map(|first| first..first),
        };
        Self { bounds, segments: segments.into(), tail: VecDeque::new(), purged: None, reset: 0 }
    }

    pub(crate) fn bounds(&self) -> Option<Range<u64>> {
        self.bounds.clone()
    }

    /// Bytes of headers and records in the segments.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| u64::from(segment.end)).sum()
    }

    /// Takes records into the tail if they continue the log.
    pub(crate) fn append(&mut self, sequence: u64, records: &[Record]) -> Result<(), SubmitError> {
        let Some(first) = records.first() else { return Ok(()) };
        let bounds = self.bounds.clone().unwrap_or(first.index..first.index);
        let mut next = bounds.end;
        for record in records {
            // The last number is kept free: it could have no next one.
            if record.index != next || next == u64::MAX {
                return Err(SubmitError::OutOfOrder { expected: next, given: record.index });
            }
            if record.body.len() > RECORD_BYTES_MAX {
                return Err(SubmitError::TooLarge {
                    index: record.index,
                    bytes: record.body.len(),
                    most: RECORD_BYTES_MAX,
                });
            }
            next += 1;
        }
        self.bounds = Some(bounds.start..next);
        let pending = |record: &Record| Pending { sequence, record: record.clone() };
        self.tail.extend(records.iter().map(pending));
        Ok(())
    }

    /// Forgets the records above `after`.
    pub(crate) fn truncate(&mut self, after: u64) -> Result<(), SubmitError> {
        let Some(bounds) = &mut self.bounds else { return Ok(()) };
        let purged = self.purged.max(bounds.start.checked_sub(1));
        if let Some(purged) = purged.filter(|purged| after < *purged) {
            return Err(SubmitError::Purged { after, purged });
        }
        bounds.end = bounds.end.min(after.saturating_add(1)).max(bounds.start);
        let end = bounds.end;
        while self.tail.back().is_some_and(|pending| pending.record.index >= end) {
            self.tail.pop_back();
        }
        Ok(())
    }

    /// Notes that records up to `to` may go. Gives the last of them that exists.
    pub(crate) fn purge(&mut self, to: u64) -> Option<u64> {
        let bounds = self.bounds.as_ref().filter(|bounds| !bounds.is_empty())?;
        let to = to.min(bounds.end - 1);
        self.purged = self.purged.max(Some(to));
        Some(to)
    }

    /// Forgets everything; the next record is `first`.
    pub(crate) fn reset(&mut self, sequence: u64, first: u64) {
        self.bounds = Some(first..first);
        self.tail.clear();
        self.purged = None;
        self.reset = sequence;
    }

    /// Takes a new last segment in. One that was still empty has the same first index, hence the
    /// same name, and has been replaced: it was too small for the first record.
    pub(crate) fn add(&mut self, segment: Segment) {
        if self.segments.back().is_some_and(|last| last.first == segment.first) {
            self.segments.pop_back();
        }
        self.segments.push_back(segment);
    }

    /// Everything up to that operation is durable and in the segments.
    pub(crate) fn settled(&mut self, sequence: u64) {
        while self.tail.front().is_some_and(|pending| pending.sequence <= sequence) {
            self.tail.pop_front();
        }
    }

    /// Takes the oldest segment away for purge `sequence`, if all its records are at most `to` and
    /// it is not the last one.
    pub(crate) fn take_oldest(&mut self, sequence: u64, to: u64) -> Option<Segment> {
        let next_first = self.segments.get(1)?.first;
        if next_first > to.saturating_add(1) {
            return None;
        }
        // A reset submitted since then already says where the log begins.
        if let Some(bounds) = self.bounds.as_mut().filter(|_| self.reset < sequence) {
            bounds.start = next_first;
        }
        self.segments.pop_front()
    }

    /// Finds up to `bytes_max` bytes of bodies of the range, and at least one record if there is
    /// one.
    pub(crate) fn find(
        &self,
        range: Range<u64>,
        bytes_max: usize,
    ) -> Result<Vec<Piece>, ReadError> {
        let mut pieces = Vec::new();
        let Some(bounds) = &self.bounds else { return Ok(pieces) };
        if range.start < range.end && range.start < bounds.start {
            return Err(ReadError::Purged { asked: range.start, first: bounds.start });
        }
        let mut budget = Budget { left: bytes_max, any: false };
        let end = range.end.min(bounds.end);
        let tail_first = self.tail.front().map_or(bounds.end, |pending| pending.record.index);
        let mut index = range.start;
        while index < end.min(tail_first) && !budget.exhausted() {
            let before = index;
            let position = self.segments.partition_point(|segment| segment.first <= index);
            let segment = &self.segments[position - 1];
            let mut extents = Vec::new();
            while index < end.min(tail_first).min(segment.next()) {
                let extent = segment.extent((index - segment.first) as usize);
                if !budget.take((extent.1 - extent.0) as usize - record::HEADER_BYTES) {
                    break;
                }
                extents.push(extent);
                index += 1;
            }
            let (file, path) = (Arc::clone(&segment.file), segment.path.clone());
            if index == before {
                // V1 is broken. Nobody is served a log with a hole, and nobody waits for ever.
                return Err(ReadError::Corrupt {
                    file: path,
                    offset: u64::from(segment.end),
                    index,
                });
            }
            pieces.push(Piece::File { first: before, file, path, extents });
        }
        if index >= tail_first && !budget.exhausted() {
            let tail = self.tail.range((index - tail_first) as usize..);
            let wanted = tail.take_while(|pending| pending.record.index < end);
            let taken = wanted.take_while(|pending| budget.take(pending.record.body.len()));
            let memory = taken.map(|Pending { record, .. }| (record.index, record.body.clone()));
            pieces.push(Piece::Memory(memory.collect()));
        }
        Ok(pieces)
    }
}

struct Budget {
    left: usize,
    any: bool,
}

impl Budget {
    /// Whether a body of that size may be read too; the first one always may.
    fn take(&mut self, bytes: usize) -> bool {
        let fits = !self.exhausted() && (bytes <= self.left || !self.any);
        self.left = if fits { self.left.saturating_sub(bytes) } else { 0 };
        self.any = true;
        fits
    }

    fn exhausted(&self) -> bool {
        self.any && self.left == 0
    }
}
