//! Disk: the few file operations the journal needs, as a trait, so that a simulation can take the
//! file system's place and a test can make a sync fail. Decides how each is done on a real disk;
//! when to sync what is the journal's decision.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[cfg(any(test, feature = "simulated-disk"))]
mod simulated;
#[cfg(any(test, feature = "simulated-disk"))]
pub use simulated::SimulatedDisk;

/// Names and directories. Changes are durable once the directory has been synced.
pub trait Disk: Send + Sync + 'static {
    /// Makes a directory and its missing parents, durably. It may exist already.
    fn create_directory(&self, path: &Path) -> io::Result<()>;
    /// Whether a file or directory of that name is there.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Names of the files in a directory, in any order.
    fn list(&self, directory: &Path) -> io::Result<Vec<String>>;
    /// Makes an empty file, or empties the one that is there; for reading and writing.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file for reading and writing. `NotFound` if there is none.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Renames a file, replacing what is there, at once and as a whole.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file; whoever has it open can still read it.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes earlier creations, renames and removals in the directory durable.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;
    /// Bytes for which there is room in a directory that is there; as many as can be said where nobody counts.
    fn room(&self, _directory: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }
    /// Takes the lock on a file, making it if need be; dropping the guard gives it back.
    /// `WouldBlock` if another holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;
}

/// An open file. Bytes are durable once the file has been synced.
pub trait DiskFile: Send + Sync + 'static {
    /// Size in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Fills the whole buffer from `offset`; `UnexpectedEof` if the file ends before.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all bytes at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Cuts the file, or extends it with zeros.
    fn set_size(&self, size: u64) -> io::Result<()>;
    /// Makes the file at least `size` bytes long with its space reserved; new bytes read as zeros.
    fn preallocate(&self, size: u64) -> io::Result<()>;
    /// Makes the bytes durable (`fdatasync`). Gives the time it took, measured here so that the
    /// journal itself reads no clock.
    fn sync_data(&self) -> io::Result<Duration>;
    /// Makes the bytes and everything about the file durable (`fsync`).
    fn sync_all(&self) -> io::Result<()>;
}

/// The operating system's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        // A file name alone has the empty path as its parent, which means the working directory.
        let parent = match path.parent() {
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) => parent,
            None => return Ok(()),
        };
        if !path.is_dir() {
            self.create_directory(parent)?;
            match std::fs::create_dir(path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            self.sync_directory(parent)?;
        }
        Ok(())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            // A name that is not UTF-8 is none of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(true).open(path)?;
        Ok(Arc::new(RealFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(RealFile(OpenOptions::new().read(true).write(true).open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all()
    }

    fn room(&self, directory: &Path) -> io::Result<u64> {
        let free = rustix::fs::statvfs(directory)?;
        Ok(free.f_bavail.saturating_mul(free.f_frsize))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

struct RealFile(File);

impl DiskFile for RealFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.0.set_len(size)
    }

    fn preallocate(&self, size: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.0, rustix::fs::FallocateFlags::empty(), 0, size) {
            // Some file systems cannot reserve; a sparse file is slower to sync but just as right.
            Err(rustix::io::Errno::OPNOTSUPP) if self.size()? < size => self.0.set_len(size),
            Err(rustix::io::Errno::OPNOTSUPP) => Ok(()),
            other => Ok(other?),
        }
    }

    fn sync_data(&self) -> io::Result<Duration> {
        let begun = Instant::now();
        self.0.sync_data()?;
        Ok(begun.elapsed())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}
