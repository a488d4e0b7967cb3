//! A disk that is soon full: a file system of its own in memory. Decides how large it is; what fills it is the tests' affair. Root only.

use crate::image::run;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Unmounted when dropped, also from under those who have files open on it.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts it there. The error says why that is not possible here, for those who may not mount.
    pub fn mounted(at: &Path, bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(at)?;
        let size = PathBuf::from(format!("size={bytes}"));
        let memory: &Path = "tmpfs".as_ref();
        run("mount", &["-t".as_ref(), memory, "-o".as_ref(), &size, memory, at])?;
        Ok(Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Nothing is to be left behind.
        let _ = run("umount", &["-l".as_ref(), &self.0]);
    }
}
