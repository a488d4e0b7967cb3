//! One snapshot file, written and read. Decides the bytes; see `crate::snapshot`.

use super::gentle::{self, Gentle};
use crate::{
    limits::{
        SNAPSHOT_BLOCK_BYTES, SNAPSHOT_BLOCK_BYTES_MAX, SNAPSHOT_BLOCK_ROWS, SNAPSHOT_CHUNK_BYTES,
        SNAPSHOT_READ_BYTES,
    },
    records::{self, HeadRecord, Kind, SnapshotBlock},
    rows,
};
use std::{
    fmt,
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tradewind_domain::control::Machine;
use tradewind_journal::{Disk, DiskFile};

const MAGIC: &[u8; 8] = b"TWSNAP01";

/// A snapshot on disk, open: it can be read even when it is no longer kept. Clones share the file.
#[derive(Clone)]
pub(crate) struct SnapshotFile {
    pub(super) path: PathBuf,
    file: Arc<dyn DiskFile>,
    bytes: u64,
    head: HeadRecord,
    /// Checksum of the whole, once it was asked for.
    crc: Arc<OnceLock<u32>>,
    /// The machine, if it was read already.
    machine: Option<Machine>,
    unkept: Arc<Unkept>,
}

/// Where a file is that goes with its last reader.
#[derive(Default)]
struct Unkept(Mutex<Option<(Arc<dyn Disk>, PathBuf)>>);

impl Unkept {
    fn at(&self) -> MutexGuard<'_, Option<(Arc<dyn Disk>, PathBuf)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Unkept {
    fn drop(&mut self) {
        if let Some((disk, path)) = self.at().take() {
            gentle::remove(disk, path);
        }
    }
}

impl fmt::Debug for SnapshotFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The bytes of a file one after the other. What is written is made durable step by step.
pub(crate) struct Bytes<'a> {
    file: &'a dyn DiskFile,
    at: u64,
    end: u64,
    written: Gentle,
}

impl<'a> Bytes<'a> {
    fn of(file: &'a dyn DiskFile) -> io::Result<Self> {
        Ok(Self { file, at: 0, end: file.size()?, written: Gentle::default() })
    }
}

impl Read for Bytes<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let bytes = buffer.len().min(left);
        self.file.read_at(&mut buffer[..bytes], self.at)?;
        self.at += bytes as u64;
        Ok(bytes)
    }
}

impl Write for Bytes<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written.write(self.file, bytes, self.at)?;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SnapshotFile {
    /// Opens the file and reads its head.
    pub(super) fn open(disk: &Arc<dyn Disk>, path: PathBuf) -> io::Result<Self> {
        let file = disk.open(&path)?;
        let bytes = file.size()?;
        let mut reader = BufReader::new(Bytes::of(file.as_ref())?);
        let head = match read_head(&mut reader)? {
            SnapshotBlock::Head(head) => head,
            _ => return Err(damaged("it does not begin with a head")),
        };
        let crc = Arc::default();
        Ok(Self { path, file, bytes, head, crc, machine: None, unkept: Arc::default() })
    }

    /// The same for a file that is removed unless it is kept.
    pub(super) fn received(disk: &Arc<dyn Disk>, path: PathBuf) -> io::Result<Self> {
        let unkept = Unkept(Mutex::new(Some((disk.clone(), path.clone()))));
        Ok(Self { unkept: Arc::new(unkept), ..Self::open(disk, path)? })
    }

    /// It has its final name: it stays when nobody reads it.
    pub(super) fn kept(&self) {
        *self.unkept.at() = None;
    }

    /// Gives it a name that does not stay, and lets it go with its last reader.
    pub(super) fn let_go(&self, disk: &Arc<dyn Disk>, name: PathBuf) -> io::Result<()> {
        disk.rename(&self.path, &name)?;
        *self.unkept.at() = Some((disk.clone(), name));
        Ok(())
    }

