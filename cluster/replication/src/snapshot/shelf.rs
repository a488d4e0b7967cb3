//! The directory of snapshots. Decides names, which file is the newest, and what is removed: all but the two
//! newest, and unfinished ones at start.

use super::{
    Incoming,
    file::{self, SnapshotFile},
};
use crate::{
    limits::{BACKUP_ROW_BYTES, SNAPSHOTS_KEPT},
    records::{HeadRecord, LogIdRecord},
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tradewind_domain::control::Machine;
use tradewind_journal::Disk;

const SUFFIX: &str = ".snapshot";
const TEMPORARY: &str = ".tmp";
const DAMAGED: &str = ".damaged";

pub(crate) struct Shelf {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    /// Oldest first. Held while the directory changes.
    kept: Mutex<Vec<SnapshotFile>>,
    /// What is being received.
    partial: Mutex<Option<Incoming>>,
    /// Numbers given so far, to temporary names and transfers: none is given twice.
    numbers: AtomicU64,
}

impl Shelf {
    /// Opens the directory, making it if need be. A file that is no whole snapshot is renamed and reported.
    pub(crate) fn open_on(disk: &Arc<dyn Disk>, directory: &Path) -> io::Result<Self> {
        disk.create_directory(directory)?;
        let mut names = Vec::new();
        for name in disk.list(directory)? {
            let path = directory.join(&name);
            if name.ends_with(TEMPORARY) {
                disk.remove(&path)?;
            } else if name.ends_with(SUFFIX) {
                names.push(path);
            }
        }
        // Names begin with the index, padded: their order is that of the snapshots.
        names.sort();
        let mut kept = Vec::new();
        for path in names {
            match SnapshotFile::open(disk, path.clone()) {
                Ok(file) => kept.push(file),
                Err(why) => move_aside(disk.as_ref(), &path, &why)?,
            }
        }
        disk.sync_directory(directory)?;
        Ok(Self {
            disk: disk.clone(),
            directory: directory.to_owned(),
            kept: Mutex::new(kept),
            partial: Mutex::default(),
            numbers: AtomicU64::new(0),
        })
    }

    /// The same on the machine's own disk.
    #[cfg(test)]
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        Self::open_on(&crate::Environment::default().disk, directory)
    }

    pub(super) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    pub(crate) fn newest(&self) -> Option<SnapshotFile> {
        self.kept().last().cloned()
    }

    pub(crate) fn newest_first(&self) -> Vec<SnapshotFile> {
        self.kept().iter().rev().cloned().collect()
    }

    /// Up to where the log may go although the newest snapshot might turn out damaged: what the one before
    /// it holds. `None` as long as there is none before it.
    pub(crate) fn fallback(&self) -> Option<LogIdRecord> {
        let kept = self.kept();
        // More are there while one is being installed.
        let before = kept.len().checked_sub(SNAPSHOTS_KEPT)?;
        kept.get(before).and_then(|file| file.head().applied)
    }

    /// Takes a file that turned out damaged out of the shelf. It is renamed, not removed.
    pub(crate) fn set_aside(&self, file: &SnapshotFile, why: &io::Error) -> io::Result<()> {
        let mut kept = self.kept();
        kept.retain(|held| held.path != file.path);
        move_aside(self.disk.as_ref(), &file.path, why)?;
        self.disk.sync_directory(&self.directory)
    }

    /// Writes a snapshot of the machine and keeps it. Blocks for as long as that takes.
    pub(crate) fn build(&self, machine: &Machine, head: HeadRecord) -> io::Result<SnapshotFile> {
        let path = self.temporary("building");
        file::write(self.disk.as_ref(), &path, machine, head)?;
        let file = self.keep(SnapshotFile::open(&self.disk, path)?)?;
        self.forget_old()?;
        Ok(file)
    }

    /// Writes a snapshot that is not kept: it goes when the last one who has it lets go of it.
    pub(crate) fn export(&self, machine: &Machine, head: HeadRecord) -> io::Result<SnapshotFile> {
        let path = self.temporary("export");
        file::write(self.disk.as_ref(), &path, machine, head)?;
        SnapshotFile::received(&self.disk, path)
    }

    /// Bytes for which there is room, and about as many as writing this machine once more would take.
    pub(crate) fn room_for(&self, machine: &Machine) -> io::Result<(u64, u64)> {
        let needed = match self.newest() {
            // It has grown since, by little.
            Some(file) => file.bytes() / 4 * 5,
            None => machine.rows().count() as u64 * BACKUP_ROW_BYTES,
        };
        Ok((self.disk.room(&self.directory)?, needed))
    }

    /// Gives a whole, synced file its final name, durably: from now on a start may begin with it. What is too
    /// old stays until [`forget_old`](Self::forget_old).
    pub(crate) fn keep(&self, file: SnapshotFile) -> io::Result<SnapshotFile> {
        let mut kept = self.kept();
        let path = self.directory.join(name(file.head().applied));
        if path != file.path {
            self.disk.rename(&file.path, &path)?;
            file.kept();
            self.disk.sync_directory(&self.directory)?;
        }
        let file = SnapshotFile::open(&self.disk, path)?;
        kept.retain(|older| older.path != file.path);
        kept.push(file.clone());
        kept.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(file)
    }

    /// Removes what is too old.
    pub(crate) fn forget_old(&self) -> io::Result<()> {
        let mut kept = self.kept();
        let old = kept.len().saturating_sub(SNAPSHOTS_KEPT);
        let old: Vec<SnapshotFile> = kept.drain(..old).collect();
        for file in &old {
            file.let_go(&self.disk, self.temporary("old"))?;
        }
        if !old.is_empty() {
            // Before any of it is cut: after a loss of power no part of one has a final name.
            self.disk.sync_directory(&self.directory)?;
        }
        Ok(())
    }

    pub(super) fn temporary(&self, name: &str) -> PathBuf {
        let n = self.number();
        self.directory.join(format!("{name}-{n}{TEMPORARY}"))
    }

    pub(super) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn partial(&self) -> MutexGuard<'_, Option<Incoming>> {
        self.partial.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> MutexGuard<'_, Vec<SnapshotFile>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn move_aside(disk: &dyn Disk, path: &Path, why: &io::Error) -> io::Result<()> {
    let mut aside = path.to_owned().into_os_string();
    aside.push(DAMAGED);
    tracing::error!(file = %path.display(), %why, "snapshot set aside");
    disk.rename(path, aside.as_ref())
}

fn name(applied: Option<LogIdRecord>) -> String {
    let (index, term, node) = applied.map_or((0, 0, 0), |id| (id.index, id.term, id.node));
    format!("{index:020}-{term}-{node}{SUFFIX}")
}
