//! When something trades, as algos ask for it at a MarketManager. Decides the bodies: a day has Alpaca's names and the
//! exchange's own time, and beside them both as moments. On which days an exchange trades is `domain::calendar`'s decision.

use serde::{Deserialize, Serialize};
use tradewind_domain::{
    calendar::{Day, Exchange, MinuteOfDay},
    ids::MarketId,
    time::UnixNanos,
};

/// `GET /v1/calendar?exchange=&market=&start=&end=`: of an exchange or of a Market.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarQuery {
    #[serde(default)]
    pub exchange: Option<Exchange>,
    #[serde(default)]
    pub market: Option<MarketId>,
    /// The first day; left out, it is that of now, in UTC.
    #[serde(default)]
    pub start: Option<Day>,
    /// The last day; left out, it is thirty days later, or the last that is known.
    #[serde(default)]
    pub end: Option<Day>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "trades", rename_all = "snake_case")]
pub enum CalendarTold {
    /// An exchange, on these of the days that were asked for.
    InSessions {
        exchange: Exchange,
        /// Of `open` and `close`, by its name in the time zone database.
        time_zone: String,
        start: Day,
        end: Day,
        days: Vec<CalendarDay>,
    },
    /// No exchange's days hold for the Market: the venues that there are adapters for do not close.
    AroundTheClock { market: MarketId },
}

/// One session. A day without one is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarDay {
    pub date: Day,
    pub open: MinuteOfDay,
    pub close: MinuteOfDay,
    pub open_at: UnixNanos,
    pub close_at: UnixNanos,
}
