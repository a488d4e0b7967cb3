//! Reads the clocks, for this whole crate. Decides nothing.

use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::Instant;
use tradewind_domain::time::{Monotonic, UnixNanos};

/// A monotonic clock that began when it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> Monotonic {
        Monotonic(u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

/// What a calendar shows.
pub(crate) fn unix() -> UnixNanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixNanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
