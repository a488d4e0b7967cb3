//! W1: a watch shows each revision once, in order, or says that it cannot. Decides what a watcher may have
//! seen, given what happened. Written once; simulation, the tests of the members and the fault harness call
//! it. How events travel is left to the crates around.

use super::event::Event;
use crate::ids::Revision;
use alloc::{collections::BTreeMap, format, string::String, vec::Vec};

/// What a watcher saw, in the order in which he saw it, over all the members he watched at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A stream began, of what happened after this revision.
    Opened { since: Revision },
    /// One entry's events, all of them.
    Events { revision: Revision, events: Vec<Event> },
    /// Nothing up to here is still to come.
    Beat { revision: Revision },
    /// What he asked for is no longer kept: he starts again from a snapshot.
    Gone,
}

/// Every sentence that does not hold of what was seen; `happened` has each revision with events, whole.
#[must_use]
pub fn violations(seen: &[Seen], happened: &BTreeMap<Revision, Vec<Event>>) -> Vec<String> {
    let mut found = Vec::new();
    let mut place: Option<Revision> = None;
    for step in seen {
        match step {
            Seen::Opened { since } => {
                if place.is_some_and(|held| held != *since) {
                    found.push(format!("W1: resumed after {since}, not where it was"));
                }
                place = Some(*since);
            }
            Seen::Events { revision, events } => {
                let Some(held) = place else {
                    found.push(format!("W1: {revision} was shown and no stream was open"));
                    continue;
                };
                if *revision <= held {
                    found.push(format!("W1: {revision} was shown after {held}"));
                    continue;
                }
                missed(&mut found, happened, held, Revision(revision.0 - 1));
                if happened.get(revision) != Some(events) {
                    found.push(format!("W1: {revision} was shown otherwise than it happened"));
                }
                place = Some(*revision);
            }
            Seen::Beat { revision } => {
                let Some(held) = place else { continue };
                missed(&mut found, happened, held, *revision);
                place = Some(held.max(*revision));
            }
            Seen::Gone => place = None,
        }
    }
    found
}

/// Notes each revision with events after `held` and up to `until`.
fn missed(
    found: &mut Vec<String>,
    happened: &BTreeMap<Revision, Vec<Event>>,
    held: Revision,
    until: Revision,
) {
    if until <= held {
        return;
    }
    for revision in happened.range(Revision(held.0 + 1)..=until).map(|(revision, _)| revision) {
        found.push(format!("W1: {revision} was passed over"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{control::EventKind, ids::NodeId, time::UnixNanos};
    use alloc::vec;

    fn events(revision: u64) -> Vec<Event> {
        let kind = EventKind::MemberKnown { node: NodeId(revision) };
        vec![Event { revision: Revision(revision), at: UnixNanos(1), kind }]
    }

    fn shown(revision: u64) -> Seen {
        Seen::Events { revision: Revision(revision), events: events(revision) }
    }

    fn opened(since: u64) -> Seen {
        Seen::Opened { since: Revision(since) }
    }

    fn beat(revision: u64) -> Seen {
        Seen::Beat { revision: Revision(revision) }
    }

    fn wrong(seen: &[Seen]) -> usize {
        let happened = [3, 5, 8].map(|n| (Revision(n), events(n))).into();
        violations(seen, &happened).len()
    }

    #[test]
    fn each_revision_once_and_in_order_is_as_it_should_be() {
        assert_eq!(wrong(&[opened(0), shown(3), beat(4), shown(5), shown(8), beat(9)]), 0);
        assert_eq!(wrong(&[opened(3), shown(5), opened(5), shown(8)]), 0);
        assert_eq!(wrong(&[opened(0), shown(3), beat(4), opened(4), shown(5)]), 0);
        assert_eq!(wrong(&[opened(0), Seen::Gone, opened(5), shown(8)]), 0);
        // A member that lags says how far it is, and shows nothing yet.
        assert_eq!(wrong(&[opened(8), beat(5), beat(8)]), 0);
    }

    #[test]
    fn whatever_a_watch_does_wrong_is_found() {
        assert_eq!(wrong(&[opened(0), shown(5)]), 1, "passed over");
        assert_eq!(wrong(&[opened(0), shown(3), shown(3)]), 1, "twice");
        assert_eq!(wrong(&[opened(0), shown(3), shown(5), shown(3)]), 1, "out of order");
        assert_eq!(wrong(&[opened(0), shown(3), beat(8)]), 2, "silence");
        assert_eq!(wrong(&[opened(0), shown(3), opened(5), shown(8)]), 1, "a hole at the resume");
        assert_eq!(wrong(&[shown(3)]), 1, "nothing was asked for");
        let other = Seen::Events { revision: Revision(3), events: events(4) };
        assert_eq!(wrong(&[opened(0), other]), 1, "other events");
        let invented = Seen::Events { revision: Revision(4), events: events(4) };
        assert_eq!(wrong(&[opened(3), invented]), 1, "never happened");
    }
}
