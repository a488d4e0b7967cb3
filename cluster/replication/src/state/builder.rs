//! Making snapshots and backups of a running member. Decides when one is due beside openraft's count of
//! entries, and that making it disturbs nobody: from a clone that is O(1) to make and is dropped where the
//! file was written.

use super::Head;
use crate::{
    limits::{SNAPSHOT_SMALL_BYTES, SNAPSHOT_TIME_SHARE},
    meters::Meters,
    raft::TypeConfig,
    records::HeadRecord,
    snapshot::{Shelf, SnapshotFile, slowly},
};
use openraft::{RaftSnapshotBuilder, Snapshot, type_config::alias::SnapshotOf};
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::time::Instant;
use tradewind_domain::control::Machine;

/// When the next snapshot may be made, as the last one took its time.
#[derive(Clone, Default)]
pub(super) struct Pace(Arc<Mutex<Option<Instant>>>);

impl Pace {
    /// Openraft asks again with the next entries.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let not_before = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        not_before.is_none_or(|not_before| now >= not_before)
    }

    pub(super) fn made(&self, bytes: u64, begun: Instant, done: Instant) {
        if bytes < SNAPSHOT_SMALL_BYTES {
            return;
        }
        let not_before = begun + (done - begun) * SNAPSHOT_TIME_SHARE;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(not_before);
    }
}

pub(super) fn in_terms_of_openraft(
    file: SnapshotFile,
) -> io::Result<SnapshotOf<TypeConfig, SnapshotFile>> {
    let meta = file.head().clone().meta().map_err(io::Error::other)?;
    Ok(Snapshot { meta, snapshot: file })
}

/// A moment of the state, to be written out away from the runtime's threads.
pub(crate) struct Builder {
    machine: Machine,
    head: Head,
    shelf: Arc<Shelf>,
    pace: Pace,
    meters: Arc<Meters>,
}

impl Builder {
    pub(super) fn new(
        machine: Machine,
        head: Head,
        shelf: Arc<Shelf>,
        pace: Pace,
        meters: Arc<Meters>,
    ) -> Self {
        Self { machine, head, shelf, pace, meters }
    }

    pub(crate) fn machine(&self) -> &Machine {
        &self.machine
    }

    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    /// Bytes for which there is room, and about as many as are needed. Blocks.
    pub(crate) fn room(&self) -> io::Result<(u64, u64)> {
        self.shelf.room_for(&self.machine)
    }

    /// Writes it to a file that is not kept and goes with its last reader. Blocks.
    pub(crate) fn export(&self) -> io::Result<SnapshotFile> {
        self.shelf.export(&self.machine, HeadRecord::from(&self.head))
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    type SnapshotData = SnapshotFile;

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf<TypeConfig, SnapshotFile>> {
        // Taken: rows that have changed meanwhile go with the clone, and not on a thread that answers.
        let (machine, shelf) = (std::mem::take(&mut self.machine), self.shelf.clone());
        let (head, begun) = (HeadRecord::from(&self.head), Instant::now());
        let file = slowly(move || shelf.build(&machine, head)).await??;
        let done = Instant::now();
        self.pace.made(file.bytes(), begun, done);
        self.meters.snapshot_built(done - begun);
        in_terms_of_openraft(file)
    }
}
