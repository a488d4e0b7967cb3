//! Slot: one small fact that must be durable and is replaced as a whole, such as Raft's vote.
//! Decides how it is written so that a crash leaves the old or the new one; what it says is the
//! caller's.
//!
//! On disk, little-endian: magic `TWSLOT01`, length u32, crc32 of the body u32, body.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::directory;
use crate::disk::{Disk, RealDisk};
use crate::error::{SlotError, StorageError};
use crate::limits::SLOT_BYTES_MAX;

const MAGIC: &[u8; 8] = b"TWSLOT01";
const HEADER_BYTES: usize = 16;

/// See the module. Its calls block for as long as the disk takes.
pub struct SlotFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// Held while storing; whether a store has failed.
    stopped: Mutex<bool>,
}

impl SlotFile {
    /// The slot at that path of the real disk. Its directory must exist; the file need not.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::on(path, Arc::new(RealDisk))
    }

    /// The same on another disk.
    pub fn on(path: impl Into<PathBuf>, disk: Arc<dyn Disk>) -> Self {
        Self { disk, path: path.into(), stopped: Mutex::new(false) }
    }

    /// What was stored last, none if never. Durable when this returns, even if the process that
    /// stored it was killed half-way: nobody acts on a fact that a power loss could take back.
    pub fn load(&self) -> Result<Option<Vec<u8>>, SlotError> {
        self.sync_directory()?;
        let file = match self.disk.open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(StorageError::of("open", &self.path))?,
        };
        let size = file.size().map_err(StorageError::of("measure", &self.path))?;
        let corrupt = |what| SlotError::Corrupt { file: self.path.clone(), what };
        if size > (HEADER_BYTES + SLOT_BYTES_MAX) as u64 {
            return Err(corrupt("it is larger than any slot"));
        }
        let mut bytes = directory::read_file(file.as_ref(), &self.path, 0, size as usize)?;
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(corrupt("its header is missing"));
        };
        let [.., a, b, c, d, e, f, g, h] = *header;
        if &header[..8] != MAGIC {
            return Err(corrupt("it is not a slot of a known format"));
        }
        let body = &bytes[HEADER_BYTES..];
        if u32::from_le_bytes([a, b, c, d]) as usize != body.len() {
            return Err(corrupt("its length does not match"));
        }
        if u32::from_le_bytes([e, f, g, h]) != crc32fast::hash(body) {
            return Err(corrupt("its checksum does not match"));
        }
        Ok(Some(bytes.split_off(HEADER_BYTES)))
    }

    /// Replaces what is stored; durable when this returns. After an error what is stored is
    /// unknown, and every later store is refused: the process should exit.
    pub fn store(&self, body: &[u8]) -> Result<(), SlotError> {
        if body.len() > SLOT_BYTES_MAX {
            return Err(SlotError::TooLarge { bytes: body.len(), most: SLOT_BYTES_MAX });
        }
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        if *stopped {
            return Err(SlotError::Stopped { file: self.path.clone() });
        }
        *stopped = true;
        self.replace(body)?;
        *stopped = false;
        Ok(())
    }

    fn replace(&self, body: &[u8]) -> Result<(), StorageError> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(body).to_le_bytes());
        bytes.extend_from_slice(body);
        let mut new = self.path.clone().into_os_string();
        new.push(".new");
        let new = PathBuf::from(new);
        let file = self.disk.create(&new).map_err(StorageError::of("create", &new))?;
        file.write_at(&bytes, 0).map_err(StorageError::of("write", &new))?;
        file.sync_all().map_err(StorageError::of("sync", &new))?;
        self.disk.rename(&new, &self.path).map_err(StorageError::of("rename", &new))?;
        self.sync_directory()
    }

    fn sync_directory(&self) -> Result<(), StorageError> {
        let parent = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        self.disk.sync_directory(parent).map_err(StorageError::of("sync", parent))
    }
}
