//! Books against Kraken's own vectors, a recorded session and a slow model that cannot be wrong.

use proptest::prelude::*;
use std::collections::BTreeMap;
use tradewind_domain::time::Monotonic;

use super::*;
use crate::number::Number;
use crate::ws::{Kind, Message, market::Market, read};

const RECORDED: &str = include_str!("../../recordings/kraken_book_btcusd_depth10.jsonl");
const BTC: Precision = Precision { price: 1, quantity: 8 };

fn message(line: &str) -> (Kind, BookMessage<'_>) {
    match read(line).unwrap() {
        Message::Market(Market::Book(kind, book)) => (kind, book),
        other => panic!("no book: {other:?}"),
    }
}

fn levels(text: &str) -> Vec<PriceLevel> {
    let level = |text: &str| {
        let (price, qty) = text.split_once(':').unwrap();
        PriceLevel { price: price.parse().unwrap(), qty: qty.parse().unwrap() }
    };
    text.split(", ").map(level).collect()
}

#[test]
fn all_checksums_of_a_recorded_session_are_proven() {
    let mut book = Book::new(BTC, 10);
    let mut proven = 0;
    for line in RECORDED.lines() {
        let (kind, message) = message(line);
        book.apply(kind, &message).unwrap_or_else(|fault| panic!("{fault} at {line}"));
        assert_eq!(checksum(book.asks(), book.bids()), message.checksum);
        proven += 1;
    }
    assert_eq!(proven, 510);
}

#[test]
fn recorded_messages_are_written_as_they_were_read() {
    for line in RECORDED.lines() {
        let (_, message) = message(line);
        let written = serde_json::to_string(&message).unwrap();
        assert!(line.contains(&written), "{written}\nin {line}");
    }
}

#[test]
fn the_documented_books_have_the_documented_checksums() {
    let table = [
        (
            BTC,
            "45285.2:0.00100000, 45286.4:1.54571953, 45286.6:1.54571109, 45289.6:1.54560911, 45290.2:0.15890660, 45291.8:1.54553491, 45294.7:0.04454749, 45296.1:0.35380000, 45297.5:0.09945542, 45299.5:0.18772827",
            "45283.5:0.10000000, 45283.4:1.54582015, 45282.1:0.10000000, 45281.0:0.10000000, 45280.3:1.54592586, 45279.0:0.07990000, 45277.6:0.03310103, 45277.5:0.30000000, 45277.3:1.54602737, 45276.6:0.15445238",
            3_310_070_434,
        ),
        (
            Precision { price: 4, quantity: 8 },
            "0.5668:4410.79769741, 0.5669:4655.40412487, 0.5670:49844.89424998, 0.5671:24306.41678000, 0.5672:29783.25223475, 0.5673:57234.71239278, 0.5674:45065.04744000, 0.5675:5912.76380354, 0.5676:42514.92434778, 0.5677:36304.08470220",
            "0.5666:4831.75496356, 0.5665:6658.22734739, 0.5664:18724.91513344, 0.5663:11563.92544914, 0.5662:14006.65365711, 0.5661:17454.85679807, 0.5660:18097.15470000, 0.5659:33644.89175666, 0.5658:148.34640000, 0.5657:606.70854372",
            2_439_117_997,
        ),
    ];
    for (precision, asks, bids, checksum) in table {
        let mut message = BookMessage {
            symbol: "ANY/USD".into(),
            bids: levels(bids),
            asks: levels(asks),
            checksum,
            timestamp: None,
        };
        let mut book = Book::new(precision, 10);
        book.apply(Kind::Snapshot, &message).unwrap();
        message.checksum ^= 1;
        let fault = book.apply(Kind::Snapshot, &message).unwrap_err();
        assert_eq!(fault, Fault::Checksum { told: checksum ^ 1, found: checksum });
    }
}

