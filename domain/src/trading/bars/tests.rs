//! Claims about bars: what a longer one comes to, what holds in each, and that none hides that trades are missing.

mod properties;

use super::*;
use crate::{
    limits::{BAR_MINUTES, VENUE_CLOCK_SKEW},
    trading::Side,
};
use alloc::{format, string::ToString, vec, vec::Vec};
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const DAY: u64 = 24 * 60 * MINUTE;
/// A noon in UTC.
const NOON: u64 = 20_000 * DAY + DAY / 2;
const ALWAYS: (UnixNanos, UnixNanos) = (UnixNanos(0), UnixNanos(u64::MAX));

/// So many nanoseconds after noon.
fn at(after: u64) -> UnixNanos {
    UnixNanos(NOON + after)
}

fn trade(after: u64, price: &str, quantity: &str) -> Trade {
    let (price, quantity) = (price.parse().expect("legal"), quantity.parse().expect("legal"));
    Trade { price, quantity, taker: Side::Buy, at: at(after) }
}

/// Read since the minute before noon.
fn series() -> Series {
    Series::begin(UnixNanos(NOON - MINUTE))
}

/// Each trade is read when it was made.
fn read(series: &mut Series, trades: &[Trade]) {
    trades.iter().for_each(|trade| series.trade(trade.at, trade));
}

/// All bars, a day later than noon.
fn bars(series: &Series, timeframe: Timeframe) -> Vec<Bar> {
    told_of(series, timeframe, ALWAYS, at(DAY))
}

fn told_of(
    series: &Series,
    timeframe: Timeframe,
    asked: (UnixNanos, UnixNanos),
    now: UnixNanos,
) -> Vec<Bar> {
    let bars = series.bars(timeframe, asked, Part::First(usize::MAX), now);
    bars.into_iter().map(RawBar::bar).collect()
}

fn minute(series: &Series, n: usize) -> Bar {
    bars(series, Timeframe::OneMinute).swap_remove(n)
}

#[test]
fn a_bar_is_the_first_the_highest_the_lowest_and_the_last_price_of_its_time() {
    // given
    let mut series = series();
    // when
    let traded = [trade(0, "100", "1"), trade(1, "103", "2"), trade(2, "98", "1")];
    read(&mut series, &traded);
    read(&mut series, &[trade(MINUTE - 1, "101", "0.5"), trade(MINUTE, "200", "7")]);
    // then
    let price = |text: &str| text.parse::<Price>().expect("legal");
    let expected = Bar {
        at: at(0),
        open: price("100"),
        high: price("103"),
        low: price("98"),
        close: price("101"),
        volume: "4.5".parse().expect("legal"),
        vwap: Some(price("101")),
        trades: 4,
        complete: true,
        gap: false,
    };
    assert_eq!(minute(&series, 0), expected);
    assert_eq!((minute(&series, 1).at, minute(&series, 1).trades), (at(MINUTE), 1));
}

#[test]
fn a_bar_is_over_by_a_trade_of_a_later_one_or_by_time() {
    let complete = |series: &Series, now| {
        let told = told_of(series, Timeframe::OneMinute, ALWAYS, now);
        told.iter().map(|bar| bar.complete).collect::<Vec<_>>()
    };
    // given
    let mut series = series();
    read(&mut series, &[trade(0, "100", "1")]);
    // when, then: time alone
    let over = at(MINUTE) + VENUE_CLOCK_SKEW;
    assert_eq!(complete(&series, UnixNanos(over.0 - 1)), [false]);
    assert_eq!(complete(&series, over), [true]);
    // and: a trade
    read(&mut series, &[trade(MINUTE, "100", "1")]);
    assert_eq!(complete(&series, at(MINUTE)), [true, false]);
    let hour = told_of(&series, Timeframe::OneHour, ALWAYS, at(MINUTE));
    assert!(!hour[0].complete);
}

#[test]
fn a_late_trade_counts_to_the_bar_of_its_own_time() {
    // given
    let mut series = series();
    read(&mut series, &[trade(0, "100", "1"), trade(2 * MINUTE, "100", "1")]);
    // when: one of a minute with a bar, one of a minute without
    series.trade(at(2 * MINUTE), &trade(5, "90", "1"));
    series.trade(at(2 * MINUTE), &trade(MINUTE, "91", "1"));
    // then
    let told = bars(&series, Timeframe::OneMinute);
    let told: Vec<_> = told.iter().map(|bar| (bar.at, bar.low.to_string(), bar.gap)).collect();
    let expected = [(0, "90"), (MINUTE, "91"), (2 * MINUTE, "100")];
    assert_eq!(told, expected.map(|(after, low)| (at(after), low.to_string(), false)));
    // and: what was over before it is so still
    let told = told_of(&series, Timeframe::OneMinute, ALWAYS, at(2 * MINUTE));
    assert_eq!(told.iter().map(|bar| bar.complete).collect::<Vec<_>>(), [true, true, false]);
}

