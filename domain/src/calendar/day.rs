//! Days and times of day as values. Decides how a date follows from a number of days and the reverse, by
//! the Gregorian rule alone; which days trade is decided beside.

use crate::time::UnixNanos;
use alloc::string::String;
use core::{fmt, str::FromStr};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

pub(super) const SECONDS_PER_DAY: u64 = 86_400;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Days since 1970-01-01. `2026-11-27` in JSON and text, a number in binary records.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub u32);

/// Of a week that begins with Monday, 0.
const SATURDAY: u32 = 5;

impl Day {
    /// The day in UTC.
    #[must_use]
    pub fn of(at: UnixNanos) -> Self {
        let days = at.0 / NANOS_PER_SECOND / SECONDS_PER_DAY;
        Self(u32::try_from(days).unwrap_or(u32::MAX))
    }

    /// Its beginning in UTC, so many seconds later; the last moment there is, if it is beyond.
    #[must_use]
    pub fn at_second(self, second: u64) -> UnixNanos {
        let seconds = u64::from(self.0).saturating_mul(SECONDS_PER_DAY).saturating_add(second);
        UnixNanos(seconds.saturating_mul(NANOS_PER_SECOND))
    }

    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The day before; none is before the first.
    #[must_use]
    pub fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    #[must_use]
    pub fn is_weekend(self) -> bool {
        self.weekday() >= SATURDAY
    }

    /// Monday is 0, Sunday 6. 1970-01-01 was a Thursday.
    pub(super) const fn weekday(self) -> u32 {
        ((self.0 as u64 + 3) % 7) as u32
    }

    /// Of a date from 1970 on; the month is from 1, the day of the month may be beyond its end. From Howard
    /// Hinnant's `days_from_civil`: a year that begins with March has its leap day at its end.
    pub(super) const fn from_date(year: u32, month: u32, day: u32) -> Self {
        let year = if month <= 2 { year - 1 } else { year };
        let (era, year_of_era) = (year / 400, year % 400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Self(era * 146_097 + day_of_era - 719_468)
    }

    /// Year, month and day of the month: the reverse.
    #[must_use]
    pub fn date(self) -> (u64, u32, u32) {
        let days = u64::from(self.0) + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = (month_from_march + 2) % 12 + 1;
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        (year, u32::try_from(month).unwrap_or(1), u32::try_from(day).unwrap_or(1))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no date, or no time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDay {
    #[error("not a date from 1970 on, such as 2026-11-27")]
    Date,
    #[error("not a time of day from 00:00 to 23:59")]
    Time,
}

/// Digits alone: `parse` would take a sign.
fn number(text: &str, digits: usize) -> Option<u32> {
    let plain = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

impl FromStr for Day {
    type Err = InvalidDay;
    fn from_str(text: &str) -> Result<Self, InvalidDay> {
        let mut parts = text.split('-');
        let mut part = |digits| parts.next().and_then(|part| number(part, digits));
        let (Some(year), Some(month), Some(day)) = (part(4), part(2), part(2)) else {
            return Err(InvalidDay::Date);
        };
        if parts.next().is_some() || year < 1970 || !(1..=12).contains(&month) || day == 0 {
            return Err(InvalidDay::Date);
        }
        let found = Self::from_date(year, month, day);
        // A day beyond the end of its month is another date.
        let same = found.date() == (u64::from(year), month, day);
        if same { Ok(found) } else { Err(InvalidDay::Date) }
    }
}

/// A time of day in whole minutes: `16:00` in JSON and text, a number in binary records.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MinuteOfDay(u16);

impl MinuteOfDay {
    /// `None` if there is no such minute.
    #[must_use]
    pub const fn new(hour: u16, minute: u16) -> Option<Self> {
        if hour < 24 && minute < 60 { Some(Self(hour * 60 + minute)) } else { None }
    }

    #[must_use]
    pub(super) fn seconds(self) -> u64 {
        u64::from(self.0) * 60
    }
}

impl fmt::Display for MinuteOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl fmt::Debug for MinuteOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MinuteOfDay {
    type Err = InvalidDay;
    fn from_str(text: &str) -> Result<Self, InvalidDay> {
        let (hour, minute) = text.split_once(':').ok_or(InvalidDay::Time)?;
        let part = |text| number(text, 2).and_then(|n| u16::try_from(n).ok());
        let (hour, minute) = part(hour).zip(part(minute)).ok_or(InvalidDay::Time)?;
        Self::new(hour, minute).ok_or(InvalidDay::Time)
    }
}

/// Text for people, a number in records.
macro_rules! serde_as_text_or_number {
    ($name:ident, $number:ty, $from:expr) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    self.0.serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
                } else {
                    let from: fn($number) -> Result<Self, InvalidDay> = $from;
                    from(<$number>::deserialize(deserializer)?).map_err(D::Error::custom)
                }
            }
        }
    };
}

serde_as_text_or_number!(Day, u32, |days| Ok(Self(days)));
serde_as_text_or_number!(MinuteOfDay, u16, |minute| {
    Self::new(minute / 60, minute % 60).ok_or(InvalidDay::Time)
});
