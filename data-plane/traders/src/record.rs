//! Which process the last copy of the algo was, on record. Decides that nothing of an earlier copy runs
//! beside a new one (T1): a copy dies with its service, what it has itself started does not.
//!
//! The record must outlive this process, not the machine: nothing of a copy does. So it is not synced.

use std::{fs, io, path::PathBuf};
use tradewind_node::process::{Identity, Process};

pub(crate) struct Record {
    path: PathBuf,
}

impl Record {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Puts a copy that was just started on record.
    pub(crate) fn put(&self, copy: &Identity) {
        let written = serde_json::to_vec(copy).map_err(io::Error::from);
        if let Err(error) = written.and_then(|bytes| fs::write(&self.path, bytes)) {
            // Going on serves more than stopping: only a crash of this service would miss it.
            tracing::error!(%error, "the algo's process cannot be put on record");
        }
    }

    /// Ends what is left of the copy on record, if there is one.
    pub(crate) fn end_left_over(&self) {
        let Ok(bytes) = fs::read(&self.path) else { return };
        match serde_json::from_slice(&bytes) {
            Ok(copy) => Process::kill_left_over(&copy),
            Err(error) => tracing::error!(%error, "the record of the last algo is unreadable"),
        }
    }
}
