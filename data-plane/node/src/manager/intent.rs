//! The desired state that counts, kept on disk, so that a Manager that starts without control plane goes on
//! with what it was told last. Decides how it is kept; which of two counts is decided by
//! `domain::control::desired`, which the simulation runs as well.
//!
//! Customers, where there are many, stand in a file of their own, which follows at its own pace.

use crate::{
    files,
    limits::{CUSTOMERS_KEPT_AT_ONCE, CUSTOMERS_KEPT_EVERY},
};
use serde::de::DeserializeOwned;
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{
    sync::watch,
    task::{JoinSet, spawn_blocking},
    time::timeout,
};
use tradewind_domain::{
    control::{
        Desired,
        desired::{Customers, Work},
    },
    ids::ClusterIncarnation,
};

pub(super) use tradewind_domain::control::desired::Verdict;

pub(super) struct Intent {
    path: PathBuf,
    held: watch::Sender<Option<Arc<Desired>>>,
    /// The life of the cluster that accepted this Manager's check-in.
    registered: Option<ClusterIncarnation>,
    /// For the file of their own; `None`: there is none.
    many: watch::Sender<Option<Customers>>,
    keeping: JoinSet<()>,
}

impl Intent {
    /// Takes up what an earlier life has kept. An unreadable file counts as none: the leader sends it anew.
    pub(super) fn load(path: PathBuf) -> io::Result<Self> {
        let mut held: Option<Desired> = read(&path)?;
        if let Some(customers) = held.as_mut().and_then(customers_of)
            && customers.is_empty()
            && let Some(many) = read(&beside(&path))?
        {
            *customers = many;
        }
        let held = watch::Sender::new(held.map(Arc::new));
        let many = watch::Sender::new(None);
        Ok(Self { path, held, registered: None, many, keeping: JoinSet::new() })
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
        self.keep_many(None);
        let path = self.path.clone();
        let gone = spawn_blocking(move || remove(&path));
        if let Ok(Err(error)) = gone.await {
            tracing::error!(%error, "the kept desired state cannot be removed");
        }
    }

    pub(super) fn registered(&mut self, cluster: ClusterIncarnation) {
        self.registered = Some(cluster);
    }

    /// Takes a desired state if it counts; then it is on disk when this returns, but for many customers.
    pub(super) async fn offer(&mut self, offered: Desired) -> Verdict {
        let verdict = offered.verdict(self.current().as_deref(), self.registered);
        if verdict == Verdict::Newer {
            let mut kept = offered.clone();
            let many = customers_of(&mut kept)
                .filter(|customers| customers.len() > CUSTOMERS_KEPT_AT_ONCE)
                .map(std::mem::take);
            self.keep_many(many);
            let path = self.path.clone();
            let kept =
                spawn_blocking(move || files::replace(&path, &serde_json::to_vec(&kept)?)).await;
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

    fn keep_many(&mut self, many: Option<Customers>) {
        if self.keeping.is_empty() {
            self.keeping.spawn(keep(beside(&self.path), self.many.subscribe()));
        }
        self.many.send_if_modified(|kept| {
            let changed = *kept != many;
            *kept = many;
            changed
        });
    }
}

fn customers_of(desired: &mut Desired) -> Option<&mut Customers> {
    match &mut desired.work {
        Work::Markets { access, .. } | Work::Traders { access, .. } => Some(&mut access.customers),
        Work::Brokers { .. } => None,
    }
}

fn beside(path: &Path) -> PathBuf {
    path.with_file_name("customers.json")
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)
            .inspect_err(|error| tracing::error!(%error, "the kept desired state is unreadable"))
            .ok()),
        Err(none) if none.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(other) => Err(other),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(none) if none.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Keeps many customers as of the last change, or sees to it that no file of them is left. May be aborted: the file is
/// the one before, or this one.
async fn keep(path: PathBuf, mut many: watch::Receiver<Option<Customers>>) {
    // None is known to be there.
    many.mark_changed();
    while many.changed().await.is_ok() {
        let (to, now) = (path.clone(), many.borrow_and_update().clone());
        let wrote = now.is_some();
        let kept = spawn_blocking(move || match now {
            Some(customers) => files::replace(&to, &serde_json::to_vec(&customers)?),
            None => remove(&to),
        });
        if let Ok(Err(error)) = kept.await {
            tracing::error!(%error, "the customers cannot be kept");
        }
        if wrote {
            // That none are left is not put off: those that were must not count again.
            let mut left = many.clone();
            let _ = timeout(CUSTOMERS_KEPT_EVERY, left.wait_for(Option::is_none)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tradewind_domain::{
        control::desired::{Access, CustomerAccess},
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

    fn town(count: u32) -> Desired {
        let customer = |n: u32| CustomerAccess {
            customer: format!("c{n}").parse().unwrap(),
            key_ids: [format!("{n:012x}")].into(),
            trader_manager: None,
            affinity_version: 1,
        };
        let access =
            Access { public_keys: Vec::new(), customers: (0..count).map(customer).collect() };
        let exchange_days = Default::default();
        let work = Work::Markets { markets: Vec::new(), access, exchange_days };
        Desired { work, ..desired(1, 5, 10) }
    }

    fn kept(path: &Path) -> Option<Desired> {
        Intent::load(path.to_path_buf()).unwrap().current().map(|desired| Desired::clone(&desired))
    }

    #[tokio::test]
    async fn many_customers_are_kept_beside_what_else_was_told_and_go_with_it() {
        // given
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desired.json");
        let mut intent = Intent::load(path.clone()).unwrap();
        let many = town(50_000);
        // when
        assert_eq!(intent.offer(many.clone()).await, Verdict::Newer);
        // then
        assert!(fs::metadata(&path).unwrap().len() < 1_000, "all of them with each change");
        eventually(|| kept(&path).as_ref() == Some(&many)).await;
        // when: only few are left, or none
        let few = Desired { revision: Revision(11), ..town(0) };
        assert_eq!(intent.offer(few.clone()).await, Verdict::Newer);
        // then
        eventually(|| kept(&path).as_ref() == Some(&few)).await;
    }

    async fn eventually(holds: impl Fn() -> bool) {
        let until = tokio::time::Instant::now() + CUSTOMERS_KEPT_EVERY * 4;
        while !holds() {
            assert!(tokio::time::Instant::now() < until, "it never came to be");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}
