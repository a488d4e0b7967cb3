//! The venue's clock, the one place of this program that reads the time. Decides that it never runs
//! backwards, not even over a restart: a deadline that has passed stays passed.

use std::time::SystemTime;

use tradewind_domain::time::UnixNanos;

/// A clock that begins no earlier than what it is told.
#[derive(Debug)]
pub struct Clock {
    latest: UnixNanos,
}

impl Clock {
    pub fn from(latest: UnixNanos) -> Self {
        Self { latest }
    }

    /// Now, or the latest time told if the machine's clock has been set back.
    pub fn now(&mut self) -> UnixNanos {
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let now = UnixNanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX));
        self.latest = self.latest.max(now);
        self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_never_falls_behind_what_the_ledger_has_seen() {
        let future = UnixNanos(u64::MAX - 1);
        assert_eq!(Clock::from(future).now(), future);
    }
}
