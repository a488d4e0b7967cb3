//! Watching the replicated state: `GET /v1/events?since=REVISION`. Decides the frames of the WebSocket and
//! the form of a page for those who ask without one; what is kept, and for how long, is decided by the
//! members. W1: a watch shows each revision once, in order, or says that it cannot.

use crate::{
    control::Stand,
    problem::{Code, Problem},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsOptions {
    /// The last revision that was seen: what comes after it is told. Without it everything still kept is.
    #[serde(default)]
    pub since: Option<Revision>,
    /// The life of the cluster that `since` is of, as a page or the hello told it. In another one `since` means
    /// nothing, and the answer is 410.
    #[serde(default)]
    pub cluster: Option<ClusterIncarnation>,
    /// Entries of a page that are looked at; without meaning for a WebSocket.
    #[serde(default)]
    pub limit: Option<u16>,
    /// Only events of these names, with commas between them.
    #[serde(default)]
    pub kinds: Option<String>,
    /// Only events in which this name stands: `a1` is told of `a1.trader-manager` too.
    #[serde(default)]
    pub about: Option<String>,
}

/// Which events are told. Those that are not leave their places: `next` and the beats go on past them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    kinds: BTreeSet<String>,
    about: Option<String>,
}

impl EventFilter {
    /// Refuses a name that no event has.
    pub fn new(kinds: &[String], about: Option<&str>) -> Result<Self, Problem> {
        for kind in kinds {
            check_kind(kind)?;
        }
        let about = about.map(|name| {
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || b".-/_".contains(&byte);
            if name.is_empty() || !name.bytes().all(legal) {
                let detail = format!("`{name}` is no name that an event could tell of");
                return Err(Problem::new(Code::MalformedRequest, detail));
            }
            Ok(name.to_owned())
        });
        Ok(Self { kinds: kinds.iter().cloned().collect(), about: about.transpose()? })
    }

    /// As it stands in a query string.
    pub fn of(options: &EventsOptions) -> Result<Self, Problem> {
        let kinds = options.kinds.iter().flat_map(|kinds| kinds.split(','));
        let kinds: Vec<String> = kinds.map(str::to_owned).collect();
        Self::new(&kinds, options.about.as_deref())
    }

    /// Its part of a query string.
    #[must_use]
    pub fn query(&self) -> Vec<String> {
        let kinds: Vec<&str> = self.kinds.iter().map(String::as_str).collect();
        let kinds = (!kinds.is_empty()).then(|| format!("kinds={}", kinds.join(",")));
        kinds.into_iter().chain(self.about.iter().map(|name| format!("about={name}"))).collect()
    }

    /// What is left of an entry's events.
    #[must_use]
    pub fn of_entry(&self, entry: EntryEvents) -> Option<EntryEvents> {
        if self.kinds.is_empty() && self.about.is_none() {
            return Some(entry);
        }
        let EntryEvents { revision, at, mut events } = entry;
        events.retain(|event| self.tells(event));
        (!events.is_empty()).then_some(EntryEvents { revision, at, events })
    }

    fn tells(&self, event: &EventKind) -> bool {
        let Ok(Value::Object(event)) = serde_json::to_value(event) else { return false };
        let Some((kind, fields)) = event.iter().next() else { return false };
        let about = self.about.as_ref();
        (self.kinds.is_empty() || self.kinds.contains(kind))
            && about.is_none_or(|name| names(fields, name))
    }
}

/// Whether a name stands in an event, whole or as a part with dots around it.
fn names(value: &Value, name: &str) -> bool {
    match value {
        Value::String(text) => text == name || text.split('.').any(|part| part == name),
        Value::Array(all) => all.iter().any(|one| names(one, name)),
        // Reasons are prose.
        Value::Object(all) => all.iter().any(|(field, one)| field != "why" && names(one, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Asks the type itself: what it does not know it refuses with all that it knows.
fn check_kind(kind: &str) -> Result<(), Problem> {
    let one = Value::Object([(kind.to_owned(), Value::Object(Map::new()))].into_iter().collect());
    match serde_json::from_value::<EventKind>(one).map_err(|error| error.to_string()) {
        Err(error) if error.starts_with("unknown variant") => {
            let detail = error.replace("unknown variant", "no event is named");
            Err(Problem::new(Code::MalformedRequest, detail))
        }
        Ok(_) | Err(_) => Ok(()),
    }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn entry() -> EntryEvents {
        let events = json!([
            {"manager_down": {"manager": "a1.trader-manager", "why": "silent"}},
            {"trader_changed": {"trader": "sample"}},
            {"drained": {"target": "b1", "epoch": 7}},
        ]);
        let at = "2026-11-27T18:00:00Z";
        serde_json::from_value(json!({ "revision": 9, "at": at, "events": events })).unwrap()
    }

    fn left(kinds: &[&str], about: Option<&str>) -> usize {
        let kinds: Vec<String> = kinds.iter().map(ToString::to_string).collect();
        let filter = EventFilter::new(&kinds, about).unwrap();
        filter.of_entry(entry()).map_or(0, |entry| entry.events.len())
    }

    #[test]
    fn events_are_chosen_by_their_names_and_by_what_they_are_about() {
        assert_eq!(left(&[], None), 3);
        assert_eq!(left(&["drained", "trader_changed"], None), 2);
        assert_eq!(left(&[], Some("a1")), 1, "its Manager");
        assert_eq!(left(&[], Some("a1.trader-manager")), 1);
        assert_eq!(left(&["drained"], Some("a1")), 0);
        assert_eq!(left(&[], Some("silent")), 0, "a reason is no name");
        assert_eq!(left(&[], Some("a")), 0, "a part of a name is none");
    }

    #[test]
    fn a_name_that_no_event_has_is_refused_with_those_there_are() {
        let refused = EventFilter::new(&["drainde".to_owned()], None).unwrap_err();
        assert_eq!(refused.code, Code::MalformedRequest);
        assert!(refused.detail.contains("`drainde`") && refused.detail.contains("`drained`"));
        assert!(EventFilter::new(&[], Some("a b")).is_err());
    }

    #[test]
    fn a_filter_is_read_as_it_is_written() {
        let kinds = ["drained".to_owned(), "dropped".to_owned()];
        let filter = EventFilter::new(&kinds, Some("a1")).unwrap();
        assert_eq!(filter.query(), ["kinds=drained,dropped", "about=a1"]);
        let options = EventsOptions {
            kinds: Some("drained,dropped".to_owned()),
            about: Some("a1".to_owned()),
            ..EventsOptions::default()
        };
        assert_eq!(EventFilter::of(&options), Ok(filter));
    }
}
