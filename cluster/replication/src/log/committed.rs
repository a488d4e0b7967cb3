//! The saved commit index: two small slots in one file, written in turn and never synced. Decides which one
//! counts: the newest that is whole. A kill loses nothing of it; after a power loss it may be older, which
//! only means that the rest of the log waits for a leader.

use super::LogError;
use crate::{
    raft::LogId,
    records::{self, Kind, LogIdRecord},
};
use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};
use tradewind_journal::{Disk, DiskFile};

/// A slot: length of the record in one byte, the record. Ids take at most 33 bytes with their envelope.
const SLOT_BYTES: usize = 64;

pub(super) struct CommittedFile {
    file: Arc<dyn DiskFile>,
    written: Mutex<Written>,
}

#[derive(Default)]
struct Written {
    newest: Option<LogId>,
    second_slot: bool,
}

impl CommittedFile {
    pub(super) fn open(disk: &dyn Disk, path: &Path) -> Result<(Self, Option<LogId>), LogError> {
        let file = match disk.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => disk.create(path)?,
            opened => opened?,
        };
        let mut bytes = [0; 2 * SLOT_BYTES];
        let filled = usize::try_from(file.size()?).unwrap_or(usize::MAX).min(bytes.len());
        file.read_at(&mut bytes[..filled], 0)?;
        let (first, second) = bytes.split_at(SLOT_BYTES);
        let (first, second) = (whole(first), whole(second));
        let newest = first.max(second);
        // The newest slot is the one to keep while the other is written.
        let second_slot = first >= second;
        Ok((Self { file, written: Mutex::new(Written { newest, second_slot }) }, newest))
    }

    /// Saves the id if it is above what is saved. Only ids of entries that are durable here.
    pub(super) fn raise(&self, to: LogId) -> io::Result<()> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.newest.is_some_and(|held| held >= to) {
            return Ok(());
        }
        let record =
            records::encode(Kind::LogId, &LogIdRecord::from(to)).map_err(io::Error::other)?;
        let mut slot = [0; SLOT_BYTES];
        slot[0] = record.len() as u8;
        slot[1..=record.len()].copy_from_slice(&record);
        let offset = if written.second_slot { SLOT_BYTES as u64 } else { 0 };
        self.file.write_at(&slot, offset)?;
        *written = Written { newest: Some(to), second_slot: !written.second_slot };
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn newest(&self) -> Option<LogId> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).newest
    }
}

fn whole(slot: &[u8]) -> Option<LogId> {
    let record = slot.get(1..=usize::from(slot[0]))?;
    records::decode::<LogIdRecord>(Kind::LogId, record).ok().map(LogId::from)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::raft::LeaderId;
    use tradewind_journal::RealDisk;

    fn id(index: u64) -> LogId {
        LogId::new(LeaderId { term: u64::MAX, node_id: u64::MAX }, index)
    }

    #[test]
    fn the_newest_whole_slot_counts() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("committed");
        let (file, found) = CommittedFile::open(&RealDisk, &path).unwrap();
        assert_eq!(found, None);
        for index in [3, 4, u64::MAX] {
            file.raise(id(index)).unwrap();
            assert_eq!(CommittedFile::open(&RealDisk, &path).unwrap().1, Some(id(index)));
        }
        file.raise(id(1)).unwrap();
        let (file, found) = CommittedFile::open(&RealDisk, &path).unwrap();
        assert_eq!(found, Some(id(u64::MAX)));
        // The slot written last is torn: the other one counts.
        file.file.write_at(&[0x55; 8], SLOT_BYTES as u64 + 4).unwrap();
        assert_eq!(CommittedFile::open(&RealDisk, &path).unwrap().1, Some(id(4)));
    }
}
