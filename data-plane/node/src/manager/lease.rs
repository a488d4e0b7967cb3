//! The Manager's lease by the clock of this machine. Decides nothing: when it holds is decided by
//! `domain::control::lease`, which the simulation runs as well.

use std::time::Instant;
use tradewind_domain::{control::lease, time::Monotonic};

#[derive(Debug)]
pub(super) struct Lease {
    begun: Instant,
    lease: lease::Lease,
}

impl Default for Lease {
    fn default() -> Self {
        Self { begun: Instant::now(), lease: lease::Lease::default() }
    }
}

impl Lease {
    fn at(&self, now: Instant) -> Monotonic {
        Monotonic(0) + now.saturating_duration_since(self.begun)
    }

    pub(super) fn beat_sent(&mut self, n: u64, now: Instant) {
        self.lease.beat_sent(n, self.at(now));
    }

    pub(super) fn beat_answered(&mut self, n: u64) {
        self.lease.beat_answered(n);
    }

    pub(super) fn pipe_changed(&mut self) {
        self.lease.pipe_changed();
    }

    pub(super) fn holds(&self, now: Instant) -> bool {
        self.lease.holds(self.at(now))
    }
}
