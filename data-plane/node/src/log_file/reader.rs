//! Reading a log that somebody else writes. Decides what the last lines are, over the younger of the files set aside
//! too, and how a reader goes on behind a file that was emptied: with the rest of it where it was set aside, then with
//! what was begun since. What is kept nowhere is said to be missing. Never more than `limits::LOG_TOLD_BYTES` at once.

use super::{LogFile, place::Place};
use crate::limits;
use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

/// A place is known again by so much of what stands before it: many lines, each with its time. Only where the same words
/// stand before two places, one may be taken for the other.
pub(super) const KNOWN_BY: usize = 4 << 10;
/// Told in place of what is kept nowhere.
pub(super) const MISSING: &str =
    "tradewind: words may be missing here: the log was emptied before they were read\n";

/// The end of a log.
#[derive(Debug)]
pub struct Last {
    /// Lines, each with its end, the newest last.
    pub text: Vec<u8>,
    /// Where to go on.
    pub follower: Follower,
    /// More stands before them, or did.
    pub cut: bool,
}

/// The last `lines` lines, without a hole between two of them.
/// Fails with `NotFound` where nothing was ever written.
pub fn last_lines(log: &LogFile, lines: usize) -> io::Result<Last> {
    let (end, at) = end_of(&log.path, limits::LOG_TOLD_BYTES)?;
    let mut follower = Follower::behind(log, at, &end);
    let mut from_its_start = at == end.len() as u64;
    let mut text = whole_lines(end, at);
    let (mut older, room) = (1, limits::LOG_TOLD_BYTES.saturating_sub(text.len() as u64));
    // One look behind: it was emptied a moment ago, and its lines stand in the file set aside. What stands there comes right
    // before these only if nothing was left out here.
    if from_its_start
        && room > 0
        && (at == 0 || count(&text) < lines)
        && let Ok((end, reaches)) = end_of(&log.older(older), room)
    {
        if at == 0 {
            // Nothing stands before the start of a file that it could be known by.
            follower = Follower::behind(log, reaches, &end);
        }
        from_its_start = reaches == end.len() as u64;
        older += 1;
        let mut before = whole_lines(end, reaches);
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
    let cut = from > 0 || !from_its_start || log.older(older).exists();
    Ok(Last { text: text.split_off(from), follower, cut })
}

fn count(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b'\n').count()
}

fn holds_something(file: &Path) -> bool {
    file.metadata().is_ok_and(|known| known.len() > 0)
}

/// What a file ends with, `most` bytes of it, and how far that reaches.
fn end_of(path: &Path, most: u64) -> io::Result<(Vec<u8>, u64)> {
    let mut file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let begin = file.seek(SeekFrom::Start(bytes.saturating_sub(most)))?;
    let mut end = Vec::new();
    file.take(most).read_to_end(&mut end)?;
    // Emptied in between, it is as good as begun just now.
    let reaches = if end.is_empty() { 0 } else { begin + end.len() as u64 };
    Ok((end, reaches))
}

/// The end of a file that reaches so far, without a line that it has no beginning of.
fn whole_lines(mut end: Vec<u8>, reaches: u64) -> Vec<u8> {
    if reaches > end.len() as u64
        && let Some(first) = end.iter().position(|byte| *byte == b'\n')
    {
        end.drain(..=first);
    }
    end
}

/// What a file holds from there on, `most` bytes of it; nothing if it was emptied while it was read.
fn read(path: &Path, from: u64, most: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut read = Vec::new();
    (&file).take(most).read_to_end(&mut read)?;
    // What it begins with stands there still: no later words were read behind it.
    let mut again = vec![0; read.len().min(KNOWN_BY)];
    let stands = file.read_exact_at(&mut again, from).is_ok() && read.starts_with(&again);
    Ok(if stands { read } else { Vec::new() })
}

/// A reader's place in a log, wherever the file that it is in was set aside to.
#[derive(Clone, Debug)]
pub struct Follower {
    log: LogFile,
    at: u64,
    /// What stands right before it, as much as it is known by. Nothing only at the start of a file that was written while
    /// none was set aside.
    before: Vec<u8>,
}

impl Follower {
    /// The place `at`, behind these bytes.
    fn behind(log: &LogFile, at: u64, end: &[u8]) -> Self {
        let begin = at - end.len() as u64;
        let mut place = Self { log: log.clone(), at: begin, before: Vec::new() };
        place.advance(end);
        place
    }

