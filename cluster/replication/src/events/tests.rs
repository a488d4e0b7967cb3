//! Claims about the ring of events: W1 for readers of every pace, over evictions and snapshots.
#![allow(clippy::unwrap_used)]

use super::*;
use std::collections::BTreeMap;
use tradewind_domain::{
    control::{
        EventKind,
        watch::{Seen, violations},
    },
    ids::NodeId,
    time::UnixNanos,
};

fn entry(revision: u64) -> EntryEvents {
    let kind = EventKind::MemberKnown { node: NodeId(revision) };
    let event = Event { revision: Revision(revision), at: UnixNanos(1), kind };
    (Revision(revision), [event].into())
}

/// Every third entry has events.
fn entries(from: u64, to: u64) -> Vec<EntryEvents> {
    (from..=to).filter(|n| n.is_multiple_of(3)).map(entry).collect()
}

fn read(stream: &mut EventStream, most: usize, seen: &mut Vec<Seen>) -> bool {
    match stream.ready(most) {
        Ok(ready) => {
            let rest = ready.len() < most;
            for (revision, events) in ready {
                seen.push(Seen::Events { revision, events: events.to_vec() });
            }
            if rest {
                seen.push(Seen::Beat { revision: stream.place() });
            }
            true
        }
        Err(_) => {
            seen.push(Seen::Gone);
            false
        }
    }
}

#[test]
fn readers_of_every_pace_see_each_revision_once_and_in_order_or_are_told() {
    let last = 4 * EVENTS_KEPT as u64;
    let happened: BTreeMap<_, _> = entries(1, last)
        .into_iter()
        .map(|(revision, events)| (revision, events.to_vec()))
        .collect();
    for (pace, step, whole) in [(64, 100, true), (1, 1, true), (7, 20, true), (1, 100, false)] {
        let ring = Arc::new(EventRing::new(Revision(0)));
        let mut stream = ring.since(Revision(0)).unwrap();
        let mut seen = vec![Seen::Opened { since: Revision(0) }];
        let (mut applied, mut told) = (0, false);
        while applied < last {
            let to = (applied + step).min(last);
            ring.push(entries(applied + 1, to), Revision(to));
            applied = to;
            if !read(&mut stream, pace, &mut seen) {
                told = true;
                break;
            }
        }
        while !told && stream.place() < Revision(last) {
            assert!(read(&mut stream, pace, &mut seen));
        }
        assert_eq!(told, !whole, "pace {pace}, step {step}");
        let found = violations(&seen, &happened);
        assert!(found.is_empty(), "pace {pace}, step {step}: {found:?}");
    }
}

#[test]
fn what_is_older_than_the_ring_is_gone_and_never_silence() {
    let ring = Arc::new(EventRing::new(Revision(10)));
    assert_eq!(ring.since(Revision(9)).unwrap_err(), Gone { kept_after: Revision(10) });
    let mut stream = ring.since(Revision(10)).unwrap();
    ring.push(entries(11, 30), Revision(30));
    assert_eq!(stream.ready(1).unwrap()[0].0, Revision(12));
    // A snapshot took the place of entries whose events are not known here.
    ring.restart(Revision(90));
    assert_eq!(stream.ready(9).unwrap_err(), Gone { kept_after: Revision(90) });
    assert!(ring.since(Revision(30)).is_err());
    let mut stream = ring.since(Revision(90)).unwrap();
    ring.push(entries(91, 93), Revision(93));
    assert_eq!(stream.ready(9).unwrap().len(), 1);
    assert_eq!(stream.place(), Revision(93));
}

#[test]
fn at_least_ten_thousand_are_kept() {
    let ring = Arc::new(EventRing::new(Revision(0)));
    let many = 3 * 10_000;
    ring.push(entries(1, many), Revision(many));
    let mut stream = ring.since(Revision(0)).unwrap();
    assert_eq!(stream.ready(usize::MAX).unwrap().len(), 10_000);
    assert_eq!(ring.size().0, 10_000);
}

#[tokio::test]
async fn a_reader_waits_at_a_member_that_lags_and_hears_when_it_stops() {
    let ring = Arc::new(EventRing::new(Revision(0)));
    let mut stream = ring.since(Revision(6)).unwrap();
    ring.push(entries(1, 5), Revision(5));
    assert!(stream.ready(9).unwrap().is_empty());
    assert_eq!(stream.place(), Revision(6), "it does not go back");
    let pusher = ring.clone();
    let pushed = tokio::spawn(async move { pusher.push(entries(6, 9), Revision(9)) });
    assert_eq!(stream.next().await.unwrap().0, Revision(9));
    pushed.await.unwrap();
    ring.stop();
    assert_eq!(stream.next().await.unwrap_err(), EventsError::Stopped);
}
