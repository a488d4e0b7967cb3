//! Tests of the recording: the embedded one is whole, a damaged one is refused, playing it goes round.

#![allow(clippy::unwrap_used)]

use core::num::NonZeroU32;

use super::*;
use crate::engine::Book;

fn replay() -> Replay {
    let pause_max = Duration::from_millis(100);
    Replay::new(Recording::kraken_btc_usd(), NonZeroU32::new(5).unwrap(), pause_max)
}

#[test]
fn all_510_messages_of_the_embedded_recording_agree_with_their_checksums() {
    let recording = Recording::read(KRAKEN_BTC_USD).unwrap();
    assert_eq!(recording.messages.len(), 510);
    assert_eq!(recording.messages.iter().filter(|message| message.snapshot).count(), 1);
}

#[test]
fn one_changed_digit_is_refused_with_its_line() {
    let changed = KRAKEN_BTC_USD.replacen("8.25182177", "8.25182178", 1);
    let error = Recording::read(&changed).unwrap_err();
    assert_eq!(error.line, 3);
    assert!(error.what.contains("checksum"), "{error}");
}

#[test]
fn what_is_no_recording_is_refused() {
    let second = KRAKEN_BTC_USD.lines().nth(1).unwrap();
    for text in ["", "{}", "nonsense", second] {
        assert_eq!(Recording::read(text).unwrap_err().line, 1, "{text}");
    }
}

#[test]
fn the_checksum_of_the_api_guide_comes_out() {
    // The example of Kraken's guide, ten levels a side.
    let asks = [
        (452_852, 100_000),
        (452_864, 154_571_953),
        (452_866, 154_571_109),
        (452_896, 154_560_911),
        (452_902, 15_890_660),
        (452_918, 154_553_491),
        (452_947, 4_454_749),
        (452_961, 35_380_000),
        (452_975, 9_945_542),
        (452_995, 18_772_827),
    ];
    let bids = [
        (452_835, 10_000_000),
        (452_834, 154_582_015),
        (452_821, 10_000_000),
        (452_810, 10_000_000),
        (452_803, 154_592_586),
        (452_790, 7_990_000),
        (452_776, 3_310_103),
        (452_775, 30_000_000),
        (452_773, 154_602_737),
        (452_766, 15_445_238),
    ];
    let side = |levels: [(u64, u64); 10]| {
        levels.into_iter().map(|(p, q)| (Ticks(p.try_into().unwrap()), Lots(q))).collect()
    };
    assert_eq!(DepthBook { bids: side(bids), asks: side(asks) }.checksum(), 3_310_070_434);
}

#[test]
fn the_street_alone_shows_the_recorded_book_through_two_rounds() {
    let mut replay = replay();
    let mut book = Book::default();
    for step in 0..1_020 {
        let levels = replay.step();
        assert_eq!(book.set_street(&levels), [], "step {step}");
        let bid = replay.book.bids.last_key_value().map(|(price, quantity)| (*price, *quantity));
        let ask = replay.book.asks.first_key_value().map(|(price, quantity)| (*price, *quantity));
        assert_eq!((book.top().bid, book.top().ask), (bid, ask), "step {step}");
    }
}

#[test]
fn pauses_are_shortened_by_the_speed_and_never_above_the_longest() {
    let mut replay = replay();
    let mut round = Duration::ZERO;
    for _ in 0..510 {
        assert!(replay.pause() <= Duration::from_millis(100));
        round += replay.pause();
        replay.step();
    }
    // 51 s at five times the speed, less what the cap takes from quiet stretches.
    assert!((Duration::from_secs(7)..Duration::from_secs(8)).contains(&round), "{round:?}");
}
