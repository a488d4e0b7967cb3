//! Bars, as algos ask for them at a MarketManager. Decides the bodies; what a bar is, and which of them may lack trades, is
//! `domain::trading::bars`' decision.

use serde::{Deserialize, Serialize};
use tradewind_domain::{
    ids::InstrumentId,
    time::UnixNanos,
    trading::bars::{Bar, Gap, Timeframe},
};

/// `GET /v1/bars/{instrument}?timeframe=&start=&end=&limit=`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BarQuery {
    /// Left out, it is a minute.
    #[serde(default)]
    pub timeframe: Timeframe,
    /// When the first bar begins at the earliest; left out, the last bars up to `end` are told.
    #[serde(default)]
    pub start: Option<UnixNanos>,
    /// When the last bar begins at the latest; left out, it is now.
    #[serde(default)]
    pub end: Option<UnixNanos>,
    /// How many at most; left out, as many as are told at once.
    #[serde(default)]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bars {
    pub instrument: InstrumentId,
    pub timeframe: Timeframe,
    /// Since when this MarketManager has read all trades, but for the gaps; none: it has only begun to ask for them.
    pub from: Option<UnixNanos>,
    /// The earliest first.
    pub bars: Vec<Bar>,
    /// Those of the time that was asked for, also where there is no bar.
    pub gaps: Vec<Gap>,
    /// There are more: `start` for what follows.
    pub next: Option<UnixNanos>,
}
