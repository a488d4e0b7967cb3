//! The calendar's time as a member uses it: carried on by the monotonic clock, corrected by the calendar in
//! small steps only. Decides which steps are followed. A clock that is set back or forth by much while a member
//! runs is more likely wrong than it was before: stamps that ran ahead could not be taken back, and every
//! client's keys are measured by them. When it is followed all the same is `watch`'s decision.

use crate::limits::CLOCK_STEP_MAX;
use std::time::Duration;
use tradewind_domain::time::{Monotonic, UnixNanos};

/// How far the calendar is from the time that is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    None,
    Back(Duration),
    Forth(Duration),
}

/// See the module. Times are read by its owner.
#[derive(Debug)]
pub(crate) struct Steady {
    /// The calendar's time when the monotonic clock began; below 0 if that began before 1970.
    begun: i128,
}

impl Steady {
    pub(crate) fn new(calendar: UnixNanos, at: Monotonic) -> Self {
        Self { begun: begun(calendar, at) }
    }

    /// The time to be used, now that the calendar says this.
    pub(crate) fn read(&mut self, calendar: UnixNanos, at: Monotonic) -> UnixNanos {
        if self.step(calendar, at) == Step::None {
            self.begun = begun(calendar, at);
        }
        UnixNanos(u64::try_from(self.begun + i128::from(at.0)).unwrap_or(0))
    }

    /// How far the calendar is away, if that is more than is followed.
    pub(crate) fn step(&self, calendar: UnixNanos, at: Monotonic) -> Step {
        let away = begun(calendar, at) - self.begun;
        let size = Duration::from_nanos(u64::try_from(away.unsigned_abs()).unwrap_or(u64::MAX));
        match size {
            size if size <= CLOCK_STEP_MAX => Step::None,
            size if away < 0 => Step::Back(size),
            size => Step::Forth(size),
        }
    }
}

fn begun(calendar: UnixNanos, at: Monotonic) -> i128 {
    i128::from(calendar.0) - i128::from(at.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn unix(seconds: u64) -> UnixNanos {
        UnixNanos(seconds * SECOND)
    }

    fn at(seconds: u64) -> Monotonic {
        Monotonic(seconds * SECOND)
    }

    #[test]
    fn small_steps_are_followed_and_large_ones_are_not() {
        let mut steady = Steady::new(unix(10_000), at(0));
        assert_eq!(steady.read(unix(10_010), at(10)), unix(10_010));
        // Corrected by half a minute, forth and back.
        assert_eq!(steady.read(unix(10_050), at(20)), unix(10_050));
        assert_eq!(steady.read(unix(10_030), at(30)), unix(10_030));

        // Set back by an hour, then forth by one.
        assert_eq!(steady.read(unix(6_440), at(40)), unix(10_040));
        assert_eq!(steady.step(unix(6_440), at(40)), Step::Back(Duration::from_secs(3_600)));
        assert_eq!(steady.read(unix(13_650), at(50)), unix(10_050));
        assert_eq!(steady.step(unix(13_650), at(50)), Step::Forth(Duration::from_secs(3_600)));

        // Right again.
        assert_eq!(steady.read(unix(10_061), at(60)), unix(10_061));
        assert_eq!(steady.step(unix(10_061), at(60)), Step::None);
    }

    #[test]
    fn a_clock_from_before_1970_is_borne() {
        let mut steady = Steady::new(UnixNanos(0), at(100));
        assert_eq!(steady.read(UnixNanos(0), at(101)), UnixNanos(0));
    }
}
