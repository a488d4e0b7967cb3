//! The tape: every call of a process that changed a file or a name, in the order in which they returned.
//! Decides how a record is read; a torn one at the end, left by a kill, is no record.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

const HEAD_BYTES: usize = 72;

/// What was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Create,
    Write,
    /// `fsync` or `fdatasync`, of a file or a directory.
    Sync,
    /// The real `sync_file_range`: it promises nothing.
    SyncRange,
    Resize,
    Rename,
    Unlink,
    MakeDirectory,
}

/// One call that has returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub kind: Kind,
    /// What it returned; below 0 it is the negated errno.
    pub result: i64,
    /// Nanoseconds of the monotonic clock, the same for all processes of a machine.
    pub begun: u64,
    pub ended: u64,
    /// 0 if the file was gone.
    pub inode: u64,
    pub offset: u64,
    /// Size of the file afterwards.
    pub size: u64,
    pub path: PathBuf,
    /// The new name, of a rename.
    pub other: PathBuf,
    /// The bytes written.
    pub body: Vec<u8>,
}

/// Reads a tape.
pub fn read_tape(path: &Path) -> io::Result<Vec<Event>> {
    let bytes = fs::read(path)?;
    let mut rest = bytes.as_slice();
    let mut events = Vec::new();
    while let Some(length) = rest.first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        let Some((record, behind)) = rest.split_at_checked(length) else { break };
        events.push(event(record).ok_or_else(|| {
            let place = bytes.len() - rest.len();
            io::Error::new(io::ErrorKind::InvalidData, format!("no record at byte {place}"))
        })?);
        rest = behind;
    }
    Ok(events)
}

fn event(record: &[u8]) -> Option<Event> {
    let (head, rest) = record.split_at_checked(HEAD_BYTES)?;
    let u32_at = |at: usize| head[at..].first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    let u64_at = |at: usize| head[at..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    let (path, rest) = rest.split_at_checked(u32_at(56)? as usize)?;
    let (other, body) = rest.split_at_checked(u32_at(60)? as usize)?;
    (body.len() == u32_at(64)? as usize).then_some(())?;
    let text = |bytes: &[u8]| PathBuf::from(String::from_utf8_lossy(bytes).into_owned());
    Some(Event {
        kind: kind(u32_at(4)?)?,
        result: u64_at(8)?.cast_signed(),
        begun: u64_at(16)?,
        ended: u64_at(24)?,
        inode: u64_at(32)?,
        offset: u64_at(40)?,
        size: u64_at(48)?,
        path: text(path),
        other: text(other),
        body: body.to_vec(),
    })
}

fn kind(number: u32) -> Option<Kind> {
    Some(match number {
        1 => Kind::Create,
        2 => Kind::Write,
        3 => Kind::Sync,
        4 => Kind::SyncRange,
        5 => Kind::Resize,
        6 => Kind::Rename,
        7 => Kind::Unlink,
        8 => Kind::MakeDirectory,
        _ => return None,
    })
}
