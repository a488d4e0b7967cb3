//! The one place where the calendar's clock is read in Managers and services.

use std::time::{SystemTime, UNIX_EPOCH};
use tradewind_domain::time::UnixNanos;

/// What the calendar shows, as this machine knows it.
#[must_use]
pub fn now() -> UnixNanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixNanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
