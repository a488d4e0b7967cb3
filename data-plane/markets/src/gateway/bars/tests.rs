//! Claims about bars at the edge: for which instruments there are any, and that none hides a hole in the numbers of its trades.
#![allow(clippy::unwrap_used)]

use super::{
    kept::{Kept, NoRoom},
    *,
};
use crate::{
    hop::trades::Numbered,
    limits::BARS_ASKED_WITHIN,
    world::{epoch, instrument, trade_at},
};
use tradewind_domain::{time::Monotonic, trading::Trade};
use tradewind_protocol::stream::Position;

type Hole = fn(&mut Kept, &InstrumentId);

const MINUTE: u64 = 60_000_000_000;

/// In whole minutes, long after 1970.
fn at(minutes: u64) -> UnixNanos {
    UnixNanos((30_000_000 + minutes) * MINUTE)
}

fn position(of: &str, seq: u64) -> Position {
    Position { epoch: epoch(of), seq }
}

fn all(timeframe: Timeframe) -> Asked {
    Asked { timeframe, start: None, end: UnixNanos(u64::MAX), most: BARS_AT_ONCE }
}

/// One instrument, whose tape stood at 0 a minute before the first.
fn reading(btc: &InstrumentId) -> Kept {
    let mut kept = Kept::new(1);
    assert!(kept.ask(btc, Monotonic(1)));
    kept.stand(btc, position("e", 0), UnixNanos(at(0).0 - MINUTE));
    kept
}

/// The trade of that number, made and read in that minute.
fn trade(kept: &mut Kept, btc: &InstrumentId, (of, seq, prev): (&str, u64, u64), minute: u64) {
    let middle = UnixNanos(at(minute).0 + MINUTE / 2);
    let trade = Trade { at: middle, ..trade_at(seq) };
    kept.trade(btc, Numbered { epoch: epoch(of), seq, prev, trade }, middle);
}

fn asked_of(kept: &mut Kept, btc: &InstrumentId, asked: &Asked, now: UnixNanos) -> Bars {
    kept.told(btc, asked, (false, now)).of(btc.clone(), asked.timeframe)
}

/// Each bar's minute, its trades, and whether it has a gap.
fn told(kept: &mut Kept, btc: &InstrumentId) -> Vec<(u64, u64, bool)> {
    let bars = asked_of(kept, btc, &all(Timeframe::OneMinute), at(100)).bars;
    let minute = |bar: UnixNanos| (bar.0 - at(0).0) / MINUTE;
    bars.iter().map(|bar| (minute(bar.at), bar.trades, bar.gap)).collect()
}

#[test]
fn trades_that_follow_on_each_other_make_bars_without_a_gap() {
    // given
    let btc = instrument("BTC/USD");
    let mut kept = reading(&btc);
    // when
    for (seq, minute) in [(1, 0), (2, 0), (3, 2)] {
        trade(&mut kept, &btc, ("e", seq, seq - 1), minute);
    }
    // and: the pipe was lost and nothing was traded meanwhile
    kept.stand(&btc, position("e", 3), at(5));
    trade(&mut kept, &btc, ("e", 4, 3), 6);
    // then
    assert_eq!(told(&mut kept, &btc), [(0, 2, false), (2, 1, false), (6, 1, false)]);
}

#[test]
fn a_hole_in_the_numbers_is_a_gap_from_the_last_trade_on() {
    let holes: [(&str, Hole); 3] = [
        ("left out", |kept, btc| trade(kept, btc, ("e", 5, 4), 4)),
        ("told where it stands", |kept, btc| kept.stand(btc, position("e", 9), at(4))),
        ("another source", |kept, btc| kept.stand(btc, position("other", 2), at(4))),
    ];
    for (hole, happens) in holes {
        // given
        let btc = instrument("BTC/USD");
        let mut kept = reading(&btc);
        trade(&mut kept, &btc, ("e", 1, 0), 0);
        trade(&mut kept, &btc, ("e", 2, 1), 2);
        // when
        happens(&mut kept, &btc);
        // then
        let bars = told(&mut kept, &btc);
        assert_eq!(bars[..2], [(0, 1, false), (2, 1, true)], "{hole}");
        assert!(bars[2..].iter().all(|(minute, _, gap)| *minute == 4 && *gap), "{hole}");
        let gaps = asked_of(&mut kept, &btc, &all(Timeframe::OneDay), at(100)).gaps;
        assert_eq!(gaps, [Gap { from: at(2), until: at(5) }], "{hole}");
    }
}

