//! Incarnations: which life of a process this is. Decides that a later life has a higher number, even
//! if the clock was set back: the last one is kept in a file.

use crate::{clock, files};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use tradewind_domain::ids::Incarnation;

#[derive(Debug, thiserror::Error)]
#[error("the incarnation cannot be kept in {path}; is the directory writable?")]
pub struct Error {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Draws the next incarnation of whoever owns `state_dir`, which is created if it is not there. Durable
/// when this returns.
pub(crate) fn next(state_dir: &Path) -> Result<Incarnation, Error> {
    let path = state_dir.join("incarnation");
    let failed = |source| Error { path: path.clone(), source };
    fs::create_dir_all(state_dir).map_err(failed)?;
    let last = match fs::read_to_string(&path) {
        // An unreadable number is taken for none: the clock is above it but for a set-back clock.
        Ok(text) => text.trim().parse().unwrap_or(0),
        Err(none) if none.kind() == io::ErrorKind::NotFound => 0,
        Err(other) => return Err(failed(other)),
    };
    let next = (clock::now().0 / 1_000_000).max(last + 1);
    files::replace(&path, next.to_string().as_bytes()).map_err(failed)?;
    Ok(Incarnation(next))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_later_life_has_a_higher_incarnation_even_when_the_clock_was_set_back() {
        // given
        let dir = tempfile::tempdir().unwrap();
        let first = next(dir.path()).unwrap();
        let ahead = first.0 + 1_000_000_000;
        fs::write(dir.path().join("incarnation"), ahead.to_string()).unwrap();
        // when
        let later = next(dir.path()).unwrap();
        // then
        assert_eq!(later, Incarnation(ahead + 1));
        assert!(next(dir.path()).unwrap() > later);
    }
}
