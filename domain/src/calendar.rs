//! When exchanges trade. Decides a day's session, the next close, and whether an exchange is closed, from a
//! table and from the days that an operator adds. A day outside the table is refused, never guessed. What
//! follows from a closed exchange is decided elsewhere.

mod day;
pub mod hours;
mod xnys;

pub use day::{Day, InvalidDay, MinuteOfDay};
pub use hours::{DailyWindow, Hours, Span};

#[cfg(feature = "schema")]
#[allow(unused_imports)]
use crate::schema::prelude::*;
use crate::{limits::CALENDAR_OFFSET_MAX, time::UnixNanos};
use alloc::collections::BTreeMap;
use core::{fmt, time::Duration};
use serde::{Deserialize, Serialize};

/// The exchanges whose days are known. Variants are only appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Exchange {
    /// New York Stock Exchange.
    #[serde(rename = "XNYS")]
    Xnys,
}

impl Exchange {
    pub const ALL: [Self; 1] = [Self::Xnys];

    /// Where its clocks stand, by its name in the time zone database.
    #[must_use]
    pub fn time_zone(self) -> &'static str {
        match self {
            Self::Xnys => "America/New_York",
        }
    }
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Xnys => "XNYS",
        })
    }
}

/// What an operator says of a day. It takes away from what the table says and never adds: a day without a
/// session stays without one, and a session ends at the earlier of both times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum OperatorDay {
    Closed,
    /// In the exchange's own time.
    EarlyClose {
        at: MinuteOfDay,
    },
}

/// From the opening to the close of one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    pub day: Day,
    pub open: UnixNanos,
    pub close: UnixNanos,
    /// Both in the exchange's own time.
    pub opens: MinuteOfDay,
    pub closes: MinuteOfDay,
}

/// Nothing is known of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing is known of {exchange} on {day}: the table has {first} to {last}")]
pub struct OutsideTable {
    pub exchange: Exchange,
    pub day: Day,
    pub first: Day,
    pub last: Day,
}

/// An exchange's table with an operator's days.
#[derive(Clone, Copy, Debug)]
pub struct Calendar<'a> {
    exchange: Exchange,
    operator: &'a BTreeMap<Day, OperatorDay>,
}

impl<'a> Calendar<'a> {
    #[must_use]
    pub fn new(exchange: Exchange, operator: &'a BTreeMap<Day, OperatorDay>) -> Self {
        Self { exchange, operator }
    }

    /// The first and the last day that is known.
    #[must_use]
    pub fn known(&self) -> (Day, Day) {
        match self.exchange {
            Exchange::Xnys => (xnys::FIRST, xnys::LAST),
        }
    }

    fn check(&self, day: Day) -> Result<(), OutsideTable> {
        let (first, last) = self.known();
        let outside = OutsideTable { exchange: self.exchange, day, first, last };
        if (first..=last).contains(&day) { Ok(()) } else { Err(outside) }
    }

    /// The session of a day of the exchange; `None` if it does not trade.
    pub fn session_on(&self, day: Day) -> Result<Option<Session>, OutsideTable> {
        self.check(day)?;
        let times = match self.exchange {
            Exchange::Xnys => xnys::times(day),
        };
        let Some((opens, mut closes)) = times else { return Ok(None) };
        match self.operator.get(&day) {
            None => {}
            Some(OperatorDay::Closed) => return Ok(None),
            Some(OperatorDay::EarlyClose { at }) => closes = closes.min(*at),
        }
        if closes <= opens {
            return Ok(None);
        }
        let moment = |minute| match self.exchange {
            Exchange::Xnys => day.at_second(xnys::in_utc(day, minute)),
        };
        let (open, close) = (moment(opens), moment(closes));
        Ok(Some(Session { day, open, close, opens, closes }))
    }

    /// The session that is open at a moment, the opening included and the close not.
    pub fn session_at(&self, at: UnixNanos) -> Result<Option<Session>, OutsideTable> {
        // Sessions of New York begin and end within one day of UTC.
        let session = self.session_on(Day::of(at))?;
        Ok(session.filter(|session| session.open <= at && at < session.close))
    }

    /// The first opening after a moment.
    pub fn next_open_after(&self, at: UnixNanos) -> Result<UnixNanos, OutsideTable> {
        self.first_after(at, |session| session.open)
    }

    /// The first close after a moment: of the session that is open, or else of the next one.
    pub fn next_close_after(&self, at: UnixNanos) -> Result<UnixNanos, OutsideTable> {
        self.first_after(at, |session| session.close)
    }

    fn first_after(
        &self,
        at: UnixNanos,
        moment: impl Fn(&Session) -> UnixNanos,
    ) -> Result<UnixNanos, OutsideTable> {
        let mut day = Day::of(at);
        loop {
            // Ends at the latest with the table.
            if let Some(found) = self.session_on(day)?.as_ref().map(&moment)
                && found > at
            {
                return Ok(found);
            }
            day = day.next();
        }
    }

    /// Whether the exchange is closed, and has been for `offset` after the close of its last session.
    /// An offset beyond `CALENDAR_OFFSET_MAX` counts as that.
    pub fn is_closed_at(&self, at: UnixNanos, offset: Duration) -> Result<bool, OutsideTable> {
        let day = Day::of(at);
        let offset = offset.min(CALENDAR_OFFSET_MAX);
        let within = |session: Session| session.open <= at && at < session.close + offset;
        let today = self.session_on(day)?.is_some_and(within);
        // The day before the first is not known, and nobody waits for it any more.
        let yesterday = self.session_on(day.previous()).ok().flatten().is_some_and(within);
        Ok(!today && !yesterday)
    }

    /// The time without a session around a moment, from `offset` after a close to the next opening; `None`
    /// if there is none at that moment. It ends with what is known.
    pub fn closed_span(
        &self,
        at: UnixNanos,
        offset: Duration,
    ) -> Result<Option<Span>, OutsideTable> {
        if !self.is_closed_at(at, offset)? {
            return Ok(None);
        }
        let (first, last) = self.known();
        let until = self.next_open_after(at).unwrap_or_else(|_| last.next().at_second(0));
        let mut from = first.at_second(0);
        let mut day = Day::of(at);
        while let Ok(session) = self.session_on(day) {
            if let Some(session) = session.filter(|session| session.open <= at) {
                from = session.close + offset.min(CALENDAR_OFFSET_MAX);
                break;
            }
            day = day.previous();
        }
        Ok(Some(Span { from, until }))
    }
}

#[cfg(test)]
mod tests;
