//! A file system of its own for each member, in a file, which can lose its power. Decides its options: writes
//! back by itself only after minutes, so that what nobody has synced is surely lost. Root only.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Command,
};

const BYTES: u64 = 192 << 20;
const POWER_OFF: &str = concat!(env!("OUT_DIR"), "/power_off");

/// An ext4 file system on a loop device; unmounted when dropped.
#[derive(Debug)]
pub struct Image {
    file: PathBuf,
    at: PathBuf,
}

impl Image {
    /// Makes the file system in `home` and mounts it at `home/NAME`. The error says why that is not possible
    /// here, for those who may not mount.
    pub fn mounted(home: &Path, name: &str) -> io::Result<Self> {
        let (file, at) = (home.join(format!("{name}.image")), home.join(name));
        File::create(&file)?.set_len(BYTES)?;
        fs::create_dir_all(&at)?;
        run("mkfs.ext4", &["-q".as_ref(), "-F".as_ref(), &file])?;
        let image = Self { file, at };
        image.mount()?;
        Ok(image)
    }

    #[must_use]
    pub fn at(&self) -> &Path {
        &self.at
    }

    /// After a power loss: what was durable is there again.
    pub fn power_on(&self) -> io::Result<()> {
        run("umount", &[&self.at])?;
        self.mount()
    }

    fn mount(&self) -> io::Result<()> {
        run("mount", &["-o".as_ref(), "loop,commit=300".as_ref(), &self.file, &self.at])
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // Whether it was mounted or not: nothing is to be left behind.
        let _ = run("umount", &[&self.at]);
    }
}

/// Cuts the power of all of them at once.
pub fn cut_power(images: &[Image]) -> io::Result<()> {
    let places: Vec<&Path> = images.iter().map(|image| image.at.as_path()).collect();
    run(POWER_OFF, &places)
}

pub(crate) fn run(program: &str, arguments: &[&Path]) -> io::Result<()> {
    let output = Command::new(program).args(arguments).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(io::Error::other(format!("{program}: {said}")))
}