#[test]
fn a_broken_book_is_told_once_and_touches_no_other() {
    let mut books = Books::default();
    for symbol in ["BTC/USD", "ETH/USD"] {
        books.insert(symbol, BTC, 10);
    }
    let at = |millis: u64| Monotonic(millis * 1_000_000);
    let mut lines = RECORDED.lines();
    let snapshot = lines.next().unwrap();
    let other = snapshot.replace("BTC/USD", "ETH/USD");
    for line in [snapshot, &other] {
        let (kind, message) = message(line);
        assert_eq!(books.apply(kind, &message, at(0)), Told::Whole);
    }
    // One update is lost on the way.
    lines.next();
    let (kind, update) = message(lines.next().unwrap());
    assert!(matches!(
        books.apply(kind, &update, at(10)),
        Told::Resubscribe(Fault::Checksum { .. })
    ));
    assert!(!books.get("BTC/USD").unwrap().is_whole());
    assert!(books.get("ETH/USD").unwrap().is_whole());
    let (kind, update) = message(lines.next().unwrap());
    assert_eq!(books.apply(kind, &update, at(20)), Told::Stale);
    let again = books.apply(kind, &update, at(1_010));
    assert_eq!(again, Told::Resubscribe(Fault::NoSnapshot), "the snapshot did not come");
    let (kind, update) = message(snapshot);
    assert_eq!(books.apply(kind, &update, at(1_100)), Told::Whole);
    let strange = BookMessage { symbol: "XRP/USD".into(), ..update };
    assert_eq!(books.apply(kind, &strange, at(1_100)), Told::NotOurs);
}

#[test]
fn a_level_with_too_many_decimals_breaks_the_book() {
    let (kind, mut snapshot) = message(RECORDED.lines().next().unwrap());
    snapshot.bids[3].qty = "0.123456789".parse().unwrap();
    let fault = Book::new(BTC, 10).apply(kind, &snapshot).unwrap_err();
    assert!(matches!(fault, Fault::Digits { .. }));
}

/// A side as a map, cut to the depth; a price of zero stands nowhere.
fn model(levels: &[(u8, u8)], depth: usize, best_is_low: bool, into: &mut BTreeMap<u128, u128>) {
    for (price, quantity) in levels {
        let price = u128::from(*price) + 1;
        if *quantity == 0 {
            into.remove(&price);
        } else {
            into.insert(price, u128::from(*quantity));
        }
    }
    while into.len() > depth {
        if best_is_low {
            into.pop_last()
        } else {
            into.pop_first()
        };
    }
}

proptest! {
    #[test]
    fn a_book_is_what_a_map_cut_to_its_depth_is(
        updates in prop::collection::vec(
            (prop::collection::vec((0_u8..30, 0_u8..4), 0..6),
             prop::collection::vec((0_u8..30, 0_u8..4), 0..6)), 1..60),
        depth in 1_usize..12,
    ) {
        let level = |(price, quantity): &(u8, u8)| PriceLevel {
            price: Number((u32::from(*price) + 1).into()),
            qty: Number((*quantity).into()),
        };
        let mut book = Book::new(Precision { price: 0, quantity: 0 }, depth);
        let (mut bids, mut asks) = (BTreeMap::new(), BTreeMap::new());
        for (place, (bid, ask)) in updates.iter().enumerate() {
            model(bid, depth, false, &mut bids);
            model(ask, depth, true, &mut asks);
            let text = |(price, quantity): (&u128, &u128)| format!("{price}{quantity}");
            let text: String =
                asks.iter().take(10).map(text).chain(bids.iter().rev().take(10).map(text)).collect();
            let message = BookMessage {
                symbol: "A/B".into(),
                bids: bid.iter().map(level).collect(),
                asks: ask.iter().map(level).collect(),
                checksum: crc32fast::hash(text.as_bytes()),
                timestamp: None,
            };
            let kind = if place == 0 { Kind::Snapshot } else { Kind::Update };
            prop_assert_eq!(book.apply(kind, &message), Ok(()));
        }
        let shown: Vec<_> = book.bids().iter().map(|l| (l.price, l.quantity)).collect();
        prop_assert_eq!(shown, bids.into_iter().rev().collect::<Vec<_>>());
    }
}
