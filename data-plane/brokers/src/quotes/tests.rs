//! Claims about quotes: what is subscribed, what a slow reader gets, what the status says.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::venue::{NotSent, Replace, Submission};
use tradewind_domain::{
    ids::{ClusterIncarnation, Epoch, VenueOrderId},
    money::Quantity,
    time::UnixNanos,
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
    Quotes::new(fence, Incarnation(5)).unwrap()
}

#[tokio::test]
async fn an_instrument_is_subscribed_once_while_anybody_reads_it_and_again_after_a_reconnect() {
    // given
    let (quotes, first) = (quotes(), Arc::new(Noted::default()));
    quotes.connected(first.clone());
    // when, then
    let (one, two) = (quotes.read(&btc()), quotes.read(&btc()));
    assert_eq!(first.take(), ["+BTC/USD"]);
    drop(one);
    assert!(first.take().is_empty());
    let second = Arc::new(Noted::default());
    quotes.lost();
    quotes.connected(second.clone());
    assert_eq!(second.take(), ["+BTC/USD"]);
    drop(two);
    assert_eq!(second.take(), ["-BTC/USD"]);
}

#[tokio::test]
async fn a_slow_reader_gets_the_latest_few_and_numbers_only_rise() {
    // given
    let quotes = quotes();
    quotes.connected(Arc::new(Noted::default()));
    let mut reader = quotes.read(&btc());
    assert_eq!(reader.next().await.latest, None, "what is known at first");
    // when
    for at in 1..=100 {
        quotes.put(&btc(), quote(at));
    }
    // then
    for at in 100 - QUOTES_WAITING as u64 + 1..=100 {
        let latest = reader.next().await.latest.unwrap();
        assert_eq!((latest.seq, latest.quote.at), (at, UnixNanos(at)));
        assert_eq!(latest.epoch.as_str(), "1-10-5-1");
    }
    // even for one that comes back later
    drop(reader);
    let mut again = quotes.read(&btc());
    quotes.put(&btc(), quote(101));
    assert_eq!(again.next().await.latest, None, "it is subscribed anew");
    assert_eq!(again.next().await.latest.unwrap().seq, 101);
}

#[tokio::test]
async fn a_reader_who_keeps_up_has_every_quote_of_a_burst() {
    // given
    let quotes = quotes();
    quotes.connected(Arc::new(Noted::default()));
    let (mut reader, mut other) = (quotes.read(&btc()), quotes.read(&btc()));
    assert_eq!(reader.next().await.latest, None);
    assert_eq!(other.next().await.latest, None);
    // when
    for burst in 0..3 {
        let seqs = 1 + 20 * burst..=20 * (burst + 1);
        seqs.clone().for_each(|at| quotes.put(&btc(), quote(at)));
        // then
        for seq in seqs {
            assert_eq!(reader.next().await.latest.unwrap().seq, seq);
        }
    }
    assert_eq!(other.next().await.latest.unwrap().seq, 60 - QUOTES_WAITING as u64 + 1);
}

#[tokio::test]
async fn each_connection_and_each_assignment_is_another_source() {
    let quotes = quotes();
    quotes.connected(Arc::new(Noted::default()));
    let mut reader = quotes.read(&btc());
    assert_eq!(reader.next().await.latest, None);
    quotes.put(&btc(), quote(1));
    assert_eq!(reader.next().await.status, StreamStatus::Live);
    quotes.lost();
    assert_eq!(reader.next().await.status, StreamStatus::Reconnecting);
    quotes.connected(Arc::new(Noted::default()));
    quotes.put(&btc(), quote(2));
    let known = reader.next().await;
    assert_eq!(known.status, StreamStatus::Live);
    assert_eq!(known.latest.unwrap().epoch.as_str(), "1-10-5-2");
    quotes.assigned(Fence { cluster: ClusterIncarnation(1), epoch: Epoch(12) });
    quotes.put(&btc(), quote(3));
    let latest = reader.next().await.latest.unwrap();
    assert_eq!((latest.epoch.as_str(), latest.seq), ("1-12-5-2", 1));
}

