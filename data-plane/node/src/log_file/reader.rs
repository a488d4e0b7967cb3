//! Reading a log that somebody else writes. Decides what the last lines are, over the younger of the files set aside
//! too, and how a reader goes on behind a file that was emptied; never more than `limits::LOG_TOLD_BYTES` at once.

use super::LogFile;
use crate::limits;
use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
};

/// The last `lines` lines, each with its end, the newest last; and where to go on.
/// Fails with `NotFound` where nothing was ever written.
pub fn last_lines(log: &LogFile, lines: usize) -> io::Result<(Vec<u8>, Follower)> {
    let (mut text, at) = end_of(&log.path, limits::LOG_TOLD_BYTES)?;
    let follower = Follower { log: log.clone(), at };
    // One look behind: it was emptied a moment ago, and its lines stand in the file set aside.
    let short = count(&text) < lines && (text.len() as u64) < limits::LOG_TOLD_BYTES;
    if short && let Ok((mut before, _)) = end_of(&log.older(1), limits::LOG_TOLD_BYTES) {
        before.append(&mut text);
        text = before;
    }
    // The line that is being written counts as one.
    let written = text.strip_suffix(b"\n").unwrap_or(&text);
    let ends = written.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    let from = match lines.checked_sub(1) {
        None => text.len(),
        Some(others) => ends.map(|(at, _)| at + 1).nth(others).unwrap_or(0),
    };
    Ok((text.split_off(from), follower))
}

fn count(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b'\n').count()
}

/// What a file ends with, whole lines if it has them, and how far that reaches.
fn end_of(path: &Path, most: u64) -> io::Result<(Vec<u8>, u64)> {
    let mut file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let begin = file.seek(SeekFrom::Start(bytes.saturating_sub(most)))?;
    let mut end = Vec::new();
    file.take(most).read_to_end(&mut end)?;
    let reaches = begin + end.len() as u64;
    if bytes > most
        && let Some(first) = end.iter().position(|byte| *byte == b'\n')
    {
        // It begins in the middle of a line.
        end.drain(..=first);
    }
    Ok((end, reaches))
}

/// A reader's place in a log.
#[derive(Clone, Debug)]
pub struct Follower {
    log: LogFile,
    at: u64,
}

impl Follower {
    /// What was written since; empty if nothing was. Behind an emptied file it begins at its start: what was written
    /// between the last look and that is left out.
    pub fn more(&mut self) -> io::Result<Vec<u8>> {
        let mut file = File::open(&self.log.path)?;
        let bytes = file.metadata()?.len();
        if bytes < self.at {
            self.at = 0;
        }
        file.seek(SeekFrom::Start(self.at))?;
        let mut more = Vec::new();
        file.take(limits::LOG_PIECE_BYTES).read_to_end(&mut more)?;
        self.at += more.len() as u64;
        Ok(more)
    }
}
