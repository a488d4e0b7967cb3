//! A member that must not go on: the group has removed it, knows its number with another disk, or has begun a
//! later life. Decides how it finds out: by its own copy of the log, by what enough other members answer
//! (`network::standing`), and by asking them when nobody has called for long. It stops, and says why; it never
//! comes back by itself.

use super::disk;
use crate::{
    limits::{ASK_AFTER, LOOK_EVERY},
    network::{
        peers::Peers,
        standing::{Notice, Standing, Why, Witnesses},
    },
    runtime::spawn_blocking,
};
use openraft::async_runtime::watch::WatchReceiver;
use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};
use tokio::time::{Instant, interval};
use tradewind_domain::ids::NodeId;
use tradewind_journal::Disk;

/// What watching over a member needs.
pub(super) struct Watch {
    pub(super) node: u64,
    pub(super) directory: PathBuf,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) standing: Standing,
    pub(super) peers: Peers,
    /// Told in the status once the member has stopped.
    pub(super) reason: Arc<OnceLock<String>>,
}

/// Stops the member when it must not go on. May be cancelled.
pub(super) async fn watch(watch: Watch) {
    let notice = watch.found().await;
    let reason = notice.reason.clone();
    tracing::error!(node = watch.node, reason, "the group does not want this member, it stops");
    if notice.why == Why::Removed {
        let (on, directory, node) = (watch.disk.clone(), watch.directory.clone(), watch.node);
        // Without the mark it would only find out anew at its next start.
        match spawn_blocking(move || disk::mark_removed(&on, &directory, node)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the directory is not marked as removed"),
            Err(error) => tracing::warn!(%error, "the directory is not marked as removed"),
        }
    }
    let _ = watch.reason.set(reason);
    let _ = watch.standing.register.raft.shutdown().await;
}

impl Watch {
    async fn found(&self) -> Notice {
        let mut notices = self.standing.notices.watch();
        let mut look = interval(LOOK_EVERY);
        let mut asked = Instant::now();
        loop {
            tokio::select! {
                // Its sender is held here: it changes, or is waited for.
                _ = notices.changed() => {
                    let told = notices.borrow_and_update().clone();
                    if let Some(proven) = self.witnesses().proven(&told) {
                        return proven;
                    }
                    if !told.is_empty() {
                        tracing::warn!(?told, "others do not want this member, too few to be believed");
                    }
                }
                _ = look.tick() => {
                    // Whose word counts may have changed.
                    if let Some(proven) = self.witnesses().proven(&notices.borrow()) {
                        return proven;
                    }
                    if self.standing.register.published.machine.borrow().1.was_removed(NodeId(self.node)) {
                        return Notice::removed(self.node);
                    }
                    self.follow();
                    let now = Instant::now();
                    if self.standing.heard.age(now).min(now - asked) >= ASK_AFTER && !self.leads() {
                        asked = now;
                        self.ask();
                    }
                }
            }
        }
    }

    fn witnesses(&self) -> Witnesses {
        let metrics = self.standing.register.raft.metrics();
        let metrics = metrics.borrow_watched();
        let voters = metrics.membership_config.membership().get_joint_config().clone();
        Witnesses { own: self.node, voters, leader: metrics.current_leader }
    }

    fn leads(&self) -> bool {
        self.standing.register.raft.metrics().borrow_watched().state.is_leader()
    }

    /// Openraft keeps its streams to a member that moves: they are led to where it is now.
    fn follow(&self) {
        let metrics = self.standing.register.raft.metrics();
        let metrics = metrics.borrow_watched();
        for (node, record) in metrics.membership_config.membership().nodes() {
            self.peers.redirect(*node, record);
        }
    }

    /// Greets all members it knows: one that does not want it says so.
    fn ask(&self) {
        let metrics = self.standing.register.raft.metrics();
        let metrics = metrics.borrow_watched();
        let members = metrics.membership_config.membership().nodes();
        for (node, record) in members.filter(|(node, _)| **node != self.node) {
            self.peers.greet(*node, record);
        }
    }
}
