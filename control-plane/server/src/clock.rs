//! The clocks of this program, read here and nowhere else. Decides nothing; tests pass others.

pub(crate) mod steady;
pub(crate) mod watch;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};
use steady::{Steady, Step};
use tradewind_domain::time::{Monotonic, UnixNanos};
use tradewind_replication::since_boot;

/// Both kinds of time, as functions to be passed on.
#[derive(Clone)]
pub(crate) struct Clocks {
    pub(crate) unix: Arc<dyn Fn() -> UnixNanos + Send + Sync>,
    /// What the machine's calendar says.
    pub(crate) calendar: Arc<dyn Fn() -> UnixNanos + Send + Sync>,
    /// Goes on while the machine sleeps: a Manager not heard of since is none the fresher for it.
    pub(crate) monotonic: Arc<dyn Fn() -> Monotonic + Send + Sync>,
    /// How far the calendar is from `unix`.
    pub(crate) step: Arc<dyn Fn() -> Step + Send + Sync>,
    /// From now on `unix` goes by the calendar again.
    pub(crate) follow: Arc<dyn Fn() + Send + Sync>,
}

impl Clocks {
    pub(crate) fn system() -> Self {
        let start = since_boot();
        let monotonic = move || Monotonic(nanos(since_boot().saturating_sub(start)));
        let steady = Arc::new(Mutex::new(Steady::new(unix_now(), monotonic())));
        let (stepped, following) = (steady.clone(), steady.clone());
        Self {
            unix: Arc::new(move || locked(&steady).read(unix_now(), monotonic())),
            calendar: Arc::new(unix_now),
            monotonic: Arc::new(monotonic),
            step: Arc::new(move || locked(&stepped).step(unix_now(), monotonic())),
            follow: Arc::new(move || *locked(&following) = Steady::new(unix_now(), monotonic())),
        }
    }
}

fn locked(steady: &Mutex<Steady>) -> std::sync::MutexGuard<'_, Steady> {
    steady.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unix_now() -> UnixNanos {
    // A clock before 1970 is no clock; the log's own time still never runs backwards.
    UnixNanos(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, nanos))
}

fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
