//! The New York Stock Exchange. Decides on which days it trades and when, from its weekdays, a table of
//! exceptions and the United States' rule of daylight saving time. The table is the file beside, read when
//! this is compiled; its origin stands in the `.license` file next to it.

use super::day::{Day, MinuteOfDay, SECONDS_PER_DAY};

const CSV: &[u8] = include_bytes!("xnys_exceptions_2000_2027.csv");

/// The first and the last day that the table speaks of.
pub(super) const FIRST: Day = Day::from_date(2000, 1, 1);
pub(super) const LAST: Day = Day::from_date(2027, 12, 31);

const OPEN: MinuteOfDay = minute(9, 30);
const CLOSE: MinuteOfDay = minute(16, 0);

const fn minute(hour: u16, of_hour: u16) -> MinuteOfDay {
    match MinuteOfDay::new(hour, of_hour) {
        Some(minute) => minute,
        None => panic!("no such minute"),
    }
}

/// `None`: closed all day.
type Exception = (Day, Option<MinuteOfDay>);

const COUNT: usize = lines(CSV) - 1;
const EXCEPTIONS: [Exception; COUNT] = parse(CSV);

const fn lines(csv: &[u8]) -> usize {
    let (mut place, mut lines) = (0, 0);
    while place < csv.len() {
        if csv[place] == b'\n' {
            lines += 1;
        }
        place += 1;
    }
    lines
}

const fn digits(csv: &[u8], place: usize, count: usize) -> u32 {
    let (mut number, mut n) = (0, 0);
    while n < count {
        let digit = csv[place + n];
        assert!(digit.is_ascii_digit(), "a digit was expected in the table");
        number = number * 10 + (digit - b'0') as u32;
        n += 1;
    }
    number
}

/// Lines such as `2000-07-03,early_close,13:00` and `2000-07-04,closed,`, in order, below a header.
const fn parse(csv: &[u8]) -> [Exception; COUNT] {
    let mut found = [(FIRST, None); COUNT];
    let (mut place, mut n) = (after_line(csv, 0), 0);
    while n < COUNT {
        let date = (digits(csv, place, 4), digits(csv, place + 5, 2), digits(csv, place + 8, 2));
        let end = after_line(csv, place) - 1;
        let close = match csv[place + 11] {
            b'c' => None,
            b'e' => Some(minute(digits(csv, end - 5, 2) as u16, digits(csv, end - 2, 2) as u16)),
            _ => panic!("closed or early_close was expected in the table"),
        };
        found[n] = (Day::from_date(date.0, date.1, date.2), close);
        assert!(n == 0 || found[n - 1].0.0 < found[n].0.0, "the table is not in order");
        (place, n) = (end + 1, n + 1);
    }
    assert!(found[0].0.0 >= FIRST.0 && found[COUNT - 1].0.0 <= LAST.0, "beyond the table's years");
    found
}

const fn after_line(csv: &[u8], mut place: usize) -> usize {
    while csv[place] != b'\n' {
        place += 1;
    }
    place + 1
}

/// New York's opening and closing time on a day of the table; `None` if it does not trade.
pub(super) fn times(day: Day) -> Option<(MinuteOfDay, MinuteOfDay)> {
    if day.is_weekend() {
        return None;
    }
    match EXCEPTIONS.binary_search_by_key(&day, |(day, _)| *day) {
        Ok(place) => EXCEPTIONS[place].1.map(|close| (OPEN, close)),
        Err(_) => Some((OPEN, CLOSE)),
    }
}

/// How far New York is behind UTC on a day, in seconds, at any time from 02:00 on.
pub(super) fn behind_utc(day: Day) -> u64 {
    if is_daylight_saving(day) { 4 * 3_600 } else { 5 * 3_600 }
}

/// From 2007 on from the second Sunday of March to the first of November; before, from the first Sunday of
/// April to the last of October (Energy Policy Act of 2005, 15 U.S.C. 260a). Clocks change at 02:00, when
/// no session is open.
fn is_daylight_saving(day: Day) -> bool {
    let year = u32::try_from(day.date().0).unwrap_or(u32::MAX);
    let (begins, ends) = if year >= 2007 {
        (sunday_from(year, 3, 8), sunday_from(year, 11, 1))
    } else {
        (sunday_from(year, 4, 1), sunday_from(year, 10, 25))
    };
    (begins..ends).contains(&day)
}

/// The first Sunday from a date on.
fn sunday_from(year: u32, month: u32, day: u32) -> Day {
    let from = Day::from_date(year, month, day);
    Day(from.0 + (6 - from.weekday()))
}

/// The seconds of a day in UTC at which a New York time of day comes; may be beyond the day's end.
pub(super) fn in_utc(day: Day, minute: MinuteOfDay) -> u64 {
    let second = minute.seconds() + behind_utc(day);
    debug_assert!(second < 2 * SECONDS_PER_DAY);
    second
}
