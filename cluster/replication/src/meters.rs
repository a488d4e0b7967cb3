//! What a member measures of its work. Decides the buckets; what is worth an alarm is left to whoever reads.

use crate::{ProposeError, Proposed};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tradewind_domain::control::Outcome;
use tradewind_journal::{Histogram, Meters as JournalMeters};

#[derive(Debug)]
pub struct Meters {
    pub journal: Arc<JournalMeters>,
    /// Each batch of entries applied, up to its being seen, in microseconds.
    pub apply_us: Histogram,
    /// Each snapshot made here, in milliseconds.
    pub snapshot_build_ms: Histogram,
    pub proposals: Proposals,
    disk_silent_ms: AtomicU64,
}

/// Proposals on this member by what became of them.
#[derive(Debug, Default)]
pub struct Proposals {
    pub accepted: AtomicU64,
    pub refused: AtomicU64,
    pub unknown: AtomicU64,
    /// Turned away: this member did not lead, or was stopping.
    pub turned_away: AtomicU64,
}

const APPLY_US: &[u64] =
    &[10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 50_000, 250_000, 1_000_000];
const SNAPSHOT_MS: &[u64] = &[1, 5, 20, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000];

impl Meters {
    pub(crate) fn new(journal: Arc<JournalMeters>) -> Self {
        Self {
            journal,
            apply_us: Histogram::new(APPLY_US),
            snapshot_build_ms: Histogram::new(SNAPSHOT_MS),
            proposals: Proposals::default(),
            disk_silent_ms: AtomicU64::new(0),
        }
    }

    pub(crate) fn applied(&self, took: Duration) {
        self.apply_us.count(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn snapshot_built(&self, took: Duration) {
        self.snapshot_build_ms.count(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    }

    pub(crate) fn disk_silent(&self, since: Duration) {
        let ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        self.disk_silent_ms.store(ms, Ordering::Relaxed);
    }

    /// How long appends have waited for the disk while it finished none; zero if none waits.
    #[must_use]
    pub fn disk_silent_for(&self) -> Duration {
        Duration::from_millis(self.disk_silent_ms.load(Ordering::Relaxed))
    }

    pub(crate) fn proposed(&self, result: &Result<Proposed, ProposeError>) {
        let Proposals { accepted, refused, unknown, turned_away } = &self.proposals;
        let counter = match result {
            Ok(Proposed { outcome: Outcome::Accepted { .. }, .. }) => accepted,
            Ok(Proposed { outcome: Outcome::Refused { .. }, .. })
            | Err(ProposeError::TooLarge { .. }) => refused,
            Err(ProposeError::Unknown) => unknown,
            Err(ProposeError::NotLeader { .. } | ProposeError::Stopped | ProposeError::NoTime) => {
                turned_away
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
