//! Journal: the handle. Decides how a journal is opened and what callers can ask of it; the work is
//! done by the one writer (`writer`), in the order `queue` keeps.

use std::future::Future;
use std::ops::Range;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::directory::Directory;
use crate::disk::{Disk, RealDisk};
use crate::error::{Failure, OpenError, ReadError, StorageError, SubmitError};
use crate::histogram::Meters;
use crate::limits::{SEGMENT_BYTES, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
use crate::queue::{Done, Operation, Shared};
use crate::read::{self, Records};
use crate::record::Record;
use crate::view::View;
use crate::writer::Writer;

/// How to open a journal.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where its files are; made if need be. One journal a directory.
    pub directory: PathBuf,
    /// Size of new segments in bytes, 4 KiB to 1 GiB; [`SEGMENT_BYTES`] unless there is a reason.
    pub segment_bytes: u64,
    /// Index of the first record of a journal that is empty and new. None: the first append
    /// decides.
    pub first_index: Option<u64>,
}

impl Options {
    /// The usual options for a journal in that directory.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), segment_bytes: SEGMENT_BYTES, first_index: None }
    }
}

/// What a journal has done since it was opened, and its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Syncs of appended records.
    pub syncs: u64,
    /// Groups of operations done.
    pub groups: u64,
    /// Records written.
    pub records: u64,
    /// Bytes written, record headers included.
    pub bytes: u64,
    /// What the last sync took, in microseconds.
    pub last_sync_us: u64,
    /// Bytes of headers and records in the segments now.
    pub size_bytes: u64,
}

/// A cheap handle; clones are the same journal. Dropping the last one writes what is queued, ends
/// the writer and frees the directory.
#[derive(Clone)]
pub struct Journal(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A callback may hold the last handle: then this is the writer's own thread, which ends by
        // itself.
        if let Some(thread) = thread.filter(|other| other.thread().id() != thread::current().id()) {
            // A panic of the writer has been told to every waiting caller.
            let _ = thread.join();
        }
    }
}

