//! Writing what nobody waits for to a disk that the journal needs. Decides that it goes in small pieces, each
//! made durable before the next, with as long a rest after it as it took: what the journal syncs meanwhile waits for
//! one piece at most, and has half of the disk's time. A large file goes in pieces as well.

use crate::{
    limits::{SNAPSHOT_CUT_BYTES, SNAPSHOT_CUT_REST, SNAPSHOT_REST_MAX, SNAPSHOT_SYNC_BYTES},
    runtime::is_simulated,
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};
use tradewind_journal::{Disk, DiskFile};

/// How much of a file was written and not made durable.
#[derive(Debug, Default)]
pub(super) struct Gentle {
    unsynced: usize,
}

impl Gentle {
    /// Blocks, resting included. What is left unsynced at the end is for the caller to sync with the rest of
    /// the file.
    pub(super) fn write(
        &mut self,
        file: &dyn DiskFile,
        mut bytes: &[u8],
        mut at: u64,
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            let (piece, later) =
                bytes.split_at(bytes.len().min(SNAPSHOT_SYNC_BYTES - self.unsynced));
            file.write_at(piece, at)?;
            self.unsynced += piece.len();
            (bytes, at) = (later, at + piece.len() as u64);
            if self.unsynced == SNAPSHOT_SYNC_BYTES {
                rest(file.sync_data()?);
                self.unsynced = 0;
            }
        }
        Ok(())
    }
}

/// Removes a file that nobody reads any more; a large one after this has returned. What stays behind goes at
/// the next start.
pub(super) fn remove(disk: Arc<dyn Disk>, path: PathBuf) {
    let large = disk.open(&path).and_then(|file| file.size());
    let large = large.is_ok_and(|size| size > SNAPSHOT_CUT_BYTES);
    let work = move || {
        if large && let Err(error) = cut(disk.as_ref(), &path) {
            tracing::warn!(file = %path.display(), %error, "a file to be removed cannot be cut");
        }
        // It may have another name by now.
        let _ = disk.remove(&path);
    };
    if large && !is_simulated() {
        // Without a thread it goes at the next start.
        let _ = thread::Builder::new().name("snapshot".to_owned()).spawn(work);
    } else {
        work();
    }
}

fn cut(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let file = disk.open(path)?;
    let mut size = file.size()?;
    while size > SNAPSHOT_CUT_BYTES {
        size -= SNAPSHOT_CUT_BYTES;
        file.set_size(size)?;
        if !is_simulated() {
            thread::sleep(SNAPSHOT_CUT_REST);
        }
    }
    Ok(())
}

/// A simulated disk takes no time, so that there a rest is none.
fn rest(took: Duration) {
    if !took.is_zero() {
        thread::sleep(took.min(SNAPSHOT_REST_MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Notes what is asked of it.
    #[derive(Default)]
    struct Noting(Mutex<Vec<Asked>>);

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Asked {
        Write { at: u64, bytes: usize },
        Sync,
    }

    impl DiskFile for Noting {
        fn size(&self) -> io::Result<u64> {
            Ok(0)
        }
        fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<()> {
            Ok(())
        }
        fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
            self.0.lock().unwrap().push(Asked::Write { at, bytes: bytes.len() });
            Ok(())
        }
        fn set_size(&self, _: u64) -> io::Result<()> {
            Ok(())
        }
        fn preallocate(&self, _: u64) -> io::Result<()> {
            Ok(())
        }
        fn sync_data(&self) -> io::Result<Duration> {
            self.0.lock().unwrap().push(Asked::Sync);
            Ok(Duration::ZERO)
        }
        fn sync_all(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn however_it_is_handed_over_no_more_than_a_piece_is_ever_unsynced() {
        // given
        let (file, mut gentle) = (Noting::default(), Gentle::default());
        let lengths = [1, SNAPSHOT_SYNC_BYTES, 3 * SNAPSHOT_SYNC_BYTES + 5, 7];
        // when
        let mut at = 0;
        for length in lengths {
            gentle.write(&file, &vec![0; length], at).unwrap();
            at += length as u64;
        }
        // then
        let (mut written, mut unsynced) = (0, 0);
        for asked in file.0.into_inner().unwrap() {
            match asked {
                Asked::Write { at, bytes } => {
                    assert_eq!(at, written, "in order, nothing left out");
                    written += bytes as u64;
                    unsynced += bytes;
                    assert!(unsynced <= SNAPSHOT_SYNC_BYTES);
                }
                Asked::Sync => {
                    assert_eq!(unsynced, SNAPSHOT_SYNC_BYTES);
                    unsynced = 0;
                }
            }
        }
        assert_eq!((written, unsynced), (at, 13));
    }
}
