//! Bars: what was traded in a length of time, from the trades of an instrument. Decides what a bar is and to which one a trade
//! counts: by the trade's own time, in UTC. Which minutes are kept, and where trades are missing, is decided in `series`.
//!
//! BA1 a longer bar is what its minutes come to. BA2 what a bar cannot hold is left out of it, and then it is told to have a gap.

mod series;

use crate::{
    money::{Price, Quantity},
    time::UnixNanos,
    trading::Trade,
};
use core::{fmt, time::Duration};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
pub use series::{Gap, Part, Series};

/// How long a bar is. It begins at a multiple of that, in UTC. Variants are only appended.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Timeframe {
    #[default]
    #[serde(rename = "1m")]
    OneMinute,
    #[serde(rename = "5m")]
    FiveMinutes,
    #[serde(rename = "15m")]
    FifteenMinutes,
    #[serde(rename = "1h")]
    OneHour,
    #[serde(rename = "1d")]
    OneDay,
}

impl Timeframe {
    pub const ALL: [Self; 5] =
        [Self::OneMinute, Self::FiveMinutes, Self::FifteenMinutes, Self::OneHour, Self::OneDay];

    #[must_use]
    pub const fn length(self) -> Duration {
        Duration::from_secs(match self {
            Self::OneMinute => 60,
            Self::FiveMinutes => 300,
            Self::FifteenMinutes => 900,
            Self::OneHour => 3_600,
            Self::OneDay => 86_400,
        })
    }

    /// When the bar begins to which a moment counts.
    #[must_use]
    pub fn begin(self, at: UnixNanos) -> UnixNanos {
        let length = u64::try_from(self.length().as_nanos()).unwrap_or(u64::MAX);
        UnixNanos(at.0 - at.0 % length)
    }
}

impl fmt::Display for Timeframe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OneMinute => "1m",
            Self::FiveMinutes => "5m",
            Self::FifteenMinutes => "15m",
            Self::OneHour => "1h",
            Self::OneDay => "1d",
        })
    }
}

/// What was traded from `at` on, for as long as its timeframe says. Where nothing was traded there is no bar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bar {
    pub at: UnixNanos,
    /// The first that was told, and the last.
    pub open: Price,
    pub high: Price,
    pub low: Price,
    pub close: Price,
    pub volume: Quantity,
    /// Mean price by quantity, to twelve digits; none where it cannot be computed.
    pub vwap: Option<Price>,
    pub trades: u64,
    /// Its time is over. A trade that is told late still counts to it.
    pub complete: bool,
    /// Trades of its time are missing from it, or may be.
    pub gap: bool,
}

/// Digits of a mean price: more than any venue's prices have.
const VWAP_DIGITS: u32 = 12;

/// A bar while trades are counted to it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tally {
    at: UnixNanos,
    open: Price,
    high: Price,
    low: Price,
    close: Price,
    volume: Quantity,
    /// Sum of price times quantity, as long as it can be computed.
    turnover: Option<Decimal>,
    trades: u64,
    /// Everything that was counted to it is in it.
    whole: bool,
}

impl Tally {
    /// The bar from `at` on, with its first trade.
    fn of(at: UnixNanos, trade: &Trade) -> Self {
        let Trade { price, quantity, taker: _, at: _ } = *trade;
        let turnover = quantity.notional(price).ok();
        let (open, high, low, close) = (price, price, price, price);
        Self { at, open, high, low, close, volume: quantity, turnover, trades: 1, whole: true }
    }

    /// What was traded after that, within the same bar. Left out if the sum cannot be computed: then it is not whole.
    fn join(&mut self, later: &Self) {
        self.whole &= later.whole;
        let Ok(volume) = self.volume.checked_add(later.volume) else {
            self.whole = false;
            return;
        };
        self.volume = volume;
        self.turnover = self.turnover.zip(later.turnover).and_then(|(a, b)| a.checked_add(b));
        self.high = self.high.max(later.high);
        self.low = self.low.min(later.low);
        self.close = later.close;
        self.trades = self.trades.saturating_add(later.trades);
    }

    fn vwap(&self) -> Option<Price> {
        let mean = self.turnover?.checked_div(self.volume.decimal())?.round_sf(VWAP_DIGITS)?;
        // Rounding must not carry it past what was paid.
        let mean = mean.clamp(self.low.decimal(), self.high.decimal());
        Price::new(mean.normalize()).ok()
    }

    fn bar(self, complete: bool, gap: bool) -> Bar {
        let vwap = self.vwap();
        let gap = gap || !self.whole;
        let Self { at, open, high, low, close, volume, trades, .. } = self;
        Bar { at, open, high, low, close, volume, vwap, trades, complete, gap }
    }
}

/// A bar whose mean price has not been computed yet: whoever tells many leaves that to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawBar {
    tally: Tally,
    complete: bool,
    gap: bool,
}

impl RawBar {
    /// When it begins.
    #[must_use]
    pub fn at(&self) -> UnixNanos {
        self.tally.at
    }

    #[must_use]
    pub fn bar(self) -> Bar {
        let Self { tally, complete, gap } = self;
        tally.bar(complete, gap)
    }
}

#[cfg(test)]
mod tests;
