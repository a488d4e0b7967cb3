//! The file that a child's output goes to. Decides its size: at `limits::LOG_BYTES` it is copied aside
//! and emptied. A file and not a pipe, since the child outlives whoever started it.

use crate::limits;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom},
    path::PathBuf,
};

/// Where a child's output goes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LogFile {
    path: PathBuf,
}

impl LogFile {
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Opens it for a child to append to.
    pub fn open(&self) -> io::Result<File> {
        if let Some(parent) = self.path.parent() {
            fs::create_dir_all(parent)?;
        }
        self.bound()?;
        // Appending, the child writes to the new end after the file was emptied.
        OpenOptions::new().create(true).append(true).open(&self.path)
    }

    /// Its size in bytes; what a child writes from now on stands behind it.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |known| known.len())
    }

    /// Copies it aside and empties it if it is too large. What is written in between may be lost.
    pub fn bound(&self) -> io::Result<()> {
        if self.bytes() <= limits::LOG_BYTES {
            return Ok(());
        }
        let mut aside = self.path.clone().into_os_string();
        aside.push(".1");
        fs::copy(&self.path, aside)?;
        OpenOptions::new().write(true).open(&self.path)?.set_len(0)
    }

    /// The last `lines` lines behind byte `from`, at most `limits::LOG_TAIL_BYTES` of them.
    #[must_use]
    pub fn tail(&self, from: u64, lines: usize) -> String {
        let text = self.read_end(from).unwrap_or_default();
        let kept: Vec<&str> = text.lines().rev().take(lines).collect();
        kept.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    fn read_end(&self, from: u64) -> io::Result<String> {
        let mut file = File::open(&self.path)?;
        let bytes = file.metadata()?.len();
        // An emptied file is shorter than what was measured before.
        let from = if from > bytes { 0 } else { from };
        file.seek(SeekFrom::Start(from.max(bytes.saturating_sub(limits::LOG_TAIL_BYTES))))?;
        let mut end = Vec::new();
        file.take(limits::LOG_TAIL_BYTES).read_to_end(&mut end)?;
        Ok(String::from_utf8_lossy(&end).into_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write as _;

    #[test]
    fn the_tail_begins_behind_the_given_byte_and_ends_with_the_newest_line() {
        // given
        let dir = tempfile::tempdir().unwrap();
        let log = LogFile::at(dir.path().join("logs/x.log"));
        let mut file = log.open().unwrap();
        file.write_all(b"of an earlier life\n").unwrap();
        let from = log.bytes();
        file.write_all(b"one\ntwo\nthree\n").unwrap();
        // when, then
        assert_eq!(log.tail(from, 2), "two\nthree");
        assert_eq!(log.tail(from, 9), "one\ntwo\nthree");
    }

    #[test]
    fn a_log_over_its_limit_is_emptied_under_the_writer_and_kept_aside() {
        // given
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.log");
        let log = LogFile::at(path.clone());
        let mut file = log.open().unwrap();
        file.write_all(&vec![b'x'; usize::try_from(limits::LOG_BYTES).unwrap() + 1]).unwrap();
        // when
        log.bound().unwrap();
        file.write_all(b"after\n").unwrap();
        // then
        assert_eq!(fs::read_to_string(&path).unwrap(), "after\n");
        assert_eq!(fs::metadata(dir.path().join("x.log.1")).unwrap().len(), limits::LOG_BYTES + 1);
    }
}
