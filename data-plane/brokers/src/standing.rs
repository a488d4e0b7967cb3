//! How this Broker stands with its venue. Decides what is told upward of the connection, and since when; how the venue is
//! kept connected is `connection`'s matter, which subscriptions are stale `quotes`'.

use std::sync::{Mutex, MutexGuard, PoisonError};
use tradewind_domain::{ids::InstrumentId, time::UnixNanos};
use tradewind_node::service::StateReporter;
use tradewind_protocol::venue::{ERROR_BYTES, STALE_TOLD, VenueState, VenueStatus};

pub(crate) struct Standing {
    reporter: StateReporter,
    status: Mutex<VenueStatus>,
}

/// What is read, and of that what is stale.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subscriptions {
    pub(crate) all: usize,
    pub(crate) stale: Vec<InstrumentId>,
    /// Connections besides the main one, as they stand now.
    pub(crate) data_connections: usize,
    /// Instruments that no connection has room for.
    pub(crate) waiting: usize,
}

impl Standing {
    pub(crate) fn new(reporter: StateReporter, now: UnixNanos) -> Self {
        let status = VenueStatus { since: now, ..VenueStatus::default() };
        reporter.venue(&status);
        Self { reporter, status: Mutex::new(status) }
    }

    fn status(&self) -> MutexGuard<'_, VenueStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn connected(&self, now: UnixNanos) {
        let mut status = self.status();
        status.connections += 1;
        (status.state, status.since) = (VenueState::Live, now);
        self.reporter.venue(&status);
    }

    /// The connection was lost, or there is none yet and this is why.
    pub(crate) fn away(&self, why: &str, now: UnixNanos) {
        self.not_live(
            why,
            |before| if before { VenueState::Reconnecting } else { VenueState::Connecting },
            now,
        );
    }

    /// It may not be dialled yet.
    pub(crate) fn waits(&self, why: &str, now: UnixNanos) {
        self.not_live(why, |_| VenueState::Waiting, now);
    }

    /// A connection for market data may not be dialled yet: orders go on, what comes over it is stale.
    pub(crate) fn data_waits(&self, why: &str) {
        let mut status = self.status();
        status.last_error = Some(told(&format!("market data waits: {why}")));
        self.reporter.venue(&status);
    }

    /// `state` is told whether there was a connection before.
    fn not_live(&self, why: &str, state: impl Fn(bool) -> VenueState, now: UnixNanos) {
        let mut status = self.status();
        if status.state == VenueState::Live {
            status.since = now;
        }
        status.state = state(status.connections > 0);
        status.last_error = Some(told(why));
        self.reporter.venue(&status);
    }

    pub(crate) fn reads(&self, subscriptions: Subscriptions) {
        let Subscriptions { all, mut stale, data_connections, waiting } = subscriptions;
        let count = |n| u32::try_from(n).unwrap_or(u32::MAX);
        let mut status = self.status();
        (status.subscriptions, status.stale) = (count(all), count(stale.len()));
        (status.data_connections, status.waiting) = (count(data_connections), count(waiting));
        stale.truncate(STALE_TOLD);
        status.stale_instruments = stale;
        self.reporter.venue(&status);
    }
}

fn told(why: &str) -> String {
    why[..why.floor_char_boundary(ERROR_BYTES)].to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(seconds: u64) -> UnixNanos {
        UnixNanos(seconds * 1_000_000_000)
    }

    #[test]
    fn how_long_the_venue_is_away_and_why_is_told_until_it_is_back() {
        // given
        let (reporter, _) = StateReporter::new();
        let standing = Standing::new(reporter.clone(), at(1));
        let told = || reporter.told_of_venue().unwrap();
        assert_eq!((told().state, told().since), (VenueState::Connecting, at(1)));
        standing.away("refused", at(2));
        assert_eq!((told().state, told().since), (VenueState::Connecting, at(1)));
        standing.connected(at(3));
        assert_eq!((told().state, told().since, told().connections), (VenueState::Live, at(3), 1));
        // when: it is lost, dialled in vain, and may not be dialled for a while
        standing.away("lost", at(10));
        standing.away("refused again", at(11));
        assert_eq!((told().state, told().since), (VenueState::Reconnecting, at(10)));
        standing.waits("the budget is spent", at(12));
        // then
        assert_eq!((told().state, told().since), (VenueState::Waiting, at(10)));
        assert_eq!(told().last_error.as_deref(), Some("the budget is spent"));
        standing.connected(at(20));
        assert_eq!((told().state, told().since, told().connections), (VenueState::Live, at(20), 2));
        assert!(told().last_error.is_some(), "what went wrong last is still to be read");
    }

    #[test]
    fn market_data_that_waits_to_be_dialled_says_so_and_orders_go_on() {
        let (reporter, _) = StateReporter::new();
        let standing = Standing::new(reporter.clone(), at(1));
        standing.connected(at(2));
        standing.data_waits("the budget is spent");
        let told = reporter.told_of_venue().unwrap();
        assert_eq!((told.state, told.since), (VenueState::Live, at(2)));
        assert_eq!(told.last_error.as_deref(), Some("market data waits: the budget is spent"));
    }

    #[test]
    fn stale_subscriptions_are_counted_and_the_first_are_named() {
        let (reporter, _) = StateReporter::new();
        let standing = Standing::new(reporter.clone(), at(1));
        let stale: Vec<InstrumentId> =
            (0..40).map(|n| format!("I{n}/USD").parse().unwrap()).collect();
        standing.reads(Subscriptions {
            all: 100,
            stale: stale.clone(),
            data_connections: 3,
            waiting: 2,
        });
        let told = reporter.told_of_venue().unwrap();
        assert_eq!((told.subscriptions, told.stale), (100, 40));
        assert_eq!((told.data_connections, told.waiting), (3, 2));
        assert_eq!(told.stale_instruments, stale[..STALE_TOLD]);
    }
}
