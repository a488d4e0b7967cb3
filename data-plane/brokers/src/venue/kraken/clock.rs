//! The monotonic clock of an adapter. Decides nothing: the pure parts are given its times.

use std::time::Instant;
use tradewind_domain::time::Monotonic;

/// Counts from its making.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn now(self) -> Monotonic {
        Monotonic(u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}
