//! How long to wait before something that crashed is started again. Decides on the number of crashes
//! alone: at once for `limits::CRASHES_ALLOWED` within `limits::CRASH_WINDOW`, then longer and longer,
//! and at once again after a life as long as the window.

use crate::limits;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};
use tradewind_domain::limits::{CRASH_WINDOW, CRASHES_ALLOWED};

/// The crashes of one service or command.
#[derive(Debug, Default)]
pub struct Backoff {
    recent: VecDeque<Instant>,
    doublings: u32,
    total: u32,
}

impl Backoff {
    /// Crashes in all.
    #[must_use]
    pub fn crashes(&self) -> u32 {
        self.total
    }

    /// Counts a crash at `now` after a life of `lived`; returns the wait before the next start.
    pub fn crashed(&mut self, now: Instant, lived: Duration) -> Duration {
        self.total = self.total.saturating_add(1);
        if lived >= CRASH_WINDOW {
            self.recent.clear();
            self.doublings = 0;
        }
        self.recent.push_back(now);
        self.recent.retain(|crash| now.duration_since(*crash) < CRASH_WINDOW);
        if self.doublings == 0 && self.recent.len() <= CRASHES_ALLOWED {
            return Duration::ZERO;
        }
        let wait = limits::BACKOFF_FIRST.saturating_mul(1 << self.doublings.min(16));
        self.doublings += 1;
        wait.min(limits::BACKOFF_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_crashes_cost_no_wait_and_further_ones_double_it_up_to_a_minute() {
        // given
        let (mut backoff, start) = (Backoff::default(), Instant::now());
        // when
        let waits: Vec<u64> =
            (0..12).map(|n| backoff.crashed(start + SECOND * n, SECOND).as_secs()).collect();
        // then
        assert_eq!(waits, [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(backoff.crashes(), 12);
    }

    #[test]
    fn a_long_life_forgives_earlier_crashes() {
        // given
        let (mut backoff, start) = (Backoff::default(), Instant::now());
        for n in 0..6 {
            backoff.crashed(start + SECOND * n, SECOND);
        }
        // when
        let wait = backoff.crashed(start + SECOND * 100, CRASH_WINDOW);
        // then
        assert_eq!(wait, Duration::ZERO);
    }

    #[test]
    fn crashes_far_apart_cost_no_wait() {
        let (mut backoff, start) = (Backoff::default(), Instant::now());
        for n in 0..10 {
            assert_eq!(backoff.crashed(start + SECOND * 30 * n, SECOND * 29), Duration::ZERO);
        }
    }
}
