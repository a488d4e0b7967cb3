//! An operator at the command line of a group. Decides how a command is given: as words, in a directory with his files.
#![allow(clippy::unwrap_used)]

use crate::{
    binary,
    members::{Members, SOON},
};
use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
};
use tempfile::TempDir;

pub struct Operator<'a> {
    members: &'a Members,
    files: TempDir,
}

impl<'a> Operator<'a> {
    pub fn of(members: &'a Members) -> Self {
        Self { members, files: TempDir::new().unwrap() }
    }

    /// `put`'s command stands behind `--`: the address goes before it.
    pub fn run(&self, words: &str) -> Output {
        let (words, behind) = words.split_once(" -- ").unwrap_or((words, ""));
        let mut command = Command::new(binary());
        command.args(words.split(' '));
        if words.contains(' ') {
            command.args(["--addr", &self.members.addresses().join(",")]);
        }
        if !behind.is_empty() {
            command.arg("--").args(behind.split(' '));
        }
        command.stdin(Stdio::null()).current_dir(self.files.path()).output().unwrap()
    }

    /// The same, left to run; what it prints comes line by line.
    pub fn watches(&self, words: &str) -> Watched {
        let mut command = Command::new(binary());
        command.args(words.split(' ')).args(["--addr", &self.members.addresses().join(",")]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let (told, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            out.lines().map_while(Result::ok).try_for_each(|line| told.send(line))
        });
        Watched { child, lines }
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
}

impl Watched {
    pub fn line(&self) -> String {
        self.lines.recv_timeout(SOON).unwrap_or_else(|_| panic!("nothing was shown"))
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
