//! Reconciling with the venue by sweeps. Decides when a sweep is due, where it begins and when it is
//! complete; what its pages mean for orders is decided by the ledger's rules. Pure: time is passed in.
//!
//! R1 after every connect one sweep from the last known moment minus a margin runs to the end of its pages
//! before the Broker is live. R2 while an order is open, sweeps go on, faster while one is `unknown`. R3 where
//! the venue lets a sweep go on where the last one ended, the sweeps of a connection are one long listing.

use crate::limits::{
    PAGE_WITHIN, SWEEP_AGAIN_MARGIN, SWEEP_EVERY, SWEEP_EVERY_UNKNOWN, SWEPT_RECORD_EVERY,
};
use crate::venue::Rest;
use std::time::{Duration, Instant};
use tradewind_domain::{limits::SWEEP_MARGIN, time::UnixNanos};

/// A sweep under way.
#[derive(Clone, Copy, Debug)]
struct Sweep {
    /// The page that was asked for last.
    ask: Ask,
    /// When its first page was made, by the venue's clock.
    listed_at: Option<UnixNanos>,
    asked: Instant,
}

/// A page to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) since: UnixNanos,
    pub(crate) cursor: Option<u64>,
}

/// What follows a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    Ask(Ask),
    /// All that changed since `since` has been listed as of `listed_at`.
    Complete {
        since: UnixNanos,
        listed_at: UnixNanos,
        write_down: bool,
    },
    /// Of a sweep that was given up.
    Nothing,
}

/// What the ledger has to be reconciled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) open_orders: bool,
    /// When the oldest `unknown` order was accepted.
    pub(crate) unknown_since: Option<UnixNanos>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Reconcile {
    swept_to: UnixNanos,
    /// What was written down of that in this life.
    written_to: Option<UnixNanos>,
    /// A sweep was complete.
    swept: bool,
    sweep: Option<Sweep>,
    /// End of the last sweep of this connection.
    ended: Option<Instant>,
    /// How the listing of this connection goes on.
    resume: Option<Ask>,
    /// Somebody has seen that something is missing.
    wanted: bool,
}

impl Reconcile {
    /// `swept_to`: up to when everything was known, as the ledger has it.
    pub(crate) fn new(swept_to: UnixNanos) -> Self {
        Self {
            swept_to,
            written_to: None,
            swept: false,
            sweep: None,
            ended: None,
            resume: None,
            wanted: false,
        }
    }

    /// Nothing is known yet: the next sweep begins with the first thing that the venue has.
    pub(crate) fn begin_with_all(&mut self) {
        // What was swept in this life need not be again.
        if !self.swept {
            self.swept_to = UnixNanos(0);
        }
    }

    /// A connection ended or began: whatever was under way is lost, and all must be swept anew.
    pub(crate) fn connection_changed(&mut self) {
        self.sweep = None;
        self.ended = None;
        self.resume = None;
    }

    /// Whether a sweep is under way.
    pub(crate) fn sweeps(&self) -> bool {
        self.sweep.is_some()
    }

    /// Sweep as soon as possible.
    pub(crate) fn want(&mut self) {
        self.wanted = true;
    }

