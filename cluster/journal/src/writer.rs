//! Writer: the only one who changes files. Decides how a group of appends becomes one write and one
//! sync, and stops at the first error; what is asked for, and in which order, comes from `queue`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::directory::{self, Arrival, Directory};
use crate::disk::DiskFile;
use crate::error::{Failure, StorageError};
use crate::limits::GROUP_BYTES_MAX;
use crate::queue::{Operation, Queued, Shared, Taken};
use crate::record::{self, Record};
use crate::segment::{HEADER_BYTES, Segment};

/// Does what was submitted. [`crate::Journal::open`] runs it on a thread of its own; a simulation
/// opens with [`crate::Journal::open_inline`] and calls [`Writer::turn`]. Dropping it ends the
/// journal.
pub struct Writer {
    shared: Arc<Shared>,
    directory: Directory,
    active: Option<Active>,
    /// Bytes of the write being put together, and the offset of each record in the file.
    buffer: Vec<u8>,
    offsets: Vec<u32>,
}

/// The last segment, as far as writing it goes.
struct Active {
    file: Arc<dyn DiskFile>,
    path: std::path::PathBuf,
    end: u32,
    capacity: u64,
}

impl Active {
    fn of(segment: &Segment) -> Self {
        Self {
            file: Arc::clone(&segment.file),
            path: segment.path.clone(),
            end: segment.end,
            capacity: segment.capacity,
        }
    }
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, directory: Directory) -> Self {
        let active = shared.state().view.segments.back().map(Active::of);
        Self { shared, directory, active, buffer: Vec::new(), offsets: Vec::new() }
    }

    /// Works until the last handle is gone and the queue is empty, or the disk fails.
    pub(crate) fn run(mut self) {
        while self.step(true) {}
    }

    /// Does one group of what is queued, without waiting. Gives whether there was one.
    pub fn turn(&mut self) -> bool {
        self.step(false)
    }

    /// Whether there will be no more work: the last handle is gone and the queue empty, or the journal has
    /// stopped.
    pub fn ended(&self) -> bool {
        self.shared.ended()
    }

    fn step(&mut self, wait: bool) -> bool {
        let group = match self.shared.take(wait) {
            Taken::Group(group) => group,
            Taken::Nothing | Taken::Closed => return false,
        };
        let outcome = self.carry_out(&group).map_err(Failure::from);
        if let Err(failure) = &outcome {
            tracing::error!(
                directory = %self.directory.path.display(), error = %Chain(failure),
                "journal stopped: a write or sync failed"
            );
        }
        let rest = match &outcome {
            Ok(()) => Default::default(),
            // Stopped before anybody is told, so that who is told finds it stopped.
            Err(failure) => self.shared.stop(failure),
        };
        for queued in group.into_iter().chain(rest) {
            (queued.done)(outcome.clone());
        }
        outcome.is_ok()
    }

    fn carry_out(&mut self, group: &[Queued]) -> Result<(), StorageError> {
        for Queued { sequence, operation, .. } in group {
            match operation {
                Operation::Append(records) => {
                    for record in records {
                        self.stage(record)?;
                    }
                }
                Operation::Truncate { after } => self.truncate(*after)?,
                Operation::Purge { to } => self.purge(*sequence, *to)?,
                Operation::Reset { first } => self.reset(*first)?,
            }
        }
        self.commit()?;
        self.shared.counters.groups.fetch_add(1, Ordering::Relaxed);
        if let Some(last) = group.last() {
            self.shared.state().view.settled(last.sequence);
        }
        Ok(())
    }

    /// Adds a record to the write being put together, beginning a new segment when the last one is
    /// full.
    fn stage(&mut self, record: &Record) -> Result<(), StorageError> {
        let bytes = record::bytes_of(record.body.len());
        let fits = |active: &Active, staged: usize| {
            u64::from(active.end) + staged as u64 + bytes <= active.capacity
        };
        if !self.active.as_ref().is_some_and(|active| fits(active, self.buffer.len())) {
            // The sync mark of the new segment's first record says that the old one is durable.
            self.commit()?;
            let segment = self.directory.create(record.index, Arrival::Added, &[], bytes, &[])?;
            self.active = Some(Active::of(&segment));
            self.shared.state().view.add(segment);
        }
        let Some(active) = &self.active else { return Ok(()) };
        let offset = active.end + self.buffer.len() as u32;
        record::write(&mut self.buffer, record, offset, self.offsets.is_empty());
        self.offsets.push(offset);
        Ok(())
    }

    /// One write, one sync.
    fn commit(&mut self) -> Result<(), StorageError> {
        let Some(active) = self.active.as_mut().filter(|_| !self.buffer.is_empty()) else {
            return Ok(());
        };
        let (file, path) = (&active.file, &active.path);
        file.write_at(&self.buffer, u64::from(active.end))
            .map_err(StorageError::of("write", path))?;
        let took = file.sync_data().map_err(StorageError::of("sync", path))?;
        active.end += self.buffer.len() as u32;
        self.shared.counters.count_sync(took, self.buffer.len(), self.offsets.len());
        if let Some(segment) = self.shared.state().view.segments.back_mut() {
            segment.offsets.append(&mut self.offsets);
            segment.end = active.end;
        }
        self.buffer.clear();
        // One large record must not keep its memory for ever.
        self.buffer.shrink_to(2 * GROUP_BYTES_MAX);
        Ok(())
    }

    /// Replaces the segment that holds `after` by its part up to there, and drops the later ones.
    fn truncate(&mut self, after: u64) -> Result<(), StorageError> {
        let (position, first, file, path, mut offsets, end, others) = {
            let state = self.shared.state();
            let segments = &state.view.segments;
            if segments.back().is_none_or(|last| last.next() <= after.saturating_add(1)) {
                return Ok(());
            }
            let position = segments.partition_point(|segment| segment.first <= after).max(1) - 1;
            let Segment { first, file, path, offsets, .. } = &segments[position];
            let kept = (after.saturating_add(1)).saturating_sub(*first) as usize;
            let end = offsets.get(kept).copied().unwrap_or(segments[position].end);
            let offsets = offsets[..kept.min(offsets.len())].to_vec();
            let others: Vec<u64> = segments.iter().map(|segment| segment.first).collect();
            (position, *first, Arc::clone(file), path.clone(), offsets, end, others)
        };
        let bytes = end as usize - HEADER_BYTES as usize;
        let kept = directory::read_file(file.as_ref(), &path, HEADER_BYTES, bytes)?;
        let mut segment = self.directory.create(first, Arrival::Cut, &kept, 0, &others)?;
        segment.offsets.append(&mut offsets);
        self.active = Some(Active::of(&segment));
        let mut state = self.shared.state();
        state.view.segments.truncate(position);
        state.view.segments.push_back(segment);
        Ok(())
    }

    fn purge(&mut self, sequence: u64, to: u64) -> Result<(), StorageError> {
        loop {
            // Taken from the view first: whoever reads it now still has the open file.
            let oldest = self.shared.state().view.take_oldest(sequence, to);
            let Some(oldest) = oldest else { return Ok(()) };
            self.directory.remove_oldest(&oldest.path)?;
        }
    }

    fn reset(&mut self, first: u64) -> Result<(), StorageError> {
        let others: Vec<u64> = {
            let state = self.shared.state();
            state.view.segments.iter().map(|segment| segment.first).collect()
        };
        let segment = self.directory.create(first, Arrival::Reset, &[], 0, &others)?;
        self.active = Some(Active::of(&segment));
        let mut state = self.shared.state();
        state.view.segments.clear();
        state.view.segments.push_back(segment);
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let failure = Failure::Closed;
        for queued in self.shared.stop(&failure) {
            (queued.done)(Err(failure.clone()));
        }
    }
}

/// An error with its causes, for one log field.
struct Chain<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(formatter, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
