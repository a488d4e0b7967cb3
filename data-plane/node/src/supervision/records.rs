//! What a Manager must know of its services after its own crash, in `state_dir/services.json`. Decides
//! the file's form, and that a change the disk has not taken is not forgotten; what becomes of the services in it is decided by
//! `supervisor` and `keeper`.

use crate::{files, process::Identity};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs, io, path::PathBuf};
use tokio::task::spawn_blocking;
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

/// All of them, as they are and as far as that was possible on disk.
pub(super) struct Records {
    path: PathBuf,
    held: BTreeMap<ServiceId, Record>,
    /// The disk has not taken the last change.
    behind: bool,
}

impl Record {
    pub(super) const FILE: &'static str = "services.json";
}

impl Records {
    /// What an earlier life has left; empty if there was none. An unreadable file is an error: what it
    /// named may run, and nobody else knows.
    pub(super) fn load(path: PathBuf) -> io::Result<Self> {
        let held = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(none) if none.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(other) => return Err(other),
        };
        Ok(Self { path, held, behind: false })
    }

    pub(super) fn services(&self) -> Vec<ServiceId> {
        self.held.keys().cloned().collect()
    }

    pub(super) fn get(&self, service: &ServiceId) -> Option<&Record> {
        self.held.get(service)
    }

    /// Notes what is known of a service, or that it is gone. Durable when this returns `Ok`; what the disk has not taken
    /// is tried again with the next change of any service, and by `catch_up`.
    pub(super) async fn put(
        &mut self,
        service: ServiceId,
        record: Option<Record>,
    ) -> io::Result<()> {
        let is_news = self.held.get(&service) != record.as_ref();
        if !is_news && !self.behind {
            return Ok(());
        }
        match record {
            Some(record) => self.held.insert(service, record),
            None => self.held.remove(&service),
        };
        self.store().await
    }

    /// Tries again what the disk has not taken, though there is no news.
    pub(super) async fn catch_up(&mut self) {
        if self.behind {
            // How it ends is logged.
            let _ = self.store().await;
        }
    }

    async fn store(&mut self) -> io::Result<()> {
        let (path, text) = (self.path.clone(), serde_json::to_vec(&self.held)?);
        let stored = spawn_blocking(move || files::replace(&path, &text)).await;
        let stored = stored.unwrap_or_else(|error| Err(io::Error::other(error)));
        match (&stored, self.behind) {
            (Err(error), false) => tracing::error!(%error, "the services cannot be put on record"),
            (Ok(()), true) => tracing::info!("the services are on record again"),
            (Err(_), true) | (Ok(()), false) => {}
        }
        self.behind = stored.is_err();
        stored
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tradewind_domain::ids::Epoch;

    #[tokio::test]
    async fn what_the_disk_has_not_taken_is_put_there_without_news() {
        // given
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("away").join(Record::FILE);
        let mut records = Records::load(path.clone()).unwrap();
        let service: ServiceId = "broker.sim-1.0".parse().unwrap();
        let fence = Fence { epoch: Epoch(3), ..Fence::default() };
        let record = Record {
            process: Identity { pid: 7, start_ticks: 7, boot: "this".to_owned() },
            token: "token".to_owned(),
            pipe_token: None,
            fence,
            incarnation: None,
            address: None,
        };
        assert!(records.put(service.clone(), Some(record)).await.is_err());
        records.catch_up().await;
        // when
        fs::create_dir(dir.path().join("away")).unwrap();
        records.catch_up().await;
        // then
        let held = Records::load(path.clone()).unwrap();
        assert_eq!(held.get(&service).map(|record| record.fence), Some(fence));
        // and: what is on disk is left alone
        fs::remove_file(&path).unwrap();
        records.catch_up().await;
        assert!(!path.exists());
    }
}