#[tokio::test]
async fn an_assignment_that_changes_only_who_may_use_the_account_is_the_same_source() {
    // given
    let quotes = quotes();
    quotes.connected(Arc::new(Noted::default()));
    let mut reader = quotes.read(&btc());
    assert_eq!(reader.next().await.latest, None);
    quotes.put(&btc(), quote(1));
    let before = reader.next().await.latest.unwrap();
    // when
    quotes.assigned(Fence { cluster: ClusterIncarnation(1), epoch: Epoch(10) });
    quotes.put(&btc(), quote(2));
    // then: within an epoch numbers rise
    let after = reader.next().await.latest.unwrap();
    assert_eq!((after.epoch.as_str(), after.seq), (before.epoch.as_str(), before.seq + 1));
}

#[tokio::test]
async fn a_source_that_falls_silent_is_stale_until_it_speaks() {
    let quotes = quotes();
    quotes.connected(Arc::new(Noted::default()));
    let mut reader = quotes.read(&btc());
    assert_eq!(reader.next().await.latest, None);
    quotes.put(&btc(), quote(1));
    assert_eq!(reader.next().await.status, StreamStatus::Live);
    quotes.inner().sources.get_mut(&btc()).unwrap().heard -= QUOTE_STALE_AFTER;
    quotes.judge();
    let known = reader.next().await;
    assert_eq!(known.status, StreamStatus::Stale);
    assert!(known.latest.is_some(), "the last one is still the last one");
    quotes.put(&btc(), quote(2));
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
    quotes.connected(venue.clone());
    let mut first = quotes.read_trades(&btc());
    assert_eq!(venue.take(), ["+BTC/USD"]);
    assert_eq!(heard(&mut first).await, (None, 0));
    quotes.put_trade(&btc(), trade(1));
    // Quotes have numbers of the same kind.
    quotes.put(&btc(), quote(2));
    quotes.put_trade(&btc(), trade(3));
    assert_eq!(heard(&mut first).await, (Some(0), 1));
    assert_eq!(heard(&mut first).await, (Some(1), 3));
    let mut second = quotes.read_trades(&btc());
    assert_eq!(heard(&mut second).await, (None, 3));
    drop((first, second));
    assert_eq!(venue.take(), ["-BTC/USD"]);
}

#[tokio::test]
async fn what_was_traded_while_nobody_read_shows_by_where_the_tape_stands() {
    let quotes = quotes();
    quotes.connected(Arc::new(Noted::default()));
    let mut reader = quotes.read_trades(&btc());
    quotes.put_trade(&btc(), trade(1));
    assert_eq!(heard(&mut reader).await, (None, 0));
    assert_eq!(heard(&mut reader).await, (Some(0), 1));
    drop(reader);
    quotes.put_trade(&btc(), trade(2));
    let mut reader = quotes.read_trades(&btc());
    assert_eq!(heard(&mut reader).await, (None, 2), "not 1: something is missing");
}

#[tokio::test]
async fn a_connection_lost_begins_the_tape_anew_and_a_reader_that_is_behind_sees_a_hole() {
    let quotes = quotes();
    quotes.connected(Arc::new(Noted::default()));
    let mut reader = quotes.read_trades(&btc());
    (0..3_000).for_each(|at| quotes.put_trade(&btc(), trade(at)));
    assert_eq!(heard(&mut reader).await, (None, 0));
    let (prev, _) = heard(&mut reader).await;
    assert!(prev.is_some_and(|prev| prev > 0), "those before are lost to him");
    let News::Trade { epoch: before, .. } = &*reader.next().await else { panic!("a trade") };
    let before = before.clone();
    quotes.connected(Arc::new(Noted::default()));
    let stand = loop {
        if let News::Stand { epoch, seq } = &*reader.next().await {
            break (epoch.clone(), *seq);
        }
    };
    assert!(stand.0 != before && stand.1 == 0, "{stand:?}");
}
