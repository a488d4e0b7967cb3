//! The time entries are stamped with. Decides how the clocks of the other members are remembered between two
//! rounds of questions: as a distance from this process' monotonic clock, so that a step of its own calendar
//! moves nothing. What follows from them is `domain::control::stamp`'s decision.

use crate::replica::Clock;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use tradewind_domain::{
    control::stamp::{held, middle},
    ids::NodeId,
    limits::CLOCK_SKEW,
    time::UnixNanos,
};

pub(crate) struct GroupClock {
    own: Clock,
    known: Mutex<Known>,
}

/// A time, and the moment at which it was that time.
type Seen = (UnixNanos, Instant);

#[derive(Default)]
struct Known {
    others: BTreeMap<NodeId, Seen>,
    /// What all clocks said together when last looked at; none while those of a majority are not known.
    middle: Option<Seen>,
    skewed: bool,
}

fn at(seen: Seen, now: Instant) -> UnixNanos {
    seen.0 + now.saturating_duration_since(seen.1)
}

impl GroupClock {
    pub(crate) fn new(own: Clock) -> Self {
        Self { own, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This member's own clock: what it tells others.
    pub(crate) fn own(&self) -> UnixNanos {
        (self.own)()
    }

    /// A member's clock showed this in the middle between asking and hearing.
    pub(crate) fn told(&self, node: NodeId, clock: UnixNanos, asked: Instant) {
        let now = Instant::now();
        let moment = asked + now.saturating_duration_since(asked) / 2;
        self.known().others.insert(node, (clock, moment));
    }

    /// Puts together what is known of the voters' clocks. `false`: of fewer than a majority.
    pub(crate) fn settle(&self, node: NodeId, voters: &BTreeSet<NodeId>) -> bool {
        let (own, now) = ((self.own)(), Instant::now());
        let mut known = self.known();
        known.others.retain(|id, _| voters.contains(id));
        let others = known.others.iter().filter(|(id, _)| **id != node);
        let mut clocks: Vec<UnixNanos> = others.map(|(_, seen)| at(*seen, now)).collect();
        clocks.push(own);
        known.middle = middle(&clocks, voters.len()).map(|middle| (middle, now));
        let Some((middle, _)) = known.middle else { return false };
        let skewed = held(own, middle) != own;
        if skewed && !known.skewed {
            let (ahead_ms, most_ms) = (skew(own, middle), CLOCK_SKEW.as_millis());
            tracing::error!(
                ahead_ms,
                most_ms,
                "this member's clock is wrong; the others' are followed"
            );
        }
        known.skewed = skewed;
        true
    }

    /// The time to stamp with; none while the clocks of a majority are not known.
    pub(crate) fn now(&self) -> Option<UnixNanos> {
        let seen = self.known().middle?;
        Some(held((self.own)(), at(seen, Instant::now())))
    }

    /// How far this member's clock is ahead of the group's, in milliseconds; behind: below zero.
    pub(crate) fn ahead_ms(&self) -> i64 {
        let middle = self.known().middle;
        middle.map_or(0, |seen| skew((self.own)(), at(seen, Instant::now())))
    }
}

fn skew(own: UnixNanos, middle: UnixNanos) -> i64 {
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    millis(own.since(middle)) - millis(middle.since(own))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    #[tokio::test]
    async fn a_step_of_the_own_clock_between_two_rounds_is_not_followed() {
        let now = Arc::new(AtomicU64::new(1_000_000_000_000));
        let read = now.clone();
        let clock = GroupClock::new(Arc::new(move || UnixNanos(read.load(Ordering::Relaxed))));
        let voters = [1, 2, 3].map(NodeId).into();
        // Nothing is known yet of the others.
        assert!(!clock.settle(NodeId(1), &voters));
        assert_eq!(clock.now(), None);
        let begin = UnixNanos(now.load(Ordering::Relaxed));
        clock.told(NodeId(2), begin, Instant::now());
        assert!(clock.settle(NodeId(1), &voters));
        assert_eq!(clock.now(), Some(begin));
        // when: the calendar is set a day ahead
        let day = Duration::from_secs(86_400);
        now.store((begin + day).0, Ordering::Relaxed);
        // then: before and after the next round the other clock counts
        let near = |stamp: Option<UnixNanos>| {
            let after = stamp.unwrap().since(begin);
            (CLOCK_SKEW..CLOCK_SKEW * 2).contains(&after)
        };
        assert!(near(clock.now()));
        assert!(clock.ahead_ms() > 80_000_000);
        assert!(clock.settle(NodeId(1), &voters));
        assert!(near(clock.now()));
    }

    #[tokio::test]
    async fn a_member_alone_follows_its_own_clock() {
        let clock = GroupClock::new(Arc::new(|| UnixNanos(7)));
        for voters in [BTreeSet::new(), BTreeSet::from([NodeId(1)])] {
            assert!(clock.settle(NodeId(1), &voters));
            assert_eq!(clock.now(), Some(UnixNanos(7)));
        }
    }
}
