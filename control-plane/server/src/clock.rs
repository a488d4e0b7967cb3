//! The clocks of this program, read here and nowhere else. Decides nothing; tests pass others.

use std::{
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};
use tradewind_domain::time::{Monotonic, UnixNanos};

/// Both kinds of time, as functions to be passed on.
#[derive(Clone)]
pub(crate) struct Clocks {
    pub(crate) unix: Arc<dyn Fn() -> UnixNanos + Send + Sync>,
    pub(crate) monotonic: Arc<dyn Fn() -> Monotonic + Send + Sync>,
}

impl Clocks {
    pub(crate) fn system() -> Self {
        let start = Instant::now();
        Self {
            unix: Arc::new(unix_now),
            monotonic: Arc::new(move || Monotonic(nanos(start.elapsed()))),
        }
    }
}

fn unix_now() -> UnixNanos {
    // A clock before 1970 is no clock; the log's own time still never runs backwards.
    UnixNanos(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, nanos))
}

fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
