//! Segment: one file of the log. Decides its header, what a scan accepts, and where the torn end of
//! an unfinished write begins; which files make up the log is `directory`'s decision.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::DiskFile;
use crate::error::{OpenError, StorageError};
use crate::record::{self, Found};

const MAGIC: &[u8; 8] = b"TWJOURNL";
const FORMAT: u32 = 1;

/// Bytes before the first record.
pub(crate) const HEADER_BYTES: u64 = 32;

/// An open segment and where its durable records begin.
pub(crate) struct Segment {
    pub(crate) first: u64,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn DiskFile>,
    /// Offset of each record, the first being that of record `first`.
    pub(crate) offsets: Vec<u32>,
    /// Offset behind the last record.
    pub(crate) end: u32,
    /// Size of the file, to which records may grow.
    pub(crate) capacity: u64,
}

impl Segment {
    /// Index after its last record.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.offsets.len() as u64
    }

    /// Begin and end of the record at that position of the segment.
    pub(crate) fn extent(&self, position: usize) -> (u32, u32) {
        let end = self.offsets.get(position + 1).copied().unwrap_or(self.end);
        (self.offsets[position], end)
    }
}

/// The header of a segment whose first record is `first`.
pub(crate) fn header(first: u64) -> [u8; HEADER_BYTES as usize] {
    let mut bytes = [0; HEADER_BYTES as usize];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[16..24].copy_from_slice(&first.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..24]);
    bytes[24..28].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn check_header(bytes: &[u8], path: &Path, first: u64) -> Result<(), OpenError> {
    let corrupt =
        |what: &str| OpenError::Corrupt { file: path.to_owned(), offset: 0, what: what.to_owned() };
    let Some(found) = bytes.first_chunk::<{ HEADER_BYTES as usize }>() else {
        return Err(corrupt("the segment's header is missing"));
    };
    if &found[..8] != MAGIC {
        return Err(corrupt("this is not a journal segment"));
    }
    if found[24..28] != crc32fast::hash(&found[..24]).to_le_bytes() {
        return Err(corrupt("the checksum of the segment's header does not match"));
    }
    let version = u32::from_le_bytes([found[8], found[9], found[10], found[11]]);
    if version != FORMAT {
        return Err(OpenError::UnknownFormat {
            file: path.to_owned(),
            found: version,
            known: FORMAT,
        });
    }
    if *found != header(first) {
        return Err(corrupt("the segment's header names another first record than its file name"));
    }
    Ok(())
}

/// Opens a segment and checks every record. The torn end of an unfinished write is accepted, and
/// cut, only in the last segment; whether it was cut or not, that one is durable afterwards and at
/// least
/// `capacity` bytes long.
pub(crate) fn open(
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    first: u64,
    last: Option<u64>,
) -> Result<Segment, OpenError> {
    let size = file.size().map_err(StorageError::of("measure", &path))?;
    let mut bytes = vec![0; size as usize];
    file.read_at(&mut bytes, 0).map_err(StorageError::of("read", &path))?;
    check_header(&bytes, &path, first)?;

    let scan = scan(&bytes, first);
    if let Some(what) = scan.damage {
        let promised = last.is_none() || later_mark(&bytes, scan.end, scan.next).is_some();
        if promised {
            let what = format!("record {} was durable, but {what}", scan.next);
            return Err(OpenError::Corrupt { file: path, offset: u64::from(scan.end), what });
        }
    }
    let mut segment =
        Segment { first, path, file, offsets: scan.offsets, end: scan.end, capacity: size };
    if let Some(capacity) = last {
        settle(&mut segment, scan.damage, capacity)?;
    }
    Ok(segment)
}

/// Cuts the torn end if there is one, and makes what is left durable: after a mere kill, records
/// may have been read that a power loss could still take away.
fn settle(
    segment: &mut Segment,
    damage: Option<&'static str>,
    capacity: u64,
) -> Result<(), OpenError> {
    let Segment { file, path, end, .. } = &*segment;
    let end = u64::from(*end);
    if let Some(what) = damage {
        tracing::warn!(
            file = %path.display(), offset = end, next_index = segment.next(), what,
            "cut the torn end of an unfinished write"
        );
        file.set_size(end).map_err(StorageError::of("cut", path))?;
    }
    let capacity = capacity.max(if damage.is_some() { end } else { segment.capacity });
    file.preallocate(capacity).map_err(StorageError::of("preallocate", path))?;
    file.sync_all().map_err(StorageError::of("sync", path))?;
    segment.capacity = capacity;
    Ok(())
}

struct Scan {
    offsets: Vec<u32>,
    end: u32,
    next: u64,
    damage: Option<&'static str>,
}

fn scan(bytes: &[u8], first: u64) -> Scan {
    let mut scan =
        Scan { offsets: Vec::new(), end: HEADER_BYTES as u32, next: first, damage: None };
    loop {
        let rest = &bytes[scan.end as usize..];
        match record::find(rest, scan.end, scan.next) {
            Found::Record { body_bytes, .. } => {
                scan.offsets.push(scan.end);
                scan.end += record::bytes_of(body_bytes) as u32;
                scan.next += 1;
            }
            Found::Nothing if used(rest) == 0 => return scan,
            Found::Nothing => {
                scan.damage = Some("zeros stand there, and more behind them");
                return scan;
            }
            Found::Damaged(what) => {
                scan.damage = Some(what);
                return scan;
            }
        }
    }
}

/// Length without the zeros at the end. By blocks: most of a preallocated segment is zeros.
fn used(bytes: &[u8]) -> usize {
    const ZEROS: [u8; 4096] = [0; 4096];
    let mut chunks = bytes.chunks(ZEROS.len()).enumerate().rev();
    let last = chunks.find(|(_, chunk)| **chunk != ZEROS[..chunk.len()]);
    last.map_or(0, |(number, chunk)| {
        let zeros = chunk.iter().rev().take_while(|byte| **byte == 0).count();
        number * ZEROS.len() + chunk.len() - zeros
    })
}

/// Looks behind the place where record `missing` should be for a whole record with the sync mark,
/// which proves that `missing` was durable. Every offset is tried, the damage may have hidden the
/// lengths.
fn later_mark(bytes: &[u8], from: u32, missing: u64) -> Option<u64> {
    let most = missing.saturating_add((bytes.len() / record::HEADER_BYTES) as u64);
    (from as usize + 1..used(bytes)).find_map(|offset| {
        let index = record::marked_index(&bytes[offset..])?;
        let plausible = index > missing && index <= most;
        let whole = || record::find(&bytes[offset..], offset as u32, index);
        (plausible && matches!(whole(), Found::Record { .. })).then_some(index)
    })
}
