//! When this member last heard of its leader. Decides what counts: an append that was taken or that did not
//! fit, since only the leader of this member's term sends one; not one that a newer vote refused.

use crate::{network::wire::Reply, runtime::Moment};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// A cheap handle.
#[derive(Clone)]
pub(crate) struct Contact {
    begin: Moment,
    /// Nanoseconds after `begin`, and one more: zero is never.
    last: Arc<AtomicU64>,
}

impl Contact {
    pub(crate) fn new() -> Self {
        Self { begin: Moment::now(), last: Arc::default() }
    }

    /// An append came, and this was the answer.
    pub(crate) fn heard(&self, answer: &Reply) {
        if matches!(answer, Reply::Appended(_) | Reply::Conflict(_)) {
            let after = u64::try_from(self.begin.age().as_nanos()).unwrap_or(u64::MAX);
            self.last.fetch_max(after.saturating_add(1), Ordering::Relaxed);
        }
    }

    /// How long ago; none if never.
    pub(crate) fn age(&self) -> Option<Duration> {
        let last = self.last.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.begin.age().saturating_sub(Duration::from_nanos(last)))
    }
}