    /// The first page of a sweep, if one is due.
    pub(crate) fn due(&mut self, need: Need, now: Instant) -> Option<Ask> {
        if let Some(sweep) = self.sweep
            && now.duration_since(sweep.asked) < PAGE_WITHIN
        {
            return None;
        }
        let every = self.interval(need);
        let due = match (self.ended, every) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(ended), Some(every)) => now.duration_since(ended) >= every,
        };
        if !due {
            return None;
        }
        let margin = if self.ended.is_some() { SWEEP_AGAIN_MARGIN } else { SWEEP_MARGIN };
        let known = earlier(self.swept_to, margin);
        let since = need.unknown_since.map_or(known, |at| known.min(earlier(at, SWEEP_MARGIN)));
        self.wanted = false;
        // A listing that began too late for the oldest doubt is of no use for it.
        let resume =
            self.resume.take().filter(|on| need.unknown_since.is_none() || on.since <= since);
        let ask = resume.unwrap_or(Ask { since, cursor: None });
        self.sweep = Some(Sweep { ask, listed_at: None, asked: now });
        Some(ask)
    }

    fn interval(&self, need: Need) -> Option<Duration> {
        if need.unknown_since.is_some() || self.wanted {
            return Some(SWEEP_EVERY_UNKNOWN);
        }
        need.open_orders.then_some(SWEEP_EVERY)
    }

    /// The asked page could not be sent.
    pub(crate) fn not_sent(&mut self) {
        self.sweep = None;
    }

    /// The page that answers `ask` came, made at `at`; its content has been taken into the ledger.
    pub(crate) fn page(&mut self, ask: Ask, at: UnixNanos, rest: Rest, now: Instant) -> After {
        let Some(sweep) = self.sweep.as_mut().filter(|sweep| sweep.ask == ask) else {
            return After::Nothing;
        };
        let listed_at = *sweep.listed_at.get_or_insert(at);
        let since = ask.since;
        let resume = match rest {
            Rest::More(cursor) => {
                sweep.asked = now;
                sweep.ask = Ask { since, cursor: Some(cursor) };
                return After::Ask(sweep.ask);
            }
            Rest::Nothing { resume } => resume,
        };
        self.resume = resume.map(|cursor| Ask { since, cursor: Some(cursor) });
        self.sweep = None;
        self.ended = Some(now);
        self.swept = true;
        self.swept_to = self.swept_to.max(listed_at);
        // The first one always: only by that is a ledger one that was swept.
        let write_down = self.written_to.is_none_or(|to| listed_at.since(to) >= SWEPT_RECORD_EVERY);
        if write_down {
            self.written_to = Some(listed_at);
        }
        After::Complete { since, listed_at, write_down }
    }
}

