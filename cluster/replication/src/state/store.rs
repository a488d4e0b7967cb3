//! The machine's rows in sled. Decides the keys, what is written together, and how a generation of rows
//! takes another's place; when that happens is `writer`'s decision.
//!
//! | key | value |
//! |---|---|
//! | `0x00` | generation (8 bytes, big-endian), then the head record |
//! | `0x01`, generation, encoded row key | encoded row |
//! | `0x02` | how often the store was opened (8 bytes, big-endian) |
//!
//! Rows of a generation that the head does not name are leftovers of an interrupted change and go at start.

use super::{Head, sync_hook};
use crate::{
    limits::{
        STATE_CACHE_BYTES, STATE_LOCK_PAUSE, STATE_LOCK_TRIES, STATE_REMOVE_BATCH,
        STATE_VALUE_BYTES,
    },
    records::{self, HeadRecord, Kind, RecordError},
};
use std::{
    fs::{self, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    thread,
};
use tradewind_domain::control::{Machine, Row, RowKey};

const HEAD_KEY: &[u8] = &[0];
const ROW_PREFIX: u8 = 1;
const OPENED_KEY: &[u8] = &[2];

/// Why the state on disk cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("sled failed")]
    Sled(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("sled panicked while opening its files")]
    Panicked,
    #[error("a stored row cannot be understood")]
    Record(#[from] RecordError),
    #[error("a file of the state cannot be used")]
    Io(#[from] io::Error),
    /// Another process has it open.
    #[error("{} is in use", directory.display())]
    InUse { directory: PathBuf },
    /// The state would not survive a power loss. A fault of this build, not of the disk.
    #[error("a flush of sled did not reach fdatasync: this build must not keep state")]
    NotSynced,
}

impl From<sled::Error> for StateError {
    fn from(error: sled::Error) -> Self {
        Self::Sled(Box::new(error))
    }
}

/// Rows in sled. All calls block; writes are not durable before a `flush`.
pub(crate) struct StateStore {
    db: sled::Db,
    /// Whose rows count. Changed by `replace` alone, which no write overlaps.
    generation: AtomicU64,
}

/// What was on disk.
pub(crate) struct Loaded {
    pub(crate) machine: Machine,
    pub(crate) head: Head,
    /// Where the directory found is now, if it could not be opened and the state begins empty.
    pub(crate) set_aside: Option<PathBuf>,
}

impl StateStore {
    /// Opens the state in `directory`. One that cannot be opened or understood is moved aside, never
    /// deleted, and an empty one begins: snapshot and journal make up for it.
    pub(crate) fn open(directory: &Path) -> Result<(Self, Loaded), StateError> {
        let why = match Self::try_open(directory) {
            Ok(opened) => return Ok(opened),
            Err(why @ (StateError::NotSynced | StateError::InUse { .. })) => return Err(why),
            Err(why) => why,
        };
        let aside = set_aside(directory)?;
        tracing::error!(error = %Chain(&why), moved_to = %aside.display(), "state set aside, rebuilding");
        let (store, mut loaded) = Self::try_open(directory)?;
        loaded.set_aside = Some(aside);
        Ok((store, loaded))
    }

    fn try_open(directory: &Path) -> Result<(Self, Loaded), StateError> {
        fs::create_dir_all(directory)?;
        wait_until_free(directory)?;
        remove_unfinished(directory)?;
        let path = directory.to_owned();
        // Sled asserts about its files where it should report; what it finds is not ours to trust.
        let opened = std::panic::catch_unwind(move || {
            sled::Config::new()
                .path(path)
                .cache_capacity(STATE_CACHE_BYTES)
                .flush_every_ms(None)
                .open()
        });
        let db = opened.map_err(|_| StateError::Panicked)??;
        let before = sync_hook::calls();
        let opened = db.get(OPENED_KEY)?.map_or(0, |count| number(&count));
        db.insert(OPENED_KEY, &(opened + 1).to_be_bytes())?;
        db.flush()?;
        if sync_hook::calls() == before {
            return Err(StateError::NotSynced);
        }
        sync_directory(directory)?;
        if let Some(parent) = directory.parent() {
            sync_directory(parent)?;
        }
        let store = Self { db, generation: AtomicU64::new(0) };
        let loaded = store.load()?;
        Ok((store, loaded))
    }

    fn load(&self) -> Result<Loaded, StateError> {
        let mut head = Head::default();
        if let Some(value) = self.db.get(HEAD_KEY)? {
            let (generation, record) = value.split_at(8.min(value.len()));
            self.generation.store(number(generation), Ordering::SeqCst);
            head = records::decode::<HeadRecord>(Kind::Head, record)?.try_into()?;
        }
        self.remove_others()?;
        let prefix = row_prefix(self.generation.load(Ordering::SeqCst));
        let rows: Result<Vec<Row>, StateError> = self
            .db
            .scan_prefix(prefix)
            .values()
            .map(|value| Ok(records::decode::<Row>(Kind::Row, &value?)?))
            .collect();
        Ok(Loaded { machine: Machine::from_rows(rows?), head, set_aside: None })
    }

    /// Writes rows and head in one batch: after a crash both are there or neither is.
    pub(crate) fn write<'a>(
        &self,
        rows: impl IntoIterator<Item = (&'a RowKey, Option<&'a Row>)>,
        head: &Head,
    ) -> Result<(), StateError> {
        let generation = self.generation.load(Ordering::SeqCst);
        let mut batch = sled::Batch::default();
        for (key, row) in rows {
            let key = row_key(generation, key)?;
            match row {
                Some(row) => batch.insert(key, row_value(row)?),
                None => batch.remove(key),
            }
        }
        batch.insert(HEAD_KEY, head_value(generation, head)?);
        Ok(self.db.apply_batch(batch)?)
    }

    /// Makes everything written so far durable.
    pub(crate) fn flush(&self) -> Result<(), StateError> {
        self.db.flush()?;
        Ok(())
    }

    /// Puts `machine` in the place of all there is; durable when this returns. A crash in between leaves
    /// the old or the new state, whole.
    pub(crate) fn replace(&self, machine: &Machine, head: &Head) -> Result<(), StateError> {
        let new = self.generation.load(Ordering::SeqCst) + 1;
        // Leftovers of an attempt that failed half-way must not show through.
        self.remove_range(row_prefix(new), row_prefix(new + 1))?;
        for row in machine.rows() {
            self.db.insert(row_key(new, &row.key())?, row_value(&row)?)?;
        }
        self.db.flush()?;
        self.db.insert(HEAD_KEY, head_value(new, head)?)?;
        self.db.flush()?;
        self.generation.store(new, Ordering::SeqCst);
        self.remove_others()
    }

    /// Removes the rows of every generation but the present one.
    fn remove_others(&self) -> Result<(), StateError> {
        let ours = self.generation.load(Ordering::SeqCst);
        self.remove_range(row_prefix(0), row_prefix(ours))?;
        self.remove_range(row_prefix(ours + 1), vec![ROW_PREFIX + 1])
    }

    fn remove_range(&self, from: Vec<u8>, to: Vec<u8>) -> Result<(), StateError> {
        loop {
            let mut batch = sled::Batch::default();
            let mut found = 0;
            let keys = self.db.range(from.clone()..to.clone()).keys();
            for key in keys.take(STATE_REMOVE_BATCH) {
                batch.remove(key?);
                found += 1;
            }
            if found == 0 {
                return Ok(());
            }
            self.db.apply_batch(batch)?;
        }
    }

    #[cfg(test)]
    pub(super) fn rows_of_other_generations(&self) -> usize {
        let ours = row_prefix(self.generation.load(Ordering::SeqCst));
        let keys = self.db.scan_prefix([ROW_PREFIX]).keys();
        keys.filter(|key| !key.as_ref().is_ok_and(|key| key.starts_with(&ours))).count()
    }

    #[cfg(test)]
    pub(super) fn put_row_of_generation(&self, generation: u64, row: &Row) {
        let key = row_key(generation, &row.key());
        if let (Ok(key), Ok(value)) = (key, row_value(row)) {
            self.db.insert(key, value).map(drop).unwrap_or_default();
        }
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

fn row_prefix(generation: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(64);
    key.push(ROW_PREFIX);
    key.extend_from_slice(&generation.to_be_bytes());
    key
}

fn row_key(generation: u64, key: &RowKey) -> Result<Vec<u8>, RecordError> {
    let mut bytes = row_prefix(generation);
    bytes.extend_from_slice(&records::encode(Kind::RowKey, key)?);
    Ok(bytes)
}

fn row_value(row: &Row) -> Result<Vec<u8>, RecordError> {
    let value = records::encode(Kind::Row, row)?;
    if value.len() >= STATE_VALUE_BYTES {
        tracing::warn!(key = ?row.key(), bytes = value.len(), "row is larger than sled keeps well");
    }
    Ok(value)
}

fn head_value(generation: u64, head: &Head) -> Result<Vec<u8>, RecordError> {
    let mut value = generation.to_be_bytes().to_vec();
    value.extend_from_slice(&records::encode(Kind::Head, &HeadRecord::from(head))?);
    Ok(value)
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

pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

/// Moves the directory to the first free name beside it.
fn set_aside(directory: &Path) -> io::Result<PathBuf> {
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

/// An error with its causes, on one line.
pub(crate) struct Chain<'a>(pub(crate) &'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
