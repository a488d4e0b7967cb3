//! Points in time as values. Decides how a time is written; reading a clock is left to the programs.
//! Two kinds that never mix: [`UnixNanos`] (what a calendar shows) and [`Monotonic`] (for ages and leases).

use alloc::string::String;
use core::{fmt, ops::Add, str::FromStr, time::Duration};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Nanoseconds since 1970-01-01T00:00:00Z. RFC 3339 in JSON, a number in binary records.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixNanos(pub u64);

impl UnixNanos {
    /// Time passed since `earlier`; zero if it is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for UnixNanos {
    type Output = Self;
    fn add(self, more: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(more.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Display for UnixNanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0))
            .map_err(|_| fmt::Error)?;
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z",
            moment.year(),
            u8::from(moment.month()),
            moment.day(),
            moment.hour(),
            moment.minute(),
            moment.second(),
            moment.nanosecond()
        )
    }
}

impl fmt::Debug for UnixNanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no RFC 3339 time between 1970 and 2554.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time between 1970 and 2554, such as 2026-01-31T12:00:00Z")]
pub struct InvalidTime;

impl FromStr for UnixNanos {
    type Err = InvalidTime;
    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| InvalidTime)?;
        u64::try_from(moment.unix_timestamp_nanos()).map(Self).map_err(|_| InvalidTime)
    }
}

impl Serialize for UnixNanos {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for UnixNanos {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
        } else {
            u64::deserialize(deserializer).map(Self)
        }
    }
}

/// Nanoseconds of one process' monotonic clock. Never sent, never stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Monotonic(pub u64);

impl Monotonic {
    /// Time passed since `earlier`; zero if it is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Monotonic {
    type Output = Self;
    fn add(self, more: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(more.as_nanos()).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_time_is_written_with_nine_digits_and_read_back() {
        let moment = UnixNanos(1_690_730_998_343_415_001);
        assert_eq!(moment.to_string(), "2023-07-30T15:29:58.343415001Z");
        assert_eq!("2023-07-30T15:29:58.343415001Z".parse(), Ok(moment));
        assert_eq!("2023-07-30T17:29:58.343415001+02:00".parse(), Ok(moment));
        assert!("1969-12-31T23:59:59Z".parse::<UnixNanos>().is_err());
    }
}
