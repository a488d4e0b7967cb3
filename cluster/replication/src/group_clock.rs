//! The time entries are stamped with. Decides how the clocks of the other members are remembered between two
//! rounds of questions: as a distance from this machine's own time since its start, so that a step of its calendar
//! moves nothing. What follows from them is `domain::control::stamp`'s decision.

use crate::{limits::CALENDAR_HEARD_WITHIN, replica::Clock, runtime::Moment};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};
use tradewind_domain::{
    control::stamp::{held, middle},
    ids::NodeId,
    limits::CLOCK_SKEW,
    time::UnixNanos,
};

pub(crate) struct GroupClock {
    own: Clock,
    /// The machine's calendar, where the own clock may keep away from it.
    calendar: OnceLock<Clock>,
    known: Mutex<Known>,
}

/// A time, and the moment at which it was that time.
type Seen = (UnixNanos, Moment);

#[derive(Default)]
struct Known {
    others: BTreeMap<NodeId, Seen>,
    /// What the others' calendars say, which they may be keeping away from as well.
    calendars: BTreeMap<NodeId, Seen>,
    /// Of how many others they make a majority, with this member's own.
    calendars_needed: usize,
    /// What all clocks said together when last looked at; none while those of a majority are not known.
    middle: Option<Seen>,
    skewed: bool,
}

fn at(seen: Seen, now: Moment) -> UnixNanos {
    seen.0 + now.since(seen.1)
}

impl GroupClock {
    pub(crate) fn new(own: Clock) -> Self {
        Self { own, calendar: OnceLock::new(), known: Mutex::default() }
    }

    /// Without it the calendar is what the own clock says.
    pub(crate) fn keep_away_from(&self, calendar: Clock) {
        self.calendar.get_or_init(|| calendar);
    }

    /// What this machine's calendar says: told to others beside the own clock.
    pub(crate) fn calendar(&self) -> UnixNanos {
        self.calendar.get().map_or_else(|| self.own(), |calendar| calendar())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This member's own clock: what it tells others.
    pub(crate) fn own(&self) -> UnixNanos {
        (self.own)()
    }

    /// A member's clock showed this in the middle between asking and hearing.
    pub(crate) fn told(&self, node: NodeId, clock: UnixNanos, calendar: UnixNanos, asked: Moment) {
        let moment = asked + asked.age() / 2;
        let mut known = self.known();
        known.others.insert(node, (clock, moment));
        known.calendars.insert(node, (calendar, moment));
    }

    /// What the others' calendars say together, where enough of them were heard of a moment ago to make a
    /// majority with this one: the middle one, the earlier of two.
    pub(crate) fn others_calendar(&self) -> Option<UnixNanos> {
        let (now, known) = (Moment::now(), self.known());
        let heard =
            known.calendars.values().filter(|seen| now.since(seen.1) < CALENDAR_HEARD_WITHIN);
        let calendars: Vec<UnixNanos> = heard.map(|seen| at(*seen, now)).collect();
        let enough = !calendars.is_empty() && calendars.len() >= known.calendars_needed;
        middle(&calendars, 0).filter(|_| enough)
    }

    /// Puts together what is known of the voters' clocks. `false`: of fewer than a majority.
    pub(crate) fn settle(&self, node: NodeId, voters: &BTreeSet<NodeId>) -> bool {
        let (own, now) = ((self.own)(), Moment::now());
        let mut known = self.known();
        known.others.retain(|id, _| voters.contains(id));
        known.calendars.retain(|id, _| voters.contains(id) && *id != node);
        known.calendars_needed = voters.len() / 2;
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
        Some(held((self.own)(), at(seen, Moment::now())))
    }

    /// How far this member's clock is ahead of the group's, in milliseconds; behind: below zero.
    pub(crate) fn ahead_ms(&self) -> i64 {
        let middle = self.known().middle;
        middle.map_or(0, |seen| skew((self.own)(), at(seen, Moment::now())))
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
        clock.told(NodeId(2), begin, begin, Moment::now());
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

    #[tokio::test]
    async fn the_others_calendars_count_once_they_make_a_majority_with_the_own_one() {
        let clock = GroupClock::new(Arc::new(|| UnixNanos(1_000)));
        let voters: BTreeSet<NodeId> = [1, 2, 3, 4, 5].map(NodeId).into();
        let tell = |node, calendar| {
            clock.told(NodeId(node), UnixNanos(7), UnixNanos(calendar), Moment::now());
        };
        clock.settle(NodeId(1), &voters);
        tell(2, 3_000_000_000_000);
        assert_eq!(clock.others_calendar(), None);
        tell(3, 1_000_000_000_000);
        let near = |seconds: u64| {
            let told = clock.others_calendar().unwrap();
            told.since(UnixNanos(seconds * 1_000_000_000)) < Duration::from_secs(60)
        };
        assert!(near(1_000));
        tell(4, 3_000_000_000_000);
        assert!(near(3_000));
        // Alone there is nobody to ask.
        clock.settle(NodeId(1), &[NodeId(1)].into());
        assert_eq!(clock.others_calendar(), None);
        assert_eq!(clock.calendar(), UnixNanos(1_000));
        clock.keep_away_from(Arc::new(|| UnixNanos(2_000)));
        assert_eq!((clock.calendar(), clock.own()), (UnixNanos(2_000), UnixNanos(1_000)));
    }
}
