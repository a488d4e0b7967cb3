//! A snapshot being received from a peer. Decides what is accepted of it: the pieces in order, all of them,
//! with the right checksum. Given up, it leaves nothing behind.

use super::{file::damaged, shelf::Shelf};
use crate::{limits::SNAPSHOT_CHUNK_BYTES, records::HeadRecord, snapshot::SnapshotFile};
use std::{io, path::PathBuf, sync::Arc};
use tradewind_journal::{Disk, DiskFile};

pub(crate) struct Incoming {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    head: HeadRecord,
    bytes: u64,
    received: u64,
    crc: crc32fast::Hasher,
    finished: bool,
}

impl Shelf {
    /// Begins to receive from that node.
    pub(crate) fn receive(&self, from: u64, head: HeadRecord, bytes: u64) -> io::Result<Incoming> {
        let path = self.temporary(&format!("from-{from}"));
        let disk = self.disk().clone();
        let file = disk.create(&path)?;
        let crc = crc32fast::Hasher::new();
        Ok(Incoming { disk, path, file, head, bytes, received: 0, crc, finished: false })
    }
}

impl Incoming {
    /// Writes the next piece. A piece out of order, or beyond what was told, is refused.
    pub(crate) fn write(&mut self, offset: u64, chunk: &[u8]) -> io::Result<()> {
        let end = self.received + chunk.len() as u64;
        if offset != self.received || chunk.len() > SNAPSHOT_CHUNK_BYTES || end > self.bytes {
            return Err(damaged("a piece does not follow the one before"));
        }
        self.file.write_at(chunk, offset)?;
        self.crc.update(chunk);
        self.received = end;
        Ok(())
    }

    /// Checks and syncs what was received. It is under its temporary name still, until it is installed.
    pub(crate) fn finish(mut self, crc: u32) -> io::Result<SnapshotFile> {
        if self.received != self.bytes || self.crc.clone().finalize() != crc {
            return Err(damaged("what arrived is not what was sent"));
        }
        self.file.sync_all()?;
        let file = SnapshotFile::received(&self.disk, self.path.clone())?;
        if file.head() != &self.head {
            return Err(damaged("its head is not the one that was announced"));
        }
        self.finished = true;
        Ok(file)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.finished {
            // What stays behind goes at the next start.
            let _ = self.disk.remove(&self.path);
        }
    }
}
