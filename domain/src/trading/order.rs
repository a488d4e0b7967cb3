//! The life of an order. Decides which states follow which (FIX's names, Alpaca's spelling) and what a
//! fill does to an order; journaling and sending are left to the Broker.

mod terms;

use super::{
    conditions::Conditions, fill::Fill, presence::CancelOnDisconnect, replace::Replacement,
};
use crate::{
    ids::{ClientOrderId, CustomerId, InstrumentId, OrderId, VenueId, VenueOrderId},
    limits::{AWAY_MAX, AWAY_MIN},
    money::{InvalidAmount, Price, Quantity},
    time::UnixNanos,
};
use alloc::{
    string::{String, ToString as _},
    vec::Vec,
};
use serde::{Deserialize, Serialize};
pub use terms::{OrderType, Side, TimeInForce};

/// What an algo asks for: the body of a submit. Two submits with one `client_order_id` are the same
/// order exactly when these are equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    pub client_order_id: ClientOrderId,
    pub instrument: InstrumentId,
    pub side: Side,
    #[serde(rename = "type")]
    pub order_type: OrderType,
    pub quantity: Quantity,
    /// Of a limit or stop-limit order; others have none.
    #[serde(default)]
    pub limit_price: Option<Price>,
    pub time_in_force: TimeInForce,
    #[serde(flatten)]
    pub conditions: Conditions,
    /// It is canceled when the session that submitted it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_on_disconnect: Option<CancelOnDisconnect>,
}

/// Why a new order is refused before anything is written down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrder {
    #[error("quantity must be above zero")]
    NoQuantity,
    #[error("a limit or stop_limit order needs limit_price")]
    LimitWithoutPrice,
    #[error("a market or stop order has no limit_price")]
    MarketWithPrice,
    #[error("a stop or stop_limit order needs stop_price")]
    StopWithoutPrice,
    #[error("only stop and stop_limit orders have a stop_price")]
    StopPriceWithoutStop,
    #[error("gtd needs expires_at")]
    GtdWithoutEnd,
    #[error("only gtd has expires_at")]
    EndWithoutGtd,
    #[error("expires_at is over")]
    Over,
    #[error("post_only is for limit orders that stay: gtc, day or gtd")]
    PostOnlyTakes,
    #[error("cancel_on_disconnect: after_ms is from {} to {}", AWAY_MIN.as_millis(), AWAY_MAX.as_millis())]
    AwayBounds,
}

impl NewOrder {
    /// What can be said of the order without knowing anything but the time.
    pub fn check(&self, now: UnixNanos) -> Result<(), InvalidOrder> {
        if self.quantity.is_zero() {
            return Err(InvalidOrder::NoQuantity);
        }
        if self.cancel_on_disconnect.is_some_and(|away| !away.is_bounded()) {
            return Err(InvalidOrder::AwayBounds);
        }
        self.conditions.check(self.order_type, self.limit_price, self.time_in_force, now)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// Journaled and durable; not yet sent.
    Accepted,
    /// Sent to the venue, which has not answered.
    PendingNew,
    /// At the venue.
    New,
    PartiallyFilled,
    Filled,
    /// A cancel is on its way; the order may still fill.
    PendingCancel,
    Canceled,
    Rejected,
    Expired,
    /// Sent, outcome not known. Ends only by evidence from the venue.
    Unknown,
    /// Other terms are on their way; the order may still fill under the old ones.
    PendingReplace,
}

impl OrderState {
    pub const ALL: [Self; 11] = [
        Self::Accepted,
        Self::PendingNew,
        Self::New,
        Self::PartiallyFilled,
        Self::Filled,
        Self::PendingCancel,
        Self::Canceled,
        Self::Rejected,
        Self::Expired,
        Self::Unknown,
        Self::PendingReplace,
    ];

    /// Nothing follows but fills that were late in coming.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Filled | Self::Canceled | Self::Rejected | Self::Expired => true,
            Self::Accepted
            | Self::PendingNew
            | Self::New
            | Self::PartiallyFilled
            | Self::PendingCancel
            | Self::Unknown
            | Self::PendingReplace => false,
        }
    }

    /// Whether an order may go from this state to `next`. Staying is always allowed.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        use OrderState as S;
        if self == next {
            return true;
        }
        match self {
            S::Accepted => matches!(next, S::PendingNew | S::Rejected | S::Unknown | S::Canceled),
            S::PendingNew | S::Unknown => !matches!(next, S::Accepted | S::PendingReplace),
            S::New => !matches!(next, S::Accepted | S::PendingNew | S::Unknown | S::Rejected),
            S::PartiallyFilled => matches!(
                next,
                S::Filled | S::PendingCancel | S::PendingReplace | S::Canceled | S::Expired
            ),
            S::PendingReplace => matches!(
                next,
                S::New
                    | S::PartiallyFilled
                    | S::Filled
                    | S::PendingCancel
                    | S::Canceled
                    | S::Expired
            ),
            S::PendingCancel => matches!(
                next,
                S::New | S::PartiallyFilled | S::Filled | S::Canceled | S::Expired | S::Unknown
            ),
            // A late fill can still complete an order that was thought canceled or expired.
            S::Canceled | S::Expired => matches!(next, S::Filled),
            S::Filled | S::Rejected => false,
        }
    }
}