#[test]
fn a_mean_price_is_never_past_what_was_paid() {
    for price in ["1.23456789012345", "1.23456789012355", "0.000000000000012345678901234"] {
        let mut series = series();
        read(&mut series, &[trade(0, price, "3"), trade(1, price, "0.7")]);
        assert_eq!(minute(&series, 0).vwap.map(|vwap| vwap.to_string()), Some(price.to_string()));
    }
}

#[test]
fn a_gap_noticed_by_a_clock_that_was_set_back_reaches_to_what_was_read() {
    // given
    let mut series = series();
    read(&mut series, &[trade(10 * MINUTE, "1", "1")]);
    // when
    series.missing(at(0));
    // then
    let gap = Gap { from: UnixNanos(NOON - MINUTE), until: at(11 * MINUTE) };
    assert_eq!(series.gaps(at(0), at(DAY)).collect::<Vec<_>>(), [gap]);
    assert!(minute(&series, 0).gap);
}

#[test]
fn a_trade_from_the_future_closes_no_bar_that_is_not_over() {
    // given
    let mut series = series();
    series.trade(at(0), &trade(0, "100", "1"));
    // when
    series.trade(at(1), &trade(300 * DAY, "101", "1"));
    // then
    let told = told_of(&series, Timeframe::OneMinute, ALWAYS, at(2));
    assert_eq!((told.len(), told[0].trades, told[0].complete), (1, 2, false));
}

#[test]
fn what_began_before_everything_was_read_has_a_gap() {
    // given
    let mut series = Series::begin(at(MINUTE - 1));
    // when: with the venue's clock ahead, the next minute may have begun there
    read(&mut series, &[trade(MINUTE, "1", "1"), trade(2 * MINUTE, "1", "1")]);
    // then
    let gaps = |timeframe| bars(&series, timeframe).iter().map(|bar| bar.gap).collect::<Vec<_>>();
    assert_eq!(gaps(Timeframe::OneMinute), [true, false]);
    assert_eq!(gaps(Timeframe::FiveMinutes), [true]);
}

#[test]
fn a_gap_falls_into_every_bar_from_the_last_trade_to_when_it_was_noticed() {
    // given
    let mut series = series();
    let read_at = [0, 1, 2].map(|n| trade(n * MINUTE + MINUTE / 2, "1", "1"));
    read(&mut series, &read_at);
    // when
    series.missing(at(4 * MINUTE));
    let later = [4, 5, 10].map(|n| trade(n * MINUTE, "1", "1"));
    read(&mut series, &later);
    // then
    let told = bars(&series, Timeframe::OneMinute);
    let told: Vec<bool> = told.iter().map(|bar| bar.gap).collect();
    assert_eq!(told, [false, false, true, true, false, false]);
    let told = bars(&series, Timeframe::FiveMinutes);
    let told: Vec<bool> = told.iter().map(|bar| bar.gap).collect();
    assert_eq!(told, [true, false, false]);
    // and: also where nothing was read there is a gap to be told
    let gap = Gap { from: at(2 * MINUTE), until: at(5 * MINUTE) };
    assert_eq!(series.gaps(at(3 * MINUTE), at(3 * MINUTE)).collect::<Vec<_>>(), [gap]);
    assert_eq!(series.gaps(at(5 * MINUTE), at(DAY)).count(), 0);
}

#[test]
fn gaps_that_touch_are_one() {
    // given
    let mut series = series();
    // when
    for n in [0, 1, 2, 9] {
        let middle = n * MINUTE + MINUTE / 2;
        read(&mut series, &[trade(middle, "1", "1")]);
        series.missing(at(middle));
    }
    // then
    let gap = |from, until| Gap { from: at(from * MINUTE), until: at(until * MINUTE) };
    assert_eq!(series.gaps(at(0), at(DAY)).collect::<Vec<_>>(), [gap(0, 3), gap(9, 10)]);
}

#[test]
fn a_bar_that_cannot_hold_a_trade_leaves_it_out_and_has_a_gap() {
    // given
    let most = Decimal::MAX.to_string();
    let mut series = series();
    // when
    read(&mut series, &[trade(0, "1", &most), trade(1, "9", &most), trade(2, "1", "0")]);
    read(&mut series, &[trade(MINUTE, "2", &most), trade(2 * MINUTE, "1", "1")]);
    // then
    let bar = minute(&series, 0);
    assert_eq!((bar.high.to_string(), bar.volume.to_string()), ("1".into(), most.clone()));
    assert_eq!(bar.trades, 2);
    assert!(bar.gap);
    // and: a mean that cannot be computed is left out, and hides nothing
    assert_eq!((minute(&series, 1).vwap, minute(&series, 1).gap), (None, false));
    // and: so it is with a longer bar
    let longer = bars(&series, Timeframe::FiveMinutes);
    assert_eq!((longer.len(), longer[0].gap, longer[0].trades), (1, true, 2));
    // and: also where it is not the first of its minutes that could not
    read(&mut series, &[trade(5 * MINUTE, "1", "0"), trade(6 * MINUTE, "1", &most)]);
    read(&mut series, &[trade(6 * MINUTE, "1", "1")]);
    let longer = bars(&series, Timeframe::FiveMinutes);
    assert_eq!((longer[1].gap, longer[1].trades), (true, 2));
}

