//! Openraft's state machine: applies entries, publishes the machine, answers, makes and installs snapshots.
//! Decides the order: applied and noted for the writer, published, told, answered. The published machine is
//! the only one: it is changed in place, so that a table nobody holds a clone of is not copied.

use super::{
    Head, Loaded, StateWriter,
    builder::{Builder, Pace, in_terms_of_openraft},
};
use crate::{
    LevelNotKnown,
    audit::Audit,
    events::{EntryEvents, EventRing},
    limits::{APPLY_BATCH, ENTRY_BYTES_BESIDE},
    log::LogStore,
    meters::Meters,
    raft::{Answer, Entry, LeaderId, LogId, Payload, SnapshotMeta, StoredMembership, TypeConfig},
    runtime::spawn_blocking,
    snapshot::{Sending, Shelf, SnapshotFile},
};
use futures_util::{Stream, StreamExt};
use openraft::{
    OptionalSend,
    storage::{ApplyResponder, EntryResponder, RaftStateMachine},
    type_config::alias::SnapshotOf,
};
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{sync::watch, time::Instant};
use tradewind_domain::{
    control::{Machine, RowKey, level::FeatureLevel},
    ids::Revision,
};
use tradewind_journal::Meters as JournalMeters;

/// Where applied state is seen.
pub(crate) struct Published {
    /// The machine and the index of the last entry in it.
    pub(crate) machine: watch::Sender<(Revision, Machine)>,
    /// Whose entry that was. Changed together with the machine, so look while borrowing that.
    applied_by: Mutex<Option<LeaderId>>,
    /// The events of each entry that had any, in order.
    pub(crate) events: Arc<EventRing>,
    /// The hashes of the state at every thousandth entry.
    pub(crate) audit: Arc<Audit>,
    pub(crate) meters: Arc<Meters>,
}

impl Published {
    pub(crate) fn new(loaded: &Loaded, journal: Arc<JournalMeters>) -> Self {
        let revision = loaded.head.revision();
        Self {
            machine: watch::Sender::new((revision, loaded.machine.clone())),
            applied_by: Mutex::new(loaded.head.applied.map(|id| id.leader_id)),
            events: Arc::new(EventRing::new(revision)),
            audit: Arc::default(),
            meters: Arc::new(Meters::new(journal)),
        }
    }

    /// The leader whose entry was applied last.
    pub(crate) fn applied_by(&self) -> Option<LeaderId> {
        *self.applied_by.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_applied_by(&self, head: &Head) {
        let by = head.applied.map(|id| id.leader_id);
        *self.applied_by.lock().unwrap_or_else(PoisonError::into_inner) = by;
    }
}

pub(crate) struct StateMachine {
    head: Head,
    writer: StateWriter,
    log: LogStore,
    shelf: Arc<Shelf>,
    sending: Sending,
    pace: Pace,
    /// Of entries applied since the last snapshot was begun, or since the start.
    bytes_since: u64,
    published: Arc<Published>,
    knows: FeatureLevel,
}

/// What a batch has done, to be told once the machine is published.
#[derive(Default)]
struct Done {
    changed: Vec<RowKey>,
    events: Vec<EntryEvents>,
    answers: Vec<(ApplyResponder<TypeConfig>, Answer)>,
}

impl StateMachine {
    pub(crate) fn new(
        loaded: Loaded,
        writer: StateWriter,
        log: LogStore,
        shelf: Arc<Shelf>,
        sending: Sending,
        published: Arc<Published>,
        knows: FeatureLevel,
    ) -> Self {
        let (head, pace) = (loaded.head, Pace::default());
        Self { head, writer, log, shelf, sending, pace, bytes_since: 0, published, knows }
    }

    /// What a snapshot or a backup of this moment is made from.
    pub(crate) fn builder(&self) -> Builder {
        let machine = self.published.machine.borrow().1.clone();
        let (head, meters) = (self.head.clone(), self.published.meters.clone());
        Builder::new(machine, head, self.shelf.clone(), self.pace.clone(), meters)
    }

