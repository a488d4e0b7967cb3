//! Claims about the calendar: each day from 2000 to 2027 against lists made elsewhere, both clock changes,
//! and the hours that follow.

use super::*;
use alloc::{
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};
use hours::after_all;
use sha2::{Digest as _, Sha256};

const CSV: &str = include_str!("xnys_exceptions_2000_2027.csv");
const MINUTE: Duration = Duration::from_secs(60);

fn day(text: &str) -> Day {
    text.parse().expect("a date")
}

fn at(text: &str) -> UnixNanos {
    text.parse().expect("a time")
}

fn every_day() -> impl Iterator<Item = Day> {
    (xnys::FIRST.0..=xnys::LAST.0).map(Day)
}

fn without_operator<T>(look: impl FnOnce(Calendar<'_>) -> T) -> T {
    look(Calendar::new(Exchange::Xnys, &BTreeMap::new()))
}

fn session(text: &str) -> Option<Session> {
    without_operator(|calendar| calendar.session_on(day(text))).expect("in the table")
}

/// When New York's clocks change, from the time zone database (2024a).
const CHANGES: [(u32, &str, &str); 28] = [
    (2000, "04-02", "10-29"),
    (2001, "04-01", "10-28"),
    (2002, "04-07", "10-27"),
    (2003, "04-06", "10-26"),
    (2004, "04-04", "10-31"),
    (2005, "04-03", "10-30"),
    (2006, "04-02", "10-29"),
    (2007, "03-11", "11-04"),
    (2008, "03-09", "11-02"),
    (2009, "03-08", "11-01"),
    (2010, "03-14", "11-07"),
    (2011, "03-13", "11-06"),
    (2012, "03-11", "11-04"),
    (2013, "03-10", "11-03"),
    (2014, "03-09", "11-02"),
    (2015, "03-08", "11-01"),
    (2016, "03-13", "11-06"),
    (2017, "03-12", "11-05"),
    (2018, "03-11", "11-04"),
    (2019, "03-10", "11-03"),
    (2020, "03-08", "11-01"),
    (2021, "03-14", "11-07"),
    (2022, "03-13", "11-06"),
    (2023, "03-12", "11-05"),
    (2024, "03-10", "11-03"),
    (2025, "03-09", "11-02"),
    (2026, "03-08", "11-01"),
    (2027, "03-14", "11-07"),
];

#[test]
fn every_day_of_28_years_is_as_the_table_and_the_clock_changes_say() {
    let exceptions: BTreeMap<&str, &str> =
        CSV.lines().skip(1).map(|line| line.split_at(10)).collect();
    assert_eq!(exceptions.values().filter(|rest| **rest == ",closed,").count(), 264);
    assert_eq!(exceptions.values().filter(|rest| **rest == ",early_close,13:00").count(), 61);
    let summer: Vec<(Day, Day)> = CHANGES
        .iter()
        .map(|(year, begins, ends)| {
            (day(&format!("{year}-{begins}")), day(&format!("{year}-{ends}")))
        })
        .collect();
    for (n, day) in every_day().enumerate() {
        // 2000-01-01 was a Saturday.
        let weekend = matches!(n % 7, 0 | 1);
        let close = match exceptions.get(day.to_string().as_str()).copied() {
            Some(",closed,") => None,
            Some(",early_close,13:00") => Some(13),
            None => (!weekend).then_some(16),
            Some(other) => panic!("{other}"),
        };
        let behind = if summer.iter().any(|(a, b)| (*a..*b).contains(&day)) { 4 } else { 5 };
        let expected = close.map(|close| Session {
            day,
            open: at(&format!("{day}T{:02}:30:00Z", 9 + behind)),
            close: at(&format!("{day}T{:02}:00:00Z", close + behind)),
            opens: MinuteOfDay::new(9, 30).expect("legal"),
            closes: MinuteOfDay::new(close, 0).expect("legal"),
        });
        assert_eq!(without_operator(|calendar| calendar.session_on(day)), Ok(expected), "{day}");
    }
}

/// Of lines such as `2000-01-03 946909800 946933200`, day, opening and close of all 7,041 sessions, as the
/// Python package exchange_calendars 4.13.2 has them.
const SESSIONS: &str = "a9d8a3d2b8e94846fe5a874ec5a8e38c50d02833703d7ac2bb3b7f4cb4e89e78";

#[test]
fn all_sessions_are_to_the_second_those_of_another_implementation() {
    let seconds = |moment: UnixNanos| moment.0 / 1_000_000_000;
    let sessions = every_day().filter_map(|day| {
        let session = without_operator(|calendar| calendar.session_on(day)).expect("in the table");
        session.map(|s| format!("{} {} {}\n", s.day, seconds(s.open), seconds(s.close)))
    });
    let listing: String = sessions.collect();
    assert_eq!(listing.lines().count(), 7_041);
    let digest: String = Sha256::digest(listing).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, SESSIONS);
}

