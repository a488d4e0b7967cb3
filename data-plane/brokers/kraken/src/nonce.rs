//! Nonces: each request under an API key bears a higher number than all before it. Decides which number is
//! next: microseconds of the clock, or one more than the last, whichever is higher. N1 no number is drawn twice
//! or after a higher one, not over a restart, not when the clock is set back: a bound is on disk before any
//! number below it is used, and after a restart the first number is above the bound. N2 one process draws for
//! a key at a time: the file is locked. Where there is one key there is one such file.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tradewind_domain::time::UnixNanos;

/// How far ahead of the last number the bound on disk is set: one sync each ten seconds of a busy key.
const RESERVED: u64 = 10_000_000;

/// The numbers alone, without a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonces {
    last: u64,
    bound: u64,
}

/// This bound is to be made durable and then told to [`Nonces::reserved`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserve(pub u64);

impl Nonces {
    /// Goes on after a bound: numbers up to it may have been used.
    #[must_use]
    pub fn after(bound: u64) -> Self {
        Self { last: bound, bound }
    }

    /// The next number, or the bound that has to be durable before there is one.
    pub fn draw(&mut self, now: UnixNanos) -> Result<u64, Reserve> {
        let next = self.last.saturating_add(1).max(now.0 / 1_000);
        if next > self.bound {
            return Err(Reserve(next.saturating_add(RESERVED)));
        }
        self.last = next;
        Ok(next)
    }

    /// That bound is durable.
    pub fn reserved(&mut self, bound: Reserve) {
        self.bound = self.bound.max(bound.0);
    }
}

/// Why there is no number.
#[derive(Debug, thiserror::Error)]
pub enum NonceError {
    #[error("another process uses this API key: {0} is locked; one key is for one Broker")]
    InUse(PathBuf),
    #[error(
        "{path} does not hold the bound of a nonce but {found:?}: move it away only if the key is new"
    )]
    Damaged { path: PathBuf, found: String },
    #[error("{path} cannot be read or written")]
    Disk {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// The numbers of one key, kept in a directory of its own. Writes block, about once in ten seconds.
#[derive(Debug)]
pub struct NonceFile {
    nonces: Nonces,
    directory: PathBuf,
    /// Held for as long as numbers are drawn.
    _lock: File,
}

impl NonceFile {
    /// Opens or begins the numbers of a key. One opener at a time.
    pub fn open(directory: &Path) -> Result<Self, NonceError> {
        let at = |path: &Path| {
            let path = path.to_path_buf();
            move |source| NonceError::Disk { path, source }
        };
        fs::create_dir_all(directory).map_err(at(directory))?;
        let lock_path = directory.join("nonce.lock");
        let lock = File::create(&lock_path).map_err(at(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(NonceError::InUse(lock_path)),
            Err(TryLockError::Error(source)) => {
                return Err(NonceError::Disk { path: lock_path, source });
            }
        }
        let path = directory.join("nonce");
        let bound = match fs::read_to_string(&path) {
            Ok(text) => text
                .trim_end()
                .parse()
                .map_err(|_| NonceError::Damaged { path: path.clone(), found: text })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(source) => return Err(NonceError::Disk { path, source }),
        };
        Ok(Self { nonces: Nonces::after(bound), directory: directory.to_path_buf(), _lock: lock })
    }

    /// The next number.
    pub fn draw(&mut self, now: UnixNanos) -> Result<u64, NonceError> {
        loop {
            match self.nonces.draw(now) {
                Ok(nonce) => return Ok(nonce),
                Err(bound) => {
                    let failed =
                        |source| NonceError::Disk { path: self.directory.join("nonce"), source };
                    self.write(bound).map_err(failed)?;
                    self.nonces.reserved(bound);
                }
            }
        }
    }

    fn write(&self, bound: Reserve) -> io::Result<()> {
        let new = self.directory.join("nonce.new");
        let mut file = File::create(&new)?;
        writeln!(file, "{}", bound.0)?;
        file.sync_all()?;
        fs::rename(&new, self.directory.join("nonce"))?;
        File::open(&self.directory)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_rise_over_restarts_whatever_the_clock_says(
            steps in prop::collection::vec((any::<u32>(), any::<bool>()), 1..200)
        ) {
            let (mut nonces, mut durable, mut last) = (Nonces::after(0), 0, 0);
            for (micros, restarts) in steps {
                if restarts {
                    nonces = Nonces::after(durable);
                }
                let now = UnixNanos(u64::from(micros) * 1_000);
                let drawn = match nonces.draw(now) {
                    Ok(drawn) => drawn,
                    Err(bound) => {
                        durable = bound.0;
                        nonces.reserved(bound);
                        nonces.draw(now).unwrap()
                    }
                };
                prop_assert!(drawn > last, "{drawn} after {last}");
                prop_assert!(drawn <= durable, "a number beyond what is on disk");
                last = drawn;
            }
        }
    }

    #[test]
    fn a_file_goes_on_above_all_it_gave_and_serves_one_process() {
        let directory = tempfile::tempdir().unwrap();
        let now = UnixNanos(1_700_000_000_000_000_000);
        let mut file = NonceFile::open(directory.path()).unwrap();
        let first = file.draw(now).unwrap();
        assert_eq!(first, 1_700_000_000_000_000);
        assert!(matches!(NonceFile::open(directory.path()), Err(NonceError::InUse(_))));
        let second = file.draw(UnixNanos(0)).unwrap();
        assert_eq!(second, first + 1);
        drop(file);
        let mut again = NonceFile::open(directory.path()).unwrap();
        assert!(again.draw(UnixNanos(0)).unwrap() > second);
    }

    #[test]
    fn a_damaged_file_is_not_taken_for_a_new_key() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("nonce"), "17000\0\0").unwrap();
        assert!(matches!(NonceFile::open(directory.path()), Err(NonceError::Damaged { .. })));
    }
}