    /// Applies entries and publishes what came of them as one.
    async fn carry_out(&mut self, entries: Vec<EntryResponder<TypeConfig>>) -> io::Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        for (entry, _) in &entries {
            LevelNotKnown::check_entry(entry, self.knows).map_err(io::Error::other)?;
        }
        let (mut done, mut bytes, began) = (Done::default(), 0, Instant::now());
        let (head, writer, published) = (&mut self.head, &self.writer, &self.published);
        self.published.machine.send_modify(|(revision, machine)| {
            let _whole = Whole;
            for (entry, responder) in entries {
                bytes += entry_bytes(&entry);
                apply_one(machine, head, entry, responder, &mut done);
                published.audit.reached(head.revision().0, || machine.state_hash());
            }
            *revision = head.revision();
            published.set_applied_by(head);
            writer.note(done.changed.drain(..), head);
        });
        self.bytes_since += bytes;
        self.published.events.push(done.events, self.head.revision());
        self.published.meters.applied(began.elapsed());
        for (responder, answer) in done.answers {
            responder.send(answer);
        }
        self.writer.room().await
    }
}

/// What it takes in the journal, about.
fn entry_bytes(entry: &Entry) -> u64 {
    let body = match &entry.payload {
        Payload::Normal(proposal) => proposal.body().len() as u64,
        Payload::Blank | Payload::Membership(_) => 0,
    };
    body + ENTRY_BYTES_BESIDE
}

fn apply_one(
    machine: &mut Machine,
    head: &mut Head,
    entry: Entry,
    responder: Option<ApplyResponder<TypeConfig>>,
    done: &mut Done,
) {
    let revision = Revision(entry.log_id.index);
    let outcome = head.take(machine, entry).map(|applied| {
        done.changed.extend(applied.changed);
        if !applied.events.is_empty() {
            done.events.push((revision, applied.events.into()));
        }
        applied.outcome
    });
    if let Some(responder) = responder {
        done.answers.push((responder, Answer { revision, outcome }));
    }
}

/// A batch is published whole or by nobody: with a panic half-way through it the machine is none that there
/// ever was, for readers and for the disk, and the process ends where it stands.
pub(super) struct Whole;

impl Drop for Whole {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What has panicked, and where, was said.
            std::process::abort();
        }
    }
}

impl Drop for StateMachine {
    fn drop(&mut self) {
        self.published.events.stop();
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
        let mut batch = Vec::new();
        while let Some(next) = entries.next().await {
            batch.push(next?);
            if batch.len() >= APPLY_BATCH {
                self.carry_out(std::mem::take(&mut batch)).await?;
            }
        }
        self.carry_out(batch).await
    }

    /// Openraft lets go of the log below a snapshot as soon as there is one: none is made as long as a
    /// follower is being sent the one before, or the entries behind that would be gone when it has it.
    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<Builder> {
        let now = Instant::now();
        let due = self.pace.is_due(now) && !self.sending.holds(now, self.bytes_since);
        if !force && !due {
            return None;
        }
        self.bytes_since = 0;
        Some(self.builder())
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        self.builder()
    }

    /// In this order: the file is whole, read, under its temporary name; what the log had in the snapshot's
    /// place is durably gone from it; the file has its name, and a start may begin with it; rows come under
    /// a new generation; older files go. Only when this returns does openraft purge the log below.
    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        file: SnapshotFile,
    ) -> io::Result<()> {
        if meta.last_log_id <= self.head.applied {
            tracing::warn!(index = meta.last_log_id.map(|id| id.index), "snapshot is not newer");
            return Ok(());
        }
        let reading = file.clone();
        let read = spawn_blocking(move || reading.load()).await;
        let (machine, head) = read.map_err(io::Error::other)??;
        LevelNotKnown::check(machine.level(), self.knows).map_err(io::Error::other)?;
        let head = Head::try_from(head).map_err(io::Error::other)?;
        // Openraft has asked for it to be cut off, which nobody waits for. Were the power to go with the
        // snapshot here and the cut not, the log would hold another entry than the state at its index.
        self.log.settled().await?;
        let shelf = self.shelf.clone();
        let kept = spawn_blocking(move || shelf.keep(file).map(drop)).await;
        kept.map_err(io::Error::other)??;
        self.writer.replace(machine.clone(), head.clone()).await?;
        let shelf = self.shelf.clone();
        spawn_blocking(move || shelf.forget_old()).await.map_err(io::Error::other)??;
        self.bytes_since = 0;
        let mut old = (head.revision(), machine);
        self.published.machine.send_modify(|held| {
            std::mem::swap(held, &mut old);
            self.published.set_applied_by(&head);
        });
        self.head = head;
        self.published.events.restart(self.head.revision());
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
