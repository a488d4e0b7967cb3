//! Opening what a member has on disk: whose the directory is, then the log, the state and the snapshots. Decides
//! the order, and what keeps a member from starting. Nothing is deleted here.

use super::{
    disk::{disk_on, refuse_removed},
    diverged,
    known::KnownMembers,
    recover::{Recovered, recover},
};
use crate::{
    Environment, StartError,
    limits::DIVERGENCES_MAX,
    log::LogStore,
    records::{self, DivergedRecord, IdentityRecord, Kind, KnownRecord},
    snapshot::Shelf,
    state::{Loaded, StateStore},
};
use std::{io, path::Path, sync::Arc};
use tradewind_domain::ids::DiskId;
use tradewind_journal::{Disk, SlotFile};

/// What is opened on disk, in this order.
pub(crate) struct Opened {
    pub(super) disk: DiskId,
    pub(super) diverged: DivergedRecord,
    pub(super) known: KnownRecord,
    pub(crate) log: LogStore,
    pub(super) store: StateStore,
    pub(super) shelf: Arc<Shelf>,
    pub(crate) found: Recovered,
}

/// The log comes first: its lock keeps a second process out of everything else.
pub(crate) fn open(
    environment: &Environment,
    directory: &Path,
    identity: &IdentityRecord,
    new_disk: Option<DiskId>,
) -> Result<Opened, StartError> {
    let on = &environment.disk;
    let at = |what, path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| StartError::Io { what, path, source }
    };
    on.create_directory(directory).map_err(at("cannot make the directory", directory))?;
    let was_here = is_ours(on, directory, identity)?;
    refuse_removed(on, directory, identity.node)?;
    let disk = disk_on(on, directory, new_disk)?;
    let diverged = diverged::mark(on, directory)?;
    if let Some(outvoted) = diverged.open.as_ref().filter(|_| diverged.times > DIVERGENCES_MAX) {
        return Err(StartError::Diverged { times: diverged.times, index: outvoted.index });
    }
    let known = KnownMembers::of(on, directory).load()?;
    let log = directory.join("log");
    if was_here && !on.exists(&log).map_err(at("cannot look for the log", &log))? {
        return Err(StartError::LogGone { log });
    }
    let (log, place) = (LogStore::open_in(environment, &log)?, log);
    if let Some(term) = log.vote_lost_in() {
        return Err(StartError::VoteLost { log: place, term });
    }
    if !was_here {
        // Only now: a directory with an identity and without a log has lost it.
        identify(on, directory, identity)?;
    }
    let (store, loaded) = open_state(environment, directory, &diverged)?;
    let shelf = directory.join("snapshots");
    let shelf = Shelf::open_on(on, &shelf).map_err(at("cannot open the snapshots", &shelf))?;
    on.sync_directory(directory).map_err(at("cannot sync", directory))?;
    let found = recover(&log, &store, loaded, &shelf, diverged.open.as_ref())?;
    Ok(Opened { disk, diverged, known, log, store, shelf: Arc::new(shelf), found })
}

/// A state that was outvoted is looked into later, by a person.
fn open_state(
    environment: &Environment,
    directory: &Path,
    diverged: &DivergedRecord,
) -> Result<(StateStore, Loaded), StartError> {
    let state = directory.join("state");
    let (store, loaded) = StateStore::open_in(environment, &state)?;
    if diverged.open.is_none() || loaded.head.applied.is_none() {
        return Ok((store, loaded));
    }
    drop((store, loaded));
    Ok(StateStore::begin_anew(environment, &state, &"it is not the majority's")?)
}

const IDENTITY: &str = "identity";

fn unusable(directory: &Path, error: &dyn std::error::Error) -> StartError {
    StartError::Io {
        what: "cannot use the identity",
        path: directory.join(IDENTITY),
        source: io::Error::other(error.to_string()),
    }
}

/// Makes the directory this member's.
pub(crate) fn identify(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    identity: &IdentityRecord,
) -> Result<(), StartError> {
    let bytes =
        records::encode(Kind::Identity, identity).map_err(|error| unusable(directory, &error))?;
    let slot = SlotFile::on(directory.join(IDENTITY), disk.clone());
    slot.store(&bytes).map_err(|error| unusable(directory, &error))
}

/// Whether the directory is this member's; `false`: it is nobody's yet.
fn is_ours(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    identity: &IdentityRecord,
) -> Result<bool, StartError> {
    let Some(found) = identity_of(disk, directory)? else { return Ok(false) };
    if &found == identity {
        return Ok(true);
    }
    Err(StartError::WrongIdentity {
        directory: directory.to_owned(),
        found_node: found.node,
        found_cluster: found.cluster,
        node: identity.node,
        cluster: identity.cluster.clone(),
    })
}

/// Whose the directory is, if it is anybody's.
pub(crate) fn identity_of(
    disk: &Arc<dyn Disk>,
    directory: &Path,
) -> Result<Option<IdentityRecord>, StartError> {
    let slot = SlotFile::on(directory.join(IDENTITY), disk.clone());
    let Some(bytes) = slot.load().map_err(|error| unusable(directory, &error))? else {
        return Ok(None);
    };
    let found = records::decode(Kind::Identity, &bytes);
    found.map(Some).map_err(|error| unusable(directory, &error))
}
