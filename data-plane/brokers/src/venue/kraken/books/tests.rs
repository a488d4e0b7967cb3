//! Books by messages made here; their checksums are Kraken's.

#![allow(clippy::unwrap_used)]

use super::*;
use tradewind_kraken::book::checksum;

const PAIRS: &str = r#"{"pairs":[{"symbol":"BTC/USD","base":"BTC","quote":"USD","status":"online","qty_precision":8,"qty_increment":0.00000001,"price_precision":1,"cost_precision":5,"marginable":false,"has_index":true,"cost_min":0.50,"price_increment":0.1,"qty_min":0.00005}]}"#;

fn btc() -> InstrumentId {
    InstrumentId::new("BTC/USD").unwrap()
}

fn at(seconds: u64) -> Monotonic {
    Monotonic(seconds * 1_000_000_000)
}

/// A message with one bid and one ask, whose checksum is right or not.
fn message(bid: u128, ask: u128, right: bool) -> String {
    let level = |price| Level { price, quantity: 100_000_000 };
    let checksum = checksum(&[level(ask)], &[level(bid)]).wrapping_add(u32::from(!right));
    let price = |units: u128| format!("{}.{}", units / 10, units % 10);
    format!(
        r#"{{"symbol":"BTC/USD","bids":[{{"price":{},"qty":1.00000000}}],"asks":[{{"price":{},"qty":1.00000000}}],"checksum":{checksum}}}"#,
        price(bid),
        price(ask)
    )
}

fn apply(books: &mut Books, kind: Kind, text: &str, now: u64) -> Option<(InstrumentId, Quote)> {
    books.apply(kind, &serde_json::from_str(text).unwrap(), at(now))
}

fn sayings(books: &mut Books) -> Vec<Saying> {
    std::iter::from_fn(|| books.next()).collect()
}

fn subscribed() -> Books {
    let mut books = Books::new(std::iter::once(btc()));
    assert_eq!(sayings(&mut books), [Saying::Instruments], "the digits have to be known first");
    books.look(at(0));
    books.look(at(9));
    assert_eq!(sayings(&mut books), []);
    books.look(at(10));
    assert_eq!(sayings(&mut books), [Saying::Instruments], "a frame may have been dropped");
    books.instruments(&serde_json::from_str(PAIRS).unwrap(), at(10));
    assert_eq!(sayings(&mut books), [Saying::Subscribe(btc())]);
    books
}

#[test]
fn a_proven_book_makes_a_quote_and_a_broken_one_is_asked_for_anew_once_a_second() {
    let mut books = subscribed();
    let (_, quote) = apply(&mut books, Kind::Snapshot, &message(1_000, 1_001, true), 2).unwrap();
    assert_eq!(quote.bid.unwrap().to_string(), "100.0");
    assert_eq!(
        (quote.ask.unwrap().to_string().as_str(), quote.ask_size.to_string().as_str()),
        ("100.1", "1.00000000")
    );
    let anew = [Saying::Unsubscribe(btc()), Saying::SubscribeBroken(btc())];
    assert_eq!(apply(&mut books, Kind::Update, &message(1_000, 1_001, false), 3), None);
    assert_eq!(sayings(&mut books), anew);
    for _ in 0..5 {
        assert_eq!(apply(&mut books, Kind::Update, &message(1_000, 1_001, true), 3), None);
    }
    assert_eq!(sayings(&mut books), [], "its snapshot is on the way");
    assert_eq!(apply(&mut books, Kind::Update, &message(1_000, 1_001, true), 5), None);
    assert_eq!(sayings(&mut books), anew);
    assert!(apply(&mut books, Kind::Snapshot, &message(1_000, 1_001, true), 6).is_some());
}

#[test]
fn a_silent_book_is_asked_for_anew_and_one_that_speaks_is_not() {
    let mut books = subscribed();
    books.look(at(2));
    books.look(at(11));
    assert_eq!(sayings(&mut books), []);
    apply(&mut books, Kind::Snapshot, &message(1_000, 1_001, true), 11);
    books.look(at(20));
    assert_eq!(sayings(&mut books), []);
    books.look(at(21));
    assert_eq!(sayings(&mut books), [Saying::Unsubscribe(btc()), Saying::Subscribe(btc())]);
    books.look(at(22));
    assert_eq!(sayings(&mut books), [], "it has its time again");
}

#[test]
fn what_kraken_does_not_trade_is_not_asked_for_and_what_is_left_is_unsubscribed() {
    let mut books = subscribed();
    let other = InstrumentId::new("NO/SUCH").unwrap();
    books.want(other.clone());
    assert_eq!(sayings(&mut books), []);
    assert!(books.lacks(&other) && !books.lacks(&btc()));
    books.leave(&other);
    assert_eq!(sayings(&mut books), []);
    books.leave(&btc());
    assert_eq!(sayings(&mut books), [Saying::Unsubscribe(btc())]);
    assert_eq!(apply(&mut books, Kind::Snapshot, &message(1_000, 1_001, true), 2), None);
}

#[test]
fn a_pair_whose_digits_change_is_read_anew() {
    let mut books = subscribed();
    apply(&mut books, Kind::Snapshot, &message(1_000, 1_001, true), 2);
    let finer = PAIRS.replace(r#""price_precision":1"#, r#""price_precision":2"#);
    books.instruments(&serde_json::from_str(PAIRS).unwrap(), at(3));
    assert_eq!(sayings(&mut books), []);
    books.instruments(&serde_json::from_str(&finer).unwrap(), at(3));
    assert_eq!(sayings(&mut books), [Saying::Unsubscribe(btc()), Saying::Subscribe(btc())]);
}
