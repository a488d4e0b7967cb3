//! Trading methods. Decides the shapes of their parameters and results.

use serde::{Deserialize, Serialize};
use tradewind_domain::trading::Side;

use super::request::OrderType;
use crate::number::Number;
use crate::stamp::Stamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeInForce {
    Gtc,
    Gtd,
    Ioc,
}

impl TimeInForce {
    /// As `executions` and REST write it.
    #[must_use]
    pub fn capitals(self) -> &'static str {
        match self {
            Self::Gtc => "GTC",
            Self::Gtd => "GTD",
            Self::Ioc => "IOC",
        }
    }
}

message! {
    /// `triggers` of a conditional order.
    #[serde(deny_unknown_fields)]
    Triggers {
        price: Number,
    } optional {
        reference: String,
        price_type: String,
    }
}

message! {
    /// A second order that follows when the first one fills.
    #[serde(deny_unknown_fields)]
    Conditional {
    } optional {
        order_type: OrderType,
        limit_price: Number,
        limit_price_type: String,
        trigger_price: Number,
        trigger_price_type: String,
    }
}

message! {
    /// `add_order`, and one order of `batch_add` (there `symbol`, `token` and `deadline` stand beside the orders).
    #[serde(deny_unknown_fields)]
    AddOrder {
        order_type: OrderType,
        side: Side,
    } optional {
        symbol: String,
        order_qty: Number,
        /// Of a market buy alone: how much to spend.
        cash_order_qty: Number,
        limit_price: Number,
        limit_price_type: String,
        triggers: Triggers,
        time_in_force: TimeInForce,
        expire_time: String,
        effective_time: String,
        /// When the engine will not take it any more: 0.5 s to 60 s from now.
        deadline: Stamp,
        post_only: bool,
        reduce_only: bool,
        margin: bool,
        display_qty: Number,
        /// Never together with `order_userref`.
        cl_ord_id: String,
        order_userref: i64,
        stp_type: String,
        fee_preference: String,
        conditional: Conditional,
        no_mpp: bool,
        sender_sub_id: String,
        validate: bool,
        token: String,
    }
}

impl AddOrder {
    /// With nothing but what every order has.
    #[must_use]
    pub fn new(order_type: OrderType, side: Side, quantity: Number) -> Self {
        Self {
            order_type,
            side,
            symbol: None,
            order_qty: Some(quantity),
            cash_order_qty: None,
            limit_price: None,
            limit_price_type: None,
            triggers: None,
            time_in_force: None,
            expire_time: None,
            effective_time: None,
            deadline: None,
            post_only: None,
            reduce_only: None,
            margin: None,
            display_qty: None,
            cl_ord_id: None,
            order_userref: None,
            stp_type: None,
            fee_preference: None,
            conditional: None,
            no_mpp: None,
            sender_sub_id: None,
            validate: None,
            token: None,
        }
    }
}

message! {
    /// What an order was placed as. Nothing of it when it was only validated.
    Added {
    } optional {
        order_id: String,
        cl_ord_id: String,
        order_userref: i64,
        warnings: Vec<String>,
    }
}

message! {
    /// `amend_order`: the order keeps its ids. A quantity below what is filled cancels the rest.
    #[serde(deny_unknown_fields)]
    AmendOrder {
    } optional {
        order_id: String,
        cl_ord_id: String,
        order_qty: Number,
        limit_price: Number,
        limit_price_type: String,
        display_qty: Number,
        post_only: bool,
        trigger_price: Number,
        trigger_price_type: String,
        deadline: Stamp,
        symbol: String,
        token: String,
    }
}

message! {
    /// Echoes the id by which the order was named.
    Amended {
        amend_id: String,
    } optional {
        order_id: String,
        cl_ord_id: String,
        warnings: Vec<String>,
    }
}

message! {
    /// `cancel_order`: one answer comes for each order named.
    #[serde(deny_unknown_fields)]
    CancelOrder {
    } optional {
        order_id: Vec<String>,
        cl_ord_id: Vec<String>,
        order_userref: Vec<i64>,
        token: String,
    }
}

message! {
    /// Echoes the id by which the order was named.
    Canceled {
    } optional {
        order_id: String,
        cl_ord_id: String,
        order_userref: i64,
        warnings: Vec<String>,
    }
}

message! {
    /// `cancel_all` has only a token.
    #[serde(deny_unknown_fields)]
    CancelAll {
    } optional {
        token: String,
    }
}

message! {
    /// `cancel_all_orders_after`: all orders of the account go when it runs out. 0 turns it off.
    #[serde(deny_unknown_fields)]
    CancelAllAfter {
        timeout: u32,
    } optional {
        token: String,
    }
}

/// When the switch was set and when it runs out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchSet {
    #[serde(rename = "currentTime")]
    pub current_time: String,
    #[serde(rename = "triggerTime")]
    pub trigger_time: String,
}

/// Result of `cancel_all` and `batch_cancel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    pub count: u64,
}

message! {
    /// `batch_add`: 2 to 15 orders of one symbol; all are refused when one fails validation.
    #[serde(deny_unknown_fields)]
    BatchAdd {
        symbol: String,
        orders: Vec<AddOrder>,
    } optional {
        deadline: Stamp,
        validate: bool,
        token: String,
    }
}

message! {
    /// `batch_cancel`: 2 to 50 orders by id or reference, or by client id.
    #[serde(deny_unknown_fields)]
    BatchCancel {
    } optional {
        orders: Vec<String>,
        cl_ord_id: Vec<String>,
        token: String,
    }
}
