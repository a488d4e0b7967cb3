//! How far this member has told anybody, as a leader, that the log is committed. Decides nothing; what is told
//! may be applied and shown elsewhere before it is applied here, and reads must wait for it.

use crate::raft::TypeConfig;
use openraft::raft::AppendEntriesRequest;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// A cheap handle; clones share it.
#[derive(Clone, Default)]
pub(super) struct Told(Arc<AtomicU64>);

impl Told {
    /// Before it leaves.
    pub(super) fn note(&self, append: &AppendEntriesRequest<TypeConfig>) {
        if let Some(committed) = &append.leader_commit {
            self.0.fetch_max(committed.index, Ordering::SeqCst);
        }
    }

    pub(super) fn latest(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}
