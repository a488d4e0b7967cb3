//! How a member stands with the group, as another one knows it: welcome, removed, or on another disk than
//! its number is known with. Decides who is spoken to beyond the name of the cluster. A number this member
//! has not heard of is welcome: the caller may know more.

use crate::{raft::Raft, state::Published};
use openraft::async_runtime::watch::WatchReceiver;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::{
    sync::watch,
    time::{Duration, Instant},
};
use tradewind_domain::ids::{DiskId, NodeId};

/// Why somebody is not spoken to. The numbers are on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Another cluster, another node, no version in common.
    Stranger = 1,
    OtherDisk = 2,
    Removed = 3,
}

/// A refusal, as it is told to the one refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) why: Why,
    pub(crate) reason: String,
}

impl Notice {
    pub(crate) fn stranger(reason: String) -> Self {
        Self { why: Why::Stranger, reason }
    }

    pub(crate) fn other_disk(node: u64) -> Self {
        let reason =
            format!("node {node} is known with another disk: remove it and join as a new member");
        Self { why: Why::OtherDisk, reason }
    }

    pub(crate) fn removed(node: u64) -> Self {
        let reason = format!(
            "node {node} was removed from the group: move its directory away and --join to be a new member"
        );
        Self { why: Why::Removed, reason }
    }
}

/// What this member has been told by others that means it must not go on.
#[derive(Debug)]
pub(crate) struct Notices(watch::Sender<Option<Notice>>);

impl Default for Notices {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Notices {
    pub(crate) fn tell(&self, notice: &Notice) {
        match notice.why {
            Why::Stranger => {}
            Why::OtherDisk | Why::Removed => {
                self.0.send_if_modified(|held| {
                    let first = held.is_none();
                    held.get_or_insert_with(|| notice.clone());
                    first
                });
            }
        }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Option<Notice>> {
        self.0.subscribe()
    }
}

/// When another member called last.
#[derive(Debug)]
pub(crate) struct Heard(Mutex<Instant>);

impl Default for Heard {
    fn default() -> Self {
        Self(Mutex::new(Instant::now()))
    }
}

impl Heard {
    pub(crate) fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    pub(crate) fn age(&self, now: Instant) -> Duration {
        let heard = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        now.saturating_duration_since(heard)
    }
}

/// What this member knows of the others.
#[derive(Clone)]
pub(crate) struct Register {
    pub(crate) raft: Raft,
    pub(crate) published: Arc<Published>,
}

impl Register {
    /// Whether a caller under this number on this disk is spoken to.
    pub(crate) fn judge(&self, node: u64, disk: DiskId) -> Result<(), Notice> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let member = metrics.membership_config.membership().get_node(&node);
        let known = member.and_then(|member| member.disk);
        if known.is_some_and(|known| known != disk.0) {
            return Err(Notice::other_disk(node));
        }
        if member.is_none() && self.published.machine.borrow().1.was_removed(NodeId(node)) {
            return Err(Notice::removed(node));
        }
        Ok(())
    }
}

/// All of it: what is known of others, what they say of this member, and when they called last.
#[derive(Clone)]
pub(crate) struct Standing {
    pub(crate) register: Register,
    pub(crate) notices: Arc<Notices>,
    pub(crate) heard: Arc<Heard>,
}
