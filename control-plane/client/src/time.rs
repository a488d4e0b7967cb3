//! The group's time, as its answers tell it. Decides which answer tells it well enough, and that the time in
//! between is counted by the machine's own clock since its start, which goes on while it is suspended: the calendar
//! has no part in it.

use crate::limits::TIME_TOLD_WITHIN;
use rustix::time::{ClockId, clock_gettime};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use tradewind_domain::time::UnixNanos;
use tradewind_link::rest::HeaderMap;
use tradewind_protocol::control::GROUP_TIME;

/// A cheap handle; clones know the same.
#[derive(Clone, Debug, Default)]
pub struct GroupTime(Arc<Mutex<Option<(UnixNanos, Duration)>>>);

impl GroupTime {
    /// The time now; none before any answer has told it.
    #[must_use]
    pub fn now(&self) -> Option<UnixNanos> {
        let told = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.map(|(time, at)| time + since_boot().saturating_sub(at))
    }

    /// An answer to a question asked at `began` came just now.
    pub(crate) fn told(&self, headers: &HeaderMap, began: Instant) {
        let took = began.elapsed();
        let time = headers.get(GROUP_TIME).and_then(|value| value.to_str().ok()?.parse().ok());
        let Some(time) = time.filter(|_| took <= TIME_TOLD_WITHIN) else { return };
        let told = (UnixNanos(time), since_boot().saturating_sub(took / 2));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
    }
}

/// With the time that the machine was suspended.
fn since_boot() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::KeySource;

    #[tokio::test]
    async fn keys_go_by_the_groups_time_once_it_is_known() {
        let (hour, group) = (3_600_000_000_000, 1_000_000 * 3_600_000_000_000_u64);
        let time = GroupTime::default();
        let wrong = Arc::new(move || UnixNanos(group - 5 * hour));
        let keys = KeySource::new("test".parse().unwrap(), wrong).following(time.clone());
        assert_eq!(keys.next().issued_at, UnixNanos(group - 5 * hour));
        let mut headers = HeaderMap::new();
        headers.insert(GROUP_TIME, "no number".parse().unwrap());
        time.told(&headers, Instant::now());
        assert_eq!(time.now(), None);
        headers.insert(GROUP_TIME, group.into());
        time.told(&headers, Instant::now());
        let first = keys.next();
        assert!(first.issued_at.since(UnixNanos(group)).as_secs() < 10, "{first:?}");
        assert!(first.issued_at >= UnixNanos(group));
        assert!(keys.next() > first);
    }
}