fn earlier(at: UnixNanos, by: Duration) -> UnixNanos {
    UnixNanos(at.0.saturating_sub(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: UnixNanos = UnixNanos(1_000_000_000_000);
    const NOTHING: Need = Need { open_orders: false, unknown_since: None };
    const OPEN: Need = Need { open_orders: true, unknown_since: None };

    const END: Rest = Rest::Nothing { resume: None };

    fn at(seconds: u64) -> UnixNanos {
        UnixNanos(START.0 + seconds * 1_000_000_000)
    }

    fn first(since: u64) -> Ask {
        Ask { since: at(since), cursor: None }
    }

    #[test]
    fn after_a_connect_all_since_the_last_known_moment_minus_the_margin_is_swept_page_by_page() {
        let mut reconcile = Reconcile::new(at(100));
        let now = Instant::now();
        assert_eq!(reconcile.due(NOTHING, now), Some(first(40)));
        assert_eq!(reconcile.due(NOTHING, now), None, "one sweep at a time");
        let second = Ask { since: at(40), cursor: Some(7) };
        assert_eq!(reconcile.page(first(40), at(200), Rest::More(7), now), After::Ask(second));
        let end = reconcile.page(second, at(201), END, now);
        let whole = After::Complete { since: at(40), listed_at: at(200), write_down: true };
        assert_eq!(end, whole, "known is what was known when the first page was made");
        assert_eq!(reconcile.due(NOTHING, now + PAGE_WITHIN * 9), None, "nothing is open");
    }

    #[test]
    fn while_orders_are_open_sweeps_go_on_and_faster_while_one_is_unknown() {
        let mut reconcile = Reconcile::new(at(100));
        let now = Instant::now();
        reconcile.due(OPEN, now);
        reconcile.page(first(40), at(100), END, now);
        assert_eq!(reconcile.due(OPEN, now + SWEEP_EVERY / 2), None);
        let unknown = Need { open_orders: true, unknown_since: Some(at(70)) };
        let early = reconcile.due(unknown, now + SWEEP_EVERY_UNKNOWN);
        assert_eq!(early, Some(first(10)), "from before the order");
        reconcile.page(first(10), at(103), END, now);
        assert_eq!(reconcile.due(OPEN, now + SWEEP_EVERY), Some(first(98)));
    }

    #[test]
    fn the_first_complete_sweep_is_written_down_and_the_next_after_a_while() {
        let mut reconcile = Reconcile::new(at(100));
        let now = Instant::now();
        let later = 101 + SWEPT_RECORD_EVERY.as_secs();
        for (second, expected) in [(100, true), (101, false), (later, true)] {
            reconcile.connection_changed();
            let ask = reconcile.due(NOTHING, now).unwrap();
            let After::Complete { write_down, .. } = reconcile.page(ask, at(second), END, now)
            else {
                panic!("it is complete")
            };
            assert_eq!(write_down, expected, "{second}");
        }
    }

    #[test]
    fn what_is_to_begin_with_all_does_until_a_sweep_was_complete_also_one_that_moved_nothing() {
        let mut reconcile = Reconcile::new(at(100));
        let now = Instant::now();
        reconcile.begin_with_all();
        let all = Ask { since: UnixNanos(0), cursor: None };
        assert_eq!(reconcile.due(NOTHING, now), Some(all));
        let mut reconcile = Reconcile::new(at(100));
        reconcile.due(NOTHING, now);
        reconcile.page(first(40), at(100), END, now);
        reconcile.connection_changed();
        reconcile.begin_with_all();
        assert_eq!(reconcile.due(NOTHING, now), Some(first(40)));
    }

    #[test]
    fn a_lost_page_or_connection_begins_the_sweep_anew() {
        let mut reconcile = Reconcile::new(at(100));
        let now = Instant::now();
        assert_eq!(reconcile.due(NOTHING, now), Some(first(40)));
        assert_eq!(reconcile.due(NOTHING, now + PAGE_WITHIN), Some(first(40)), "page lost");
        reconcile.connection_changed();
        assert_eq!(reconcile.page(first(40), at(101), END, now), After::Nothing);
        assert_eq!(reconcile.due(NOTHING, now), Some(first(40)), "connection lost");
        reconcile.page(first(40), at(101), END, now);
        reconcile.connection_changed();
        let again = reconcile.due(NOTHING, now);
        assert_eq!(again, Some(first(41)), "with the whole margin after a reconnect");
    }

    #[test]
    fn a_late_page_of_a_sweep_that_was_given_up_completes_nothing() {
        let mut reconcile = Reconcile::new(at(100));
        let now = Instant::now();
        reconcile.due(NOTHING, now);
        let second = Ask { since: at(40), cursor: Some(7) };
        reconcile.page(first(40), at(100), Rest::More(7), now);
        reconcile.due(NOTHING, now + PAGE_WITHIN);
        assert_eq!(reconcile.page(second, at(109), END, now), After::Nothing);
    }

    #[test]
    fn where_the_venue_lets_it_a_sweep_goes_on_where_the_last_one_ended() {
        let mut reconcile = Reconcile::new(at(100));
        let now = Instant::now();
        reconcile.due(OPEN, now);
        reconcile.page(first(40), at(100), Rest::Nothing { resume: Some(7) }, now);
        let on = Ask { since: at(40), cursor: Some(7) };
        assert_eq!(reconcile.due(OPEN, now + SWEEP_EVERY), Some(on));
        let end = reconcile.page(on, at(102), Rest::Nothing { resume: Some(9) }, now);
        let whole = After::Complete { since: at(40), listed_at: at(102), write_down: false };
        assert_eq!(end, whole, "one listing since its beginning");
        // an order accepted before the listing's margin needs one that begins earlier
        let unknown = Need { open_orders: true, unknown_since: Some(at(90)) };
        assert_eq!(reconcile.due(unknown, now + SWEEP_EVERY), Some(first(30)));
        // and a new connection begins anew
        reconcile.page(first(30), at(103), Rest::Nothing { resume: Some(9) }, now);
        reconcile.connection_changed();
        assert_eq!(reconcile.due(OPEN, now), Some(first(43)));
    }
}
