//! Which disk a member is on, and whose directory it is. Decides how both are kept: the disk's identity is
//! made once and durable before it is told to anybody, so that an empty disk can never pass for the one
//! that has voted; a removed member's directory says so for ever.

use crate::{
    StartError,
    records::{self, IdentityRecord, Kind},
};
use std::{io, path::Path, sync::Arc};
use tradewind_domain::ids::{DiskId, NodeId};
use tradewind_journal::{Disk, RealDisk, SlotFile};

const DISK: &str = "disk";
const REMOVED: &str = "removed";

/// Whose a directory is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Belongs {
    pub node: NodeId,
    pub cluster: String,
}

pub(super) fn unusable(path: &Path, error: impl ToString) -> StartError {
    StartError::Io {
        what: "cannot use the member's directory",
        path: path.to_owned(),
        source: io::Error::other(error.to_string()),
    }
}

pub(super) fn slot(on: &Arc<dyn Disk>, path: &Path) -> SlotFile {
    SlotFile::on(path, on.clone())
}

/// The identity of the disk in a member's directory, made from `new` if there is none. Durable when this
/// returns. Blocks on the disk.
pub fn disk_of(directory: &Path, new: DiskId) -> Result<DiskId, StartError> {
    disk_on(&(Arc::new(RealDisk) as Arc<dyn Disk>), directory, Some(new))
}

/// Whether a member was ever started on the directory. Blocks on the disk.
pub(crate) fn has_disk(directory: &Path) -> io::Result<bool> {
    directory.join(DISK).try_exists()
}

/// The same on another disk; without a new one a directory must have its own.
pub(super) fn disk_on(
    on: &Arc<dyn Disk>,
    directory: &Path,
    new: Option<DiskId>,
) -> Result<DiskId, StartError> {
    let path = directory.join(DISK);
    let slot = slot(on, &path);
    if new.is_some() {
        on.create_directory(directory).map_err(|error| unusable(&path, error))?;
    }
    if let Some(bytes) = slot.load().map_err(|error| unusable(&path, error))? {
        let disk: u128 =
            records::decode(Kind::Disk, &bytes).map_err(|error| unusable(&path, error))?;
        return Ok(DiskId(disk));
    }
    let new = new.ok_or_else(|| StartError::DiskGone { file: path.clone() })?;
    let bytes = records::encode(Kind::Disk, &new.0).map_err(|error| unusable(&path, error))?;
    slot.store(&bytes).map_err(|error| unusable(&path, error))?;
    Ok(new)
}

/// Whose the directory is; `None` if it is nobody's yet. Blocks on the disk.
pub fn belongs(directory: &Path) -> Result<Option<Belongs>, StartError> {
    let path = directory.join("identity");
    if !path.exists() {
        return Ok(None);
    }
    let bytes = SlotFile::new(path.clone()).load().map_err(|error| unusable(&path, error))?;
    let Some(bytes) = bytes else { return Ok(None) };
    let found: IdentityRecord =
        records::decode(Kind::Identity, &bytes).map_err(|error| unusable(&path, error))?;
    Ok(Some(Belongs { node: NodeId(found.node), cluster: found.cluster }))
}

/// Marks the directory of a member that the group has removed. Blocks on the disk.
pub(super) fn mark_removed(
    on: &Arc<dyn Disk>,
    directory: &Path,
    node: u64,
) -> Result<(), StartError> {
    let path = directory.join(REMOVED);
    let bytes = records::encode(Kind::Removed, &node).map_err(|error| unusable(&path, error))?;
    slot(on, &path).store(&bytes).map_err(|error| unusable(&path, error))
}

/// Refuses the directory of a removed member.
pub(super) fn refuse_removed(
    on: &Arc<dyn Disk>,
    directory: &Path,
    node: u64,
) -> Result<(), StartError> {
    let path = directory.join(REMOVED);
    if on.exists(&path).map_err(|error| unusable(&path, error))? {
        return Err(StartError::Removed { directory: directory.to_owned(), node });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_disk_has_one_identity_whatever_is_drawn_later_and_a_wiped_one_has_another() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("raft");
        assert_eq!(disk_of(&directory, DiskId(1)).unwrap(), DiskId(1));
        assert_eq!(disk_of(&directory, DiskId(2)).unwrap(), DiskId(1));
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!(disk_of(&directory, DiskId(3)).unwrap(), DiskId(3));
        assert_eq!(belongs(&directory).unwrap(), None);
    }

    #[test]
    fn a_removed_members_directory_is_refused_with_what_to_do() {
        let home = tempfile::tempdir().unwrap();
        let on: Arc<dyn Disk> = Arc::new(RealDisk);
        refuse_removed(&on, home.path(), 4).unwrap();
        mark_removed(&on, home.path(), 4).unwrap();
        let refused = refuse_removed(&on, home.path(), 4).unwrap_err().to_string();
        assert!(refused.contains("node 4 was removed"), "{refused}");
        assert!(refused.contains("--join"), "{refused}");
    }
}
