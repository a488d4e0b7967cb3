//! Directory: which files make up the log, and how that changes in one step. Decides names, the
//! order of syncs around creation, replacement and removal, and what opening finishes after a
//! crash; what stands inside the files is `segment`'s.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk, DiskFile};
use crate::error::{OpenError, StorageError};
use crate::segment::{self, HEADER_BYTES, Segment};

/// How a new segment comes into the log. All but `Added` change the log at the moment their name is
/// durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// After all others.
    Added,
    /// In place of the segment of the same first index and all later ones.
    Cut,
    /// In place of all.
    Reset,
}

impl Arrival {
    fn extension(self) -> &'static str {
        match self {
            Arrival::Added => "segment",
            Arrival::Cut => "cut",
            Arrival::Reset => "reset",
        }
    }

    fn replaces(self, of: u64, other: u64) -> bool {
        match self {
            Arrival::Added => false,
            Arrival::Cut => other > of,
            Arrival::Reset => other != of,
        }
    }
}

/// The journal's directory on its disk.
pub(crate) struct Directory {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) path: PathBuf,
    pub(crate) segment_bytes: u64,
}

impl Directory {
    /// Opens all segments, oldest first, after finishing what a crash interrupted.
    pub(crate) fn open_segments(&self) -> Result<Vec<Segment>, OpenError> {
        let mut firsts = Vec::new();
        let mut unfinished = Vec::new();
        for name in self.list()? {
            match parse_name(&name) {
                Some((first, "segment")) => firsts.push(first),
                Some((first, "cut")) => unfinished.push((first, Arrival::Cut)),
                Some((first, "reset")) => unfinished.push((first, Arrival::Reset)),
                Some((_, "new")) => self.remove(&self.path.join(name))?,
                _ => {}
            }
        }
        firsts.sort_unstable();
        for (first, arrival) in unfinished {
            self.finish(first, arrival, &firsts)?;
            firsts.retain(|other| *other != first && !arrival.replaces(first, *other));
            firsts.push(first);
        }
        // What a killed process renamed or removed is seen here already; make it so after a power
        // loss too.
        self.sync()?;

        let mut segments: Vec<Segment> = Vec::with_capacity(firsts.len());
        for (position, &first) in firsts.iter().enumerate() {
            let path = self.path_of(first, "segment");
            if let Some(before) = segments.last()
                && before.next() != first
            {
                let what =
                    format!("the segment before it ends where record {} should be", before.next());
                return Err(OpenError::Corrupt { file: path, offset: 0, what });
            }
            let file = self.disk.open(&path).map_err(StorageError::of("open", &path))?;
            let last = (position + 1 == firsts.len()).then_some(self.segment_bytes);
            segments.push(segment::open(file, path, first, last)?);
        }
        Ok(segments)
    }

    /// Makes a segment whose first record is `first`, beginning with `kept` (whole records as they
    /// stood behind another segment's header, durable before), with room for `room` bytes more.
    /// Durable, as is its place in the log, when this returns; `others` are the first indices of
    /// the present segments.
    pub(crate) fn create(
        &self,
        first: u64,
        arrival: Arrival,
        kept: &[u8],
        room: u64,
        others: &[u64],
    ) -> Result<Segment, StorageError> {
        let new = self.path_of(first, "new");
        let used = HEADER_BYTES + kept.len() as u64;
        let capacity = self.segment_bytes.max(used + room);
        let file = self.disk.create(&new).map_err(StorageError::of("create", &new))?;
        file.preallocate(capacity).map_err(StorageError::of("preallocate", &new))?;
        let mut bytes = segment::header(first).to_vec();
        bytes.extend_from_slice(kept);
        file.write_at(&bytes, 0).map_err(StorageError::of("write", &new))?;
        file.sync_all().map_err(StorageError::of("sync", &new))?;
        self.rename(&new, &self.path_of(first, arrival.extension()))?;
        self.sync()?;
        self.finish(first, arrival, others)?;
        let path = self.path_of(first, "segment");
        Ok(Segment { first, path, file, offsets: Vec::new(), end: used as u32, capacity })
    }

    /// Removes the files a replacement supersedes and gives it its final name. May be repeated.
    fn finish(&self, first: u64, arrival: Arrival, others: &[u64]) -> Result<(), StorageError> {
        if arrival == Arrival::Added {
            return Ok(());
        }
        for &other in others.iter().filter(|other| arrival.replaces(first, **other)) {
            self.remove(&self.path_of(other, "segment"))?;
        }
        // The replacement keeps its telling name until the others are surely gone.
        self.sync()?;
        let path = self.path_of(first, arrival.extension());
        self.rename(&path, &self.path_of(first, "segment"))?;
        self.sync()
    }

    /// Removes the oldest segment durably. One sync each, so that a crash never leaves a hole
    /// behind an older one that came back.
    pub(crate) fn remove_oldest(&self, path: &Path) -> Result<(), StorageError> {
        self.remove(path)?;
        self.sync()
    }

    fn path_of(&self, first: u64, extension: &str) -> PathBuf {
        self.path.join(format!("{first:020}.{extension}"))
    }

    fn list(&self) -> Result<Vec<String>, StorageError> {
        self.disk.list(&self.path).map_err(StorageError::of("list", &self.path))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), StorageError> {
        self.disk.rename(from, to).map_err(StorageError::of("rename", from))
    }

    fn remove(&self, path: &Path) -> Result<(), StorageError> {
        self.disk.remove(path).map_err(StorageError::of("remove", path))
    }

    fn sync(&self) -> Result<(), StorageError> {
        self.disk.sync_directory(&self.path).map_err(StorageError::of("sync", &self.path))
    }
}

/// First index and extension of a name of ours.
fn parse_name(name: &str) -> Option<(u64, &str)> {
    let (digits, extension) = name.split_once('.')?;
    let ours = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    Some((ours.then(|| digits.parse().ok())??, extension))
}

/// Reads `bytes` of a file from `offset`.
pub(crate) fn read_file(
    file: &dyn DiskFile,
    path: &Path,
    offset: u64,
    bytes: usize,
) -> Result<Vec<u8>, StorageError> {
    let mut buffer = vec![0; bytes];
    file.read_at(&mut buffer, offset).map_err(StorageError::of("read", path))?;
    Ok(buffer)
}
