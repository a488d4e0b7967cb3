//! Replace: other terms for an order that is at the venue. Decides what an order becomes when a replace begins, is done
//! or is not done; when it is sent, and what is evidence of its end, are decided by the Broker.
//!
//! The quantity is the total, with what is filled in it. The order's own id stays; the venue may know it by another one
//! afterwards. Until the venue has answered both terms may hold: the larger counts.

use super::order::{IllegalChange, Order, OrderState, OrderType};
use crate::{
    ids::{ClientOrderId, VenueOrderId},
    money::{Price, Quantity},
    time::UnixNanos,
};
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// What an algo asks for: the body of a replace. What it leaves out stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplaceOrder {
    /// Unique as a `client_order_id` is, and among those: the same id and body is the same replace.
    pub replace_id: ClientOrderId,
    /// Of the order, as it was when this was decided on. Another one is a conflict.
    pub version: u32,
    /// The total, with what is filled in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Quantity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_price: Option<Price>,
}

/// The terms an order is to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replacement {
    pub replace_id: ClientOrderId,
    pub quantity: Quantity,
    pub limit_price: Option<Price>,
}

/// Why a replace is refused before anything is written down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReplace {
    #[error("neither quantity nor limit_price is to change")]
    Nothing,
    #[error("a market order has no limit_price")]
    MarketWithPrice,
    #[error("stop and stop_limit orders are not replaced: cancel it and submit another one")]
    Stop,
    #[error(
        "quantity must be above what is filled, {filled}: it is the total; to end the order, cancel it"
    )]
    NothingLeft { filled: Quantity },
}

impl ReplaceOrder {
    /// The terms the order is to have, if that is possible.
    pub fn of(&self, order: &Order) -> Result<Replacement, InvalidReplace> {
        match (order.order_type, self.limit_price) {
            (OrderType::Market, Some(_)) => return Err(InvalidReplace::MarketWithPrice),
            (OrderType::Market, None) | (OrderType::Limit, Some(_) | None) => {}
            // Whether it waits still or trades already is the venue's to know.
            (OrderType::Stop | OrderType::StopLimit, _) => return Err(InvalidReplace::Stop),
        }
        let quantity = self.quantity.unwrap_or(order.quantity);
        let limit_price = self.limit_price.or(order.limit_price);
        if (quantity, limit_price) == (order.quantity, order.limit_price) {
            return Err(InvalidReplace::Nothing);
        }
        if quantity <= order.filled_quantity {
            return Err(InvalidReplace::NothingLeft { filled: order.filled_quantity });
        }
        Ok(Replacement { replace_id: self.replace_id.clone(), quantity, limit_price })
    }
}

impl Order {
    /// The id the venue has for it.
    #[must_use]
    pub fn venue_id(&self) -> VenueOrderId {
        self.later_venue_ids.last().copied().unwrap_or(self.order_id.venue_order_id)
    }

    /// The id it gets at the venue by the replace that is on its way.
    #[must_use]
    pub fn next_venue_id(&self) -> Option<VenueOrderId> {
        let asked = self.replacement.as_ref()?;
        Some(VenueOrderId::of(&self.order_id.account, &self.customer, &asked.replace_id))
    }

    /// The most that it may come to: of two terms that may both hold, the larger.
    #[must_use]
    pub fn quantity_at_most(&self) -> Quantity {
        self.replacement.as_ref().map_or(self.quantity, |asked| asked.quantity.max(self.quantity))
    }

    /// The order while a replace is on its way.
    pub fn replacing(&self, by: Replacement, at: UnixNanos) -> Result<Self, IllegalChange> {
        let to = OrderState::PendingReplace;
        if self.state == to || !self.state.may_become(to) {
            return Err(IllegalChange::State { from: self.state, to });
        }
        let mut order = self.clone();
        order.state = to;
        order.reason = None;
        order.replacement = Some(by);
        order.updated_at = at;
        order.version += 1;
        Ok(order)
    }

    /// The order once the venue has done the replace: other terms, and another id there. The wish to cancel stays.
    pub fn replaced(&self, at: UnixNanos) -> Result<Self, IllegalChange> {
        let none = IllegalChange::State { from: self.state, to: OrderState::New };
        let (Some(asked), Some(id)) = (&self.replacement, self.next_venue_id()) else {
            return Err(none);
        };
        let mut order = self.clone();
        (order.quantity, order.limit_price) = (asked.quantity, asked.limit_price);
        order.later_venue_ids.push(id);
        order.replacement = None;
        order.say_if_overfilled();
        order.state = match self.state {
            _ if order.filled_quantity >= order.quantity => OrderState::Filled,
            OrderState::PendingCancel => OrderState::PendingCancel,
            OrderState::PendingReplace => standing(&order),
            OrderState::Accepted
            | OrderState::PendingNew
            | OrderState::New
            | OrderState::PartiallyFilled
            | OrderState::Filled
            | OrderState::Canceled
            | OrderState::Rejected
            | OrderState::Expired
            | OrderState::Unknown => return Err(none),
        };
        order.updated_at = at;
        order.version += 1;
        Ok(order)
    }

    /// The order once it is known that the replace was not done and will not be, and why. The wish to cancel stays.
    pub fn not_replaced(&self, reason: String, at: UnixNanos) -> Result<Self, IllegalChange> {
        if self.replacement.is_none() {
            return Err(IllegalChange::State { from: self.state, to: OrderState::New });
        }
        let mut order = self.clone();
        order.replacement = None;
        if order.state == OrderState::PendingReplace {
            order.state = standing(&order);
        }
        order.reason = Some(reason);
        order.updated_at = at;
        order.version += 1;
        Ok(order)
    }
}

fn standing(order: &Order) -> OrderState {
    if order.filled_quantity.is_zero() { OrderState::New } else { OrderState::PartiallyFilled }
}

#[cfg(test)]
mod tests;
