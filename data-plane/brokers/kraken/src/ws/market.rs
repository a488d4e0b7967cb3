//! Public channels. Decides the shapes of `status`, `ticker`, `book`, `trade`, `ohlc` and `instrument`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use tradewind_domain::{time::UnixNanos, trading::Side};

use super::Kind;
use crate::number::Number;
use crate::stamp::Stamp;

/// A message of a public channel.
#[derive(Clone, Debug, PartialEq)]
pub enum Market<'a> {
    Status(Vec<Status>),
    Ticker(Kind, Vec<Ticker>),
    Book(Kind, BookMessage<'a>),
    Trade(Kind, Vec<Trade>),
    Ohlc(Kind, Vec<Ohlc>),
    Instrument(Kind, Instruments),
}

/// Sent unasked on connecting and at each change of the engine's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub api_version: String,
    /// Absent from some messages of a maintenance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<u64>,
    pub system: System,
    pub version: String,
}

/// The engine's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum System {
    Online,
    /// Neither orders nor cancels.
    Maintenance,
    CancelOnly,
    PostOnly,
    /// One that is not known: no order is sent into it.
    #[serde(other)]
    Unknown,
}

impl System {
    #[must_use]
    pub fn takes_orders(self) -> bool {
        matches!(self, Self::Online | Self::PostOnly)
    }

    #[must_use]
    pub fn takes_cancels(self) -> bool {
        matches!(self, Self::Online | Self::PostOnly | Self::CancelOnly)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticker {
    pub symbol: String,
    pub bid: Number,
    pub bid_qty: Number,
    pub ask: Number,
    pub ask_qty: Number,
    pub last: Number,
    pub volume: Number,
    pub vwap: Number,
    pub low: Number,
    pub high: Number,
    pub change: Number,
    pub change_pct: Number,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Stamp>,
}

/// The one element of a `book` message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookMessage<'a> {
    #[serde(borrow)]
    pub symbol: Cow<'a, str>,
    pub bids: Vec<PriceLevel>,
    pub asks: Vec<PriceLevel>,
    pub checksum: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Stamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceLevel {
    pub price: Number,
    /// Zero removes the level.
    pub qty: Number,
}

/// `side` is the taker's; `trade_id` counts the trades of the pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trade {
    pub symbol: String,
    pub side: Side,
    pub price: Number,
    pub qty: Number,
    pub ord_type: String,
    pub trade_id: u64,
    pub timestamp: Stamp,
}

/// A candle. It is final when one with a later `interval_begin` has come: nothing says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ohlc {
    pub symbol: String,
    pub open: Number,
    pub high: Number,
    pub low: Number,
    pub close: Number,
    pub trades: u64,
    pub volume: Number,
    pub vwap: Number,
    pub interval_begin: UnixNanos,
    /// Minutes.
    pub interval: u32,
}

/// Assets and pairs; an update has those that changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instruments {
    #[serde(default)]
    pub assets: Vec<Asset>,
    #[serde(default)]
    pub pairs: Vec<Pair>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asset {
    pub id: String,
    pub status: String,
    pub precision: u32,
    pub precision_display: u32,
    pub borrowable: bool,
    pub collateral_value: Number,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin_rate: Option<Number>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    pub symbol: String,
    pub base: String,
    pub quote: String,
    pub status: PairStatus,
    pub qty_precision: u32,
    pub qty_increment: Number,
    pub price_precision: u32,
    pub cost_precision: u32,
    pub marginable: bool,
    pub has_index: bool,
    /// A number on the wire, a string in the documents.
    pub cost_min: Number,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tick_size: Option<Number>,
    pub price_increment: Number,
    pub qty_min: Number,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin_initial: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position_limit_long: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position_limit_short: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PairStatus {
    CancelOnly,
    Delisted,
    LimitOnly,
    Maintenance,
    Online,
    PostOnly,
    ReduceOnly,
    WorkInProgress,
    #[serde(other)]
    Unknown,
}
