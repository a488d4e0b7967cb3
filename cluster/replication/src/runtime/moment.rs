//! Moments that go on while the machine sleeps. Decides what an age is measured with: tokio's clock stands still
//! while a machine is suspended, and a leader that wakes up would take its lease for fresh. The time slept is the
//! difference of the operating system's two clocks, and is added to tokio's; timers stay tokio's.

use super::drowsed;
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::{
    ops::{Add, AddAssign, Sub, SubAssign},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tokio::time::Instant;

/// A moment, as near to its neighbours as they were in truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(Instant);

/// Since this machine has started, with the time it was suspended.
#[must_use]
pub fn since_boot() -> Duration {
    duration(clock_gettime(ClockId::Boottime))
}

fn duration(time: Timespec) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// How long the machine has slept so far. Never falls.
fn slept() -> Duration {
    static SLEPT: AtomicU64 = AtomicU64::new(0);
    if let Some(simulated) = drowsed() {
        return simulated;
    }
    // In this order: a pause between the two makes the difference too small, never too large.
    let with_sleep = since_boot();
    let awake = duration(clock_gettime(ClockId::Monotonic));
    seen(&SLEPT, with_sleep, awake)
}

fn seen(slept: &AtomicU64, with_sleep: Duration, awake: Duration) -> Duration {
    let now = u64::try_from(with_sleep.saturating_sub(awake).as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(slept.fetch_max(now, Ordering::Relaxed).max(now))
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self(Instant::now() + slept())
    }

    /// Zero if `earlier` is later.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }

    pub(crate) fn age(self) -> Duration {
        Self::now().since(self)
    }

    /// When a timer is due for it.
    pub(super) fn timer(self) -> Instant {
        self.0.checked_sub(slept()).unwrap_or_else(Instant::now)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0 + duration)
    }
}

impl AddAssign<Duration> for Moment {
    fn add_assign(&mut self, duration: Duration) {
        self.0 += duration;
    }
}

impl Sub<Duration> for Moment {
    type Output = Self;
    fn sub(self, duration: Duration) -> Self {
        Self(self.0 - duration)
    }
}

impl Sub for Moment {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

impl SubAssign<Duration> for Moment {
    fn sub_assign(&mut self, duration: Duration) {
        self.0 -= duration;
    }
}

impl openraft::Instant for Moment {
    fn now() -> Self {
        Self::now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_slept_is_never_taken_back_and_a_pause_between_two_looks_adds_none() {
        let (slept, ms) = (AtomicU64::new(0), Duration::from_millis);
        assert_eq!(seen(&slept, ms(5_000), ms(5_000)), ms(0));
        // Suspended for a minute.
        assert_eq!(seen(&slept, ms(65_010), ms(5_010)), ms(60_000));
        // Interrupted between the looks.
        assert_eq!(seen(&slept, ms(65_020), ms(5_120)), ms(60_000));
        assert_eq!(seen(&slept, ms(65_130), ms(5_130)), ms(60_000));
    }

    #[tokio::test(start_paused = true)]
    async fn an_age_grows_by_the_time_slept_and_a_timer_is_due_all_the_same() {
        let thread = crate::simulate(1, Duration::ZERO);
        let (begun, deadline) = (Moment::now(), Moment::now() + Duration::from_secs(10));
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(begun.age(), Duration::from_secs(3));
        thread.sleep_through(Duration::from_secs(60));
        assert_eq!(begun.age(), Duration::from_secs(63));
        assert!(deadline.timer() <= Instant::now());
    }
}
