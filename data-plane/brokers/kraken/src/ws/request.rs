//! Requests: the frame around them and subscriptions. Decides their shape; orders are in `trading`. `req_id`
//! stands beside the parameters, never among them; it is echoed and not checked.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A request as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Request<'a, P> {
    pub method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub params: Option<P>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub req_id: Option<u64>,
}

/// A request as it arrives, its parameters still as text. Real clients send `ping` without parameters.
#[derive(Debug, Deserialize)]
pub struct Arrived<'a> {
    pub method: String,
    #[serde(borrow, default)]
    pub params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub req_id: Option<&'a RawValue>,
}

/// Order types that Kraken has. Which of them an adapter offers is another matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderType {
    Limit,
    Market,
    Iceberg,
    StopLoss,
    StopLossLimit,
    TakeProfit,
    TakeProfitLimit,
    TrailingStop,
    TrailingStopLimit,
    SettlePosition,
}

message! {
    /// Parameters of `subscribe` and `unsubscribe`. One answer comes for each symbol.
    #[serde(deny_unknown_fields)]
    Subscription {
        channel: String,
    } optional {
        symbol: Vec<String>,
        snapshot: bool,
        /// Of `book`: 10, 25, 100, 500 or 1000.
        depth: u32,
        /// Of `ticker`: `trades` or `bbo`. Only the latter tells every change of a quote.
        event_trigger: String,
        /// Of `ohlc`: minutes.
        interval: u32,
        include_tokenized_assets: bool,
        snap_orders: bool,
        snap_trades: bool,
        order_status: bool,
        ratecounter: bool,
        /// The name under which one real client asks for it.
        rate_counter: bool,
        users: String,
        token: String,
    }
}

impl Subscription {
    /// With nothing but the channel.
    #[must_use]
    pub fn to(channel: &str) -> Self {
        Self {
            channel: channel.to_owned(),
            symbol: None,
            snapshot: None,
            depth: None,
            event_trigger: None,
            interval: None,
            include_tokenized_assets: None,
            snap_orders: None,
            snap_trades: None,
            order_status: None,
            ratecounter: None,
            rate_counter: None,
            users: None,
            token: None,
        }
    }
}