#[test]
fn what_nobody_has_read_yet_has_no_bars_and_says_so() {
    // given
    let btc = instrument("BTC/USD");
    let mut kept = Kept::new(1);
    let asked = all(Timeframe::OneHour);
    // when, then
    assert!(kept.ask(&btc, Monotonic(1)));
    assert_eq!(asked_of(&mut kept, &btc, &asked, at(0)).from, None);
    assert!(!kept.ask(&btc, Monotonic(2)), "it is read already");
    kept.stand(&btc, position("e", 7), at(0));
    let told = asked_of(&mut kept, &btc, &asked, at(0));
    assert!(told.from.is_some_and(|from| from > at(0)) && told.gaps.is_empty());
}

#[test]
fn the_one_that_was_asked_for_longest_ago_makes_room_once_nobody_uses_it() {
    // given
    let [one, two, three, four] = ["A", "B", "C", "D"].map(instrument);
    let mut kept = Kept::new(3);
    assert!(kept.follow(&one), "a session reads it");
    let read = |of: &InstrumentId| *of == one;
    assert!(kept.ask(&two, Monotonic(2)) && kept.ask(&three, Monotonic(1)));
    // when: no room is made for what is only read
    assert!(!kept.follow(&four));
    // then: nor by what was asked for lately
    let later = |after: Monotonic| after + BARS_ASKED_WITHIN;
    assert_eq!(kept.make_room(&two, read, Monotonic(2)), Ok(None));
    assert_eq!(kept.make_room(&four, read, Monotonic(2)), Err(NoRoom));
    assert_eq!(kept.make_room(&four, read, later(Monotonic(2))), Ok(Some(three)));
    assert_eq!(kept.make_room(&four, read, later(Monotonic(2))), Ok(None));
    // and: by what a session reads never
    assert!(kept.ask(&four, later(Monotonic(2))));
    let five = instrument("E");
    assert_eq!(kept.make_room(&five, read, later(Monotonic(2))), Ok(Some(two)));
    let much_later = later(later(later(Monotonic(2))));
    assert!(kept.ask(&five, much_later));
    assert_eq!(kept.make_room(&instrument("F"), read, much_later), Ok(Some(four)));
    assert!(kept.ask(&instrument("F"), much_later));
    assert_eq!(kept.make_room(&instrument("G"), read, much_later), Err(NoRoom));
}

#[test]
fn what_was_asked_for_is_read_on_when_no_session_reads_it() {
    // given
    let [one, two] = ["A", "B"].map(instrument);
    let mut kept = Kept::new(2);
    assert!(kept.follow(&one) && kept.follow(&two));
    assert!(!kept.ask(&one, Monotonic(1)));
    // when, then
    assert!(!kept.leave(&one));
    assert!(kept.leave(&two));
    assert!(!kept.leave(&two), "it is forgotten already");
}

#[test]
fn bars_are_told_in_parts_from_a_start_and_otherwise_the_last_ones() {
    // given
    let btc = instrument("BTC/USD");
    let mut kept = reading(&btc);
    (1..=5).for_each(|seq| trade(&mut kept, &btc, ("e", seq, seq - 1), seq));
    for (start, most, minutes, next) in [
        (None, 2, vec![4, 5], None),
        (None, 9, vec![1, 2, 3, 4, 5], None),
        (Some(2), 2, vec![2, 3], Some(4)),
        (Some(4), 2, vec![4, 5], None),
        (Some(6), 2, vec![], None),
    ] {
        // when
        let asked = Asked { start: start.map(at), most, ..all(Timeframe::OneMinute) };
        let told = asked_of(&mut kept, &btc, &asked, at(100));
        // then
        let begins: Vec<_> = told.bars.iter().map(|bar| bar.at).collect();
        let expected: Vec<_> = minutes.into_iter().map(at).collect();
        assert_eq!((begins, told.next), (expected, next.map(at)), "{start:?} {most}");
    }
}

#[test]
fn what_is_left_out_is_a_minute_each_and_as_many_as_are_told_at_once() {
    assert_eq!(asked(&BarQuery::default()).unwrap(), all(Timeframe::OneMinute));
}
