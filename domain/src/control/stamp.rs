//! The time a leader stamps with. Decides that one clock alone never moves the log's time far: it is followed
//! as long as it is within `limits::CLOCK_SKEW` of what the voters' clocks say together, and held at that
//! distance beyond. The log's time never runs backwards, so a wrong clock that was once followed far into the
//! future would be there for good, and every key would be too old.

use crate::{limits::CLOCK_SKEW, time::UnixNanos};
use alloc::vec::Vec;

/// What the clocks of a group say together: the middle one of those that are known, the earlier of two.
/// `None`: they are those of no majority of the `voters`.
#[must_use]
pub fn middle(clocks: &[UnixNanos], voters: usize) -> Option<UnixNanos> {
    if clocks.is_empty() || (voters > 1 && clocks.len() * 2 <= voters) {
        return None;
    }
    let mut sorted: Vec<UnixNanos> = clocks.to_vec();
    sorted.sort();
    Some(sorted[(sorted.len() - 1) / 2])
}

/// The leader's own clock, held within `CLOCK_SKEW` of the middle one.
#[must_use]
pub fn held(own: UnixNanos, middle: UnixNanos) -> UnixNanos {
    let skew = u64::try_from(CLOCK_SKEW.as_nanos()).unwrap_or(u64::MAX);
    let earliest = UnixNanos(middle.0.saturating_sub(skew));
    own.clamp(earliest, middle + CLOCK_SKEW)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const DAY: u64 = 86_400 * SECOND;
    const NOW: u64 = 20_000 * DAY;

    fn stamp(own: u64, others: &[u64], voters: usize) -> Option<u64> {
        let clocks: Vec<UnixNanos> = others.iter().chain([&own]).copied().map(UnixNanos).collect();
        middle(&clocks, voters).map(|middle| held(UnixNanos(own), middle).0)
    }

    #[test]
    fn clocks_that_differ_by_little_are_followed() {
        assert_eq!(stamp(NOW, &[NOW - SECOND, NOW + SECOND], 3), Some(NOW));
        assert_eq!(stamp(NOW, &[NOW - 4 * SECOND, NOW - 3 * SECOND], 3), Some(NOW));
        assert_eq!(stamp(NOW, &[], 1), Some(NOW));
    }

    #[test]
    fn a_leader_far_ahead_or_behind_of_the_others_is_held_near_them() {
        let few = 5 * SECOND;
        assert_eq!(stamp(NOW + DAY, &[NOW, NOW + SECOND], 3), Some(NOW + SECOND + few));
        assert_eq!(stamp(NOW - DAY, &[NOW, NOW + SECOND], 3), Some(NOW - few));
        // Of two the earlier: a jump ahead stays for good, a wait does not.
        assert_eq!(stamp(NOW + DAY, &[NOW], 3), Some(NOW + few));
        // A follower's wrong clock moves nothing.
        assert_eq!(stamp(NOW, &[NOW + DAY, NOW], 3), Some(NOW));
        assert_eq!(stamp(NOW, &[0, NOW], 3), Some(NOW));
    }

    #[test]
    fn less_than_a_majority_says_nothing() {
        assert_eq!(stamp(NOW, &[], 3), None);
        assert_eq!(stamp(NOW, &[NOW], 5), None);
        assert_eq!(stamp(NOW, &[NOW, NOW], 5), Some(NOW));
    }
}