/// An order as its ledger knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub order_id: OrderId,
    pub customer: CustomerId,
    pub client_order_id: ClientOrderId,
    /// The venue it was sent to.
    pub venue: VenueId,
    pub instrument: InstrumentId,
    pub side: Side,
    #[serde(rename = "type")]
    pub order_type: OrderType,
    pub quantity: Quantity,
    pub limit_price: Option<Price>,
    pub time_in_force: TimeInForce,
    #[serde(flatten)]
    pub conditions: Conditions,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_on_disconnect: Option<CancelOnDisconnect>,
    pub state: OrderState,
    pub filled_quantity: Quantity,
    /// Why it was rejected, canceled or expired, in the venue's words or ours.
    pub reason: Option<String>,
    pub created_at: UnixNanos,
    pub updated_at: UnixNanos,
    /// Rises by one with every change.
    pub version: u32,
    /// Ids that the venue has had for it since, after the one in `order_id`: a replace gives it another one. The last
    /// is the one it has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub later_venue_ids: Vec<VenueOrderId>,
    /// The terms that were asked for and that the venue has not answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<Replacement>,
}

/// A change that an order cannot take. The ledger reports it and keeps the order as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IllegalChange {
    #[error("an order in state {from:?} cannot become {to:?}")]
    State { from: OrderState, to: OrderState },
    #[error("the fill belongs to another order")]
    OtherOrder,
    #[error(transparent)]
    Amount(#[from] InvalidAmount),
}

/// Why an order that has more fills than were ordered is looked into.
const OVERFILLED: &str = "overfilled: the venue has filled more than was ordered";

impl Order {
    /// Whether the venue has filled more than was ordered: what it has done counts, and somebody is to look into it.
    #[must_use]
    pub fn is_overfilled(&self) -> bool {
        self.filled_quantity > self.quantity
    }

    pub(super) fn say_if_overfilled(&mut self) {
        if self.is_overfilled() {
            self.reason = Some(OVERFILLED.to_string());
        }
    }

    /// The order that an accepted intent begins as.
    #[must_use]
    pub fn accepted(
        order_id: OrderId,
        customer: CustomerId,
        venue: VenueId,
        new: &NewOrder,
        at: UnixNanos,
    ) -> Self {
        Self {
            order_id,
            customer,
            client_order_id: new.client_order_id.clone(),
            venue,
            instrument: new.instrument.clone(),
            side: new.side,
            order_type: new.order_type,
            quantity: new.quantity,
            limit_price: new.limit_price,
            time_in_force: new.time_in_force,
            conditions: new.conditions,
            cancel_on_disconnect: new.cancel_on_disconnect,
            state: OrderState::Accepted,
            filled_quantity: Quantity::ZERO,
            reason: None,
            created_at: at,
            updated_at: at,
            version: 1,
            later_venue_ids: Vec::new(),
            replacement: None,
        }
    }

    /// The body it was submitted with.
    #[must_use]
    pub fn body(&self) -> NewOrder {
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

    /// The order in its next state. The same state again is no change: `Ok(None)`.
    pub fn become_state(
        &self,
        next: OrderState,
        reason: Option<String>,
        at: UnixNanos,
    ) -> Result<Option<Self>, IllegalChange> {
        if self.state == next {
            return Ok(None);
        }
        if !self.state.may_become(next) {
            return Err(IllegalChange::State { from: self.state, to: next });
        }
        let mut order = self.clone();
        order.state = next;
        order.reason = reason.or(order.reason);
        order.updated_at = at;
        order.version += 1;
        // A replace that is on its way outlives nothing but the wish to cancel.
        if next != OrderState::PendingCancel {
            order.replacement = None;
        }
        Ok(Some(order))
    }

    /// The order after a fill. Fills apply in every state, and beyond what was ordered: the venue's word is evidence,
    /// and a position is the sum of its fills. The caller has made sure that this `exec_id` is new.
    pub fn filled_by(&self, fill: &Fill) -> Result<Self, IllegalChange> {
        if fill.order_id != self.order_id {
            return Err(IllegalChange::OtherOrder);
        }
        let filled = self.filled_quantity.checked_add(fill.quantity)?;
        let mut order = self.clone();
        order.filled_quantity = filled;
        order.say_if_overfilled();
        order.state = match self.state {
            _ if filled >= self.quantity => OrderState::Filled,
            OrderState::Canceled
            | OrderState::Expired
            | OrderState::PendingCancel
            | OrderState::PendingReplace => self.state,
            OrderState::Accepted
            | OrderState::PendingNew
            | OrderState::New
            | OrderState::PartiallyFilled
            | OrderState::Filled
            | OrderState::Rejected
            | OrderState::Unknown => OrderState::PartiallyFilled,
        };
        if order.state == OrderState::Filled {
            order.replacement = None;
        }
        order.updated_at = fill.at.max(self.updated_at);
        order.version += 1;
        Ok(order)
    }
}

#[cfg(test)]
pub(super) mod tests;
