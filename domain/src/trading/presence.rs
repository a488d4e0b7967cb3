//! Presence: whether the session that submitted an order is still there. Decides when one is gone for longer than its
//! orders put up with, so that they are canceled; who is connected is said by the MarketManagers, canceling is the Broker's
//! work.
//!
//! PR1 an order is not due before its session was away for the time the order names, however late its Broker hears that
//! it was there (up to [`PRESENCE_LATE`]). PR2 time in which the Broker itself did not look does not count: what it was
//! told meanwhile it has not heard yet. PR3 a session of which nothing more is heard has its orders due.

use crate::{
    ids::{CustomerId, SessionId, VenueOrderId},
    limits::{AWAY_MAX, AWAY_MIN, PRESENCE_LATE},
    time::Monotonic,
};
use alloc::{collections::BTreeMap, vec::Vec};
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// Of an order: it is canceled once its session is away for so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelOnDisconnect {
    pub after_ms: u64,
}

impl CancelOnDisconnect {
    #[must_use]
    pub fn after(self) -> Duration {
        Duration::from_millis(self.after_ms)
    }

    pub(super) fn is_bounded(self) -> bool {
        (AWAY_MIN..=AWAY_MAX).contains(&self.after())
    }
}

/// A session and whose it is: what a session is called is the customer's own word where he runs a Trader himself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionKey {
    pub customer: CustomerId,
    pub session: SessionId,
}

/// Open orders that are canceled when their session is gone, by session, with how long it may be away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks(BTreeMap<SessionKey, BTreeMap<VenueOrderId, Duration>>);

impl Marks {
    pub fn mark(&mut self, session: SessionKey, order: VenueOrderId, after: Duration) {
        self.0.entry(session).or_default().insert(order, after);
    }

    /// The order has ended.
    pub fn unmark(&mut self, session: &SessionKey, order: &VenueOrderId) {
        if let Some(orders) = self.0.get_mut(session) {
            orders.remove(order);
            if orders.is_empty() {
                self.0.remove(session);
            }
        }
    }

    #[must_use]
    pub fn has(&self, session: &SessionKey) -> bool {
        self.0.contains_key(session)
    }

    /// How many sessions have such orders.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.0.len()
    }
}

/// What one life of a Broker has heard of sessions. It begins with all of them just heard of.
#[derive(Clone, Debug)]
pub struct Presence {
    /// A look that comes later than this after the one before counts as if it came then.
    step_max: Duration,
    looked: Monotonic,
    /// Time that counts, up to the last look.
    counted: Duration,
    /// Of sessions that have marked orders, by the time that counts.
    heard: BTreeMap<SessionKey, Duration>,
}

impl Presence {
    #[must_use]
    pub fn begins(now: Monotonic, step_max: Duration) -> Self {
        Self { step_max, looked: now, counted: Duration::ZERO, heard: BTreeMap::new() }
    }

    fn counted_at(&self, now: Monotonic) -> Duration {
        self.counted + now.since(self.looked).min(self.step_max)
    }

    /// The session was there so long before now; the latest word counts.
    pub fn heard(&mut self, session: &SessionKey, before: Duration, now: Monotonic) {
        let at = self.counted_at(now).saturating_sub(before);
        match self.heard.get_mut(session) {
            Some(last) => *last = at.max(*last),
            None => drop(self.heard.insert(session.clone(), at)),
        }
    }

    /// Time has passed: the orders whose sessions are gone. They are named again until they are marked no more.
    #[must_use]
    pub fn look(&mut self, marks: &Marks, now: Monotonic) -> Vec<VenueOrderId> {
        let since = self.counted;
        self.counted = self.counted_at(now);
        self.looked = now;
        // Of others nothing need be remembered: what a session submits is a word of it.
        self.heard.retain(|session, _| marks.has(session));
        let mut due = Vec::new();
        for (session, orders) in &marks.0 {
            // One whose order was opened again by a late fill has its full time anew.
            let heard = *self.heard.entry(session.clone()).or_insert(since);
            let away = self.counted.saturating_sub(heard);
            if away < AWAY_MIN + PRESENCE_LATE {
                continue;
            }
            let over = orders.iter().filter(|(_, after)| away >= **after + PRESENCE_LATE);
            due.extend(over.map(|(order, _)| *order));
        }
        due
    }
}

#[cfg(test)]
mod tests;
