//! Writing the state behind the machine's back: what has changed is noted as entries are applied, and goes
//! to sled in one batch at the next flush. Decides when that is and up to where it counts; the journal may
//! let go of nothing above. One task owns the store; when it fails it stops, and so does the member. It may
//! be cancelled only when nothing needs to be written any more.
//!
//! A row that changes often is written once a flush, and applying waits for no disk. What is written is the
//! machine exactly as its head says: rows are noted and taken under the machine's own lock.

use super::{Chain, Head, Published, StateError, StateStore};
use crate::{
    limits::{STATE_BEHIND_EARLY, STATE_BEHIND_MAX, STATE_FLUSH_EVERY},
    raft::LogId,
    runtime::spawn_blocking,
    snapshot::slowly,
};
use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    task::JoinHandle,
    time::{Instant, sleep_until},
};
use tradewind_domain::control::{Machine, RowKey};

/// A whole machine in the place of all rows.
struct Replace {
    machine: Box<Machine>,
    head: Head,
    done: oneshot::Sender<Result<(), String>>,
}

/// What sled does not have yet.
#[derive(Default)]
struct Behind {
    /// Rows changed since, some of them several times.
    changed: Vec<RowKey>,
    /// The head of the machine that holds them; none if there is nothing to write.
    head: Option<Head>,
}

#[derive(Default)]
struct Noted {
    behind: Mutex<Behind>,
    /// There is something to write, or much of it.
    more: Notify,
    /// It was taken.
    taken: Notify,
    /// Why the task has stopped; known before anybody can see that it has.
    failed: OnceLock<String>,
}

impl Noted {
    fn behind(&self) -> MutexGuard<'_, Behind> {
        self.behind.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn many(&self, most: usize) -> bool {
        self.behind().changed.len() >= most
    }

    /// For whoever finds the task gone: the disk's own word, which says what to do.
    fn stopped(&self) -> io::Error {
        let why = self.failed.get().map_or("nobody holds its state any more", String::as_str);
        io::Error::other(format!("the state cannot be written: {why}"))
    }
}

/// A cheap handle to the writer's task.
#[derive(Clone)]
pub(crate) struct StateWriter {
    noted: Arc<Noted>,
    inbox: mpsc::Sender<Replace>,
    flushed: watch::Receiver<Option<LogId>>,
}

impl StateWriter {
    /// Starts the task that owns `store`, whose head was `flushed` when it was opened. Rows are read from
    /// the published machine. The task ends when the last handle is gone, after a last flush.
    pub(crate) fn start(
        store: StateStore,
        flushed: Option<LogId>,
        published: Arc<Published>,
    ) -> (Self, JoinHandle<Result<(), StateError>>) {
        let (inbox, orders) = mpsc::channel(1);
        let (told, watched) = watch::channel(flushed);
        let noted = Arc::new(Noted::default());
        let task = Task {
            store: Arc::new(store),
            published,
            noted: noted.clone(),
            orders,
            flush_at: None,
            flushing: None,
            told,
        };
        (Self { noted, inbox, flushed: watched }, tokio::spawn(task.run()))
    }

    /// Notes what a batch of entries has changed. To be called while the machine is locked for the change.
    pub(crate) fn note(&self, changed: impl IntoIterator<Item = RowKey>, head: &Head) {
        let mut behind = self.noted.behind();
        let before = behind.changed.len();
        behind.changed.extend(changed);
        let much = before < STATE_BEHIND_EARLY && behind.changed.len() >= STATE_BEHIND_EARLY;
        let first = behind.head.replace(head.clone()).is_none();
        drop(behind);
        if first || much {
            self.noted.more.notify_one();
        }
    }

    /// Waits while the writer is far behind; an error if it has stopped.
    pub(crate) async fn room(&self) -> io::Result<()> {
        loop {
            let taken = self.noted.taken.notified();
            if self.inbox.is_closed() {
                return Err(self.noted.stopped());
            }
            if !self.noted.many(STATE_BEHIND_MAX) {
                return Ok(());
            }
            tokio::select! {
                () = taken => {}
                () = self.inbox.closed() => {}
            }
        }
    }

    /// Puts a whole machine in the place of all rows; durable when this returns. What was noted before is
    /// void.
    pub(crate) async fn replace(&self, machine: Machine, head: Head) -> io::Result<()> {
        let (done, answer) = oneshot::channel();
        let order = Replace { machine: Box::new(machine), head, done };
        self.inbox.send(order).await.map_err(|_| self.noted.stopped())?;
        answer.await.map_err(|_| self.noted.stopped())?.map_err(io::Error::other)
    }

