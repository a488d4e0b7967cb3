//! Sessions that are gone: what they submitted with `cancel_on_disconnect` is canceled. Decides what counts as a word of
//! a session (that a MarketManager names it, or anything it asks here); when one is gone is `domain::trading::presence`.

use super::Keeper;
use crate::{
    ledger::Ledger,
    limits::{PRESENCE_LOOK_EVERY, PRESENCE_STEP_MAX},
    store::StoreError,
};
use std::time::{Duration, Instant};
use tradewind_domain::{
    ids::VenueOrderId,
    time::Monotonic,
    trading::presence::{Presence, SessionKey},
};
use tradewind_protocol::trade::{Principal, Seen};

/// What this life of the Broker knows of sessions. After a restart each has its full time anew.
pub(super) struct Watch {
    began: Instant,
    look_at: Instant,
    presence: Presence,
}

impl Watch {
    pub(super) fn begins() -> Self {
        let began = Instant::now();
        let presence = Presence::begins(Monotonic::default(), PRESENCE_STEP_MAX);
        Self { began, look_at: began, presence }
    }

    fn now(&self) -> Monotonic {
        Monotonic(u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn heard(&mut self, ledger: &Ledger, session: &SessionKey, before: Duration) -> bool {
        let watched = ledger.marks().has(session);
        if watched {
            let now = self.now();
            self.presence.heard(session, before, now);
        }
        watched
    }

    /// Whose session is gone, if it is time to look.
    fn look(&mut self, ledger: &Ledger) -> Vec<VenueOrderId> {
        if Instant::now() < self.look_at {
            return Vec::new();
        }
        self.look_at = Instant::now() + PRESENCE_LOOK_EVERY;
        let now = self.now();
        self.presence.look(ledger.marks(), now)
    }
}

impl Keeper {
    /// These sessions are connected: those of them that orders are tied to.
    pub(super) fn present(&mut self, sessions: Vec<Seen>) -> Vec<SessionKey> {
        let watched = sessions.into_iter().filter(|seen| {
            let before = Duration::from_millis(seen.silent_ms);
            self.watch.heard(&self.ledger, &seen.session, before)
        });
        watched.map(|seen| seen.session).collect()
    }

    /// Somebody has asked something.
    pub(super) fn asked_by(&mut self, principal: &Principal) {
        if let Some(session) = &principal.session {
            let customer = principal.customer.clone();
            let session = SessionKey { customer, session: session.clone() };
            self.watch.heard(&self.ledger, &session, Duration::ZERO);
        }
    }

    /// Cancels what sessions that are gone have left.
    pub(super) fn cancel_of_the_gone(&mut self) -> Result<(), StoreError> {
        // A Broker that was superseded leaves it to the one that came after it.
        if self.ledger.check_own(&self.assignment).is_err() {
            return Ok(());
        }
        for id in self.watch.look(&self.ledger) {
            let entry = self.ledger.entry(&id).filter(|entry| !entry.cancel_asked);
            let Some(session) = entry.and_then(|entry| entry.session.clone()) else { continue };
            let SessionKey { customer, session } = session;
            tracing::warn!(%customer, %session, order = %id, "its session is gone: the order is canceled");
            // One that has ended meanwhile needs none.
            if let Ok(Some(effect)) = self.begin_cancel(&id)? {
                self.then(effect);
            }
        }
        Ok(())
    }
}
