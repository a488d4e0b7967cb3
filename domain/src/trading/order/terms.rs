//! Words of an order: its side, its type, how long it stands. Decides how they are written and what each one is; which go
//! together is `conditions`.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Buy,
    Sell,
}

/// Variants are only appended: venues' ledgers keep them by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderType {
    Market,
    Limit,
    /// A market order once the market has reached its stop price.
    Stop,
    /// A limit order once the market has reached its stop price.
    StopLimit,
}

impl OrderType {
    /// As it stands in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Market => "market",
            Self::Limit => "limit",
            Self::Stop => "stop",
            Self::StopLimit => "stop_limit",
        }
    }

    /// It has a price of its own.
    #[must_use]
    pub fn has_limit(self) -> bool {
        match self {
            Self::Limit | Self::StopLimit => true,
            Self::Market | Self::Stop => false,
        }
    }

    /// It waits for a price before it trades.
    #[must_use]
    pub fn waits(self) -> bool {
        match self {
            Self::Stop | Self::StopLimit => true,
            Self::Market | Self::Limit => false,
        }
    }
}

/// Variants are only appended: venues' ledgers keep them by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeInForce {
    /// Until canceled.
    Gtc,
    /// What does not trade at once is canceled.
    Ioc,
    /// Until the end of the venue's trading day.
    Day,
    /// Trades whole at once, or not at all.
    Fok,
    /// Until a time that the order names.
    Gtd,
}

impl TimeInForce {
    /// As it stands in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gtc => "gtc",
            Self::Ioc => "ioc",
            Self::Day => "day",
            Self::Fok => "fok",
            Self::Gtd => "gtd",
        }
    }

    /// What does not trade at once stays.
    #[must_use]
    pub fn rests(self) -> bool {
        match self {
            Self::Gtc | Self::Day | Self::Gtd => true,
            Self::Ioc | Self::Fok => false,
        }
    }
}
