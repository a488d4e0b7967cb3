//! The desired state that counts, kept on disk, so that a Manager that starts without control plane goes on
//! with what it was told last. Decides how it is kept; which of two counts is decided by
//! `domain::control::desired`, which the simulation runs as well.

use crate::files;
use std::{fs, io, path::PathBuf, sync::Arc};
use tokio::{sync::watch, task::spawn_blocking};
use tradewind_domain::{control::Desired, ids::ClusterIncarnation};

pub(super) use tradewind_domain::control::desired::Verdict;

pub(super) struct Intent {
    path: PathBuf,
    held: watch::Sender<Option<Arc<Desired>>>,
    /// The life of the cluster that accepted this Manager's check-in.
    registered: Option<ClusterIncarnation>,
}

impl Intent {
    /// Takes up what an earlier life has kept. An unreadable file counts as none: the leader sends it anew.
    pub(super) fn load(path: PathBuf) -> io::Result<Self> {
        let held = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .inspect_err(
                    |error| tracing::error!(%error, "the kept desired state is unreadable"),
                )
                .ok(),
            Err(none) if none.kind() == io::ErrorKind::NotFound => None,
            Err(other) => return Err(other),
        };
        Ok(Self { path, held: watch::Sender::new(held.map(Arc::new)), registered: None })
    }

    pub(super) fn watch(&self) -> watch::Receiver<Option<Arc<Desired>>> {
        self.held.subscribe()
    }

    pub(super) fn current(&self) -> Option<Arc<Desired>> {
        self.held.borrow().clone()
    }

    /// Its name has gone to another disk: nothing of what was told counts any more, after a restart neither.
    pub(super) async fn forget(&mut self) {
        self.held.send_replace(None);
        let path = self.path.clone();
        let gone = spawn_blocking(move || match fs::remove_file(&path) {
            Err(none) if none.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        });
        if let Ok(Err(error)) = gone.await {
            tracing::error!(%error, "the kept desired state cannot be removed");
        }
    }

    pub(super) fn registered(&mut self, cluster: ClusterIncarnation) {
        self.registered = Some(cluster);
    }

    /// Takes a desired state if it counts; then it is on disk when this returns.
    pub(super) async fn offer(&mut self, offered: Desired) -> Verdict {
        let verdict = offered.verdict(self.current().as_deref(), self.registered);
        if verdict == Verdict::Newer {
            let (path, bytes) = (self.path.clone(), serde_json::to_vec(&offered));
            let kept = spawn_blocking(move || files::replace(&path, &bytes?)).await;
            if let Ok(Err(error)) = kept {
                // Going on serves more than stopping: only a start without control plane misses it.
                tracing::error!(%error, "the desired state cannot be kept");
            }
        }
        if matches!(verdict, Verdict::Newer | Verdict::Same) {
            self.held.send_replace(Some(Arc::new(offered)));
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tradewind_domain::{
        control::desired::Work,
        ids::{Epoch, Fence, Revision},
    };

    fn desired(cluster: u64, epoch: u64, revision: u64) -> Desired {
        Desired {
            revision: Revision(revision),
            fence: Fence { cluster: ClusterIncarnation(cluster), epoch: Epoch(epoch) },
            work: Work::Traders { traders: Vec::new(), access: Default::default() },
            market_managers: Vec::new(),
            cordons: Default::default(),
            empties: false,
        }
    }

    #[tokio::test]
    async fn an_older_desired_state_is_ignored_and_the_newest_outlives_the_manager() {
        // given
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desired.json");
        let mut intent = Intent::load(path.clone()).unwrap();
        // when, then
        assert_eq!(intent.offer(desired(1, 5, 10)).await, Verdict::Newer);
        assert_eq!(intent.offer(desired(1, 5, 9)).await, Verdict::Older);
        assert_eq!(intent.offer(desired(1, 4, 99)).await, Verdict::Older);
        assert_eq!(intent.offer(desired(1, 5, 11)).await, Verdict::Same);
        assert_eq!(intent.offer(desired(1, 12, 12)).await, Verdict::Newer);
        let later = Intent::load(path).unwrap();
        assert_eq!(later.current().as_deref(), Some(&desired(1, 12, 12)));
    }

    #[tokio::test]
    async fn another_life_of_the_cluster_counts_only_once_this_manager_is_registered_there() {
        let dir = tempfile::tempdir().unwrap();
        let mut intent = Intent::load(dir.path().join("desired.json")).unwrap();
        intent.offer(desired(1, 50, 100)).await;
        assert_eq!(intent.offer(desired(2, 3, 4)).await, Verdict::Foreign);
        intent.registered(ClusterIncarnation(2));
        assert_eq!(intent.offer(desired(2, 3, 4)).await, Verdict::Newer);
        // Nor does an earlier life count again, not even registered there.
        intent.registered(ClusterIncarnation(1));
        assert_eq!(intent.offer(desired(1, 60, 200)).await, Verdict::Foreign);
    }

    #[test]
    fn an_unreadable_file_counts_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desired.json");
        fs::write(&path, b"{").unwrap();
        assert!(Intent::load(path).unwrap().current().is_none());
    }
}
