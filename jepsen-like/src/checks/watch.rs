//! W1: a watcher is shown each revision once, in order, as the log has it. Decides how a history is read; what a
//! watcher may be shown is decided by `domain::control::watch`.

use super::{Checked, Finding, named, text};
use crate::calls::{Call, Outcome};
use serde_json::Value;
use std::collections::BTreeMap;
use tradewind_domain::{
    control::{
        Event, EventKind,
        watch::{Seen, violations},
    },
    ids::{NodeId, Revision},
    time::UnixNanos,
};

/// Events as texts, each with a number of its own: two are the same if their texts are.
#[derive(Default)]
struct Texts(BTreeMap<String, u64>);

impl Texts {
    fn events(&mut self, revision: u64, text: String) -> Vec<Event> {
        let next = self.0.len() as u64;
        let number = *self.0.entry(text).or_insert(next);
        // Only whether it is the same matters: the number stands in the place of the time.
        let kind = EventKind::MemberKnown { node: NodeId(0) };
        vec![Event { revision: Revision(revision), at: UnixNanos(number), kind }]
    }
}

#[must_use]
pub fn check(calls: &[Call]) -> Checked {
    let mut checked = Checked::default();
    let watched = |call: &&Call| matches!(call.f.as_str(), "event" | "resume" | "beat" | "final");
    let mut by_watcher = BTreeMap::<String, Vec<&Call>>::new();
    for call in calls.iter().filter(watched) {
        let watcher = call.told.get("watcher").map(text).unwrap_or_default();
        by_watcher.entry(watcher).or_default().push(call);
    }
    if by_watcher.is_empty() {
        return checked;
    }
    let mut texts = Texts::default();
    let log = named(calls, "log-read").filter(|call| call.outcome == Outcome::Ok).last();
    let Some(log) = log.and_then(|call| log_of(&call.told, &mut texts)) else {
        checked.undecided.push("the log was not read at the end: W1 is not decided".to_string());
        return checked;
    };
    for (watcher, calls) in by_watcher {
        let seen: Option<Vec<Seen>> = calls.iter().map(|call| seen(call, &mut texts)).collect();
        let Some(seen) = seen else {
            checked.undecided.push(format!("{watcher:?}: what it was shown cannot be read"));
            continue;
        };
        let found = violations(&seen, &log);
        if found.is_empty() {
            continue;
        }
        // The first place up to which all is no longer well shows where it went wrong.
        let first = (0..seen.len()).find(|end| !violations(&seen[..=*end], &log).is_empty());
        let shown = first.and_then(|place| calls.get(place)).map(|call| call.begun);
        for sentence in found.into_iter().take(3) {
            let text = format!("{watcher}: {sentence}");
            checked.found(Some(Finding::new("W1", text, shown)));
        }
    }
    checked
}

fn seen(call: &Call, texts: &mut Texts) -> Option<Seen> {
    let number = |name: &str| call.told.get(name).and_then(Value::as_u64);
    Some(match call.f.as_str() {
        "event" => {
            let revision = number("rev")?;
            let events = texts.events(revision, text(call.told.get("event")?));
            Seen::Events { revision: Revision(revision), events }
        }
        "resume" => Seen::Opened { since: Revision(number("after")?) },
        _ => Seen::Beat { revision: Revision(number("rev")?) },
    })
}

fn log_of(value: &Value, texts: &mut Texts) -> Option<BTreeMap<Revision, Vec<Event>>> {
    let mut entry = |entry: &Value| {
        let revision = entry.get(0)?.as_u64()?;
        Some((Revision(revision), texts.events(revision, text(entry.get(1)?))))
    };
    value.as_array()?.iter().map(&mut entry).collect()
}
