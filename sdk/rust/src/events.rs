//! What happens to a session, for those who want to see it. Decides that nobody is waited for: whoever is slow misses what was
//! long ago and is told how much. An algo that never looks trades just as well.

use std::sync::{Mutex, PoisonError};
use tokio::sync::broadcast::{self, error::RecvError};
use tradewind_protocol::{domain::ids::StreamEpoch, stream::Topic};

/// Events that wait for one who looks.
const EVENTS: usize = 256;

/// What happens to a session. There may be more of them one day.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEvent {
    /// This MarketManager has said hello: the session's streams come over it from now on.
    Connected { market_manager: String },
    /// The connection is lost, or was not made, and why; the next one is tried.
    Lost { market_manager: String, why: String },
    /// The MarketManager is about to leave and names others: one of them is dialled first.
    Goaway { market_manager: String, reconnect_to: Vec<String> },
    /// A stream was opened again, and comes from where it came from before: a private one goes on by number.
    Resumed { stream: Topic },
    /// A stream comes from elsewhere from now on: another life of its Market, another venue, a ledger that was built anew.
    Moved { stream: Topic },
    /// The session has another token.
    TokenRenewed,
    /// So many events are missing here: whoever looks was too slow.
    Lagged { missed: u64 },
}

/// The events of a session, beginning with how it stands.
///
/// ```no_run
/// # async fn run(session: tradewind_sdk::Session) {
/// use tradewind_sdk::SessionEvent;
/// let mut events = session.on_event();
/// tokio::spawn(async move {
///     while let Some(event) = events.next().await {
///         if let SessionEvent::Lost { market_manager, why } = event {
///             eprintln!("{market_manager} is lost: {why}");
///         }
///     }
/// });
/// # }
/// ```
#[derive(Debug)]
pub struct SessionEvents {
    stands: Option<SessionEvent>,
    events: broadcast::Receiver<SessionEvent>,
}

impl SessionEvents {
    /// What happens next; `None` once the session is over. May be cancelled: nothing is missed by it.
    pub async fn next(&mut self) -> Option<SessionEvent> {
        if let Some(stands) = self.stands.take() {
            return Some(stands);
        }
        match self.events.recv().await {
            Ok(event) => Some(event),
            Err(RecvError::Lagged(missed)) => Some(SessionEvent::Lagged { missed }),
            Err(RecvError::Closed) => None,
        }
    }
}

/// Where they are told.
#[derive(Debug)]
pub(crate) struct Events {
    told: broadcast::Sender<SessionEvent>,
    /// The last that tells how the connection stands.
    stands: Mutex<Option<SessionEvent>>,
}

impl Default for Events {
    fn default() -> Self {
        Self { told: broadcast::Sender::new(EVENTS), stands: Mutex::default() }
    }
}

impl Events {
    pub(crate) fn tell(&self, event: SessionEvent) {
        // Under the lock, so that one who begins to look neither misses it nor has it twice.
        let mut stands = self.stands.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(event, SessionEvent::Connected { .. } | SessionEvent::Lost { .. }) {
            *stands = Some(event.clone());
        }
        // Mostly nobody looks.
        let _ = self.told.send(event);
    }

    /// A stream was opened, which came from there before, if from anywhere.
    pub(crate) fn opened(
        &self,
        stream: &Topic,
        was: Option<&StreamEpoch>,
        is: Option<&StreamEpoch>,
    ) {
        match (was, is) {
            (Some(was), Some(is)) if was != is => self.heard(stream, Some(was), is),
            (Some(_), _) => self.tell(SessionEvent::Resumed { stream: stream.clone() }),
            (None, _) => {}
        }
    }

    /// Something has come on a stream.
    pub(crate) fn heard(&self, stream: &Topic, was: Option<&StreamEpoch>, is: &StreamEpoch) {
        if was.is_some_and(|was| was != is) {
            self.tell(SessionEvent::Moved { stream: stream.clone() });
        }
    }

    pub(crate) fn subscribe(&self) -> SessionEvents {
        let stands = self.stands.lock().unwrap_or_else(PoisonError::into_inner);
        SessionEvents { stands: stands.clone(), events: self.told.subscribe() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(n: usize) -> SessionEvent {
        SessionEvent::Lost { market_manager: "m".to_string(), why: n.to_string() }
    }

    #[tokio::test]
    async fn who_begins_to_look_is_told_how_it_stands_and_who_is_slow_how_much_is_missing() {
        // given
        let hub = Events::default();
        hub.tell(lost(0));
        hub.tell(SessionEvent::TokenRenewed);
        // when
        let mut events = hub.subscribe();
        (1..=EVENTS + 3).for_each(|n| hub.tell(lost(n)));
        // then
        assert_eq!(events.next().await, Some(lost(0)));
        assert_eq!(events.next().await, Some(SessionEvent::Lagged { missed: 3 }));
        for n in 4..=EVENTS + 3 {
            assert_eq!(events.next().await, Some(lost(n)));
        }
        drop(hub);
        assert_eq!(events.next().await, None);
    }
}