    /// At a place that was told of. `None`: it is in no file that is kept.
    pub fn at(log: &LogFile, place: Place) -> io::Result<Option<Self>> {
        // The youngest first: one that is being set aside meanwhile is met where it goes.
        for file in log.files() {
            let before = match read(&file, place.at - place.known_by, place.known_by) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                before => before?,
            };
            if place.is_behind(&before) {
                return Ok(Some(Self { log: log.clone(), at: place.at, before }));
            }
        }
        Ok(None)
    }

    /// As it is told of to who comes back later.
    #[must_use]
    pub fn place(&self) -> Place {
        Place::behind(self.at, &self.before)
    }

    /// What was written since, over the ends of files that were set aside: a piece of `limits::LOG_PIECE_BYTES`, longer at most
    /// by the line that says that words are missing. Less only where it is all there was; empty if nothing was written.
    pub fn more(&mut self) -> io::Result<Vec<u8>> {
        let mut more = Vec::new();
        while (more.len() as u64) < limits::LOG_PIECE_BYTES {
            match self.next(limits::LOG_PIECE_BYTES - more.len() as u64) {
                Ok(next) if next.is_empty() => break,
                Ok(mut next) => more.append(&mut next),
                // The next look meets it again.
                Err(_) if !more.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(more)
    }

    /// What stands next behind the place, `most` bytes of it.
    fn next(&mut self, most: u64) -> io::Result<Vec<u8>> {
        if self.before.is_empty() {
            return self.begin(most);
        }
        // The youngest first: until it is emptied, one that is being set aside is there twice, and its copy is not whole.
        let files: Vec<PathBuf> = self.log.files().collect();
        let mut younger: Option<&PathBuf> = None;
        for file in &files {
            match (self.rest_of(file, most)?, younger) {
                (None, _) => younger = Some(file),
                (Some(rest), Some(younger)) if rest.is_empty() => {
                    return self.go_over(file, younger, most);
                }
                (Some(rest), _) => {
                    self.advance(&rest);
                    return Ok(rest);
                }
            }
        }
        self.pass_over(most)
    }

    /// From the start of the oldest file that there is: none was set aside when nothing was written yet. Where there is none
    /// between it and the log, its words are missing, or its copy is about to be made.
    fn begin(&mut self, most: u64) -> io::Result<Vec<u8>> {
        let files: Vec<PathBuf> = self.log.files().collect();
        let Some(oldest) = files.iter().rposition(|file| holds_something(file)) else {
            return Ok(Vec::new());
        };
        if !files.iter().take(oldest).skip(1).all(|file| holds_something(file)) {
            let tells = (1..=limits::LOG_BYTES).contains(&self.log.bytes());
            return if tells { self.pass_over(most) } else { Ok(Vec::new()) };
        }
        let start = read(&files[oldest], 0, most)?;
        // What was set aside while they were looked at comes before it: the next look finds it.
        if files.iter().skip(oldest + 1).any(|file| holds_something(file)) {
            return Ok(Vec::new());
        }
        self.advance(&start);
        Ok(start)
    }

    /// What a file holds behind the place, `most` bytes of it. `None`: the place is not in this file.
    fn rest_of(&self, file: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
        let known_by = self.before.len() as u64;
        let mut read = match read(file, self.at - known_by, known_by + most) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        if !read.starts_with(&self.before) {
            return Ok(None);
        }
        Ok(Some(read.split_off(self.before.len())))
    }

    /// From the end of a file that was set aside to the start of the one begun after it.
    fn go_over(&mut self, file: &Path, younger: &Path, most: u64) -> io::Result<Vec<u8>> {
        let start = match read(younger, 0, most) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Either its copy is about to be made, and it is not emptied before that, or none could be.
                let comes = self.log.bytes() > limits::LOG_BYTES || younger.exists();
                return if comes { Ok(Vec::new()) } else { self.pass_over(most) };
            }
            start => start?,
        };
        // If the first is elsewhere by now, what was read may be of a later one than the second: the next look finds them.
        if start.is_empty() || self.rest_of(file, 0)?.is_none() {
            return Ok(Vec::new());
        }
        self.begin_with(&start);
        Ok(start)
    }

    /// To what is written now: the place is in no file that is kept, or the next one is not.
    fn pass_over(&mut self, most: u64) -> io::Result<Vec<u8>> {
        let start = read(&self.log.path, 0, most)?;
        let ends_a_line = self.before.last().is_none_or(|byte| *byte == b'\n');
        let mut told = if ends_a_line { Vec::new() } else { vec![b'\n'] };
        told.extend_from_slice(MISSING.as_bytes());
        told.extend_from_slice(&start);
        if start.is_empty() {
            *self = last_lines(&self.log, 0)?.follower;
        } else {
            self.begin_with(&start);
        }
        Ok(told)
    }

    fn begin_with(&mut self, start: &[u8]) {
        self.at = 0;
        self.before.clear();
        self.advance(start);
    }

    fn advance(&mut self, read: &[u8]) {
        self.at += read.len() as u64;
        self.before.extend_from_slice(&read[read.len().saturating_sub(KNOWN_BY)..]);
        let over = self.before.len().saturating_sub(KNOWN_BY);
        self.before.drain(..over);
    }
}
