//! Watching the replicated state: `GET /v1/events?since=REVISION`. Decides the frames of the WebSocket and
//! the form of a page for those who ask without one; what is kept, and for how long, is decided by the
//! members. W1: a watch shows each revision once, in order, or says that it cannot.

use crate::{control::Stand, problem::Problem};
use serde::{Deserialize, Serialize};
use tradewind_domain::{
    control::{Event, EventKind},
    ids::{ClusterIncarnation, NodeId, Revision},
    time::UnixNanos,
};

/// The path of the stream.
pub const EVENTS: &str = "/v1/events";
/// The path of the whole state with its revision: where a watcher starts again.
pub const STATE: &str = "/v1/state";

/// Close codes of the WebSocket; the frame before, `end`, says the same at length.
pub const CLOSE_GONE: u16 = 4_410;
pub const CLOSE_SLOW: u16 = 4_408;
pub const CLOSE_NO_LEADER: u16 = 4_503;
pub const CLOSE_BAD_FRAME: u16 = 4_400;

/// What is asked for, in the query string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsOptions {
    /// The last revision that was seen: what comes after it is told. Without it everything still kept is.
    #[serde(default)]
    pub since: Option<Revision>,
    /// The life of the cluster that `since` is of, as a page or the hello told it. In another one `since` means
    /// nothing, and the answer is 410.
    #[serde(default)]
    pub cluster: Option<ClusterIncarnation>,
    /// Entries of a page; without meaning for a WebSocket.
    #[serde(default)]
    pub limit: Option<u16>,
}

/// All events of one entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct EntryEvents {
    pub revision: Revision,
    /// The entry's time, by the log.
    pub at: UnixNanos,
    /// What happened, each under its name; names that are not known are to be ignored.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<Object>))]
    pub events: Vec<EventKind>,
}

impl EntryEvents {
    /// None if there are none: an entry without events is not told.
    #[must_use]
    pub fn new(revision: Revision, events: &[Event]) -> Option<Self> {
        let at = events.first()?.at;
        Some(Self { revision, at, events: events.iter().map(|event| event.kind.clone()).collect() })
    }

    /// As the machine gave them.
    #[must_use]
    pub fn whole(&self) -> Vec<Event> {
        let (revision, at) = (self.revision, self.at);
        self.events.iter().map(|kind| Event { revision, at, kind: kind.clone() }).collect()
    }
}

/// A text frame from the member. The other side sends none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventFrame {
    /// The first frame: from where the stream goes on.
    Hello {
        #[serde(flatten)]
        stand: Stand,
        node: NodeId,
        /// Revisions of two lives of a cluster are not comparable: in another one start from the state.
        cluster: Option<ClusterIncarnation>,
        since: Revision,
    },
    Events(EntryEvents),
    /// Once a second: nothing up to `seen` is still to come, so a watcher may go on from there.
    Beat {
        #[serde(flatten)]
        stand: Stand,
        seen: Revision,
    },
    /// The last frame, and why.
    End {
        problem: Problem,
    },
}

/// The answer to a request that is no WebSocket's: what there is, at most `limit` entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct EventPage {
    #[serde(flatten)]
    pub stand: Stand,
    /// Of which life of the cluster the revisions are; none before it is opened.
    pub cluster: Option<ClusterIncarnation>,
    /// `since` for the next page.
    pub next: Revision,
    pub entries: Vec<EntryEvents>,
}
