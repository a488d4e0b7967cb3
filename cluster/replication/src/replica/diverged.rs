//! A member whose state is not the group's: it stops, and its directory says so until the state was made anew.
//! Decides when it stops and what is marked; what it starts with next is decided by `recover` and `rebuild`.

use super::disk::{slot, unusable};
use crate::{
    StartError,
    audit::Outvoted,
    limits::MARK_WITHIN,
    raft::Raft,
    records::{self, DivergedRecord, Kind, OutvotedRecord},
    rounds::Rounds,
    runtime::spawn_blocking,
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};
use tokio::time::timeout;
use tradewind_journal::Disk;

const DIVERGED: &str = "diverged";

/// What the directory says. Blocks on the disk.
pub(super) fn mark(on: &Arc<dyn Disk>, directory: &Path) -> Result<DivergedRecord, StartError> {
    let path = directory.join(DIVERGED);
    let bytes = slot(on, &path).load().map_err(|error| unusable(&path, error))?;
    let mark = bytes.map(|bytes| records::decode(Kind::Diverged, &bytes)).transpose();
    Ok(mark.map_err(|error| unusable(&path, error))?.unwrap_or_default())
}

fn store(on: &Arc<dyn Disk>, directory: &Path, mark: &DivergedRecord) -> Result<(), StartError> {
    let path = directory.join(DIVERGED);
    let bytes = records::encode(Kind::Diverged, mark).map_err(|error| unusable(&path, error))?;
    slot(on, &path).store(&bytes).map_err(|error| unusable(&path, error))
}

/// From the next start on the state is not used. Blocks on the disk.
fn raise(on: &Arc<dyn Disk>, directory: &Path, outvoted: &Outvoted) -> Result<(), StartError> {
    let nodes = outvoted.nodes.iter().map(|node| node.0).collect();
    let open = OutvotedRecord { index: outvoted.index, hash: outvoted.theirs, nodes };
    let times = mark(on, directory)?.times.saturating_add(1);
    store(on, directory, &DivergedRecord { times, open: Some(open) })
}

/// The state was made anew; that it was is remembered. Blocks on the disk.
pub(super) fn settle(
    on: &Arc<dyn Disk>,
    directory: &Path,
    mark: &DivergedRecord,
) -> Result<(), StartError> {
    match mark.open {
        None => Ok(()),
        Some(_) => store(on, directory, &DivergedRecord { open: None, ..mark.clone() }),
    }
}

/// What stopping such a member needs.
pub(super) struct Stop {
    pub(super) on: Arc<dyn Disk>,
    pub(super) directory: PathBuf,
    pub(super) raft: Raft,
    pub(super) reason: Arc<OnceLock<String>>,
}

impl Stop {
    /// A member whose state is not the group's must answer nobody. May be cancelled.
    pub(super) async fn when_outvoted(self, rounds: Rounds) {
        let outvoted = rounds.run().await;
        let why = outvoted.why.clone();
        tracing::error!(why, "the member stops");
        let (on, directory) = (self.on, self.directory);
        // First: were it killed in between, it would go on with this state when it is back.
        let marking = spawn_blocking(move || raise(&on, &directory, &outvoted));
        match timeout(MARK_WITHIN, marking).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::error!(%error, "the directory is not marked"),
            Ok(Err(error)) => tracing::error!(%error, "the directory is not marked"),
            Err(_) => tracing::error!("the directory is not marked yet: its disk does not answer"),
        }
        self.reason.get_or_init(|| why);
        let _ = self.raft.shutdown().await;
    }
}

/// The directory as of one that was outvoted once more.
#[cfg(test)]
pub(crate) fn mark_outvoted(
    directory: &Path,
    index: u64,
    theirs: tradewind_domain::control::StateHash,
    nodes: &[tradewind_domain::ids::NodeId],
) {
    let on: Arc<dyn Disk> = Arc::new(tradewind_journal::RealDisk);
    let outvoted = Outvoted { index, theirs, nodes: nodes.to_vec(), why: String::new() };
    raise(&on, directory, &outvoted).unwrap_or_else(|error| panic!("{error}"));
}
