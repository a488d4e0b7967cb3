//! One snapshot file, written and read. Decides the bytes; see `crate::snapshot`.

use crate::{
    limits::{SNAPSHOT_BLOCK_BYTES, SNAPSHOT_BLOCK_BYTES_MAX, SNAPSHOT_BLOCK_ROWS},
    records::{self, HeadRecord, Kind, SnapshotBlock},
};
use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};
use tradewind_domain::control::{Machine, Row};

const MAGIC: &[u8; 8] = b"TWSNAP01";

/// A snapshot on disk, open: it can be read even when it is no longer kept. Clones share the file.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotFile {
    pub(super) path: PathBuf,
    file: Arc<File>,
    bytes: u64,
    head: HeadRecord,
    /// There until the file has its final name.
    _received: Option<Arc<Received>>,
}

/// A file under a temporary name: it goes when the last one who has it lets go of it unkept.
#[derive(Debug)]
struct Received(PathBuf);

impl Drop for Received {
    fn drop(&mut self) {
        // Kept, it has another name now. What stays behind all the same goes at the next start.
        let _ = fs::remove_file(&self.0);
    }
}

impl SnapshotFile {
    /// Opens the file and reads its head.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let file = File::open(&path)?;
        let bytes = file.metadata()?.len();
        let mut reader = BufReader::new(&file);
        let head = match read_head(&mut reader)? {
            SnapshotBlock::Head(head) => head,
            _ => return Err(damaged("it does not begin with a head")),
        };
        Ok(Self { path, file: Arc::new(file), bytes, head, _received: None })
    }

    /// The same for a file that is removed unless it is kept.
    pub(super) fn received(path: PathBuf) -> io::Result<Self> {
        let _received = Some(Arc::new(Received(path.clone())));
        Ok(Self { _received, ..Self::open(path)? })
    }

    pub(crate) fn head(&self) -> &HeadRecord {
        &self.head
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Up to `most` bytes from `offset`; fewer only at the end.
    pub(crate) fn chunk(&self, offset: u64, most: usize) -> io::Result<Vec<u8>> {
        let left = usize::try_from(self.bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut chunk = vec![0; most.min(left)];
        self.file.read_exact_at(&mut chunk, offset)?;
        Ok(chunk)
    }

    /// Reads the whole file: the machine and how far it had come. Every block and the number of rows are
    /// checked.
    pub(crate) fn load(&self) -> io::Result<(Machine, HeadRecord)> {
        let mut reader = BufReader::new(File::open(&self.path)?);
        read_head(&mut reader)?;
        let mut rows: Vec<Row> = Vec::new();
        loop {
            match read_block(&mut reader)? {
                SnapshotBlock::Rows(more) => rows.extend(more),
                SnapshotBlock::End { rows: told } if told == rows.len() as u64 => break,
                SnapshotBlock::End { .. } => return Err(damaged("rows are missing")),
                SnapshotBlock::Head(_) => return Err(damaged("it has two heads")),
            }
        }
        Ok((Machine::from_rows(rows), self.head.clone()))
    }
}

/// Writes the snapshot and syncs it. The name is the caller's; until it is final the file may be torn.
pub(super) fn write(path: &Path, machine: &Machine, head: HeadRecord) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
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
    write_block(&mut out, &SnapshotBlock::End { rows })?;
    out.into_inner().map_err(|error| error.into_error())?.sync_all()
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
    read_block(reader)
}

fn read_block(reader: &mut impl Read) -> io::Result<SnapshotBlock> {
    let mut length = [0; 4];
    reader.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > SNAPSHOT_BLOCK_BYTES_MAX {
        return Err(damaged("a block is too large"));
    }
    let mut record = vec![0; length];
    reader.read_exact(&mut record)?;
    records::decode(Kind::SnapshotBlock, &record).map_err(io::Error::other)
}

pub(super) fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the snapshot is damaged: {what}"))
}
