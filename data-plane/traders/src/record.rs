//! What is on record of an algo's copies. Decides that nothing of an earlier copy runs beside a new one (T1): a copy
//! dies with its service, what it has itself started does not; and that a copy that has ended for good is not run again
//! by the next life of its service.
//!
//! Which process a copy was must outlive this process, not the machine: nothing of a copy does. So that is not synced;
//! how a copy has ended is.

use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use tradewind_domain::control::desired::TraderWanted;
use tradewind_node::{
    files,
    process::{Identity, Process},
};
use tradewind_protocol::supervision::ServiceState;

pub(crate) struct Record {
    copy: PathBuf,
    ended: PathBuf,
}

/// How a copy has ended that is not run again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) wanted: TraderWanted,
    pub(crate) state: ServiceState,
    pub(crate) detail: String,
}

impl Record {
    pub(crate) fn within(directory: &Path) -> Self {
        Self { copy: directory.join("algo.json"), ended: directory.join("ended.json") }
    }

    /// Puts a copy that was just started on record.
    pub(crate) fn put(&self, copy: &Identity) {
        let written = serde_json::to_vec(copy).map_err(io::Error::from);
        if let Err(error) = written.and_then(|bytes| fs::write(&self.copy, bytes)) {
            // Going on serves more than stopping: only a crash of this service would miss it.
            tracing::error!(%error, "the algo's process cannot be put on record");
        }
    }

    /// Ends what is left of the copy on record, if there is one. An error: something may be left, and it could not be
    /// seen.
    pub(crate) fn end_left_over(&self) -> io::Result<()> {
        let bytes = match fs::read(&self.copy) {
            Ok(bytes) => bytes,
            Err(none) if none.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(other) => return Err(other),
        };
        match serde_json::from_slice(&bytes) {
            Ok(copy) => Process::kill_left_over(&copy),
            Err(error) => {
                // Written by halves as the machine went down: with it went the copy.
                tracing::error!(%error, "the record of the last algo is unreadable");
                Ok(())
            }
        }
    }

    /// Durable when it returns; an error if it could not be made so.
    pub(crate) fn put_ended(&self, ended: &Ended) -> io::Result<()> {
        files::replace(&self.ended, &serde_json::to_vec(ended)?)
    }

    /// What ended was asked to: the next copy may run.
    pub(crate) fn forget_ended(&self) {
        match fs::remove_file(&self.ended) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::error!(%error, "the record of how the algo has ended cannot be removed");
            }
            _ => {}
        }
    }

    /// How the copy that `wanted` asks for has ended, if that was for good.
    pub(crate) fn ended(&self, wanted: &TraderWanted) -> Option<Ended> {
        let bytes = fs::read(&self.ended).ok()?;
        let ended: Ended = serde_json::from_slice(&bytes)
            .inspect_err(
                |error| tracing::error!(%error, "the record of the algo's end is unreadable"),
            )
            .ok()?;
        is_same_copy(&ended.wanted, wanted).then_some(ended)
    }
}

/// Whether one copy serves both: what else is told is for the next one to know.
pub(crate) fn is_same_copy(one: &TraderWanted, other: &TraderWanted) -> bool {
    one.fence == other.fence && one.command == other.command && one.run == other.run
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_copy_on_record_that_cannot_be_read_is_not_taken_for_none() {
        // given
        let dir = tempfile::tempdir().unwrap();
        let record = Record::within(dir.path());
        // when, then
        assert!(record.end_left_over().is_ok(), "there is none");
        fs::create_dir(&record.copy).unwrap();
        assert!(record.end_left_over().is_err());
        fs::remove_dir(&record.copy).unwrap();
        // Written by halves when the machine went down.
        fs::write(&record.copy, "{\"pid\":").unwrap();
        assert!(record.end_left_over().is_ok());
    }
}