    /// Up to where the state is durable, now and whenever that changes.
    pub(crate) fn flushed(&self) -> watch::Receiver<Option<LogId>> {
        self.flushed.clone()
    }
}

/// A write with its flush on its way, and what it covers.
type Flush = (JoinHandle<Result<(), StateError>>, Option<LogId>);

struct Task {
    store: Arc<StateStore>,
    published: Arc<Published>,
    noted: Arc<Noted>,
    orders: mpsc::Receiver<Replace>,
    /// When the next flush is due; none if nothing was noted.
    flush_at: Option<Instant>,
    flushing: Option<Flush>,
    told: watch::Sender<Option<LogId>>,
}

impl Task {
    async fn run(mut self) -> Result<(), StateError> {
        let ended = self.work().await;
        if let Err(why) = &ended {
            // The first word stands: nobody else sets it.
            let _ = self.noted.failed.set(Chain(why).to_string());
        }
        ended
    }

    async fn work(&mut self) -> Result<(), StateError> {
        let noted = self.noted.clone();
        loop {
            let due = self.flush_at.filter(|_| self.flushing.is_none());
            let flush_due = async {
                match due {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let flush_done = async {
                match &mut self.flushing {
                    Some((flush, _)) => flush.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some(order) => self.obey(order).await?,
                    None => break,
                },
                () = noted.more.notified() => self.plan_flush(),
                () = flush_due => self.begin_flush(),
                flushed = flush_done => self.end_flush(flushed)?,
            }
        }
        self.finish_flush().await?;
        self.begin_flush();
        self.finish_flush().await
    }

    /// Soon, and at once if there is much.
    fn plan_flush(&mut self) {
        let soon = Instant::now() + STATE_FLUSH_EVERY;
        let much = self.noted.many(STATE_BEHIND_EARLY);
        self.flush_at = Some(if much { Instant::now() } else { self.flush_at.unwrap_or(soon) });
    }

    async fn obey(&mut self, order: Replace) -> Result<(), StateError> {
        let Replace { machine, head, done } = order;
        let replaced = self.put_in_place(machine, head).await;
        // Whoever asked may be gone; the outcome stands all the same.
        let _ = done.send(replaced.as_ref().map(drop).map_err(|why| Chain(why).to_string()));
        self.tell(replaced?);
        Ok(())
    }

    /// Up to where it is durable then.
    async fn put_in_place(
        &mut self,
        machine: Box<Machine>,
        head: Head,
    ) -> Result<Option<LogId>, StateError> {
        // No write may overlap it: rows would come under the wrong generation.
        self.finish_flush().await?;
        *self.noted.behind() = Behind::default();
        self.noted.taken.notify_waiters();
        self.flush_at = None;
        let (store, applied) = (self.store.clone(), head.applied);
        // A member that is brought up to date has time; others on its machine may not.
        let replaced = slowly(move || store.replace(&machine, &head)).await;
        replaced.map_err(StateError::from).and_then(|replaced| replaced)?;
        Ok(applied)
    }

    /// What is durable never falls.
    fn tell(&self, covered: Option<LogId>) {
        self.told.send_if_modified(|told| {
            let more = covered > *told;
            *told = covered.max(*told);
            more
        });
    }

    /// Takes what was noted, with the machine as it is at that moment, and writes it.
    fn begin_flush(&mut self) {
        self.flush_at = None;
        let (behind, machine) = {
            // Nothing can be noted meanwhile: that needs the machine.
            let published = self.published.machine.borrow();
            let behind = std::mem::take(&mut *self.noted.behind());
            (behind, published.1.clone())
        };
        self.noted.taken.notify_waiters();
        let Behind { mut changed, head: Some(head) } = behind else { return };
        let (store, covered) = (self.store.clone(), head.applied);
        let write = move || {
            changed.sort_unstable();
            changed.dedup();
            store.write(&changed, &machine, &head)?;
            store.flush()
        };
        self.flushing = Some((spawn_blocking(write), covered));
    }

    fn end_flush(
        &mut self,
        flushed: Result<Result<(), StateError>, tokio::task::JoinError>,
    ) -> Result<(), StateError> {
        let covered = self.flushing.take().and_then(|(_, covered)| covered);
        flushed.map_err(io::Error::other)??;
        self.tell(covered);
        Ok(())
    }

    /// Waits for a flush that may be under way.
    async fn finish_flush(&mut self) -> Result<(), StateError> {
        match &mut self.flushing {
            Some((flush, _)) => {
                let flushed = flush.await;
                self.end_flush(flushed)
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