impl Journal {
    /// Opens on the real disk, with a writer on a thread of its own. Scans everything; blocks
    /// meanwhile.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        Self::open_on(options, Arc::new(RealDisk))
    }

    /// The same on another disk.
    pub fn open_on(options: Options, disk: Arc<dyn Disk>) -> Result<Self, OpenError> {
        let directory = options.directory.clone();
        let (journal, writer) = Self::open_inline(options, disk)?;
        let thread = thread::Builder::new()
            .name("journal-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(StorageError::of("start the writer for", &directory))?;
        *journal.0.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(journal)
    }

    /// The same with no thread: nothing is written until the caller gives the writer its turn. For
    /// simulation, where one thread does everything in an order that a seed repeats.
    pub fn open_inline(options: Options, disk: Arc<dyn Disk>) -> Result<(Self, Writer), OpenError> {
        let Options { directory: path, segment_bytes, first_index } = options;
        if !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&segment_bytes) {
            return Err(OpenError::Options {
                option: "segment_bytes",
                given: segment_bytes,
                least: SEGMENT_BYTES_MIN,
                most: SEGMENT_BYTES_MAX,
            });
        }
        disk.create_directory(&path).map_err(StorageError::of("create directory", &path))?;
        let lock_path = path.join("LOCK");
        let lock = match disk.lock(&lock_path) {
            Ok(lock) => lock,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                return Err(OpenError::Locked { directory: path });
            }
            Err(error) => return Err(StorageError::of("lock", &lock_path)(error).into()),
        };
        let directory = Directory { disk, path, segment_bytes };
        let view = View::new(directory.open_segments()?, first_index);
        let shared = Arc::new(Shared::new(view, lock));
        let writer = Writer::new(Arc::clone(&shared), directory);
        Ok((Self(Arc::new(Handle { shared, thread: Mutex::new(None) })), writer))
    }

    /// Submits records, which must continue the log. `Ok` means taken and readable; the ticket
    /// tells when they are durable. No records: a flush.
    pub fn append(&self, records: Vec<Record>) -> Result<Ticket, SubmitError> {
        self.with_ticket(|done| self.0.shared.submit(Operation::Append(records), done))
    }

    /// The same, telling a callback, which runs on the writer's thread: it must be short, must not
    /// panic and may submit. It is not called if this refuses.
    pub fn append_then(
        &self,
        records: Vec<Record>,
        done: impl FnOnce(Result<(), Failure>) + Send + 'static,
    ) -> Result<(), SubmitError> {
        self.0.shared.submit(Operation::Append(records), Box::new(done))
    }

    /// Submits bodies at the next indices, whatever they are (1 in an empty new journal without
    /// `first_index`). Gives the index of the first.
    pub fn append_next(&self, bodies: Vec<Bytes>) -> Result<(u64, Ticket), SubmitError> {
        let mut first = 0;
        let ticket = self.with_ticket(|done| {
            first = self.0.shared.submit_next(bodies, done)?;
            Ok(())
        })?;
        Ok((first, ticket))
    }

    /// Removes all records above `after`; durable when the ticket says so, out of sight at once.
    /// Nothing to remove is no error.
    pub fn truncate_after(&self, after: u64) -> Result<Ticket, SubmitError> {
        self.with_ticket(|done| self.0.shared.submit(Operation::Truncate { after }, done))
    }

    /// Removes the segments all of whose records are at most `to`, except the last segment. The
    /// ticket tells when they are durably gone; [`Journal::first_index`] then tells where the log
    /// begins.
    pub fn purge_to(&self, to: u64) -> Result<Ticket, SubmitError> {
        self.with_ticket(|done| self.0.shared.submit(Operation::Purge { to }, done))
    }

    /// Removes everything, in one step even if the power goes; the next record is `first_index`.
    pub fn reset(&self, first_index: u64) -> Result<Ticket, SubmitError> {
        let operation = Operation::Reset { first: first_index };
        self.with_ticket(|done| self.0.shared.submit(operation, done))
    }

    /// The ticket tells when everything submitted so far is done.
    pub fn flush(&self) -> Result<Ticket, SubmitError> {
        self.append(Vec::new())
    }

    /// Waits until the queue is at most half full (or the journal has stopped), so that the next
    /// operation of a caller who is alone will not be refused as busy.
    pub async fn room(&self) {
        let shared = &self.0.shared;
        loop {
            let changed = shared.changed.notified();
            {
                let state = shared.state();
                if state.has_room() || state.failed.is_some() {
                    return;
                }
            }
            changed.await;
        }
    }

    /// Up to `bytes_max` bytes of bodies from the range, and at least one record if there is one;
    /// what lies beyond the last record is left out. Records submitted but not yet durable are seen
    /// too. Bodies read together share memory: copy one that is kept for long.
    pub fn read(
        &self,
        range: Range<u64>,
        bytes_max: usize,
    ) -> Result<Vec<(u64, Bytes)>, ReadError> {
        let pieces = self.0.shared.state().view.find(range, bytes_max)?;
        read::read(pieces)
    }

    /// All records from that index on, read bit by bit.
    pub fn stream_from(&self, index: u64) -> Records {
        Records::new(self.clone(), index)
    }

    /// Index of the first record, none if the log is empty.
    pub fn first_index(&self) -> Option<u64> {
        self.bounds().map(|bounds| bounds.start)
    }

    /// Index of the last record submitted, none if the log is empty.
    pub fn last_index(&self) -> Option<u64> {
        self.bounds().map(|bounds| bounds.end - 1)
    }

    /// Index the next record must have; none if any will do (empty, new, and no `first_index`
    /// given).
    pub fn next_index(&self) -> Option<u64> {
        self.0.shared.state().view.bounds().map(|bounds| bounds.end)
    }

    fn bounds(&self) -> Option<Range<u64>> {
        self.0.shared.state().view.bounds().filter(|bounds| !bounds.is_empty())
    }

    /// Bytes of headers and records in the segments (not what is preallocated beyond).
    pub fn size_bytes(&self) -> u64 {
        self.0.shared.state().view.size_bytes()
    }

    /// See [`Stats`].
    pub fn stats(&self) -> Stats {
        let counters = &self.0.shared.counters;
        Stats {
            syncs: counters.syncs.load(Ordering::Relaxed),
            groups: counters.groups.load(Ordering::Relaxed),
            records: counters.records.load(Ordering::Relaxed),
            bytes: counters.bytes.load(Ordering::Relaxed),
            last_sync_us: counters.last_sync_us.load(Ordering::Relaxed),
            size_bytes: self.size_bytes(),
        }
    }

    /// Histograms of its work; they may be kept when the journal is gone.
    pub fn meters(&self) -> Arc<Meters> {
        self.0.shared.counters.meters.clone()
    }

    /// Why the journal has stopped, if it has. The process should exit then.
    pub fn failed(&self) -> Option<Failure> {
        self.0.shared.state().failed.clone()
    }

    /// Waits until the journal stops, for a process that wants to exit then.
    pub async fn stopped(&self) -> Failure {
        loop {
            let changed = self.0.shared.changed.notified();
            if let Some(failure) = self.failed() {
                return failure;
            }
            changed.await;
        }
    }

    fn with_ticket(
        &self,
        submit: impl FnOnce(Done) -> Result<(), SubmitError>,
    ) -> Result<Ticket, SubmitError> {
        let (sender, receiver) = oneshot::channel();
        // A dropped ticket means that nobody wants to know.
        submit(Box::new(move |outcome| drop(sender.send(outcome))))?;
        Ok(Ticket(receiver))
    }
}

/// Tells when an operation is durable: await it, or block on it. Dropping it cancels nothing.
#[derive(Debug)]
#[must_use = "what was submitted is durable only when the ticket says so"]
pub struct Ticket(oneshot::Receiver<Result<(), Failure>>);

impl Ticket {
    /// Blocks until then. Panics inside an async context: await there.
    pub fn wait(self) -> Result<(), Failure> {
        self.0.blocking_recv().unwrap_or(Err(Failure::Closed))
    }

    /// The outcome if it is there already.
    pub fn outcome(&mut self) -> Option<Result<(), Failure>> {
        self.0.try_recv().ok()
    }
}

impl Future for Ticket {
    type Output = Result<(), Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|told| told.unwrap_or(Err(Failure::Closed)))
    }
}
