//! The machine's rows in an ordered map. Decides the keys, what is written together, and how a generation
//! of rows takes another's place; when that happens is `writer`'s decision.
//!
//! | key | value |
//! |---|---|
//! | `0x00` | generation (8 bytes, big-endian), then the head record |
//! | `0x01`, generation, encoded row key | encoded row |
//! | `0x03`, generation, revision, piece | a page of answered commands: see `answers` |
//!
//! Rows of a generation that the head does not name are leftovers of an interrupted change and go at start.

use super::{
    Head,
    answers::{self, Answers, Pages, Reading},
    kv::{Batch, Kv},
    sled_rows::set_aside,
};
use crate::{
    Environment, LevelNotKnown,
    limits::{
        STATE_READ_ROWS, STATE_REMOVE_BATCH, STATE_SYNC_BYTES, STATE_VALUE_BYTES, STATE_WRITE_ROWS,
    },
    records::{self, HeadRecord, Kind, RecordError},
    rows,
};
use std::{
    io, mem,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tradewind_domain::control::{Machine, Row, RowKey, level::FeatureLevel};

const HEAD_KEY: &[u8] = &[0];
const ROW_PREFIX: u8 = 1;

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
    #[error("the state was written in an earlier form")]
    EarlierForm,
    /// Another process has it open.
    #[error("{} is in use by another process: stop that one first", directory.display())]
    InUse { directory: PathBuf },
    /// The program is another build than the one that was here.
    #[error(transparent)]
    LevelNotKnown(#[from] LevelNotKnown),
    /// The state would not survive a power loss. A fault of this build, not of the disk.
    #[error("a flush of sled did not reach fdatasync: this build must not keep state")]
    NotSynced,
}

impl StateError {
    /// Whether the operating system has refused, which says nothing about what is on disk.
    fn is_refusal(&self) -> bool {
        let error = match self {
            Self::Io(error) => error,
            Self::Sled(error) => match error.downcast_ref::<io::Error>() {
                Some(error) => error,
                None => return false,
            },
            Self::Panicked
            | Self::Record(_)
            | Self::EarlierForm
            | Self::InUse { .. }
            | Self::LevelNotKnown(_)
            | Self::NotSynced => return false,
        };
        // 23 and 24: no file can be opened any more, ENFILE and EMFILE.
        matches!(error.raw_os_error(), Some(23 | 24))
            || matches!(
                error.kind(),
                io::ErrorKind::StorageFull
                    | io::ErrorKind::QuotaExceeded
                    | io::ErrorKind::PermissionDenied
                    | io::ErrorKind::ReadOnlyFilesystem
                    | io::ErrorKind::OutOfMemory
            )
    }
}

/// The rows. All calls block; writes are not durable before a `flush`.
pub(crate) struct StateStore {
    db: Box<dyn Kv>,
    /// Whose rows count. Changed by `replace` alone, which no write overlaps.
    generation: AtomicU64,
    pages: Mutex<Pages>,
}

/// What is read at once.
enum Block {
    Encoded(Vec<Vec<u8>>),
    Answers(Vec<Row>),
}

impl Block {
    fn rows(self) -> Result<Vec<Row>, StateError> {
        let values = match self {
            Self::Encoded(values) => values,
            Self::Answers(rows) => return Ok(rows),
        };
        let row = |value: Vec<u8>| match records::decode(Kind::Row, &value)? {
            // They stand in pages.
            Row::Answered(_) | Row::AnsweredTo(_) => Err(StateError::EarlierForm),
            row => Ok(row),
        };
        values.into_iter().map(row).collect()
    }
}

/// What was on disk.
pub(crate) struct Loaded {
    pub(crate) machine: Machine,
    pub(crate) head: Head,
    /// Where the directory found is now, if it could not be opened and the state begins empty.
    pub(crate) set_aside: Option<PathBuf>,
}

impl StateStore {
    /// Opens the state in `directory`. One that cannot be understood is moved aside, never deleted, and an
    /// empty one begins: snapshot and journal make up for it.
    pub(crate) fn open_in(
        environment: &Environment,
        directory: &Path,
    ) -> Result<(Self, Loaded), StateError> {
        let why = match Self::try_open(environment, directory) {
            Ok(opened) => return Ok(opened),
            // Nothing of it is damaged; another build understands it.
            Err(why @ StateError::LevelNotKnown(_)) => return Err(why),
            Err(why @ (StateError::NotSynced | StateError::InUse { .. })) => return Err(why),
            // Nothing is wrong with what is there, and beside it nothing would open either.
            Err(why) if why.is_refusal() => return Err(why),
            Err(why) => why,
        };
        Self::begin_anew(environment, directory, &Chain(&why))
    }

    /// Moves a state that is not to be used aside, and begins an empty one.
    pub(crate) fn begin_anew(
        environment: &Environment,
        directory: &Path,
        why: &dyn std::fmt::Display,
    ) -> Result<(Self, Loaded), StateError> {
        let aside = set_aside(directory)?;
        tracing::error!(error = %why, moved_to = %aside.display(), "state set aside, rebuilding");
        let (store, mut loaded) = Self::try_open(environment, directory)?;
        loaded.set_aside = Some(aside);
        Ok((store, loaded))
    }

    /// The same on the machine itself.
    #[cfg(test)]
    pub(crate) fn open(directory: &Path) -> Result<(Self, Loaded), StateError> {
        Self::open_in(&Environment::default(), directory)
    }

    fn try_open(environment: &Environment, directory: &Path) -> Result<(Self, Loaded), StateError> {
        let db = (environment.rows)(directory)?;
        let store = Self { db, generation: AtomicU64::new(0), pages: Mutex::default() };
        let loaded = store.load(environment.knows)?;
        Ok((store, loaded))
    }

    fn load(&self, knows: FeatureLevel) -> Result<Loaded, StateError> {
        let mut head = Head::default();
        if let Some(value) = self.db.get(HEAD_KEY)? {
            let (generation, record) = value.split_at(8.min(value.len()));
            self.generation.store(number(generation), Ordering::SeqCst);
            head = records::decode::<HeadRecord>(Kind::Head, record)?.try_into()?;
        }
        self.remove_others()?;
        let ours = self.generation.load(Ordering::SeqCst);
        self.check_level(ours, knows)?;
        let feed = |hand_on: &mut dyn FnMut(Block) -> bool| {
            let mut block = Vec::with_capacity(STATE_READ_ROWS);
            self.db.range(&row_prefix(ours), &row_prefix(ours + 1), &mut |_, value| {
                block.push(value.to_vec());
                let full = block.len() >= STATE_READ_ROWS;
                Ok(!full || hand_on(Block::Encoded(mem::take(&mut block))))
            })?;
            if hand_on(Block::Encoded(block)) {
                hand_on(Block::Answers(self.read_answers(ours)?));
            }
            Ok(())
        };
        Ok(Loaded { machine: rows::build(feed, Block::rows)?, head, set_aside: None })
    }

    /// Before any other row is read: of a later build's some may be of kinds that this one does not have.
    fn check_level(&self, generation: u64, knows: FeatureLevel) -> Result<(), StateError> {
        let row = self.db.get(&row_key(generation, &RowKey::Level(()))?)?;
        let row = row.map(|row| records::decode(Kind::Row, &row)).transpose()?;
        match row {
            Some(Row::Level(row)) => Ok(LevelNotKnown::check(row.level, knows)?),
            Some(_) | None => Ok(()),
        }
    }

    /// The answered commands, from their pages.
    fn read_answers(&self, generation: u64) -> Result<Vec<Row>, StateError> {
        let mut reading = Reading::default();
        let (from, to) = (answers::prefix(generation), answers::prefix(generation + 1));
        self.db.range(&from, &to, &mut |_, page| {
            reading.page(page)?;
            Ok(true)
        })?;
        let (pages, answered) = reading.done();
        *self.pages() = pages;
        Ok(answered.collect())
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the changed rows as the machine has them, and the head, in one batch: after a crash all are
    /// there or none is.
    pub(crate) fn write(
        &self,
        changed: &[RowKey],
        machine: &Machine,
        head: &Head,
    ) -> Result<(), StateError> {
        let generation = self.generation.load(Ordering::SeqCst);
        let mut batch = Batch::new();
        let mut answers = Answers::default();
        for key in changed {
            if !answers.take(key, machine) {
                let row = machine.row(key).as_ref().map(row_value).transpose()?;
                batch.push((row_key(generation, key)?, row));
            }
        }
        let mut pages = self.pages();
        if pages.full(&answers, machine) {
            let (from, to) = (answers::prefix(generation), answers::prefix(generation + 1));
            self.db.range(&from, &to, &mut |key, _| {
                batch.push((key.to_vec(), None));
                Ok(true)
            })?;
            pages.clear();
            answers = Answers::all_of(machine);
        }
        batch.extend(pages.add(generation, head.revision(), &answers)?);
        batch.push((HEAD_KEY.to_vec(), Some(head_value(generation, head)?)));
        self.db.apply(batch)
    }

    /// Makes everything written so far durable.
    pub(crate) fn flush(&self) -> Result<(), StateError> {
        self.db.flush()
    }

    /// Puts `machine` in the place of all there is; durable when this returns. A crash in between leaves
    /// the old or the new state, whole.
    pub(crate) fn replace(&self, machine: &Machine, head: &Head) -> Result<(), StateError> {
        let new = self.generation.load(Ordering::SeqCst) + 1;
        // Leftovers of an attempt that failed half-way must not show through.
        self.remove_range(row_prefix(new), row_prefix(new + 1))?;
        self.remove_range(answers::prefix(new), answers::prefix(new + 1))?;
        let mut rows = machine
            .rows()
            .filter(|row| !matches!(row, Row::Answered(_) | Row::AnsweredTo(_)))
            .peekable();
        let mut unsynced = 0;
        while rows.peek().is_some() {
            let mut batch = Batch::new();
            for row in rows.by_ref().take(STATE_WRITE_ROWS) {
                let value = row_value(&row)?;
                unsynced += value.len();
                batch.push((row_key(new, &row.key())?, Some(value)));
            }
            self.db.apply(batch)?;
            if unsynced >= STATE_SYNC_BYTES {
                // One flush at the end would have the journal's sync, on the same disk, wait for all of it.
                self.db.flush()?;
                unsynced = 0;
            }
        }
        let mut pages = Pages::default();
        self.db.apply(pages.add(new, head.revision(), &Answers::all_of(machine))?)?;
        self.db.flush()?;
        self.insert(HEAD_KEY.to_vec(), head_value(new, head)?)?;
        self.db.flush()?;
        self.generation.store(new, Ordering::SeqCst);
        *self.pages() = pages;
        self.remove_others()
    }

    fn insert(&self, key: Vec<u8>, value: Vec<u8>) -> Result<(), StateError> {
        self.db.apply(vec![(key, Some(value))])
    }

    /// Removes the rows of every generation but the present one.
    fn remove_others(&self) -> Result<(), StateError> {
        let ours = self.generation.load(Ordering::SeqCst);
        self.remove_range(row_prefix(0), row_prefix(ours))?;
        self.remove_range(row_prefix(ours + 1), vec![ROW_PREFIX + 1])?;
        self.remove_range(answers::prefix(0), answers::prefix(ours))?;
        self.remove_range(answers::prefix(ours + 1), answers::end())
    }

    fn remove_range(&self, from: Vec<u8>, to: Vec<u8>) -> Result<(), StateError> {
        loop {
            let mut batch = Batch::new();
            self.db.range(&from, &to, &mut |key, _| {
                batch.push((key.to_vec(), None));
                Ok(batch.len() < STATE_REMOVE_BATCH)
            })?;
            if batch.is_empty() {
                return Ok(());
            }
            self.db.apply(batch)?;
        }
    }

    #[cfg(test)]
    pub(super) fn rows_of_other_generations(&self) -> usize {
        let ours = row_prefix(self.generation.load(Ordering::SeqCst));
        let mut others = 0;
        let counted = self.db.range(&[ROW_PREFIX], &[ROW_PREFIX + 1], &mut |key, _| {
            others += usize::from(!key.starts_with(&ours));
            Ok(true)
        });
        counted.map_or(0, |()| others)
    }

    #[cfg(test)]
    pub(super) fn put_row_of_generation(&self, generation: u64, row: &Row) {
        let key = row_key(generation, &row.key());
        if let (Ok(key), Ok(value)) = (key, row_value(row)) {
            self.insert(key, value).unwrap_or_default();
        }
    }
}

pub(super) fn number(bytes: &[u8]) -> u64 {
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
