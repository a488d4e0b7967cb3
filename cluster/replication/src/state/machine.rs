//! Openraft's state machine: applies entries, publishes the machine, answers, makes and installs snapshots.
//! Decides the order: applied, handed to the writer, published, told, answered.

use super::{
    Head, Loaded, StateWriter,
    builder::{Builder, Pace, in_terms_of_openraft},
    writer::Rows,
};
use crate::{
    limits::APPLY_BATCH,
    raft::{Answer, Entry, LogId, Payload, SnapshotMeta, StoredMembership, TypeConfig},
    runtime::spawn_blocking,
    snapshot::{Shelf, SnapshotFile},
};
use futures_util::{Stream, StreamExt};
use openraft::{
    OptionalSend,
    storage::{ApplyResponder, EntryResponder, RaftStateMachine},
    type_config::alias::SnapshotOf,
};
use std::{collections::BTreeSet, io, sync::Arc};
use tokio::{
    sync::{broadcast, watch},
    time::Instant,
};
use tradewind_domain::{
    control::{Event, Machine, RowKey},
    ids::Revision,
};

/// Where applied state is seen.
pub(crate) struct Published {
    /// The machine and the index of the last entry in it.
    pub(crate) machine: watch::Sender<(Revision, Machine)>,
    /// The events of each entry that had any, in order.
    pub(crate) events: broadcast::Sender<(Revision, Arc<[Event]>)>,
}

pub(crate) struct StateMachine {
    machine: Machine,
    head: Head,
    writer: StateWriter,
    shelf: Arc<Shelf>,
    pace: Pace,
    published: Arc<Published>,
}

/// What a batch has done, to be told once the machine is published.
#[derive(Default)]
struct Batch {
    entries: usize,
    changed: BTreeSet<RowKey>,
    events: Vec<(Revision, Arc<[Event]>)>,
    answers: Vec<(ApplyResponder<TypeConfig>, Answer)>,
}

impl StateMachine {
    pub(crate) fn new(
        loaded: Loaded,
        writer: StateWriter,
        shelf: Arc<Shelf>,
        published: Arc<Published>,
    ) -> Self {
        let Loaded { machine, head, .. } = loaded;
        Self { machine, head, writer, shelf, pace: Pace::default(), published }
    }

    /// What a snapshot or a backup of this moment is made from.
    pub(crate) fn builder(&self) -> Builder {
        let (machine, head) = (self.machine.clone(), self.head.clone());
        Builder::new(machine, head, self.shelf.clone(), self.pace.clone())
    }

    fn apply_one(
        &mut self,
        entry: Entry,
        responder: Option<ApplyResponder<TypeConfig>>,
        batch: &mut Batch,
    ) {
        let revision = Revision(entry.log_id.index);
        let outcome = match entry.payload {
            Payload::Blank => None,
            Payload::Membership(membership) => {
                self.head.membership = StoredMembership::new(Some(entry.log_id), membership);
                None
            }
            Payload::Normal(proposal) => {
                let stamped = proposal.stamped();
                self.head.stamped = self.head.stamped.max(stamped.at);
                let applied = self.machine.apply(revision, stamped);
                batch.changed.extend(applied.changed);
                if !applied.events.is_empty() {
                    batch.events.push((revision, applied.events.into()));
                }
                Some(applied.outcome)
            }
        };
        self.head.applied = Some(entry.log_id);
        batch.entries += 1;
        if let Some(responder) = responder {
            batch.answers.push((responder, Answer { revision, outcome }));
        }
    }

    async fn finish(&mut self, batch: Batch) -> io::Result<()> {
        if batch.entries == 0 {
            return Ok(());
        }
        let rows: Rows =
            batch.changed.into_iter().map(|key| (key.clone(), self.machine.row(&key))).collect();
        self.writer.write(rows, self.head.clone()).await?;
        self.publish();
        for event in batch.events {
            // Nobody listening is no fault.
            let _ = self.published.events.send(event);
        }
        for (responder, answer) in batch.answers {
            responder.send(answer);
        }
        Ok(())
    }

    fn publish(&self) {
        self.published.machine.send_replace((self.head.revision(), self.machine.clone()));
    }
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotFile;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        Ok((self.head.applied, self.head.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        let mut batch = Batch::default();
        while let Some(next) = entries.next().await {
            let (entry, responder) = next?;
            self.apply_one(entry, responder, &mut batch);
            if batch.entries >= APPLY_BATCH {
                self.finish(std::mem::take(&mut batch)).await?;
            }
        }
        self.finish(batch).await
    }

    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<Builder> {
        (force || self.pace.is_due(Instant::now())).then(|| self.builder())
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        self.builder()
    }

    /// The file is durable already, and is read whole before it takes the place of older ones. Rows come under a new generation; only when that is durable does this
    /// return, and only then does openraft purge the log below.
    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        file: SnapshotFile,
    ) -> io::Result<()> {
        if meta.last_log_id <= self.head.applied {
            tracing::warn!(index = meta.last_log_id.map(|id| id.index), "snapshot is not newer");
            return Ok(());
        }
        let shelf = self.shelf.clone();
        let read = move || {
            let loaded = file.load()?;
            shelf.keep(file)?;
            io::Result::Ok(loaded)
        };
        let (machine, head) = spawn_blocking(read).await.map_err(io::Error::other)??;
        let head = Head::try_from(head).map_err(io::Error::other)?;
        self.writer.replace(machine.clone(), head.clone()).await?;
        let old = std::mem::replace(&mut self.machine, machine);
        self.head = head;
        self.publish();
        // Up to a million rows go with it: not on a thread that answers.
        drop(spawn_blocking(move || drop(old)));
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> io::Result<Option<SnapshotOf<TypeConfig, SnapshotFile>>> {
        self.shelf.newest().map(in_terms_of_openraft).transpose()
    }
}
