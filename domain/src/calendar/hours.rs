//! After hours: when something may be taken away without anyone at an exchange noticing. Decides it for an
//! exchange, with a wait after its close, and for markets that never close, by a window of the day; of
//! several, all must agree. Who asks is decided elsewhere.

use super::{
    Calendar, Day, Exchange, MinuteOfDay, OperatorDay, OutsideTable, day::SECONDS_PER_DAY,
};
#[cfg(feature = "schema")]
#[allow(unused_imports)]
use crate::schema::prelude::*;
use crate::time::UnixNanos;
use alloc::collections::BTreeMap;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// When it is after hours. Variants are only appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum Hours {
    /// From so many minutes after the exchange's close to its next opening.
    AfterClose { exchange: Exchange, offset_minutes: u16 },
    /// Each day; for what trades around the clock.
    Daily { window: DailyWindow },
}

/// Of each day, in UTC, the beginning included and the end not. One that ends before it begins goes past
/// midnight; one that ends when it begins is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DailyWindow {
    pub from: MinuteOfDay,
    pub to: MinuteOfDay,
}

/// A span of time, the beginning included and the end not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub from: UnixNanos,
    pub until: UnixNanos,
}

impl Span {
    #[must_use]
    pub fn contains(&self, at: UnixNanos) -> bool {
        self.from <= at && at < self.until
    }

    #[must_use]
    fn and(self, other: Self) -> Self {
        Self { from: self.from.max(other.from), until: self.until.min(other.until) }
    }
}

impl DailyWindow {
    /// The window that is open at a moment.
    #[must_use]
    pub fn span(&self, at: UnixNanos) -> Option<Span> {
        let long = (self.to.seconds() + SECONDS_PER_DAY - self.from.seconds()) % SECONDS_PER_DAY;
        let today = Day::of(at);
        let begun = |day: Day| {
            let from = day.at_second(self.from.seconds());
            Span { from, until: from + Duration::from_secs(long) }
        };
        // One that goes past midnight began the day before.
        [begun(today), begun(today.previous())].into_iter().find(|span| span.contains(at))
    }
}

/// The operator's days of every exchange.
pub type OperatorDays = BTreeMap<Exchange, BTreeMap<Day, OperatorDay>>;

impl Hours {
    /// The time after hours around a moment; `None` if it is not after hours.
    pub fn span(&self, at: UnixNanos, days: &OperatorDays) -> Result<Option<Span>, OutsideTable> {
        match self {
            Self::AfterClose { exchange, offset_minutes } => {
                let none = BTreeMap::new();
                let calendar = Calendar::new(*exchange, days.get(exchange).unwrap_or(&none));
                let offset = Duration::from_secs(u64::from(*offset_minutes) * 60);
                calendar.closed_span(at, offset)
            }
            Self::Daily { window } => Ok(window.span(at)),
        }
    }
}

/// The time after all of these hours around a moment; `None` if one of them trades, or if there are none:
/// nobody said when it would not be noticed.
pub fn after_all<'a>(
    hours: impl IntoIterator<Item = &'a Hours>,
    at: UnixNanos,
    days: &OperatorDays,
) -> Result<Option<Span>, OutsideTable> {
    let mut all: Option<Span> = None;
    for each in hours {
        let Some(span) = each.span(at, days)? else { return Ok(None) };
        all = Some(all.map_or(span, |all| all.and(span)));
    }
    Ok(all)
}
