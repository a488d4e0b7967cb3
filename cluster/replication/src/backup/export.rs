//! A backup made by a running member. Decides that it holds everything this member has applied when it is
//! asked for, and that making it disturbs nobody: from a clone, on a thread that yields, to a file of its own
//! that goes when the last reader lets go of it, and not where it would fill the member's disk.

use super::{BackupInfo, BackupRecord, file};
use crate::{
    Replica,
    limits::BACKUP_LEAVES_BYTES,
    records::{HeadRecord, RecordError},
    runtime::spawn_blocking,
    snapshot::{SnapshotFile, slowly},
};
use bytes::Bytes;
use futures_util::FutureExt as _;
use std::{io, sync::Arc};

/// Why there is no backup. Nothing was changed; ask again or ask another member.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("the member is stopping")]
    Stopped,
    #[error(
        "this member's disk has room for {room} bytes, and a backup takes about {needed} while {BACKUP_LEAVES_BYTES} \
         stay free: free space there, or ask another member"
    )]
    NoRoom { room: u64, needed: u64 },
    #[error("the backup cannot be written or read")]
    Io(#[from] io::Error),
    #[error("the backup's head cannot be written")]
    Record(#[from] RecordError),
}

/// A backup to be read from. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Export(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    info: BackupInfo,
    opening: Vec<u8>,
    file: SnapshotFile,
}

impl Replica {
    /// Makes a backup of what this member has applied by now. For all that was acknowledged, wait for
    /// [`read_barrier`](Self::read_barrier) of the leader first.
    pub async fn export(&self) -> Result<Export, ExportError> {
        let builder = self.shared.raft.with_state_machine(|machine| {
            let builder = machine.builder();
            async move { builder }.boxed()
        });
        let builder = builder.await.map_err(|_| ExportError::Stopped)?;
        let (cluster, saved_at) = (self.shared.cluster.clone(), self.shared.clock.own());
        let made = slowly(move || -> Result<Export, ExportError> {
            let (room, needed) = builder.room()?;
            if room < needed.saturating_add(BACKUP_LEAVES_BYTES) {
                return Err(ExportError::NoRoom { room, needed });
            }
            let incarnation = builder.machine().cluster().opened();
            let head = HeadRecord::from(builder.head());
            let file = builder.export()?;
            let (bytes, crc) = file::sum(&mut file.reader()?)?;
            let record = BackupRecord { cluster, incarnation, saved_at, head, bytes, crc };
            let (info, opening) = (BackupInfo::of(&record)?, file::opening(&record)?);
            Ok(Export(Arc::new(Inner { info, opening, file })))
        });
        made.await?
    }
}

impl Export {
    #[must_use]
    pub fn info(&self) -> &BackupInfo {
        &self.0.info
    }

    /// Length of the whole file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.opening.len() as u64 + self.0.file.bytes()
    }

    /// Up to `most` bytes from `offset`; none at the end.
    pub async fn chunk(&self, offset: u64, most: usize) -> io::Result<Bytes> {
        let opening = self.0.opening.len() as u64;
        if offset < opening {
            let rest = &self.0.opening[usize::try_from(offset).unwrap_or(usize::MAX)..];
            return Ok(Bytes::copy_from_slice(&rest[..rest.len().min(most)]));
        }
        let file = self.0.file.clone();
        let chunk = spawn_blocking(move || file.chunk(offset - opening, most));
        Ok(chunk.await.map_err(io::Error::other)??.into())
    }
}
