//! Proof of work: what a Manager must have done to be allowed a beat. Decides that it is a round through
//! the task that keeps the services and a synced byte on disk: a stalled disk must not keep a lease.

use crate::supervision::{Reports, Supervisor};
use std::{
    fs::{File, OpenOptions},
    io::{self, Seek as _, Write as _},
    path::Path,
    sync::Arc,
};
use tokio::task::spawn_blocking;

#[derive(Clone)]
pub(super) struct Proof {
    supervisor: Supervisor,
    file: Arc<File>,
}

impl Proof {
    pub(super) fn new(supervisor: Supervisor, state_dir: &Path) -> io::Result<Self> {
        let path = state_dir.join("beat");
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        Ok(Self { supervisor, file: Arc::new(file) })
    }

    /// Does the work; gives the services as their task knows them. `None`: it could not be done.
    pub(super) async fn of_work(self) -> Option<Reports> {
        let reports = self.supervisor.reports().await?;
        let written = spawn_blocking(move || {
            let mut file = &*self.file;
            file.rewind()?;
            file.write_all(b"b")?;
            file.sync_data()
        });
        match written.await {
            Ok(Ok(())) => Some(reports),
            Ok(Err(error)) => {
                tracing::error!(%error, "no beat: its byte cannot be written");
                None
            }
            Err(_) => None,
        }
    }
}
