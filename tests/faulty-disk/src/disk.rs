//! The library for LD_PRELOAD as a test holds it: which files it concerns, its rules, its tape. Decides where
//! those lie.

use crate::tape::{Event, read_tape};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

const LIBRARY: &str = concat!(env!("OUT_DIR"), "/faulty_disk.so");

/// What one process sees as its disk.
#[derive(Debug)]
pub struct FaultyDisk {
    home: TempDir,
    paths: String,
    recorded: bool,
}

impl FaultyDisk {
    /// Concerns the files whose path has `paths` in it. Without rules nothing fails.
    pub fn of(paths: &Path) -> io::Result<Self> {
        let home = tempfile::tempdir()?;
        Ok(Self { home, paths: paths.display().to_string(), recorded: false })
    }

    /// Also writes a tape. A process started again goes on with it.
    #[must_use]
    pub fn recorded(mut self) -> Self {
        self.recorded = true;
        self
    }

    fn control_file(&self) -> PathBuf {
        self.home.path().join("control")
    }

    /// What the process must find in its environment.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let place = |name: &str| self.home.path().join(name).display().to_string();
        let mut environment = vec![
            ("LD_PRELOAD".to_owned(), LIBRARY.to_owned()),
            ("FAULTY_DISK_CONTROL".to_owned(), place("control")),
            ("FAULTY_DISK_PATHS".to_owned(), self.paths.clone()),
        ];
        if self.recorded {
            environment.push(("FAULTY_DISK_TAPE".to_owned(), place("tape")));
        }
        environment
    }

    /// From now on these rules hold, one a line, in the place of all before; they are there as a whole.
    pub fn rules(&self, rules: &str) -> io::Result<()> {
        let new = self.home.path().join("control.new");
        fs::write(&new, format!("{rules}\n"))?;
        fs::rename(new, self.control_file())
    }

    /// What was recorded so far.
    pub fn tape(&self) -> io::Result<Vec<Event>> {
        read_tape(&self.home.path().join("tape"))
    }
}
