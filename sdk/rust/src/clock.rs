//! The one place where the SDK reads the calendar's time.

use std::time::{SystemTime, UNIX_EPOCH};
use tradewind_protocol::domain::time::UnixNanos;

pub(crate) fn now() -> UnixNanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixNanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
