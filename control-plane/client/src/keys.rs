//! Makes idempotency keys. Decides that keys of one source rise, so that what was evicted from the
//! cluster's table is never mistaken for new; the clock is the program's.

use crate::{limits::CLOCK_STEP, time::GroupTime};
use std::sync::{Arc, Mutex, PoisonError};
use tradewind_domain::{control::IdempotencyKey, ids::ClientId, time::UnixNanos};

/// Reads the calendar's time. Each program has one place that makes it.
pub type Clock = Arc<dyn Fn() -> UnixNanos + Send + Sync>;

/// Gives each change its key. One a process and client id; cheap to share behind an `Arc`.
pub struct KeySource {
    client: ClientId,
    clock: Clock,
    last: Mutex<(UnixNanos, u64)>,
    group: Option<GroupTime>,
}

impl KeySource {
    /// The counter begins somewhere at random: two lives of one client whose clock was set back between
    /// them still give different keys.
    pub fn new(client: ClientId, clock: Clock) -> Self {
        let mut start = [0_u8; 4];
        // Without randomness the time still tells the keys apart.
        let n = getrandom::fill(&mut start).map_or(0, |()| u64::from(u32::from_le_bytes(start)));
        Self { client, clock, last: Mutex::new((UnixNanos(0), n)), group: None }
    }

    /// The same, going by the group's time once that is known: a wrong clock here then does no harm.
    #[must_use]
    pub fn following(mut self, group: GroupTime) -> Self {
        self.group = Some(group);
        self
    }

    /// A key never given before; later than all given before, unless the clock was set back by much: keys
    /// from the future would be refused for as long as the clock was ahead.
    pub fn next(&self) -> IdempotencyKey {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let group = self.group.as_ref().and_then(GroupTime::now);
        let now = group.unwrap_or_else(|| (self.clock)());
        let corrected = last.0.since(now) > CLOCK_STEP;
        let issued_at = if corrected { now } else { now.max(last.0) };
        *last = (issued_at, last.1 + 1);
        IdempotencyKey { client: self.client.clone(), issued_at, n: last.1 }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn keys_rise_even_when_the_clock_is_set_back() {
        let now = Arc::new(AtomicU64::new(100));
        let read = now.clone();
        let clock: Clock = Arc::new(move || UnixNanos(read.load(Ordering::Relaxed)));
        let keys = KeySource::new("test".parse().unwrap(), clock);
        let first = keys.next();
        now.store(50, Ordering::Relaxed);
        let second = keys.next();
        now.store(200, Ordering::Relaxed);
        let third = keys.next();
        assert!((first.issued_at, first.n) < (second.issued_at, second.n));
        assert!((second.issued_at, second.n) < (third.issued_at, third.n));
        assert_eq!(second.issued_at, UnixNanos(100));
        assert_eq!(third.issued_at, UnixNanos(200));
    }

    #[test]
    fn a_clock_that_was_ahead_and_is_corrected_is_followed_with_new_keys() {
        let hour = 3_600_000_000_000;
        let now = Arc::new(AtomicU64::new(2 * hour));
        let read = now.clone();
        let clock: Clock = Arc::new(move || UnixNanos(read.load(Ordering::Relaxed)));
        let keys = KeySource::new("test".parse().unwrap(), clock);
        let ahead = keys.next();
        now.store(hour, Ordering::Relaxed);
        let corrected = keys.next();
        assert_eq!(corrected.issued_at, UnixNanos(hour));
        assert!(corrected.n > ahead.n);
    }
}