#[test]
fn around_both_clock_changes_sessions_keep_new_yorks_time() {
    let open = |text: &str| session(text).expect("trades").open;
    assert_eq!(open("2026-03-06"), at("2026-03-06T14:30:00Z"));
    assert_eq!(open("2026-03-09"), at("2026-03-09T13:30:00Z"));
    assert_eq!(open("2026-10-30"), at("2026-10-30T13:30:00Z"));
    assert_eq!(open("2026-11-02"), at("2026-11-02T14:30:00Z"));
    // The older rule, up to 2006.
    assert_eq!(open("2006-03-31"), at("2006-03-31T14:30:00Z"));
    assert_eq!(open("2006-04-03"), at("2006-04-03T13:30:00Z"));
}

#[test]
fn a_day_outside_the_table_is_refused_and_never_guessed() {
    without_operator(|calendar| {
        let outside = |day| OutsideTable {
            exchange: Exchange::Xnys,
            day,
            first: Day::from_date(2000, 1, 1),
            last: Day::from_date(2027, 12, 31),
        };
        let late = day("2028-01-03");
        assert_eq!(calendar.session_on(late), Err(outside(late)));
        assert_eq!(calendar.session_at(at("2028-01-03T15:00:00Z")), Err(outside(late)));
        let closed = calendar.is_closed_at(at("2028-01-03T03:00:00Z"), Duration::ZERO);
        assert_eq!(closed, Err(outside(late)));
        let early = day("1999-12-31");
        assert_eq!(calendar.session_on(early), Err(outside(early)));
        // The last close of the table has no successor.
        let last = at("2027-12-31T21:00:00Z");
        assert_eq!(calendar.next_close_after(UnixNanos(last.0 - 1)), Ok(last));
        assert_eq!(calendar.next_close_after(last), Err(outside(day("2028-01-01"))));
    });
}

#[test]
fn a_session_is_open_from_its_opening_to_just_before_its_close() {
    without_operator(|calendar| {
        let just_before = |moment: UnixNanos| UnixNanos(moment.0 - 1);
        let Session { open, close, .. } = session("2026-11-27").expect("a short day");
        assert_eq!(close, at("2026-11-27T18:00:00Z"));
        assert_eq!(calendar.session_at(just_before(open)), Ok(None));
        assert_eq!(calendar.session_at(open), Ok(session("2026-11-27")));
        assert_eq!(calendar.session_at(just_before(close)), Ok(session("2026-11-27")));
        assert_eq!(calendar.session_at(close), Ok(None));
        assert_eq!(calendar.next_close_after(open), Ok(close));
        assert_eq!(calendar.next_close_after(close), Ok(at("2026-11-30T21:00:00Z")));
        assert_eq!(calendar.next_open_after(open), Ok(at("2026-11-30T14:30:00Z")));
    });
}

