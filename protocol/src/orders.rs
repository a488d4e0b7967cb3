//! Orders over REST at a MarketManager. Decides the bodies; names are Alpaca's, states FIX's. The rules
//! of an order's life are `domain::trading`.

use crate::stream::Position;
use serde::{Deserialize, Serialize};
use tradewind_domain::{
    ids::{AccountId, ClientOrderId, InstrumentId, StreamEpoch},
    money::{Net, Price, Quantity},
    time::UnixNanos,
    trading::{
        CancelOnDisconnect, Conditions, Fill, NewOrder, Order, OrderType, Quote, Side, TimeInForce,
        risk::word::Word,
    },
};

/// `POST /v1/orders`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubmitOrder {
    /// Needed only where the customer has several accounts at the routed venue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    pub client_order_id: ClientOrderId,
    pub instrument: InstrumentId,
    pub side: Side,
    #[serde(rename = "type")]
    pub order_type: OrderType,
    pub quantity: Quantity,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_price: Option<Price>,
    pub time_in_force: TimeInForce,
    #[serde(flatten)]
    pub conditions: Conditions,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_on_disconnect: Option<CancelOnDisconnect>,
}

impl SubmitOrder {
    /// The order without where it goes.
    #[must_use]
    pub fn new_order(&self) -> NewOrder {
        NewOrder {
            client_order_id: self.client_order_id.clone(),
            instrument: self.instrument.clone(),
            side: self.side,
            order_type: self.order_type,
            quantity: self.quantity,
            limit_price: self.limit_price,
            time_in_force: self.time_in_force,
            conditions: self.conditions,
            cancel_on_disconnect: self.cancel_on_disconnect,
        }
    }
}

/// `GET /v1/orders`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    pub orders: Vec<Order>,
}

/// `GET /v1/positions?account=`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Positions {
    pub accounts: Vec<AccountPositions>,
}

/// A customer's positions on an account, instruments of which there is nothing left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountPositions {
    pub account: AccountId,
    /// They are what all his events up to this one of his private streams come to.
    pub as_of: Position,
    pub positions: Vec<Held>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub instrument: InstrumentId,
    /// The sum of his fills: bought less sold.
    pub quantity: Net,
    /// What his open orders may still buy, those of unknown outcome too.
    pub buying: Quantity,
    pub selling: Quantity,
}

/// `POST /v1/cancel_all_after`: all open orders are canceled unless it is asked again before that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelAllAfter {
    /// All of the caller's if none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// Left out, the timer is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelTimers {
    pub accounts: Vec<CancelTimer>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelTimer {
    pub account: AccountId,
    /// By the Broker's clock; `null`: there is none.
    pub cancel_at: Option<UnixNanos>,
}

/// `GET /v1/fills`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fills {
    pub fills: Vec<Fill>,
}

/// `GET /v1/orders?account=&client_order_id=&open=` and `GET /v1/fills?account=`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderQuery {
    #[serde(default)]
    pub account: Option<AccountId>,
    #[serde(default)]
    pub client_order_id: Option<ClientOrderId>,
    /// Only orders that have not ended.
    #[serde(default)]
    pub open: Option<bool>,
}

/// `GET /v1/accounts`: those the customer may trade on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounts {
    pub accounts: Vec<AccountId>,
}

/// `PUT /v1/accounts/{account}/trading_state`, which takes a `TradingStateSpec`: what holds for the caller there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountTradingState {
    pub account: AccountId,
    #[serde(flatten)]
    pub word: Word,
}

/// `GET /v1/quotes/{instrument}`: the latest there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatestQuote {
    pub instrument: InstrumentId,
    pub epoch: StreamEpoch,
    pub seq: u64,
    #[serde(flatten)]
    pub quote: Quote,
}
