//! Who this process is: the member's signing key, the same for ever, and the number of this life, never
//! the same twice. Decides how both are kept on disk; the key never leaves this directory.

use ed25519_dalek::SigningKey;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};
use tradewind_domain::{ids::Incarnation, time::UnixNanos};

const KEY_FILE: &str = "session.key";
const INCARNATION_FILE: &str = "incarnation";

/// What a member is known by.
pub(crate) struct Identity {
    pub(crate) signing: SigningKey,
    pub(crate) incarnation: Incarnation,
}

/// Why the identity cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("cannot use {}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is damaged: {rule}; restore it, or remove it and all sessions open anew", path.display())]
    Damaged { path: PathBuf, rule: &'static str },
    #[error("{} may be read by others: it signs sessions; run chmod 600 on it", path.display())]
    Exposed { path: PathBuf },
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
}

/// Loads the identity, or makes it at the first start. Blocks on the disk.
pub(crate) fn load(directory: &Path, now: UnixNanos) -> Result<Identity, IdentityError> {
    fs::create_dir_all(directory).map_err(at(directory))?;
    Ok(Identity {
        signing: signing_key(&directory.join(KEY_FILE))?,
        incarnation: next_life(&directory.join(INCARNATION_FILE), now)?,
    })
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> IdentityError {
    let path = path.to_owned();
    |source| IdentityError::Io { path, source }
}

fn signing_key(path: &Path) -> Result<SigningKey, IdentityError> {
    if let Some(bytes) = read(path)? {
        let rule = "it must have 32 bytes";
        let seed: [u8; 32] =
            bytes.try_into().map_err(|_| IdentityError::Damaged { path: path.to_owned(), rule })?;
        let mode = fs::metadata(path).map_err(at(path))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(IdentityError::Exposed { path: path.to_owned() });
        }
        return Ok(SigningKey::from_bytes(&seed));
    }
    let mut seed = [0_u8; 32];
    getrandom::fill(&mut seed).map_err(IdentityError::Randomness)?;
    write(path, &seed)?;
    Ok(SigningKey::from_bytes(&seed))
}

/// Later than the last life even when the clock was set back.
fn next_life(path: &Path, now: UnixNanos) -> Result<Incarnation, IdentityError> {
    let last = match read(path)? {
        None => 0,
        Some(bytes) => std::str::from_utf8(&bytes)
            .ok()
            .and_then(|text| text.trim().parse::<u64>().ok())
            .ok_or(IdentityError::Damaged {
                path: path.to_owned(),
                rule: "it must hold a number",
            })?,
    };
    let life = Incarnation((last + 1).max(now.0 / 1_000_000));
    write(path, format!("{life}\n").as_bytes())?;
    Ok(life)
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, IdentityError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(path)(error)),
    }
}

/// Whole or not at all, and durable when this returns.
fn write(path: &Path, bytes: &[u8]) -> Result<(), IdentityError> {
    let new = path.with_extension("new");
    let written = || -> io::Result<()> {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
    };
    written().map_err(at(path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: UnixNanos = UnixNanos(5_000_000_000);

    #[test]
    fn the_key_stays_and_the_life_rises_whatever_the_clock_does() {
        let dir = tempfile::tempdir().unwrap();
        let first = load(dir.path(), NOW).unwrap();
        let second = load(dir.path(), UnixNanos(0)).unwrap();
        assert_eq!(first.signing.to_bytes(), second.signing.to_bytes());
        assert_eq!((first.incarnation.0, second.incarnation.0), (5_000, 5_001));
    }

    #[test]
    fn the_key_is_nobody_elses_to_read() {
        let dir = tempfile::tempdir().unwrap();
        load(dir.path(), NOW).unwrap();
        let key = dir.path().join(KEY_FILE);
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(load(dir.path(), NOW), Err(IdentityError::Exposed { .. })));
    }

    #[test]
    fn a_damaged_file_is_named_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(INCARNATION_FILE), b"one").unwrap();
        assert!(matches!(load(dir.path(), NOW), Err(IdentityError::Damaged { .. })));
        fs::write(dir.path().join(KEY_FILE), b"short").unwrap();
        assert!(matches!(load(dir.path(), NOW), Err(IdentityError::Damaged { .. })));
    }
}