#[test]
fn an_exchange_counts_as_closed_an_offset_after_its_close_until_it_opens() {
    without_operator(|calendar| {
        let closed = |text: &str, offset| calendar.is_closed_at(at(text), offset).expect("known");
        assert!(!closed("2026-11-25T20:59:59Z", Duration::ZERO));
        assert!(closed("2026-11-25T21:00:00Z", Duration::ZERO));
        assert!(!closed("2026-11-25T21:14:59Z", 15 * MINUTE));
        assert!(closed("2026-11-25T21:15:00Z", 15 * MINUTE));
        // An offset may go past midnight.
        assert!(!closed("2026-11-26T02:59:59Z", 360 * MINUTE));
        assert!(closed("2026-11-26T03:00:00Z", 360 * MINUTE));
        // Thanksgiving, and the early close of the day after.
        assert!(closed("2026-11-26T16:00:00Z", 15 * MINUTE));
        assert!(!closed("2026-11-27T18:14:59Z", 15 * MINUTE));
        assert!(closed("2026-11-27T18:15:00Z", 15 * MINUTE));
        // An offset that is longer than any may be counts as the longest.
        assert!(closed("2026-11-28T18:00:00Z", Duration::MAX));
        let span = calendar.closed_span(at("2026-11-28T12:00:00Z"), 15 * MINUTE);
        let (from, until) = (at("2026-11-27T18:15:00Z"), at("2026-11-30T14:30:00Z"));
        assert_eq!(span, Ok(Some(Span { from, until })));
        assert_eq!(calendar.closed_span(at("2026-11-27T17:00:00Z"), MINUTE), Ok(None));
        // What follows the table is not known to be closed.
        let last = calendar.closed_span(at("2027-12-31T23:00:00Z"), MINUTE).expect("known");
        assert_eq!(last.map(|span| span.until), Some(at("2028-01-01T00:00:00Z")));
    });
}

#[test]
fn at_every_minute_around_each_session_the_span_says_the_same_as_is_closed() {
    without_operator(|calendar| {
        for day in every_day().step_by(3) {
            for minutes in (0..1_440).step_by(7) {
                let moment = day.at_second(minutes * 60);
                let span = calendar.closed_span(moment, 15 * MINUTE).expect("known");
                let closed = calendar.is_closed_at(moment, 15 * MINUTE).expect("known");
                assert_eq!(span.is_some(), closed, "{moment}");
                assert!(span.is_none_or(|span| span.contains(moment)), "{moment}");
            }
        }
    });
}

#[test]
fn an_operators_day_takes_away_and_never_adds() {
    let close = |hour| OperatorDay::EarlyClose { at: MinuteOfDay::new(hour, 0).expect("legal") };
    let days: BTreeMap<Day, OperatorDay> = [
        (day("2026-11-23"), OperatorDay::Closed),
        (day("2026-11-24"), close(11)),
        // Not later than the table has it, not before the opening, not on a day without a session.
        (day("2026-11-27"), close(15)),
        (day("2026-11-25"), close(9)),
        (day("2026-11-26"), close(12)),
        (day("2026-11-28"), close(12)),
        // And nothing outside the table becomes known.
        (day("2028-01-03"), OperatorDay::Closed),
    ]
    .into();
    let calendar = Calendar::new(Exchange::Xnys, &days);
    let closes = ["2026-11-23", "2026-11-24", "2026-11-25", "2026-11-26", "2026-11-27"]
        .map(|text| calendar.session_on(day(text)).expect("known").map(|session| session.close));
    let early = Some(at("2026-11-24T16:00:00Z"));
    assert_eq!(closes, [None, early, None, None, Some(at("2026-11-27T18:00:00Z"))]);
    assert_eq!(calendar.session_on(day("2026-11-28")), Ok(None));
    assert!(calendar.session_on(day("2028-01-03")).is_err());
    assert_eq!(calendar.next_open_after(at("2026-11-20T22:00:00Z")).ok(), {
        Some(at("2026-11-24T14:30:00Z"))
    });
}

