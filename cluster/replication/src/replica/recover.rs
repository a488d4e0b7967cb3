//! What a member starts from, before Raft does. Decides in which order what is on disk is believed: the
//! state, else the newest sound snapshot, else the one before it; the journal is replayed on top. A
//! snapshot that turns out damaged is set aside, never deleted.

use crate::{
    StartError,
    raft::LogId,
    records::{HeadRecord, RecordError},
    snapshot::{Shelf, SnapshotFile},
    state::{Head, Loaded, StateStore},
};
use std::io;
use tradewind_domain::control::Machine;

/// Gives the machine to begin with. Afterwards the state on disk is no older than any snapshot kept, and
/// what is purged from the log is covered by a snapshot. Blocks.
pub(super) fn recover(
    purged: Option<LogId>,
    store: &StateStore,
    mut loaded: Loaded,
    shelf: &Shelf,
) -> Result<Loaded, StartError> {
    for file in shelf.newest_first() {
        if applied(&file) <= loaded.head.applied {
            break;
        }
        match load(&file) {
            Ok((machine, head)) => {
                tracing::warn!(index = head.revision().0, "state rebuilt from a snapshot");
                store.replace(&machine, &head)?;
                loaded = Loaded { machine, head, ..loaded };
                break;
            }
            Err(why) => {
                shelf.set_aside(&file, &why).map_err(failed("cannot set aside a snapshot"))?
            }
        }
    }
    cover(purged, &loaded, shelf)?;
    Ok(loaded)
}

fn applied(file: &SnapshotFile) -> Option<LogId> {
    file.head().applied.map(LogId::from)
}

fn load(file: &SnapshotFile) -> io::Result<(Machine, Head)> {
    let (machine, head) = file.load()?;
    let head = Head::try_from(head).map_err(|error: RecordError| io::Error::other(error))?;
    Ok((machine, head))
}

/// What is purged must be covered by a snapshot, which followers may need: one that was lost is made anew
/// from the state, if that is there.
fn cover(purged: Option<LogId>, loaded: &Loaded, shelf: &Shelf) -> Result<(), StartError> {
    let snapshot = shelf.newest().as_ref().and_then(applied);
    let state = loaded.head.applied;
    let Some(purged) = purged.filter(|purged| snapshot < Some(*purged)) else { return Ok(()) };
    if state < Some(purged) {
        let covered = state.max(snapshot).map(|id| id.index);
        return Err(StartError::StateLost { purged: purged.index, covered });
    }
    let built = shelf.build(&loaded.machine, HeadRecord::from(&loaded.head));
    built.map(drop).map_err(failed("cannot make a snapshot anew"))
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |source| StartError::Io { what, path: "snapshots".into(), source }
}
