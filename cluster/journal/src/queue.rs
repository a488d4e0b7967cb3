//! Queue: what handles and the writer share, under one short lock: submitted operations and the
//! view they make. Decides the order (that of submission), what is refused, and what the writer
//! takes at once. No file is touched under the lock.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::error::{Failure, SubmitError};
use crate::histogram::Meters;
use crate::limits::{GROUP_BYTES_MAX, QUEUE_BYTES_MAX, QUEUE_OPERATIONS_MAX};
use crate::record::{self, Record};
use crate::view::View;

/// Called once with the outcome, on the writer's thread.
pub(crate) type Done = Box<dyn FnOnce(Result<(), Failure>) + Send>;

/// What the writer can be asked for.
pub(crate) enum Operation {
    /// Make these durable; none is a flush.
    Append(Vec<Record>),
    /// Remove the records above.
    Truncate { after: u64 },
    /// Remove the segments whose records are all at or below.
    Purge { to: u64 },
    /// Remove everything and go on at that index.
    Reset { first: u64 },
}

/// An operation on its way.
pub(crate) struct Queued {
    pub(crate) sequence: u64,
    pub(crate) operation: Operation,
    pub(crate) done: Done,
    bytes: usize,
}

/// What the writer finds in the queue.
pub(crate) enum Taken {
    /// Operations to do together: appends, or one other.
    Group(Vec<Queued>),
    /// Nothing at the moment.
    Nothing,
    /// Nothing ever again.
    Closed,
}

/// See the module.
pub(crate) struct Shared {
    state: Mutex<State>,
    work: Condvar,
    /// Told whenever the queue has got shorter or the journal has stopped.
    pub(crate) changed: Notify,
    pub(crate) counters: Counters,
    /// Keeps other openers out while any handle or the writer lives.
    _lock: Box<dyn Send + Sync>,
}

pub(crate) struct State {
    pub(crate) view: View,
    queue: VecDeque<Queued>,
    queued_bytes: usize,
    sequence: u64,
    closing: bool,
    pub(crate) failed: Option<Failure>,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) syncs: AtomicU64,
    pub(crate) groups: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) last_sync_us: AtomicU64,
    pub(crate) meters: Arc<Meters>,
}

impl Counters {
    pub(crate) fn count_sync(&self, took: Duration, bytes: usize, records: usize) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.records.fetch_add(records as u64, Ordering::Relaxed);
        self.last_sync_us.store(took.as_micros() as u64, Ordering::Relaxed);
        self.meters.sync_us.count(took.as_micros() as u64);
        self.meters.batch_records.count(records as u64);
    }
}

impl Shared {
    pub(crate) fn new(view: View, lock: Box<dyn Send + Sync>) -> Self {
        let state = State {
            view,
            queue: VecDeque::new(),
            queued_bytes: 0,
            sequence: 0,
            closing: false,
            failed: None,
        };
        Self {
            state: Mutex::new(state),
            work: Condvar::new(),
            changed: Notify::new(),
            counters: Counters::default(),
            _lock: lock,
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // The state is changed only by code that does not panic half-way; a poisoned lock is as
        // good.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an operation in, if it fits.
    pub(crate) fn submit(&self, operation: Operation, done: Done) -> Result<(), SubmitError> {
        self.state().submit(operation, done)?;
        self.work.notify_one();
        Ok(())
    }

    /// Appends bodies at whatever indices come next. Gives the first of them.
    pub(crate) fn submit_next(
        &self,
        bodies: Vec<bytes::Bytes>,
        done: Done,
    ) -> Result<u64, SubmitError> {
        let mut state = self.state();
        let first = state.view.bounds().map_or(1, |bounds| bounds.end);
        let numbered = (first..).zip(bodies).map(|(index, body)| Record { index, body });
        state.submit(Operation::Append(numbered.collect()), done)?;
        drop(state);
        self.work.notify_one();
        Ok(first)
    }

    /// Takes the next group; with `wait`, only when there is one or there never will be.
    pub(crate) fn take(&self, wait: bool) -> Taken {
        let mut state = self.state();
        while wait && state.queue.is_empty() && !state.closing && state.failed.is_none() {
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.failed.is_some() || (state.closing && state.queue.is_empty()) {
            return Taken::Closed;
        }
        let group = state.take_group();
        drop(state);
        self.changed.notify_waiters();
        if group.is_empty() { Taken::Nothing } else { Taken::Group(group) }
    }

    pub(crate) fn ended(&self) -> bool {
        let state = self.state();
        state.failed.is_some() || (state.closing && state.queue.is_empty())
    }

    /// The last handle is gone: the writer ends when the queue is empty.
    pub(crate) fn close(&self) {
        self.state().closing = true;
        self.work.notify_one();
    }

    /// Stops the journal for good, unless it has stopped before. Gives the operations still queued.
    pub(crate) fn stop(&self, failure: &Failure) -> VecDeque<Queued> {
        let mut state = self.state();
        state.failed.get_or_insert_with(|| failure.clone());
        state.queued_bytes = 0;
        let queue = std::mem::take(&mut state.queue);
        drop(state);
        self.changed.notify_waiters();
        queue
    }
}

impl State {
    /// Whether the queue is at most half full, so that the next few operations will be taken.
    pub(crate) fn has_room(&self) -> bool {
        self.queued_bytes <= QUEUE_BYTES_MAX / 2 && self.queue.len() <= QUEUE_OPERATIONS_MAX / 2
    }

    fn submit(&mut self, mut operation: Operation, done: Done) -> Result<(), SubmitError> {
        if let Some(failure) = &self.failed {
            return Err(failure.clone().into());
        }
        if self.queued_bytes >= QUEUE_BYTES_MAX || self.queue.len() >= QUEUE_OPERATIONS_MAX {
            return Err(SubmitError::Busy);
        }
        let sequence = self.sequence + 1;
        let mut bytes = 0;
        match &mut operation {
            Operation::Append(records) => {
                self.view.append(sequence, records)?;
                let sizes = records.iter().map(|record| record::bytes_of(record.body.len()));
                bytes = sizes.sum::<u64>() as usize;
            }
            Operation::Truncate { after } => self.view.truncate(*after)?,
            Operation::Purge { to } => match self.view.purge(*to) {
                Some(last) => *to = last,
                None => operation = Operation::Append(Vec::new()),
            },
            Operation::Reset { first } => self.view.reset(sequence, *first),
        }
        self.sequence = sequence;
        self.queued_bytes += bytes;
        self.queue.push_back(Queued { sequence, operation, done, bytes });
        Ok(())
    }

    fn take_group(&mut self) -> Vec<Queued> {
        let mut group = Vec::new();
        let mut bytes = 0;
        while bytes < GROUP_BYTES_MAX {
            let append = |queued: &Queued| matches!(queued.operation, Operation::Append(_));
            let alone = !self.queue.front().is_some_and(append);
            if alone && !group.is_empty() {
                break;
            }
            let Some(queued) = self.queue.pop_front() else { break };
            self.queued_bytes -= queued.bytes;
            bytes += queued.bytes;
            group.push(queued);
            if alone {
                break;
            }
        }
        group
    }
}
