//! A Broker's question for the right to connect. Decides what it does while its BrokerManager is away, or knows no such
//! question: it goes on, within a share of its own.

use super::{Connects, Place};
use crate::limits::{ASK_CONNECT_WITHIN, CONNECT_ASKED_AGAIN};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tradewind_domain::{ids::ServiceId, time::Monotonic};
use tradewind_node::service::ManagerAsker;
use tradewind_protocol::asks::{ConnectsAllowed, ServiceAnswer, ServiceAsk};

/// What a Broker asks with, for all its connections.
pub(crate) struct Right {
    manager: ManagerAsker,
    service: ServiceId,
    place: Place,
    began: Instant,
    /// What it has taken, be it by itself or because its Manager said so.
    own: Mutex<Connects>,
}

impl Right {
    pub(crate) fn new(manager: ManagerAsker, service: ServiceId, place: Place) -> Self {
        let (began, own) = (Instant::now(), Mutex::new(Connects::new(Monotonic(0))));
        Self { manager, service, place, began, own }
    }

    /// Asks once: `None` if it may dial now, else how long to wait and why.
    pub(crate) async fn ask(&self, allowed: ConnectsAllowed) -> Option<(Duration, String)> {
        let (venue, endpoint) = self.place.clone();
        let ask = ServiceAsk::Connect { venue, endpoint, allowed };
        match self.manager.ask(ask, ASK_CONNECT_WITHIN).await {
            Ok(ServiceAnswer::Connect { .. }) => {
                self.take(allowed);
                None
            }
            Ok(ServiceAnswer::Wait { wait_ms }) => {
                let why =
                    "the Brokers of this address have made the connects that the venue allows";
                // Not longer than it takes to hear of a turn that comes sooner.
                let wait = Duration::from_millis(wait_ms).min(CONNECT_ASKED_AGAIN);
                Some((wait, format!("{why}; the next in {wait_ms} ms")))
            }
            Ok(ServiceAnswer::NotKnown) => self.by_itself(allowed, "it does not know of connects"),
            Err(unanswered) => self.by_itself(allowed, &unanswered.to_string()),
        }
    }

    fn by_itself(&self, allowed: ConnectsAllowed, why: &str) -> Option<(Duration, String)> {
        let wait = self.take(allowed)?;
        let why = format!("its own share of connects is used up, and its Manager is away: {why}");
        Some((wait.min(CONNECT_ASKED_AGAIN), why))
    }

    fn own(&self) -> MutexGuard<'_, Connects> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a connect, or says how long there is none of its share.
    fn take(&self, allowed: ConnectsAllowed) -> Option<Duration> {
        let now = Monotonic(0) + self.began.elapsed();
        self.own().ask(&self.service, &self.place, allowed, now).err()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tradewind_domain::ids::VenueId;
    use tradewind_link::pipe::{Asker, Unanswered};

    const ALLOWED: ConnectsAllowed = ConnectsAllowed { connects: 40, within_ms: 60_000 };

    fn right(manager: ManagerAsker) -> Right {
        let place = (VenueId::new("sim").unwrap(), "127.0.0.1:1".to_owned());
        Right::new(manager, "broker.a.0".parse().unwrap(), place)
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
            match right.ask(ALLOWED).await {
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
            assert_eq!(right.ask(ALLOWED).await, None);
        }
        // when, then: told to wait, it asks again well before
        let (wait, why) = right.ask(ALLOWED).await.unwrap();
        assert_eq!(wait, CONNECT_ASKED_AGAIN);
        assert!(why.contains("90000 ms"), "{why}");
        // and what it was given before is of its share
        let (_, why) = right.ask(ALLOWED).await.unwrap();
        assert!(why.contains("its Manager is away"), "{why}");
        answers.await.unwrap();
    }
}
