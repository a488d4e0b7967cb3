//! Events of applied entries as one reader receives them. Decides that a reader who falls behind is told so,
//! never skipped past in silence.

use std::sync::Arc;
use tokio::sync::broadcast;
use tradewind_domain::{control::Event, ids::Revision};

/// One reader's place in the stream of events. Begins with entries applied after it was made.
#[derive(Debug)]
pub struct Events(pub(crate) broadcast::Receiver<(Revision, Arc<[Event]>)>);

/// Why there is no next event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventsError {
    /// This reader was too slow: so many entries with events are lost to it. Read the machine anew; the
    /// next call goes on after the gap.
    #[error("{missed} entries with events were missed")]
    Missed { missed: u64 },
    #[error("the member is stopping")]
    Stopped,
}

impl Events {
    /// The next entry that had events: its index and them, at least one. Entries installed with a snapshot
    /// give none: their trace is a jump of `Replica::watch_machine`. May be cancelled without loss.
    pub async fn next(&mut self) -> Result<(Revision, Arc<[Event]>), EventsError> {
        self.0.recv().await.map_err(|error| match error {
            broadcast::error::RecvError::Lagged(missed) => EventsError::Missed { missed },
            broadcast::error::RecvError::Closed => EventsError::Stopped,
        })
    }
}
