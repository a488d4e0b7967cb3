//! A Broker's question for the right to connect. Decides what it does while its BrokerManager is away, or knows no such
//! question: it goes on, within a share of its own.

use super::Connects;
use crate::{
    limits::{ASK_CONNECT_WITHIN, CONNECT_ASKED_AGAIN},
    venue::{Dials, Purpose},
};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tradewind_domain::{
    ids::{ServiceId, VenueId},
    time::Monotonic,
};
use tradewind_node::service::ManagerAsker;
use tradewind_protocol::asks::{ServiceAnswer, ServiceAsk};

/// What a Broker asks with, for all its connections.
pub(crate) struct Right {
    manager: ManagerAsker,
    service: ServiceId,
    venue: VenueId,
    began: Instant,
    /// What it has taken, be it by itself or because its Manager said so.
    own: Mutex<Connects>,
}

impl Right {
    pub(crate) fn new(manager: ManagerAsker, service: ServiceId, venue: VenueId) -> Self {
        let (began, own) = (Instant::now(), Mutex::new(Connects::new(Monotonic(0))));
        Self { manager, service, venue, began, own }
    }

    /// Asks once: `None` if it may dial now, else how long to wait and why.
    pub(crate) async fn ask(&self, wanted: &Dials) -> Option<(Duration, String)> {
        let Dials { at, allowed, dials, purpose } = wanted.clone();
        let for_data = match purpose {
            Purpose::Orders => false,
            Purpose::MarketData => true,
        };
        let venue = self.venue.clone();
        let ask = ServiceAsk::Connect { venue, endpoint: at, allowed, dials, for_data };
        match self.manager.ask(ask, ASK_CONNECT_WITHIN).await {
            Ok(ServiceAnswer::Connect { .. }) => {
                self.take(wanted);
                None
            }
            Ok(ServiceAnswer::Wait { wait_ms }) => {
                let why =
                    "the Brokers of this address have made the connects that the venue allows";
                // Not longer than it takes to hear of a turn that comes sooner.
                let wait = Duration::from_millis(wait_ms).min(CONNECT_ASKED_AGAIN);
                Some((wait, format!("{why}; the next in {wait_ms} ms")))
            }
            Ok(ServiceAnswer::NotKnown) => self.by_itself(wanted, "it does not know of connects"),
            Err(unanswered) => self.by_itself(wanted, &unanswered.to_string()),
        }
    }

    fn by_itself(&self, wanted: &Dials, why: &str) -> Option<(Duration, String)> {
        let wait = self.take(wanted)?;
        let why = format!("its own share of connects is used up, and its Manager is away: {why}");
        Some((wait.min(CONNECT_ASKED_AGAIN), why))
    }

    fn own(&self) -> MutexGuard<'_, Connects> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts connects, or says how long there is none of its share.
    fn take(&self, wanted: &Dials) -> Option<Duration> {
        let now = Monotonic(0) + self.began.elapsed();
        self.own().ask(&self.service, wanted, now).err()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tradewind_link::pipe::{Asker, Unanswered};
    use tradewind_protocol::asks::ConnectsAllowed;

    const ALLOWED: ConnectsAllowed = ConnectsAllowed { connects: 40, within_ms: 60_000 };

    fn right(manager: ManagerAsker) -> Right {
        Right::new(manager, "broker.a.0".parse().unwrap(), VenueId::new("sim").unwrap())
    }

    fn one() -> Dials {
        let (at, purpose) = ("127.0.0.1:1".to_owned(), Purpose::Orders);
        Dials { at, allowed: ALLOWED, dials: 1, purpose }
    }

    #[tokio::test]
    async fn without_its_manager_a_broker_keeps_to_its_share_and_no_longer_than_it_must() {
        // given: nobody hears what is asked
        let (manager, asked) = Asker::new(1);
        drop(asked);
        let right = right(manager);
        // when
        let mut dialled = 0;
        let why = loop {
            match right.ask(&one()).await {
                None => dialled += 1,
                Some((wait, why)) => {
                    assert!(wait <= CONNECT_ASKED_AGAIN);
                    break why;
                }
            }
        };
        // then: a quarter
        assert_eq!(dialled, 10);
        assert!(why.contains("its Manager is away"), "{why}");
    }

    #[tokio::test]
    async fn what_its_manager_says_is_done_and_counts_for_when_that_is_away() {
        // given
        let (manager, mut asked) = Asker::new(1);
        let right = right(manager);
        let answers = tokio::spawn(async move {
            for n in 0..10 {
                let (ask, answer) = asked.recv().await.unwrap();
                assert!(matches!(ask, ServiceAsk::Connect { allowed: ALLOWED, .. }));
                let _ = answer.send(Ok(ServiceAnswer::Connect { left: 10 - n }));
            }
            let (_, answer) = asked.recv().await.unwrap();
            let _ = answer.send(Ok(ServiceAnswer::Wait { wait_ms: 90_000 }));
            let (_, answer) = asked.recv().await.unwrap();
            let _ = answer.send(Err(Unanswered::Unknown));
        });
        for _ in 0..10 {
            assert_eq!(right.ask(&one()).await, None);
        }
        // when, then: told to wait, it asks again well before
        let (wait, why) = right.ask(&one()).await.unwrap();
        assert_eq!(wait, CONNECT_ASKED_AGAIN);
        assert!(why.contains("90000 ms"), "{why}");
        // and what it was given before is of its share
        let (_, why) = right.ask(&one()).await.unwrap();
        assert!(why.contains("its Manager is away"), "{why}");
        answers.await.unwrap();
    }
}
