//! Where a cluster on one machine keeps its data. Decides whether it is left behind: a directory that was
//! named stays, one that was made goes with its owner, or with the next one if its owner was killed.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// Locked for as long as the directory has an owner.
const LOCK: &str = "in-use.lock";
const PREFIX: &str = "tradewind-";

#[derive(Debug)]
pub struct DataDirectory {
    place: Place,
    _lock: File,
}

#[derive(Debug)]
enum Place {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl DataDirectory {
    /// The directory named, made if it is not there; without a name one that is removed at the end.
    pub fn open(named: Option<PathBuf>) -> io::Result<Self> {
        let Some(path) = named else { return Self::temporary(&std::env::temp_dir()) };
        let told = |error: io::Error| {
            io::Error::new(error.kind(), format!("{} cannot be used: {error}", path.display()))
        };
        fs::create_dir_all(&path).map_err(told)?;
        let path = path.canonicalize().map_err(told)?;
        let lock = lock(&path.join(LOCK)).map_err(told)?;
        Ok(Self { place: Place::Kept(path), _lock: lock })
    }

    fn temporary(parent: &Path) -> io::Result<Self> {
        remove_abandoned(parent);
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        // Locked before it has its name: nobody finds a lock that is not held yet.
        let unnamed = made.path().join("lock.new");
        let lock = lock(&unnamed)?;
        fs::rename(&unnamed, made.path().join(LOCK))?;
        Ok(Self { place: Place::Temporary(made), _lock: lock })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        match &self.place {
            Place::Kept(path) => path,
            Place::Temporary(made) => made.path(),
        }
    }
}

fn lock(path: &Path) -> io::Result<File> {
    let file = File::options().create(true).append(true).open(path)?;
    file.try_lock().map_err(|error| match error {
        fs::TryLockError::WouldBlock => {
            io::Error::new(io::ErrorKind::ResourceBusy, "another cluster runs on it")
        }
        fs::TryLockError::Error(error) => error,
    })?;
    Ok(file)
}

/// Removes what owners that were killed left behind: the user's own directories whose lock is free.
fn remove_abandoned(parent: &Path) {
    let user = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry.metadata().is_ok_and(|about| about.is_dir() && about.uid() == user);
        let path = entry.path();
        if ours
            && path.join(LOCK).is_file()
            && let Ok(_held) = lock(&path.join(LOCK))
            && let Err(error) = fs::remove_dir_all(&path)
        {
            tracing::warn!(path = %path.display(), %error, "an abandoned directory could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_a_killed_owner_left_goes_with_the_next_and_nothing_else_does() {
        let parent = TempDir::new().unwrap();
        let killed = DataDirectory::temporary(parent.path()).unwrap();
        let left = killed.path().to_path_buf();
        // As a kill leaves it: the lock is free, the files are there.
        let Place::Temporary(made) = killed.place else { panic!() };
        let _ = made.keep();
        drop(killed._lock);
        let strange = parent.path().join("tradewind-notes");
        fs::create_dir(&strange).unwrap();
        let living = DataDirectory::temporary(parent.path()).unwrap();
        let next = DataDirectory::temporary(parent.path()).unwrap();
        assert!(!left.exists());
        assert!(strange.exists() && living.path().exists() && next.path().exists());
    }

    #[test]
    fn a_directory_in_use_is_refused_and_named() {
        let parent = TempDir::new().unwrap();
        let named = || DataDirectory::open(Some(parent.path().to_path_buf()));
        let held = named().unwrap();
        let refused = named().unwrap_err().to_string();
        assert!(refused.contains(&parent.path().display().to_string()), "{refused}");
        drop(held);
        named().unwrap();
    }
}