fn window(from: &str, to: &str) -> Hours {
    let (from, to) = (from.parse().expect("legal"), to.parse().expect("legal"));
    Hours::Daily { window: DailyWindow { from, to } }
}

fn span(from: &str, until: &str) -> Option<Span> {
    Some(Span { from: at(from), until: at(until) })
}

#[test]
fn a_daily_window_opens_every_day_also_past_midnight() {
    let looked = |hours: Hours, text| hours.span(at(text), &BTreeMap::new()).expect("no table");
    let night = window("22:00", "02:30");
    let expected = span("2026-11-27T22:00:00Z", "2026-11-28T02:30:00Z");
    assert_eq!(looked(night, "2026-11-27T21:59:59Z"), None);
    assert_eq!(looked(night, "2026-11-27T22:00:00Z"), expected);
    assert_eq!(looked(night, "2026-11-28T02:29:59Z"), expected);
    assert_eq!(looked(night, "2026-11-28T02:30:00Z"), None);
    let noon = window("12:00", "12:01");
    assert_eq!(looked(noon, "2099-01-01T12:00:59Z"), {
        span("2099-01-01T12:00:00Z", "2099-01-01T12:01:00Z")
    });
    assert_eq!(looked(window("05:00", "05:00"), "2026-11-27T05:00:00Z"), None);
}

#[test]
fn of_several_hours_all_must_be_over() {
    let days = BTreeMap::new();
    let close = Hours::AfterClose { exchange: Exchange::Xnys, offset_minutes: 15 };
    let both = [close, window("20:00", "23:00")];
    let look = |text| after_all(&both, at(text), &days).expect("known");
    assert_eq!(look("2026-11-25T20:30:00Z"), None);
    assert_eq!(look("2026-11-25T21:20:00Z"), {
        span("2026-11-25T21:15:00Z", "2026-11-25T23:00:00Z")
    });
    assert_eq!(look("2026-11-25T23:00:00Z"), None);
    assert_eq!(after_all(&[], at("2026-11-25T23:00:00Z"), &days), Ok(None));
    assert!(after_all(&both, at("2030-01-01T21:20:00Z"), &days).is_err());
    let closed = [(Exchange::Xnys, [(day("2026-11-25"), OperatorDay::Closed)].into())].into();
    let look = after_all(&both, at("2026-11-25T20:30:00Z"), &closed).expect("known");
    assert_eq!(look, span("2026-11-25T20:00:00Z", "2026-11-25T23:00:00Z"));
}

#[test]
fn dates_and_times_of_day_are_read_strictly_and_written_back() {
    for text in ["1970-01-01", "2000-02-29", "2026-11-27", "2100-02-28"] {
        assert_eq!(day(text).to_string(), text);
        let json = serde_json::to_string(&day(text)).expect("writes");
        assert_eq!(json, format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<Day>(&json).expect("reads"), day(text));
    }
    let bad = vec!["2026-02-29", "2100-02-29", "1969-12-31", "2026-13-01", "2026-1-01", "26-01-01"];
    for text in bad.into_iter().chain(["2026-00-01", "2026-01-00", "2026-01-01-", "+026-01-01"]) {
        assert_eq!(text.parse::<Day>(), Err(InvalidDay::Date), "{text}");
    }
    assert_eq!("09:05".parse::<MinuteOfDay>().map(|m| m.to_string()), Ok("09:05".to_string()));
    for text in ["24:00", "12:60", "9:05", "0905", "-1:00", "12:+1"] {
        assert_eq!(text.parse::<MinuteOfDay>(), Err(InvalidDay::Time), "{text}");
    }
    let every = (0..100_000).map(Day).all(|day| day.to_string().parse() == Ok(day));
    assert!(every, "every date is read back");
}
