//! Where a cluster on one machine keeps its data. Decides whether it is left behind: a directory that was
//! named stays, one that was made goes with its owner.

use std::{
    io,
    path::{Path, PathBuf},
};

#[derive(Debug)]
pub enum DataDirectory {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl DataDirectory {
    /// The directory named, made if it is not there; without a name one that is removed at the end.
    pub fn open(named: Option<PathBuf>) -> io::Result<Self> {
        match named {
            Some(path) => {
                std::fs::create_dir_all(&path)?;
                Ok(Self::Kept(path.canonicalize()?))
            }
            None => {
                let made = tempfile::Builder::new().prefix("tradewind-").tempdir()?;
                Ok(Self::Temporary(made))
            }
        }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(made) => made.path(),
        }
    }
}
