//! What a member starts from, before Raft does. Decides in which order what is on disk is believed: the
//! state, else the newest sound snapshot, else the one before it; the journal is replayed on top. A
//! snapshot that turns out damaged is set aside, never deleted.
//!
//! Of a member whose state was outvoted nothing is believed that does not lead to the majority's: a snapshot,
//! or the beginning of the log, is good if the journal applied to it gives their hash at their index.

use crate::{
    StartError,
    log::LogStore,
    raft::LogId,
    records::{HeadRecord, OutvotedRecord, RecordError},
    snapshot::{Shelf, SnapshotFile},
    state::{Head, Loaded, StateStore},
};
use std::io;
use tradewind_domain::control::Machine;

/// What a member has to start from.
pub(crate) enum Recovered {
    Whole(Box<Loaded>),
    /// Nothing that reaches far enough, or that is right: another member must give it.
    Lost(Lost),
}

/// What is missing.
#[derive(Clone, Debug)]
pub(crate) struct Lost {
    /// A snapshot must reach at least so far.
    pub(super) purged: Option<LogId>,
    covered: Option<u64>,
    /// Set if there was a state, and it was not the majority's.
    pub(super) outvoted: Option<OutvotedRecord>,
}

impl Recovered {
    /// The machine to begin with, if this member has one of its own.
    pub(crate) fn whole(&self) -> Result<&Loaded, StartError> {
        match self {
            Self::Whole(loaded) => Ok(loaded),
            Self::Lost(lost) => Err(lost.nobody_to_ask()),
        }
    }
}

impl Lost {
    #[cfg(test)]
    pub(super) fn behind(purged: Option<LogId>) -> Self {
        Self { purged, covered: None, outvoted: None }
    }

    pub(super) fn nobody_to_ask(&self) -> StartError {
        match &self.outvoted {
            Some(outvoted) => StartError::NotTheMajoritys { index: outvoted.index },
            None => StartError::StateLost {
                purged: self.purged.map_or(0, |id| id.index),
                covered: self.covered,
            },
        }
    }
}

/// Gives the machine to begin with. Afterwards the state on disk is no older than any snapshot kept, and
/// what is purged from the log is covered by a snapshot. Blocks.
pub(super) fn recover(
    log: &LogStore,
    store: &StateStore,
    mut loaded: Loaded,
    shelf: &Shelf,
    outvoted: Option<&OutvotedRecord>,
) -> Result<Recovered, StartError> {
    if let Some(outvoted) = outvoted {
        return recover_proven(log, store, loaded, shelf, outvoted);
    }
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
    covered(log.purged(), loaded, shelf)
}

fn recover_proven(
    log: &LogStore,
    store: &StateStore,
    loaded: Loaded,
    shelf: &Shelf,
    outvoted: &OutvotedRecord,
) -> Result<Recovered, StartError> {
    let unreadable = || failed("cannot read the log");
    let mut right = None;
    for file in shelf.newest_first() {
        let from = load(&file).map(|from| proven(log, from, outvoted));
        let why = match from {
            Ok(proof) => match proof.map_err(unreadable())? {
                Proof::Right(state) => {
                    right = Some(*state);
                    break;
                }
                Proof::Wrong | Proof::None => {
                    io::Error::other("it was made of a state that was not the majority's")
                }
            },
            Err(why) => why,
        };
        shelf.set_aside(&file, &why).map_err(failed("cannot set aside a snapshot"))?;
    }
    if right.is_none() && log.purged().is_none() {
        let from = (Machine::default(), Head::default());
        if let Proof::Right(state) = proven(log, from, outvoted).map_err(unreadable())? {
            right = Some(*state);
        }
    }
    let Some((machine, head)) = right else {
        let (purged, outvoted) = (log.purged(), Some(outvoted.clone()));
        return Ok(Recovered::Lost(Lost { purged, covered: None, outvoted }));
    };
    tracing::warn!(index = outvoted.index, "state rebuilt as the majority has it");
    store.replace(&machine, &head)?;
    covered(log.purged(), Loaded { machine, head, ..loaded }, shelf)
}

/// What became of an older state that was led on to the index of the majority's.
pub(super) enum Proof {
    /// It has their hash there.
    Right(Box<(Machine, Head)>),
    Wrong,
    /// It is behind that index already, or the log does not reach it.
    None,
}

/// Applies this member's own journal up to the index at which the majority's hash is known. Blocks.
pub(super) fn proven(
    log: &LogStore,
    (mut machine, mut head): (Machine, Head),
    outvoted: &OutvotedRecord,
) -> io::Result<Proof> {
    let mut next = head.applied.map_or(0, |id| id.index + 1);
    for entry in log.all_from(next) {
        let entry = entry?;
        if next > outvoted.index || entry.log_id.index != next {
            break;
        }
        head.take(&mut machine, entry);
        next += 1;
    }
    if next != outvoted.index + 1 {
        return Ok(Proof::None);
    }
    let right = machine.state_hash() == outvoted.hash;
    Ok(if right { Proof::Right(Box::new((machine, head))) } else { Proof::Wrong })
}

fn applied(file: &SnapshotFile) -> Option<LogId> {
    file.head().applied.map(LogId::from)
}

pub(super) fn load(file: &SnapshotFile) -> io::Result<(Machine, Head)> {
    let (machine, head) = file.load()?;
    let head = Head::try_from(head).map_err(|error: RecordError| io::Error::other(error))?;
    Ok((machine, head))
}

/// What is purged must be covered by a snapshot, which followers may need: one that was lost is made anew
/// from the state, if that is there.
fn covered(purged: Option<LogId>, loaded: Loaded, shelf: &Shelf) -> Result<Recovered, StartError> {
    let snapshot = shelf.newest().as_ref().and_then(applied);
    let state = loaded.head.applied;
    if snapshot >= purged {
        return Ok(Recovered::Whole(Box::new(loaded)));
    }
    if state < purged {
        let covered = state.max(snapshot).map(|id| id.index);
        return Ok(Recovered::Lost(Lost { purged, covered, outvoted: None }));
    }
    let built = shelf.build(&loaded.machine, HeadRecord::from(&loaded.head));
    built.map_err(failed("cannot make a snapshot anew"))?;
    Ok(Recovered::Whole(Box::new(loaded)))
}

pub(super) fn failed(what: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |source| StartError::Io { what, path: "snapshots".into(), source }
}
