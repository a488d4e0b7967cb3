//! An operator at the command line of a group. Decides how a command is given: as words, in a directory with his files.
#![allow(clippy::unwrap_used)]

use crate::{
    binary, eventually,
    members::{Members, SOON},
};
use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Instant,
};
use tempfile::TempDir;

pub struct Operator {
    addresses: String,
    files: TempDir,
}

impl Operator {
    /// Of all that run now.
    #[must_use]
    pub fn of(members: &Members) -> Self {
        Self::at(&members.addresses())
    }

    /// Who knows these members.
    #[must_use]
    pub fn at(addresses: &[String]) -> Self {
        Self { addresses: addresses.join(","), files: TempDir::new().unwrap() }
    }

    /// `put`'s command stands behind `--`: the address goes before it.
    pub fn run(&self, words: &str) -> Output {
        let (words, behind) = words.split_once(" -- ").unwrap_or((words, ""));
        let mut command = Command::new(binary());
        command.args(words.split(' '));
        if words.contains(' ') {
            command.args(["--addr", &self.addresses]);
        }
        if !behind.is_empty() {
            command.arg("--").args(behind.split(' '));
        }
        command.stdin(Stdio::null()).current_dir(self.files.path()).output().unwrap()
    }

    /// The same, left to run; what it prints comes line by line.
    pub fn watches(&self, words: &str) -> Watched {
        let mut command = Command::new(binary());
        command.args(words.split(' ')).args(["--addr", &self.addresses]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let (told, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            out.lines().map_while(Result::ok).try_for_each(|line| told.send(line))
        });
        Watched { child, lines, words: words.to_owned() }
    }

    pub fn does(&self, words: &str) -> String {
        let done = self.run(words);
        let (out, err) = (text(&done.stdout), text(&done.stderr));
        assert!(done.status.success(), "{words}: {:?} {out} {err}", done.status.code());
        out
    }

    /// What is said with this exit code.
    pub fn refused(&self, words: &str, code: i32) -> String {
        let done = self.run(words);
        assert_eq!(done.status.code(), Some(code), "{words}: {}", text(&done.stderr));
        text(&done.stderr)
    }

    pub fn file(&self, name: &str, text: &str) {
        fs::write(self.files.path().join(name), text).unwrap();
    }
}

/// A command that goes on, until it is dropped.
pub struct Watched {
    child: Child,
    lines: Receiver<String>,
    words: String,
}

impl Watched {
    pub fn line(&self) -> String {
        let line = self.lines.recv_timeout(SOON);
        line.unwrap_or_else(|_| panic!("{}: nothing was shown", self.words))
    }

    /// The first line from here on that says it.
    pub fn until(&self, what: &str, says: impl Fn(&str) -> bool) -> String {
        let (began, mut shown) = (Instant::now(), Vec::new());
        loop {
            let left = SOON.saturating_sub(began.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(line) if says(&line) => return line,
                Ok(line) => shown.push(line),
                Err(_) => panic!("{}: {what} was not shown, but {shown:#?}", self.words),
            }
        }
    }

    /// Waits until it has ended by itself; its exit code.
    pub fn ends(&mut self) -> Option<i32> {
        let mut status = None;
        eventually(&format!("{} ends", self.words), SOON, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.and_then(|status| status.code())
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