    pub(crate) fn head(&self) -> &HeadRecord {
        &self.head
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Checksum of all its bytes. Reads them the first time.
    pub(crate) fn crc(&self) -> io::Result<u32> {
        if let Some(crc) = self.crc.get() {
            return Ok(*crc);
        }
        let (mut crc, mut offset) = (crc32fast::Hasher::new(), 0);
        while offset < self.bytes {
            let chunk = self.chunk(offset, SNAPSHOT_CHUNK_BYTES)?;
            crc.update(&chunk);
            offset += chunk.len() as u64;
        }
        Ok(*self.crc.get_or_init(|| crc.finalize()))
    }

    /// Reads the machine and keeps it for [`load`](Self::load), so that it is read once.
    pub(super) fn loaded(self) -> io::Result<Self> {
        let (machine, _) = self.load()?;
        Ok(Self { machine: Some(machine), ..self })
    }

    /// Since it was written whole; zero where the disk tells no such time, as a simulated one.
    pub(crate) fn age(&self) -> Duration {
        let written = std::fs::metadata(&self.path).and_then(|metadata| metadata.modified());
        written.ok().and_then(|at| at.elapsed().ok()).unwrap_or_default()
    }

    /// Up to `most` bytes from `offset`; fewer only at the end.
    pub(crate) fn chunk(&self, offset: u64, most: usize) -> io::Result<Vec<u8>> {
        let left = usize::try_from(self.bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut chunk = vec![0; most.min(left)];
        self.file.read_at(&mut chunk, offset)?;
        Ok(chunk)
    }

    /// Reads the whole file: the machine and how far it had come. Every block and the number of rows are
    /// checked.
    pub(crate) fn load(&self) -> io::Result<(Machine, HeadRecord)> {
        if let Some(machine) = &self.machine {
            return Ok((machine.clone(), self.head.clone()));
        }
        read(self.reader()?)
    }

    /// All of its bytes.
    pub(crate) fn reader(&self) -> io::Result<BufReader<Bytes<'_>>> {
        Ok(BufReader::with_capacity(SNAPSHOT_READ_BYTES, Bytes::of(self.file.as_ref())?))
    }
}

/// Reads a whole snapshot, every block and the number of rows checked.
pub(crate) fn read(mut reader: impl Read) -> io::Result<(Machine, HeadRecord)> {
    let SnapshotBlock::Head(head) = read_head(&mut reader)? else {
        return Err(damaged("it does not begin with a head"));
    };
    let feed = |hand_on: &mut dyn FnMut(Vec<u8>) -> bool| {
        while let Some(record) = read_record(&mut reader)? {
            if !hand_on(record) {
                break;
            }
        }
        Ok(())
    };
    let (mut found, mut sealed, ended) = (0, None, AtomicBool::new(false));
    let decode = |record: Vec<u8>| {
        if ended.load(Ordering::Relaxed) {
            return Err(damaged("it goes on behind its end"));
        }
        match records::decode(Kind::SnapshotBlock, &record).map_err(io::Error::other)? {
            SnapshotBlock::Rows(rows) => {
                found += rows.len() as u64;
                Ok(rows)
            }
            SnapshotBlock::End { rows } | SnapshotBlock::Sealed { rows, .. } if rows != found => {
                Err(damaged("rows are missing"))
            }
            SnapshotBlock::End { .. } => {
                ended.store(true, Ordering::Relaxed);
                Ok(Vec::new())
            }
            SnapshotBlock::Sealed { hash, .. } => {
                sealed = Some(hash);
                ended.store(true, Ordering::Relaxed);
                Ok(Vec::new())
            }
            SnapshotBlock::Head(_) => Err(damaged("it has two heads")),
        }
    };
    let machine = rows::build(feed, decode)?;
    if !ended.into_inner() {
        return Err(damaged("its end is missing"));
    }
    if sealed.is_some_and(|hash| hash != machine.state_hash()) {
        return Err(damaged("its rows are not those of the state it was made of"));
    }
    Ok((machine, head))
}

/// Writes the snapshot and syncs it. The name is the caller's; until it is final the file may be torn.
pub(super) fn write(
    disk: &dyn Disk,
    path: &Path,
    machine: &Machine,
    head: HeadRecord,
) -> io::Result<()> {
    let file = disk.create(path)?;
    let mut out = BufWriter::with_capacity(SNAPSHOT_READ_BYTES, Bytes::of(file.as_ref())?);
    out.write_all(MAGIC)?;
    write_block(&mut out, &SnapshotBlock::Head(head))?;
    let (mut block, mut size, mut rows) = (Vec::new(), 0, 0u64);
    for row in machine.rows() {
        rows += 1;
        size += records::encode(Kind::Row, &row).map_err(io::Error::other)?.len();
        block.push(row);
        if block.len() >= SNAPSHOT_BLOCK_ROWS || size >= SNAPSHOT_BLOCK_BYTES {
            write_block(&mut out, &SnapshotBlock::Rows(std::mem::take(&mut block)))?;
            size = 0;
        }
    }
    if !block.is_empty() {
        write_block(&mut out, &SnapshotBlock::Rows(block))?;
    }
    write_block(&mut out, &SnapshotBlock::Sealed { rows, hash: machine.state_hash() })?;
    out.flush()?;
    drop(out);
    file.sync_all()
}

fn write_block(out: &mut impl Write, block: &SnapshotBlock) -> io::Result<()> {
    let record = records::encode(Kind::SnapshotBlock, block).map_err(io::Error::other)?;
    if record.len() > SNAPSHOT_BLOCK_BYTES_MAX {
        return Err(damaged("a block would be too large"));
    }
    out.write_all(&(record.len() as u32).to_be_bytes())?;
    out.write_all(&record)
}

fn read_head(reader: &mut impl Read) -> io::Result<SnapshotBlock> {
    let mut magic = [0; MAGIC.len()];
    reader.read_exact(&mut magic)?;
    if &magic != MAGIC {
        return Err(damaged("it is not a snapshot of a known format"));
    }
    let record = read_record(reader)?.ok_or_else(|| damaged("its head is missing"))?;
    records::decode(Kind::SnapshotBlock, &record).map_err(io::Error::other)
}

/// The next block as it is written; none at the end of the file.
fn read_record(reader: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    let mut filled = 0;
    while filled < length.len() {
        match reader.read(&mut length[filled..])? {
            0 if filled == 0 => return Ok(None),
            0 => return Err(damaged("it ends within a block")),
            more => filled += more,
        }
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > SNAPSHOT_BLOCK_BYTES_MAX {
        return Err(damaged("a block is too large"));
    }
    let mut record = vec![0; length];
    reader.read_exact(&mut record)?;
    Ok(Some(record))
}

pub(super) fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the snapshot is damaged: {what}"))
}
