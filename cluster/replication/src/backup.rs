//! Backup: the whole state in one file, and a new group that begins with it. Decides the file's format, what
//! is checked before anything is believed, and what a member's directory holds when a group begins anew;
//! who may ask for one is `control-plane/server`'s decision.
//!
//! A file is `TWBACK01`, the length of its head (4 bytes, big-endian), the head as a record of kind
//! `Backup`, and a snapshot file (`crate::snapshot`) byte for byte. The head tells the snapshot's length and
//! checksum, so that a file is known to be whole before it is used.

mod export;
mod file;
mod found;
mod place;
mod survivor;
#[cfg(test)]
mod tests;

pub use export::{Export, ExportError};
pub use file::{Backup, BackupError, BackupInfo};
pub use found::{FoundError, NewGroup};
pub use survivor::{Survivor, SurvivorError};

use crate::records::HeadRecord;
use serde::{Deserialize, Serialize};
use tradewind_domain::{ids::ClusterIncarnation, time::UnixNanos};

/// What stands before the snapshot in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BackupRecord {
    pub(crate) cluster: String,
    /// The life of the cluster that was saved; none if it was never opened.
    pub(crate) incarnation: Option<ClusterIncarnation>,
    pub(crate) saved_at: UnixNanos,
    pub(crate) head: HeadRecord,
    /// Length and crc32 of the snapshot.
    pub(crate) bytes: u64,
    pub(crate) crc: u32,
}
