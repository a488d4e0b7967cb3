//! The file that a child's output goes to. Decides its size and how many older ones are kept: at
//! `limits::LOG_BYTES` it is copied aside and emptied. A file and not a pipe, since the child outlives whoever started
//! it. A disk that is full costs words, never a service.

mod place;
mod reader;

pub use place::{OtherForm, PieceHead, Place};
pub use reader::{Follower, Last, last_lines};

use crate::limits;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    process::Stdio,
    time::SystemTime,
};

/// Whether anything can be written in the directory of logs: it is asked for a page. On a full disk there is none.
pub(crate) fn room(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let file = directory.join(".room");
    let written = fs::write(&file, [b'\n'; 4 << 10]);
    let removed = fs::remove_file(&file);
    written.and(removed)
}

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

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
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

    /// The same for a child that is to start in any case: without a place for its words they are lost.
    #[must_use]
    pub fn open_or_null(&self) -> Stdio {
        match self.open() {
            Ok(file) => file.into(),
            Err(error) => {
                tracing::error!(%error, log = %self.path.display(), "no log: its words are lost");
                Stdio::null()
            }
        }
    }

    /// Its size in bytes; what a child writes from now on stands behind it.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |known| known.len())
    }

    /// Copies it aside and empties it if it is too large. What is written in between may be lost, and all of it where
    /// no copy can be made: a full disk gets no fuller.
    pub fn bound(&self) -> io::Result<()> {
        if self.bytes() <= limits::LOG_BYTES {
            return Ok(());
        }
        let aside = self.set_aside();
        let emptied = OpenOptions::new().write(true).open(&self.path)?.set_len(0);
        aside.and(emptied)
    }

    /// When something was written last to it or to those set aside, and the bytes of all of them; `None`: there is none.
    #[must_use]
    pub fn written(&self) -> Option<(SystemTime, u64)> {
        let known = self.files().filter_map(|file| fs::metadata(file).ok());
        let known = known.filter(fs::Metadata::is_file);
        let each = known.filter_map(|known| Some((known.modified().ok()?, known.len())));
        each.reduce(|(at, bytes), (other, more)| (at.max(other), bytes + more))
    }

    /// Removes it and those set aside; one that is not there is as good as removed.
    pub fn remove(&self) -> io::Result<()> {
        for file in self.files() {
            match fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    fn files(&self) -> impl Iterator<Item = PathBuf> {
        let aside = (1..=limits::LOGS_ASIDE).map(|number| self.older(number));
        std::iter::once(self.path.clone()).chain(aside)
    }

    /// `number` 1 is the youngest.
    fn older(&self, number: usize) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }

    fn set_aside(&self) -> io::Result<()> {
        for number in (1..limits::LOGS_ASIDE).rev() {
            match fs::rename(self.older(number), self.older(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        let youngest = self.older(1);
        let copied = fs::copy(&self.path, &youngest);
        if copied.is_err() {
            // Half a copy takes the room that is missing.
            let _ = fs::remove_file(&youngest);
        }
        copied.map(drop)
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
mod tests;
