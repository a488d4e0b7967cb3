//! Which directory this is: drawn once, when a Manager is first started with it. Decides how it is kept; what belongs to
//! it is the group's decision. A Manager that comes back under its name with an empty directory has lost its Brokers'
//! ledgers and the records of what still runs, and is told apart by it.

use crate::files;
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use tradewind_domain::ids::DiskId;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the identity of the directory cannot be kept in {path}; is it writable?")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "{path} is damaged: it must hold 32 hexadecimal digits. Restore it: without it this directory is another one, \
         and the group lets it in under this name only when the name holds nothing"
    )]
    Damaged { path: PathBuf },
    #[error("the system gives no randomness")]
    Randomness,
}

/// The identity of `state_dir`, which is there. Durable when this returns.
pub(crate) fn identity(state_dir: &Path) -> Result<DiskId, Error> {
    let path = state_dir.join("disk");
    match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map_err(|_| Error::Damaged { path }),
        Err(none) if none.kind() == io::ErrorKind::NotFound => {
            let mut random = [0_u8; 16];
            getrandom::fill(&mut random).map_err(|_| Error::Randomness)?;
            let disk = DiskId(u128::from_be_bytes(random));
            let kept = files::replace(&path, disk.to_string().as_bytes());
            kept.map(|()| disk).map_err(|source| Error::Io { path, source })
        }
        Err(source) => Err(Error::Io { path, source }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_directory_keeps_its_identity_and_another_one_has_another() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let disk = identity(one.path()).unwrap();
        assert_eq!(identity(one.path()).unwrap(), disk);
        assert_ne!(identity(other.path()).unwrap(), disk);
    }

    #[test]
    fn a_damaged_identity_is_not_replaced_by_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("disk"), "0123").unwrap();
        assert!(matches!(identity(dir.path()), Err(Error::Damaged { .. })));
        assert_eq!(fs::read_to_string(dir.path().join("disk")).unwrap(), "0123");
    }
}
