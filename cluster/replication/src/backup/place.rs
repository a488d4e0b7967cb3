//! A new directory put into the place of the one that a member has lived on. Decides that each step may be the
//! last one before a crash: what a member has lived on is never removed, the place is never empty, and another
//! attempt goes on from whatever was left. A directory that was lived on is known by the identity of its disk,
//! which is made at a member's first start: one that was only made for a new group has none.

use super::found::{beside, sync_parent};
use crate::replica::has_disk;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Told after each step that has changed anything; an error ends the attempt there, as a crash would.
pub(super) type Told<'a> = &'a mut dyn FnMut(&'static str) -> io::Result<()>;

/// A member's place, and the one beside it where the new directory is made.
pub(super) struct Place {
    directory: PathBuf,
    new: PathBuf,
}

impl Place {
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), new: beside(directory, "recovering") }
    }

    /// Where the new directory is to be made.
    pub(super) fn beside(&self) -> &Path {
        &self.new
    }

    /// Where the directory is that the member has lived on: an attempt that was cut short may have left it
    /// beside its place.
    pub(super) fn lived_on(&self) -> io::Result<&Path> {
        let aside = !has_disk(&self.directory)? && has_disk(&self.new)?;
        Ok(if aside { &self.new } else { &self.directory })
    }

    /// Puts things right that an attempt cut short has left: afterwards what was lived on is in its place, and
    /// nothing that must stay is where the new directory is made.
    pub(super) fn tidy(&self, told: Told<'_>) -> io::Result<()> {
        if !has_disk(&self.new)? {
            return Ok(());
        }
        if has_disk(&self.directory)? {
            // The new directory was started since: what was there before gets the name it was to have.
            self.keep(told).map(drop)
        } else if self.directory.try_exists()? {
            self.exchange()?;
            told("taken back")
        } else {
            fs::rename(&self.new, &self.directory)?;
            sync_parent(&self.directory)?;
            told("taken back")
        }
    }

    /// The new directory, whole and durable, takes the place; where the one before is kept is returned.
    pub(super) fn take(&self, told: Told<'_>) -> io::Result<PathBuf> {
        sync_parent(&self.directory)?;
        told("made")?;
        // In one step: at no moment is the member's place empty, to be taken for a new member's.
        self.exchange()?;
        told("exchanged")?;
        self.keep(told)
    }

    fn exchange(&self) -> io::Result<()> {
        renameat_with(CWD, &self.new, CWD, &self.directory, RenameFlags::EXCHANGE)?;
        sync_parent(&self.directory)
    }

    fn keep(&self, told: Told<'_>) -> io::Result<PathBuf> {
        let kept = self.free_name()?;
        renameat_with(CWD, &self.new, CWD, &kept, RenameFlags::NOREPLACE)?;
        sync_parent(&self.directory)?;
        told("kept")?;
        Ok(kept)
    }

    fn free_name(&self) -> io::Result<PathBuf> {
        let mut n = 1;
        loop {
            let name = beside(&self.directory, &format!("before-recovery-{n}"));
            if !name.try_exists()? {
                return Ok(name);
            }
            n += 1;
        }
    }
}
