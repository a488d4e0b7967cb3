//! What a Manager must know of its services after its own crash, in `state_dir/services.json`. Decides
//! the file's form; what becomes of the services in it is decided by `supervisor` and `keeper`.

use crate::{files, process::Identity};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs, io, path::Path};
use tradewind_domain::ids::{Fence, Incarnation, ServiceId};

/// A service process that runs or may still run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) process: Identity,
    /// What it presents to its Manager: given to it at its start.
    pub(super) token: String,
    /// What its Manager presents to it; `None` if a Manager of an earlier build has started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pipe_token: Option<String>,
    /// The newest right it was configured under.
    pub(super) fence: Fence,
    /// From its check-in.
    pub(super) incarnation: Option<Incarnation>,
    pub(super) address: Option<String>,
}

pub(super) type Records = BTreeMap<ServiceId, Record>;

impl Record {
    pub(super) const FILE: &'static str = "services.json";
}

/// What an earlier life has left; empty if there was none. An unreadable file is an error: what it
/// named may run, and nobody else knows.
pub(super) fn load(path: &Path) -> io::Result<Records> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
        Err(none) if none.kind() == io::ErrorKind::NotFound => Ok(Records::new()),
        Err(other) => Err(other),
    }
}

/// Durable when this returns.
pub(super) fn store(path: &Path, records: &Records) -> io::Result<()> {
    files::replace(path, &serde_json::to_vec(records)?)
}
