//! A member's disk: the journal's simulated one, as one boot of the member sees it. Decides that a process
//! that is gone writes no more, and plants the bugs that a disk can have. It also watches the vote: what was
//! promised may never be less after a restart.

use crate::planted::Planted;
use serde::Deserialize;
use std::{
    io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tradewind_journal::{Disk, DiskFile, codec, disk::SimulatedDisk};

/// What all boots of a member share.
#[derive(Clone)]
pub(crate) struct Hardware {
    pub(crate) disk: SimulatedDisk,
    boot: Arc<AtomicU64>,
    promised: Arc<Mutex<Option<Vote>>>,
    /// The rows of the first snapshot, for a planted bug.
    old_rows: Arc<Mutex<Option<Vec<u8>>>>,
    pub(crate) planted: Option<Planted>,
}

/// A vote as `cluster/replication` stores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Vote {
    term: u64,
    node: u64,
    committed: bool,
}

const VOTE_KIND: u8 = 3;

/// Bytes before the body of a slot: magic, length, checksum.
const SLOT_HEADER: usize = 16;

impl Hardware {
    pub(crate) fn new(seed: u64, planted: Option<Planted>) -> Self {
        let disk = SimulatedDisk::new(seed);
        if planted == Some(Planted::NoSync) {
            disk.ignore_syncs();
        }
        let (boot, promised, old_rows) = (Arc::default(), Arc::default(), Arc::default());
        Self { disk, boot, promised, old_rows, planted }
    }

    /// The process is gone: whatever it still holds reaches nothing.
    pub(crate) fn stop(&self) {
        self.disk.cut_power();
        self.boot.fetch_add(1, Ordering::SeqCst);
    }

    /// What a new process sees.
    pub(crate) fn boot(&self) -> Arc<dyn Disk> {
        let boot = self.boot.fetch_add(1, Ordering::SeqCst) + 1;
        Arc::new(BootDisk { hardware: self.clone(), boot })
    }

    /// Everything is gone, the promises with it.
    pub(crate) fn wipe(&mut self, seed: u64) {
        *self = Self::new(seed, self.planted);
    }

    /// A vote on the disk that is below what was promised from it.
    pub(crate) fn vote_went_back(&self, path: &Path) -> Option<String> {
        let promised = (*self.promised.lock().unwrap_or_else(PoisonError::into_inner))?;
        let stored = self.stored_vote(path);
        (stored < Some(promised)).then(|| format!("{stored:?} after {promised:?}"))
    }

    /// Puts the rows of the first snapshot behind the head of this one.
    fn make_old(&self, path: &Path) -> io::Result<()> {
        let file = self.disk.open(path)?;
        let mut bytes = vec![0; file.size()? as usize];
        file.read_at(&mut bytes, 0)?;
        // Magic, then blocks, each behind its length; the head is the first.
        let Some(length) = bytes.get(8..12) else { return Ok(()) };
        let head = 12 + u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
        let mut old = self.old_rows.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = old.get_or_insert_with(|| bytes[head..].to_vec());
        file.set_size((head + rows.len()) as u64)?;
        file.write_at(rows, head as u64)?;
        file.sync_all()
    }

    fn stored_vote(&self, path: &Path) -> Option<Vote> {
        let file = self.disk.open(path).ok()?;
        let mut bytes = vec![0; file.size().ok()? as usize];
        file.read_at(&mut bytes, 0).ok()?;
        codec::decode(VOTE_KIND, bytes.get(SLOT_HEADER..)?).ok()
    }
}

struct BootDisk {
    hardware: Hardware,
    boot: u64,
}

fn dead() -> io::Error {
    io::Error::other("the process is dead")
}

fn is_vote(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "vote")
}

impl BootDisk {
    fn alive(&self) -> io::Result<&SimulatedDisk> {
        let alive = self.hardware.boot.load(Ordering::SeqCst) == self.boot;
        if alive { Ok(&self.hardware.disk) } else { Err(dead()) }
    }

    fn file(&self, path: &Path, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        let journal = path.parent().is_some_and(|parent| parent.ends_with("entries"));
        let snapshot = path.parent().is_some_and(|parent| parent.ends_with("snapshots"));
        let unsynced = match self.hardware.planted {
            Some(Planted::JournalNotSynced) => journal,
            Some(Planted::RowsNotFlushed) => snapshot,
            _ => false,
        };
        let boot = self.hardware.boot.clone();
        Arc::new(BootFile { file, boot, of: self.boot, unsynced })
    }
}

impl Disk for BootDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.alive()?.create_directory(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.alive()?.exists(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        self.alive()?.list(directory)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(path, self.alive()?.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(path, self.alive()?.open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let disk = self.alive()?;
        let first = !disk.exists(to)?;
        if is_vote(to) && !first && self.hardware.planted == Some(Planted::VoteNotStored) {
            return disk.remove(from);
        }
        if to.extension().is_some_and(|name| name == "snapshot")
            && self.hardware.planted == Some(Planted::OldSnapshot)
        {
            self.hardware.make_old(from)?;
        }
        disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.alive()?.remove(path)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        let disk = self.alive()?;
        if self.hardware.planted == Some(Planted::NamesNotSynced) {
            return Ok(());
        }
        disk.sync_directory(directory)?;
        if let Some(vote) = self.hardware.stored_vote(&directory.join("vote")) {
            let mut promised =
                self.hardware.promised.lock().unwrap_or_else(PoisonError::into_inner);
            *promised = (*promised).max(Some(vote));
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        self.alive()?.lock(path)
    }
}

struct BootFile {
    file: Arc<dyn DiskFile>,
    boot: Arc<AtomicU64>,
    of: u64,
    unsynced: bool,
}

impl BootFile {
    fn alive(&self) -> io::Result<&dyn DiskFile> {
        let alive = self.boot.load(Ordering::SeqCst) == self.of;
        if alive { Ok(self.file.as_ref()) } else { Err(dead()) }
    }
}

impl DiskFile for BootFile {
    fn size(&self) -> io::Result<u64> {
        self.alive()?.size()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.alive()?.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.alive()?.write_at(bytes, offset)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.alive()?.set_size(size)
    }

    fn preallocate(&self, size: u64) -> io::Result<()> {
        self.alive()?.preallocate(size)
    }

    fn sync_data(&self) -> io::Result<Duration> {
        let file = self.alive()?;
        if self.unsynced { Ok(Duration::ZERO) } else { file.sync_data() }
    }

    fn sync_all(&self) -> io::Result<()> {
        let file = self.alive()?;
        if self.unsynced { Ok(()) } else { file.sync_all() }
    }
}
