//! A snapshot being received from a peer. Decides what is accepted of it: the pieces in order, all of them,
//! with the right checksums, and a whole that can be read. One at a time; it stays when its connection
//! breaks, to go on when the very same snapshot is offered again, and goes when another one is.

use super::{file::damaged, gentle::Gentle, shelf::Shelf};
use crate::{limits::SNAPSHOT_CHUNK_BYTES, records::HeadRecord, snapshot::SnapshotFile};
use std::{io, path::PathBuf, sync::Arc};
use tradewind_journal::{Disk, DiskFile};

pub(crate) struct Incoming {
    /// Tells one transfer from the next.
    number: u64,
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    head: HeadRecord,
    bytes: u64,
    /// Of the whole, as it was offered. Without it the transfer cannot go on after an interruption.
    whole: Option<u32>,
    received: u64,
    written: Gentle,
    crc: crc32fast::Hasher,
    finished: bool,
    /// A write or a sync has failed: what the disk has of it is not known, and another sync would not tell.
    broken: bool,
}

impl Shelf {
    /// Begins to receive from that node, or goes on with what is here of the same snapshot: same head, length
    /// and checksum, whoever sends it. Gives the transfer's number and how much is here.
    pub(crate) fn receive(
        &self,
        from: u64,
        head: HeadRecord,
        bytes: u64,
        whole: Option<u32>,
    ) -> io::Result<(u64, u64)> {
        let mut held = self.partial();
        let number = self.number();
        let same = |held: &Incoming| {
            !held.broken
                && held.whole.is_some()
                && held.whole == whole
                && held.bytes == bytes
                && held.head == head
        };
        if let Some(incoming) = held.as_mut().filter(|held| same(held)) {
            // Whoever sent it before has no say any more.
            incoming.number = number;
            return Ok((number, incoming.received));
        }
        let path = self.temporary(&format!("from-{from}"));
        let disk = self.disk().clone();
        let file = disk.create(&path)?;
        let crc = crc32fast::Hasher::new();
        let (received, finished, broken) = (0, false, false);
        *held = Some(Incoming {
            number,
            disk,
            path,
            file,
            head,
            bytes,
            whole,
            received,
            written: Gentle::default(),
            crc,
            finished,
            broken,
        });
        Ok((number, 0))
    }

    /// Works on the transfer of that number, if it is still the one at hand.
    pub(crate) fn incoming<T>(
        &self,
        number: u64,
        work: impl FnOnce(&mut Incoming) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut held = self.partial();
        let incoming = held.as_mut().filter(|held| held.number == number).ok_or_else(replaced)?;
        work(incoming)
    }

    /// Takes the transfer of that number out: it ends now, well or not.
    pub(crate) fn arrived(&self, number: u64) -> io::Result<Incoming> {
        let mut held = self.partial();
        let at_hand = held.as_ref().is_some_and(|held| held.number == number);
        held.take_if(|_| at_hand).ok_or_else(replaced)
    }
}

fn replaced() -> io::Error {
    damaged("another transfer has taken this one's place")
}

impl Incoming {
    /// Writes the next piece. A piece out of order, beyond what was told, or with another checksum than its
    /// own is refused, and what was received before stays.
    pub(crate) fn write(&mut self, offset: u64, chunk: &[u8], crc: Option<u32>) -> io::Result<()> {
        let end = self.received + chunk.len() as u64;
        if offset != self.received || chunk.len() > SNAPSHOT_CHUNK_BYTES || end > self.bytes {
            return Err(damaged("a piece does not follow the one before"));
        }
        if crc.is_some_and(|crc| crc != crc32fast::hash(chunk)) {
            return Err(damaged("a piece is not what was sent"));
        }
        if self.broken {
            return Err(damaged("its disk has failed before"));
        }
        let written = self.written.write(self.file.as_ref(), chunk, offset);
        self.broken = written.is_err();
        written?;
        self.crc.update(chunk);
        self.received = end;
        Ok(())
    }

    /// Checks, syncs and reads what was received. It is under its temporary name still, until it is installed.
    pub(crate) fn finish(mut self, crc: u32) -> io::Result<SnapshotFile> {
        let told = self.whole.is_none_or(|whole| whole == crc);
        if !told || self.received != self.bytes || self.crc.clone().finalize() != crc {
            return Err(damaged("what arrived is not what was sent"));
        }
        self.file.sync_all()?;
        let file = SnapshotFile::received(&self.disk, self.path.clone())?;
        self.finished = true;
        if file.head() != &self.head {
            return Err(damaged("its head is not the one that was announced"));
        }
        // What was damaged where it was sent from must not reach Raft, which takes it for this disk's fault.
        file.loaded()
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