#[test]
fn old_minutes_are_kept_no_more_and_bars_that_lost_some_have_a_gap() {
    // given
    let mut series = series();
    let minutes = u64::from(BAR_MINUTES);
    series.missing(at(0));
    read(&mut series, &[trade(MINUTE, "1", "1"), trade(2 * MINUTE, "1", "1")]);
    // when
    series.tick(at((minutes + 1) * MINUTE));
    // then
    let first = |timeframe| bars(&series, timeframe).remove(0);
    assert_eq!(first(Timeframe::OneMinute).at, at(2 * MINUTE));
    assert!(!first(Timeframe::OneMinute).gap && first(Timeframe::FiveMinutes).gap);
    assert_eq!((series.since(), series.gaps(ALWAYS.0, ALWAYS.1).count()), (at(2 * MINUTE), 0));
    // and: a trade of what is kept no more is nothing to anybody
    series.trade(at((minutes + 1) * MINUTE), &trade(MINUTE, "1", "1"));
    assert_eq!(bars(&series, Timeframe::OneMinute).len(), 1);
}

#[test]
fn yesterday_is_whole_at_any_time_of_today() {
    // given
    let mut series = Series::begin(UnixNanos(NOON - DAY));
    let midnight = DAY / 2;
    read(&mut series, &[trade(midnight, "1", "1"), trade(2 * midnight, "1", "1")]);
    // when: the last moment of the day after
    series.tick(at(midnight + 2 * DAY - 1));
    // then
    let told = told_of(&series, Timeframe::OneDay, ALWAYS, at(midnight + 2 * DAY - 1));
    assert_eq!((told.len(), told[0].gap, told[0].complete), (1, false, true));
    assert_eq!(told[0].at, at(midnight));
}

#[test]
fn bars_are_asked_for_by_when_they_begin() {
    // given
    let mut series = series();
    let every_minute: Vec<Trade> = (0..20).map(|n| trade(n * MINUTE, "1", "1")).collect();
    read(&mut series, &every_minute);
    for (start, end, begins) in [
        (0, 10, vec![0, 5, 10]),
        (1, 10, vec![5, 10]),
        (5, 9, vec![5]),
        (5, 5, vec![5]),
        (16, 19, vec![]),
    ] {
        // when
        let asked = (at(start * MINUTE), at(end * MINUTE));
        let told = told_of(&series, Timeframe::FiveMinutes, asked, at(DAY));
        // then: each is whole, whatever was asked for
        let told: Vec<_> = told.iter().map(|bar| (bar.at, bar.trades)).collect();
        let begins: Vec<_> = begins.iter().map(|n| (at(n * MINUTE), 5)).collect();
        assert_eq!(told, begins, "{start} to {end}");
    }
}

#[test]
fn of_many_bars_the_first_or_the_last_are_told_each_whole() {
    // given: twenty minutes, of which those from 5 to 9 have nothing
    let mut series = series();
    let every_minute = (0..20).filter(|n| !(5..10).contains(n));
    let every_minute: Vec<Trade> = every_minute.map(|n| trade(n * MINUTE, "1", "1")).collect();
    read(&mut series, &every_minute);
    for (part, (start, end), begins) in [
        (Part::First(2), (0, 20), vec![0, 10]),
        (Part::First(2), (1, 20), vec![10, 15]),
        (Part::Last(2), (0, 20), vec![10, 15]),
        (Part::Last(2), (0, 12), vec![0, 10]),
        (Part::Last(2), (0, 4), vec![0]),
        (Part::Last(9), (11, 19), vec![15]),
        (Part::Last(1), (16, 14), vec![]),
    ] {
        // when
        let asked = (at(start * MINUTE), at(end * MINUTE));
        let told = series.bars(Timeframe::FiveMinutes, asked, part, at(DAY));
        // then
        let told: Vec<_> = told.into_iter().map(RawBar::bar).map(|b| (b.at, b.trades)).collect();
        let begins: Vec<_> = begins.iter().map(|n| (at(n * MINUTE), 5)).collect();
        assert_eq!(told, begins, "{part:?} {start} to {end}");
    }
}

#[test]
fn while_its_source_is_away_all_since_the_last_trade_is_a_gap_and_no_longer() {
    // given
    let mut series = series();
    read(&mut series, &[trade(0, "1", "1"), trade(2 * MINUTE + MINUTE / 2, "1", "1")]);
    // when
    let gaps = |series: &Series| {
        (bars(series, Timeframe::OneMinute)[1].gap, series.gaps(ALWAYS.0, ALWAYS.1).collect())
    };
    let away: (bool, Vec<Gap>) = series.while_away(at(8 * MINUTE), gaps);
    // then
    assert_eq!(away, (true, vec![Gap { from: at(2 * MINUTE), until: at(9 * MINUTE) }]));
    assert_eq!(gaps(&series), (false, vec![]));
}

#[test]
fn a_timeframe_is_written_as_it_is_displayed() {
    for timeframe in Timeframe::ALL {
        let written = serde_json::to_string(&timeframe).expect("written");
        assert_eq!(written, format!("\"{timeframe}\""));
    }
}
