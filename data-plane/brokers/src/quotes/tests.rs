//! Claims about quotes: what is subscribed, what a slow reader gets, what the status says.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::venue::{Event, Replace, Submission};
use tradewind_domain::{
    ids::{ClusterIncarnation, Epoch, VenueOrderId},
    money::Quantity,
    time::UnixNanos,
    trading::spread::{MAIN, tape::Mark},
};

/// A venue that notes what is subscribed.
#[derive(Default)]
struct Noted(Mutex<Vec<String>>);

impl Noted {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Link for Noted {
    fn submit(&self, _: Submission) -> Result<(), NotSent> {
        Err(NotSent)
    }
    fn cancel(&self, _: VenueOrderId) -> Result<(), NotSent> {
        Err(NotSent)
    }
    fn replace(&self, _: Replace) -> Result<(), NotSent> {
        Err(NotSent)
    }
    fn query(&self, _: VenueOrderId) -> Result<(), NotSent> {
        Err(NotSent)
    }
    fn sweep(&self, _: UnixNanos, _: Option<u64>) -> Result<(), NotSent> {
        Err(NotSent)
    }
    fn subscribe(&self, instrument: &InstrumentId) -> Result<(), NotSent> {
        self.0.lock().unwrap().push(format!("+{instrument}"));
        Ok(())
    }
    fn unsubscribe(&self, instrument: &InstrumentId) -> Result<(), NotSent> {
        self.0.lock().unwrap().push(format!("-{instrument}"));
        Ok(())
    }
}

fn btc() -> InstrumentId {
    InstrumentId::new("BTC/USD").unwrap()
}

fn quote(at: u64) -> Quote {
    Quote {
        bid: None,
        bid_size: Quantity::ZERO,
        ask: None,
        ask_size: Quantity::ZERO,
        at: UnixNanos(at),
    }
}

fn quotes() -> Quotes {
    let fence = Fence { cluster: ClusterIncarnation(1), epoch: Epoch(10) };
    Quotes::new(fence, Incarnation(5), true).unwrap()
}

/// The venue confirms a subscription; `stands`: how far trades have come, in the venue's numbers.
fn confirm(quotes: &Quotes, at: ConnectionNumber, instrument: InstrumentId, stands: Option<u64>) {
    let stands = stands.map(|number| Mark { life: 1, number });
    assert_eq!(quotes.hear(at, Event::Subscribed { instrument, stands }), None);
}

/// A quote over the main connection of a venue that does not number trades.
fn put(quotes: &Quotes, at: u64) {
    confirmed(quotes);
    quotes.hear(MAIN, Event::Quote { instrument: btc(), quote: quote(at) });
}

fn put_trade(quotes: &Quotes, at: u64) {
    confirmed(quotes);
    quotes.hear(MAIN, Event::Trade { instrument: btc(), number: None, trade: trade(at) });
}

fn confirmed(quotes: &Quotes) {
    let heard = quotes.inner().spread.is_heard(&btc());
    if !heard {
        confirm(quotes, MAIN, btc(), None);
    }
}

#[tokio::test]
async fn an_instrument_is_subscribed_once_while_anybody_reads_it_and_again_after_a_reconnect() {
    // given
    let (quotes, first) = (quotes(), Arc::new(Noted::default()));
    quotes.connected(MAIN, first.clone(), None);
    // when, then
    let (one, two) = (quotes.read(&btc()), quotes.read(&btc()));
    assert_eq!(first.take(), ["+BTC/USD"]);
    drop(one);
    assert!(first.take().is_empty());
    let second = Arc::new(Noted::default());
    quotes.lost(MAIN);
    quotes.connected(MAIN, second.clone(), None);
    assert_eq!(second.take(), ["+BTC/USD"]);
    drop(two);
    assert_eq!(second.take(), ["-BTC/USD"]);
}

#[tokio::test]
async fn a_slow_reader_gets_the_latest_few_and_numbers_only_rise() {
    // given
    let quotes = quotes();
    quotes.connected(MAIN, Arc::new(Noted::default()), None);
    let mut reader = quotes.read(&btc());
    assert_eq!(reader.next().await.latest, None, "what is known at first");
    // when
    for at in 1..=100 {
        put(&quotes, at);
    }
    // then
    for at in 100 - QUOTES_WAITING as u64 + 1..=100 {
        let latest = reader.next().await.latest.unwrap();
        assert_eq!((latest.seq, latest.quote.at), (at + 1, UnixNanos(at)));
        assert_eq!(latest.epoch.as_str(), "1-10-5-0");
    }
    // even for one that comes back later
    drop(reader);
    let mut again = quotes.read(&btc());
    put(&quotes, 101);
    assert_eq!(again.next().await.latest, None, "it is subscribed anew");
    assert_eq!(again.next().await.latest.unwrap().seq, 103);
}

#[tokio::test]
async fn a_reader_who_keeps_up_has_every_quote_of_a_burst() {
    // given
    let quotes = quotes();
    quotes.connected(MAIN, Arc::new(Noted::default()), None);
    let (mut reader, mut other) = (quotes.read(&btc()), quotes.read(&btc()));
    assert_eq!(reader.next().await.latest, None);
    assert_eq!(other.next().await.latest, None);
    // when
    for burst in 0..3 {
        let all = 1 + 20 * burst..=20 * (burst + 1);
        all.clone().for_each(|at| put(&quotes, at));
        // then
        for at in all {
            assert_eq!(reader.next().await.latest.unwrap().quote.at, UnixNanos(at));
        }
    }
    let oldest = other.next().await.latest.unwrap();
    assert_eq!(oldest.quote.at, UnixNanos(60 - QUOTES_WAITING as u64 + 1));
}

#[tokio::test]
async fn each_loss_and_each_assignment_is_another_source() {
    let quotes = quotes();
    quotes.connected(MAIN, Arc::new(Noted::default()), None);
    let mut reader = quotes.read(&btc());
    assert_eq!(reader.next().await.latest, None);
    put(&quotes, 1);
    assert_eq!(reader.next().await.status, StreamStatus::Live);
    quotes.lost(MAIN);
    assert_eq!(reader.next().await.status, StreamStatus::Reconnecting);
    quotes.connected(MAIN, Arc::new(Noted::default()), None);
    put(&quotes, 2);
    let known = reader.next().await;
    assert_eq!(known.status, StreamStatus::Live);
    assert_eq!(known.latest.unwrap().epoch.as_str(), "1-10-5-1");
    quotes.assigned(Fence { cluster: ClusterIncarnation(1), epoch: Epoch(12) });
    put(&quotes, 3);
    let latest = reader.next().await.latest.unwrap();
    assert_eq!(latest.epoch.as_str(), "1-12-5-2");
}

#[tokio::test]
async fn an_assignment_that_changes_only_who_may_use_the_account_is_the_same_source() {
    // given
    let quotes = quotes();
    quotes.connected(MAIN, Arc::new(Noted::default()), None);
    let mut reader = quotes.read(&btc());
    assert_eq!(reader.next().await.latest, None);
    put(&quotes, 1);
    let before = reader.next().await.latest.unwrap();
    // when
    quotes.assigned(Fence { cluster: ClusterIncarnation(1), epoch: Epoch(10) });
    put(&quotes, 2);
    // then: within an epoch numbers rise
    let after = reader.next().await.latest.unwrap();
    assert_eq!((after.epoch.as_str(), after.seq), (before.epoch.as_str(), before.seq + 1));
}

#[tokio::test]
async fn a_source_that_falls_silent_is_stale_until_it_speaks() {
    let quotes = quotes();
    quotes.connected(MAIN, Arc::new(Noted::default()), None);
    let mut reader = quotes.read(&btc());
    assert_eq!(reader.next().await.latest, None);
    put(&quotes, 1);
    assert_eq!(reader.next().await.status, StreamStatus::Live);
    quotes.inner().sources.get_mut(&btc()).unwrap().heard -= QUOTE_STALE_AFTER;
    quotes.judge();
    let known = reader.next().await;
    assert_eq!(known.status, StreamStatus::Stale);
    assert!(known.latest.is_some(), "the last one is still the last one");
    put(&quotes, 2);
    assert_eq!(reader.next().await.status, StreamStatus::Live);
}

fn trade(at: u64) -> tradewind_domain::trading::Trade {
    tradewind_domain::trading::Trade {
        price: "1".parse().unwrap(),
        quantity: "1".parse().unwrap(),
        taker: tradewind_domain::trading::Side::Sell,
        at: UnixNanos(at),
    }
}

/// The number before and the own one of a trade; `None` and the number of a stand.
async fn heard(reader: &mut TradeReader) -> (Option<u64>, u64) {
    match &*reader.next().await {
        News::Stand { seq, .. } => (None, *seq),
        News::Trade { prev, seq, .. } => (Some(*prev), *seq),
    }
}

#[tokio::test]
async fn each_trade_names_the_one_before_and_a_new_reader_is_told_where_it_stands() {
    let quotes = quotes();
    let venue = Arc::new(Noted::default());
    quotes.connected(MAIN, venue.clone(), None);
    let mut first = quotes.read_trades(&btc());
    assert_eq!(venue.take(), ["+BTC/USD"]);
    assert_eq!(heard(&mut first).await, (None, 1));
    put_trade(&quotes, 1);
    // Quotes have numbers of the same kind.
    put(&quotes, 2);
    put_trade(&quotes, 3);
    assert_eq!(heard(&mut first).await, (Some(1), 2));
    assert_eq!(heard(&mut first).await, (Some(2), 4));
    let mut second = quotes.read_trades(&btc());
    assert_eq!(heard(&mut second).await, (None, 4));
    drop((first, second));
    assert_eq!(venue.take(), ["-BTC/USD"]);
}

#[tokio::test]
async fn what_was_traded_while_nobody_read_shows_by_where_the_tape_stands() {
    let quotes = quotes();
    quotes.connected(MAIN, Arc::new(Noted::default()), None);
    let mut reader = quotes.read_trades(&btc());
    put_trade(&quotes, 1);
    assert_eq!(heard(&mut reader).await, (None, 1));
    assert_eq!(heard(&mut reader).await, (Some(1), 2));
    // when: whatever was traded then, nothing came
    drop(reader);
    let mut reader = quotes.read_trades(&btc());
    assert_eq!(heard(&mut reader).await, (None, 3), "not 2: something may be missing");
}

#[tokio::test]
async fn a_connection_lost_begins_the_tape_anew_and_a_reader_that_is_behind_sees_a_hole() {
    let quotes = quotes();
    quotes.connected(MAIN, Arc::new(Noted::default()), None);
    let mut reader = quotes.read_trades(&btc());
    (0..3_000).for_each(|at| put_trade(&quotes, at));
    assert_eq!(heard(&mut reader).await, (None, 1));
    let (prev, _) = heard(&mut reader).await;
    assert!(prev.is_some_and(|prev| prev > 0), "those before are lost to him");
    let News::Trade { epoch: before, .. } = &*reader.next().await else { panic!("a trade") };
    let before = before.clone();
    quotes.connected(MAIN, Arc::new(Noted::default()), None);
    confirm(&quotes, MAIN, btc(), None);
    let stand = loop {
        if let News::Stand { epoch, .. } = &*reader.next().await {
            break epoch.clone();
        }
    };
    assert_ne!(stand, before);
}

fn numbered(quotes: &Quotes, at: ConnectionNumber, instrument: InstrumentId, number: u64) {
    let number = Some(number);
    quotes.hear(at, Event::Trade { instrument, number, trade: trade(1) });
}

#[tokio::test]
async fn a_connection_lost_while_nothing_was_traded_is_no_hole_and_one_that_missed_a_trade_is() {
    // given: a venue that numbers its trades
    let quotes = quotes();
    quotes.connected(MAIN, Arc::new(Noted::default()), None);
    let mut reader = quotes.read_trades(&btc());
    confirm(&quotes, MAIN, btc(), Some(7));
    numbered(&quotes, MAIN, btc(), 8);
    assert_eq!(heard(&mut reader).await, (None, 1));
    assert_eq!(heard(&mut reader).await, (Some(1), 2));
    // when, then
    quotes.lost(MAIN);
    quotes.connected(MAIN, Arc::new(Noted::default()), None);
    confirm(&quotes, MAIN, btc(), Some(8));
    numbered(&quotes, MAIN, btc(), 9);
    assert_eq!(heard(&mut reader).await, (Some(2), 3));
    // when, then: 10 was missed
    quotes.lost(MAIN);
    quotes.connected(MAIN, Arc::new(Noted::default()), None);
    confirm(&quotes, MAIN, btc(), Some(10));
    assert_eq!(heard(&mut reader).await.0, None);
}

#[tokio::test]
async fn an_instrument_that_moves_stays_live_and_its_trades_are_whole() {
    // given: five instruments, of which one connection takes four
    let quotes = quotes();
    let (main, more) = (Arc::new(Noted::default()), Arc::new(Noted::default()));
    let data = ConnectionNumber(1);
    quotes.connected(MAIN, main.clone(), Some(4));
    let name = |n: u8| InstrumentId::new(&format!("I{n}/USD")).unwrap();
    let mut readers: Vec<_> = (0..5).map(|n| quotes.read(&name(n))).collect();
    assert_eq!(quotes.wish().borrow().data, [data].into());
    quotes.connected(data, more.clone(), Some(4));
    assert_eq!(more.take(), ["+I4/USD"]);
    (0..4).for_each(|n| confirm(&quotes, MAIN, name(n), Some(0)));
    let (moves, mut trades) = (name(4), quotes.read_trades(&name(4)));
    confirm(&quotes, data, moves.clone(), Some(0));
    quotes.hear(data, Event::Quote { instrument: moves.clone(), quote: quote(1) });
    let stand = heard(&mut trades).await.1;
    numbered(&quotes, data, moves.clone(), 1);
    // when: two are left, and it moves; trades and a quote come over both on the way
    main.take();
    readers.drain(..2);
    assert_eq!(main.take(), ["-I0/USD", "-I1/USD", "+I4/USD"]);
    confirm(&quotes, MAIN, moves.clone(), Some(1));
    assert_eq!(more.take(), ["-I4/USD"]);
    numbered(&quotes, MAIN, moves.clone(), 2);
    numbered(&quotes, MAIN, moves.clone(), 3);
    quotes.hear(MAIN, Event::Quote { instrument: moves.clone(), quote: quote(3) });
    numbered(&quotes, data, moves.clone(), 2);
    assert_eq!(quotes.wish().borrow().data, [data].into(), "it has not said its last");
    quotes.hear(data, Event::Unsubscribed { instrument: moves.clone() });
    // then
    assert_eq!(quotes.wish().borrow().data, [].into());
    numbered(&quotes, MAIN, moves.clone(), 4);
    let mut before = stand;
    for _ in 1..=4 {
        let (prev, seq) = heard(&mut trades).await;
        assert_eq!(prev, Some(before), "none is missing and none comes twice");
        before = seq;
    }
    let (mut reader, mut said) = (readers.pop().unwrap(), Vec::new());
    loop {
        let known = reader.next().await;
        said.push(known.status);
        if known.latest.is_some_and(|latest| latest.quote.at == UnixNanos(3)) {
            break;
        }
    }
    said.dedup();
    assert_eq!(said, [StreamStatus::Reconnecting, StreamStatus::Live], "live all the way");
}
