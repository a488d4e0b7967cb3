//! Whom a member knows, kept beside its state for when that is lost: whom to ask then, on which disks, and in
//! which life of the cluster. Decides nothing else: who belongs to the group is the log's word.

use super::disk::{slot, unusable};
use crate::{
    StartError,
    limits::LOOK_EVERY,
    network::standing::Register,
    records::{self, Kind, KnownRecord},
    runtime::spawn_blocking,
};
use openraft::async_runtime::watch::WatchReceiver;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::time::interval;
use tradewind_journal::Disk;

#[derive(Clone)]
pub(super) struct KnownMembers {
    on: Arc<dyn Disk>,
    path: PathBuf,
}

impl KnownMembers {
    pub(super) fn of(on: &Arc<dyn Disk>, directory: &Path) -> Self {
        Self { on: on.clone(), path: directory.join("members") }
    }

    /// Blocks.
    pub(super) fn load(&self) -> Result<KnownRecord, StartError> {
        let bytes = slot(&self.on, &self.path).load();
        let bytes = bytes.map_err(|error| unusable(&self.path, error))?;
        let known = bytes.map(|bytes| records::decode(Kind::Known, &bytes)).transpose();
        Ok(known.map_err(|error| unusable(&self.path, error))?.unwrap_or_default())
    }

    fn store(&self, known: &KnownRecord) -> Result<(), StartError> {
        let bytes = records::encode(Kind::Known, known);
        let bytes = bytes.map_err(|error| unusable(&self.path, error))?;
        slot(&self.on, &self.path).store(&bytes).map_err(|error| unusable(&self.path, error))
    }

    /// Follows what the member knows. May be cancelled.
    pub(super) async fn keep(self, register: Register) {
        let mut look = interval(LOOK_EVERY);
        let mut held = KnownRecord::default();
        loop {
            look.tick().await;
            let now = known_by(&register);
            if now == held || now.members.is_empty() {
                continue;
            }
            let (members, known) = (self.clone(), now.clone());
            match spawn_blocking(move || members.store(&known)).await {
                Ok(Ok(())) => held = now,
                Ok(Err(error)) => tracing::warn!(%error, "the members are not noted"),
                Err(error) => tracing::warn!(%error, "the members are not noted"),
            }
        }
    }
}

fn known_by(register: &Register) -> KnownRecord {
    let incarnation = register.published.machine.borrow().1.cluster().opened();
    let metrics = register.raft.metrics();
    let metrics = metrics.borrow_watched();
    let members = metrics.membership_config.membership().nodes();
    KnownRecord { members: members.map(|(id, node)| (*id, node.clone())).collect(), incarnation }
}
