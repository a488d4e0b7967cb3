//! Claims about reading a stream: whole and in order at any pace, from memory and from the journal.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::{ledger::tests::Book, store::Store};
use tradewind_domain::trading::{OrderState, copies::Naming};
use tradewind_journal::disk::SimulatedDisk;

/// A ledger on a disk, with so many orders accepted and ended.
struct Kept {
    store: Store,
    book: Book,
    streams: Streams,
}

impl Kept {
    fn new() -> Self {
        let book = Book::new();
        let disk = Arc::new(SimulatedDisk::new(1));
        let directory = std::path::Path::new("/ledger");
        let since = Default::default();
        let told = (since, Naming { since, holder: None });
        let account = book.ledger.account();
        let opened = Store::open(directory, account, disk, Default::default(), told).unwrap();
        Self { store: opened.store, book, streams: opened.streams }
    }

    /// An order's life: two events, durable and published.
    fn order(&mut self, name: &str) {
        let id = self.book.order_in(name, &[OrderState::Canceled]);
        assert!(self.book.ledger.entry(&id).is_some());
        let from = self.book.records.len() - 2;
        for record in &self.book.records[from..] {
            let body = record.encode().unwrap();
            let (index, ticket) = self.store.journal().append_next(vec![body]).unwrap();
            ticket.wait().unwrap();
            for event in record.events(self.book.ledger.account()) {
                self.streams.publish(index, event);
            }
        }
    }

    fn reader(&self, after: u64) -> Reader {
        self.streams.reader(&customer(), PrivateChannel::Orders, after)
    }
}

fn customer() -> CustomerId {
    CustomerId::new("acme").unwrap()
}

fn numbers(events: &[Arc<Numbered>]) -> Vec<u64> {
    events.iter().map(|event| event.number.seq).collect()
}

#[test]
fn a_reader_slower_than_the_ledger_gets_every_event_once_in_order_in_bounded_batches() {
    // given
    let mut kept = Kept::new();
    let mut slow = kept.reader(0);
    let mut got = Vec::new();
    // when it reads a batch only now and then
    for n in 0..RECENT_EVENTS * 2 {
        kept.order(&format!("o-{n}"));
        if n % 100 == 99 {
            let batch = slow.ready().unwrap();
            assert!(batch.len() <= REPLAY_BATCH.max(RECENT_EVENTS));
            got.extend(numbers(&batch));
        }
    }
    loop {
        let batch = slow.ready().unwrap();
        if batch.is_empty() {
            break;
        }
        got.extend(numbers(&batch));
    }
    // then
    assert!(got.iter().copied().eq(1..=RECENT_EVENTS as u64 * 4));
}

#[test]
fn memory_and_journal_tell_the_same_from_any_place() {
    let mut kept = Kept::new();
    for n in 0..RECENT_EVENTS {
        kept.order(&format!("o-{n}"));
    }
    let last = RECENT_EVENTS as u64 * 2;
    let stream = kept.streams.stream(&customer());
    for after in [last - 1, last - RECENT_EVENTS as u64, last - RECENT_EVENTS as u64 + 1] {
        let from_memory = kept.reader(after).ready().unwrap();
        let kept_aside = std::mem::take(&mut stream.inner().recent);
        let mut reader = kept.reader(after);
        let mut from_journal = Vec::new();
        while from_journal.len() < from_memory.len() {
            from_journal.extend(reader.ready().unwrap());
        }
        stream.inner().recent = kept_aside;
        assert_eq!(from_memory, from_journal, "after {after}");
    }
    assert!(kept.reader(last).ready().unwrap().is_empty());
}

#[tokio::test]
async fn a_reader_at_the_end_wakes_with_the_next_event() {
    let mut kept = tokio::task::spawn_blocking(Kept::new).await.unwrap();
    let mut reader = kept.reader(0);
    let waiting = tokio::spawn(async move { reader.next().await.map(|events| numbers(&events)) });
    let kept = tokio::task::spawn_blocking(move || {
        kept.order("o-1");
        kept
    });
    let first = waiting.await.unwrap().unwrap();
    assert_eq!(first[0], 1);
    let kept = kept.await.unwrap();
    assert_eq!(kept.streams.stand(&customer(), PrivateChannel::Orders), 2);
    assert!(kept.streams.has_told(&customer(), 2) && !kept.streams.has_told(&customer(), 3));
    tokio::task::spawn_blocking(|| drop(kept)).await.unwrap();
}

#[test]
fn the_newest_events_can_be_asked_for_by_their_number() {
    let mut kept = Kept::new();
    for n in 0..3 {
        kept.order(&format!("o-{n}"));
    }
    let before = |most| kept.streams.before_newest(&customer(), PrivateChannel::Orders, most);
    assert_eq!([before(0), before(1), before(5), before(6), before(7)], [6, 5, 1, 0, 0]);
}

#[test]
fn an_index_that_holds_another_event_is_told_as_damage() {
    let mut kept = Kept::new();
    kept.order("o-1");
    let stream = kept.streams.stream(&customer());
    stream.inner().recent.clear();
    stream.inner().orders[1].index -= 1;
    let error = kept.reader(1).ready().unwrap_err();
    assert!(matches!(error, ReplayError::Misplaced { seq: 2, .. }), "{error}");
}
