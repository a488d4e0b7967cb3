//! Orders over REST at a MarketManager. Decides the bodies; names are Alpaca's, states FIX's. The rules
//! of an order's life are `domain::trading`.

use serde::{Deserialize, Serialize};
use tradewind_domain::{
    ids::{AccountId, ClientOrderId, InstrumentId, StreamEpoch},
    money::{Price, Quantity},
    trading::{Fill, NewOrder, Order, OrderType, Quote, Side, TimeInForce},
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
        }
    }
}

/// `GET /v1/orders`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    pub orders: Vec<Order>,
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

/// `GET /v1/quotes/{instrument}`: the latest there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatestQuote {
    pub instrument: InstrumentId,
    pub epoch: StreamEpoch,
    pub seq: u64,
    #[serde(flatten)]
    pub quote: Quote,
}
