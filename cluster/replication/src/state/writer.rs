//! Writing the state behind the machine's back: batches go to sled in order, flushes follow in their own
//! time. Decides when sled is flushed and up to where it counts; the journal may let go of nothing above.
//! One task owns the store; when it fails it stops, and so does the member. It may be cancelled only when
//! nothing needs to be written any more.

use super::{Head, StateError, StateStore};
use crate::{
    limits::{STATE_BATCH, STATE_FLUSH_EVERY, STATE_QUEUE},
    raft::LogId,
    runtime::spawn_blocking,
};
use std::{collections::BTreeMap, io, sync::Arc};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::{Instant, sleep_until},
};
use tradewind_domain::control::{Machine, Row, RowKey};

/// Rows as they are after a batch of entries; `None` is a row that is gone.
pub(crate) type Rows = BTreeMap<RowKey, Option<Row>>;

enum Order {
    Write { rows: Rows, head: Head },
    Replace { machine: Box<Machine>, head: Head, done: oneshot::Sender<Result<(), String>> },
}

/// A cheap handle to the writer's task.
#[derive(Clone)]
pub(crate) struct StateWriter {
    inbox: mpsc::Sender<Order>,
    flushed: watch::Receiver<Option<LogId>>,
}

impl StateWriter {
    /// Starts the task that owns `store`, whose head was `flushed` when it was opened. The task ends when
    /// the last handle is gone, after a last flush.
    pub(crate) fn start(
        store: StateStore,
        flushed: Option<LogId>,
    ) -> (Self, JoinHandle<Result<(), StateError>>) {
        let (inbox, orders) = mpsc::channel(STATE_QUEUE);
        let (told, watched) = watch::channel(flushed);
        let task = Task {
            store: Arc::new(store),
            orders,
            written: flushed,
            flush_at: None,
            flushing: None,
            told,
        };
        (Self { inbox, flushed: watched }, tokio::spawn(task.run()))
    }

    /// Queues a batch; waits only if the writer is far behind.
    pub(crate) async fn write(&self, rows: Rows, head: Head) -> io::Result<()> {
        self.inbox.send(Order::Write { rows, head }).await.map_err(|_| stopped())
    }

    /// Puts a whole machine in the place of all rows; durable when this returns.
    pub(crate) async fn replace(&self, machine: Machine, head: Head) -> io::Result<()> {
        let (done, answer) = oneshot::channel();
        let order = Order::Replace { machine: Box::new(machine), head, done };
        self.inbox.send(order).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?.map_err(io::Error::other)
    }

    /// Up to where the state is durable, now and whenever that changes.
    pub(crate) fn flushed(&self) -> watch::Receiver<Option<LogId>> {
        self.flushed.clone()
    }
}

fn stopped() -> io::Error {
    io::Error::other("the state's writer has stopped")
}

/// A flush on its way, and what it covers.
type Flush = (JoinHandle<Result<(), StateError>>, Option<LogId>);

struct Task {
    store: Arc<StateStore>,
    orders: mpsc::Receiver<Order>,
    /// Head of what sled has been given.
    written: Option<LogId>,
    /// When the next flush is due; none if there is nothing to flush.
    flush_at: Option<Instant>,
    flushing: Option<Flush>,
    told: watch::Sender<Option<LogId>>,
}

impl Task {
    async fn run(mut self) -> Result<(), StateError> {
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
                () = flush_due => self.begin_flush(),
                flushed = flush_done => self.end_flush(flushed)?,
            }
        }
        self.flush().await
    }

    /// Writes that lie in the queue one after the other go to sled as one.
    async fn obey(&mut self, first: Order) -> Result<(), StateError> {
        let mut next = Some(first);
        let mut taken = 1;
        let mut write: Option<(Rows, Head)> = None;
        while let Some(Order::Write { rows, head }) = next {
            match &mut write {
                Some(together) => {
                    together.0.extend(rows);
                    together.1 = head;
                }
                None => write = Some((rows, head)),
            }
            next = if taken < STATE_BATCH { self.orders.try_recv().ok() } else { None };
            taken += 1;
        }
        if let Some((rows, head)) = write {
            self.write(rows, head).await?;
        }
        match next {
            Some(Order::Replace { machine, head, done }) => {
                let (store, applied) = (self.store.clone(), head.applied);
                let replaced = blocking(move || store.replace(&machine, &head)).await;
                // Whoever asked may be gone; the outcome stands all the same.
                let _ = done.send(replaced.as_ref().map(drop).map_err(ToString::to_string));
                replaced?;
                self.written = applied;
                self.tell(applied);
                Ok(())
            }
            Some(Order::Write { .. }) | None => Ok(()),
        }
    }

    async fn write(&mut self, rows: Rows, head: Head) -> Result<(), StateError> {
        let (store, applied) = (self.store.clone(), head.applied);
        blocking(move || store.write(rows.iter().map(|(key, row)| (key, row.as_ref())), &head))
            .await?;
        self.written = applied;
        self.flush_at.get_or_insert_with(|| Instant::now() + STATE_FLUSH_EVERY);
        Ok(())
    }

    /// A flush that began before a replacement may end after it: what is durable never falls.
    fn tell(&self, covered: Option<LogId>) {
        self.told.send_if_modified(|told| {
            let more = covered > *told;
            *told = covered.max(*told);
            more
        });
    }

    fn begin_flush(&mut self) {
        let store = self.store.clone();
        self.flushing = Some((spawn_blocking(move || store.flush()), self.written));
        self.flush_at = None;
    }

    fn end_flush(
        &mut self,
        flushed: Result<Result<(), StateError>, tokio::task::JoinError>,
    ) -> Result<(), StateError> {
        flushed.map_err(io::Error::other)??;
        if let Some((_, covered)) = self.flushing.take() {
            self.tell(covered);
        }
        Ok(())
    }

    /// Flushes now, after a flush that may be under way.
    async fn flush(&mut self) -> Result<(), StateError> {
        if let Some((flush, covered)) = self.flushing.take() {
            flush.await.map_err(io::Error::other)??;
            self.tell(covered);
        }
        let store = self.store.clone();
        blocking(move || store.flush()).await?;
        self.flush_at = None;
        self.tell(self.written);
        Ok(())
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StateError> + Send + 'static,
) -> Result<T, StateError> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}
