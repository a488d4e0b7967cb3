//! Who leads, as this member knows it: a small view of the status that changes only when that does, so
//! that those who wait for a leader are not woken by every entry. Decides nothing.

use tokio::sync::watch;
use tradewind_domain::ids::NodeId;
use tradewind_replication::{Role, Status};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leading {
    pub(crate) term: u64,
    pub(crate) leader: Option<NodeId>,
    /// The member takes part no more.
    pub(crate) stopped: bool,
}

impl From<&Status> for Leading {
    fn from(status: &Status) -> Self {
        let stopped = status.role == Role::Stopped;
        let leader = status.leader.filter(|_| !stopped);
        // A member that was replaced and has not heard of it yet still names itself.
        let leader = leader.filter(|id| *id != status.node || status.role == Role::Leader);
        Self { term: status.term, leader, stopped }
    }
}

/// Follows the status until it ends. May be cancelled.
pub(crate) async fn follow(mut status: watch::Receiver<Status>, told: watch::Sender<Leading>) {
    loop {
        let leading = Leading::from(&*status.borrow_and_update());
        told.send_if_modified(|held| std::mem::replace(held, leading) != leading);
        if status.changed().await.is_err() {
            told.send_modify(|held| {
                held.leader = None;
                held.stopped = true;
            });
            return;
        }
    }
}
