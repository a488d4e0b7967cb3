//! Sled as the map under the state. Decides how it is opened safely: its lock awaited, what it left half
//! written removed, and a flush seen to reach `fdatasync`. A directory that it cannot open is moved aside,
//! never deleted.
//!
//! Beside the rows it keeps `0x02`: how often it was opened (8 bytes, big-endian).

use super::{
    StateError,
    kv::{Batch, Kv, Visit},
    store::number,
    sync_hook,
};
use crate::limits::{STATE_CACHE_BYTES, STATE_LOCK_PAUSE, STATE_LOCK_TRIES};
use std::{
    fs::{self, TryLockError},
    io,
    path::{Path, PathBuf},
    thread,
};

const OPENED_KEY: &[u8] = &[2];

impl From<sled::Error> for StateError {
    fn from(error: sled::Error) -> Self {
        match error {
            // Of its own accord sled tells the operating system's answer in the words of a program.
            sled::Error::Io(error) => Self::Sled(Box::new(error)),
            other => Self::Sled(Box::new(other)),
        }
    }
}

struct SledRows(sled::Db);

impl Kv for SledRows {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.0.get(key)?.map(|value| value.to_vec()))
    }

    fn range(&self, from: &[u8], to: &[u8], visit: &mut Visit) -> Result<(), StateError> {
        for found in self.0.range(from..to) {
            let (key, value) = found?;
            if !visit(&key, &value)? {
                break;
            }
        }
        Ok(())
    }

    fn apply(&self, batch: Batch) -> Result<(), StateError> {
        let mut together = sled::Batch::default();
        for (key, value) in batch {
            match value {
                Some(value) => together.insert(key, value),
                None => together.remove(key),
            }
        }
        Ok(self.0.apply_batch(together)?)
    }

    fn flush(&self) -> Result<(), StateError> {
        self.0.flush()?;
        Ok(())
    }
}

/// Opens sled in the directory, making it if need be.
pub(crate) fn open_sled(directory: &Path) -> Result<Box<dyn Kv>, StateError> {
    fs::create_dir_all(directory)?;
    wait_until_free(directory)?;
    remove_unfinished(directory)?;
    let path = directory.to_owned();
    // Sled asserts about its files where it should report; what it finds is not ours to trust.
    let opened = std::panic::catch_unwind(move || {
        sled::Config::new().path(path).cache_capacity(STATE_CACHE_BYTES).flush_every_ms(None).open()
    });
    let db = opened.map_err(|_| StateError::Panicked)??;
    let before = sync_hook::calls();
    let opened = db.get(OPENED_KEY)?.map_or(0, |count| number(&count));
    db.insert(OPENED_KEY, &(opened + 1).to_be_bytes())?;
    db.flush()?;
    if sync_hook::calls() == before {
        return Err(StateError::NotSynced);
    }
    sync_files(directory)?;
    sync_directory(directory)?;
    if let Some(parent) = directory.parent() {
        sync_directory(parent)?;
    }
    Ok(Box::new(SledRows(db)))
}

/// Sled's threads keep its lock for a moment after its last handle is dropped, and sled tells a lock held
/// from no other failure: it would be taken for damage.
fn wait_until_free(directory: &Path) -> Result<(), StateError> {
    let file = match fs::File::open(directory.join("db")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    for _ in 0..STATE_LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => thread::sleep(STATE_LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
    Err(StateError::InUse { directory: directory.to_owned() })
}

/// Sled leaves `snap.*.generating` behind when killed while writing one, and later takes it for whole.
fn remove_unfinished(directory: &Path) -> io::Result<()> {
    for file in fs::read_dir(directory)? {
        let file = file?;
        let name = file.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

/// Sled never syncs the file with its configuration, and can read nothing without it.
fn sync_files(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_file() {
            fs::File::open(path)?.sync_all()?;
        }
    }
    Ok(())
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

/// Moves the directory to the first free name beside it.
pub(super) fn set_aside(directory: &Path) -> io::Result<PathBuf> {
    let mut n = 1;
    let aside = loop {
        let mut name = directory.as_os_str().to_owned();
        name.push(format!(".damaged-{n}"));
        let aside = PathBuf::from(name);
        if !aside.try_exists()? {
            break aside;
        }
        n += 1;
    };
    fs::rename(directory, &aside)?;
    if let Some(parent) = directory.parent() {
        sync_directory(parent)?;
    }
    Ok(aside)
}
