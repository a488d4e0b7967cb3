//! What a venue shows on an account beyond the orders that were sent from here. Decides its shapes, and which words of a
//! venue say that an order is open; whose an order is, and how it counts, is decided by the ledger.

use super::{VenueFill, VenueOrder};
use serde::{Deserialize, Serialize};
use std::fmt;
use tradewind_domain::{
    ids::{ExecId, InstrumentId, VenueOrderId},
    money::{Price, Quantity},
    time::UnixNanos,
    trading::{OrderState, Side},
};

/// Longer than the id of any venue.
const ID_CHARS: usize = 64;

/// The venue's own name of an order: by it an operator finds the order there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExternalId(String);

impl ExternalId {
    /// As the venue writes it, as far as it is kept.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.chars().take(ID_CHARS).collect())
    }

    /// The id, if orders from here have such.
    #[must_use]
    pub fn venue_order_id(&self) -> Option<VenueOrderId> {
        self.0.parse().ok()
    }
}

impl From<VenueOrderId> for ExternalId {
    fn from(id: VenueOrderId) -> Self {
        Self(id.to_string())
    }
}

impl fmt::Display for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an order is, as the venue shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    pub instrument: InstrumentId,
    pub side: Side,
    /// In all, with what is filled in it.
    pub quantity: Quantity,
    pub filled: Quantity,
    pub limit_price: Option<Price>,
}

impl Terms {
    /// What it may still come to, while it is open.
    #[must_use]
    pub fn left(&self) -> Quantity {
        self.quantity.checked_sub(self.filled).unwrap_or(Quantity::ZERO)
    }
}

/// An order that was perhaps not sent from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalOrder {
    pub id: ExternalId,
    /// It has ended otherwise.
    pub open: bool,
    /// Where the venue tells them.
    pub terms: Option<Terms>,
}

impl ExternalOrder {
    /// `None`: the word says nothing of whether it is open.
    #[must_use]
    pub fn of(said: &VenueOrder) -> Option<Self> {
        let open = match said.state {
            OrderState::New | OrderState::PartiallyFilled => true,
            OrderState::Filled
            | OrderState::Canceled
            | OrderState::Rejected
            | OrderState::Expired => false,
            OrderState::Accepted
            | OrderState::PendingNew
            | OrderState::PendingCancel
            | OrderState::PendingReplace
            | OrderState::Unknown => return None,
        };
        Some(Self { id: said.venue_order_id.into(), open, terms: said.terms.clone() })
    }
}

/// A fill of such an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalFill {
    pub exec_id: ExecId,
    pub order: ExternalId,
    pub quantity: Quantity,
    pub price: Price,
    pub at: UnixNanos,
    /// Of what and on which side, where the venue tells.
    pub traded: Option<(InstrumentId, Side)>,
}

impl ExternalFill {
    #[must_use]
    pub fn of(said: &VenueFill) -> Self {
        Self {
            exec_id: said.exec_id.clone(),
            order: said.venue_order_id.into(),
            quantity: said.quantity,
            price: said.price,
            at: said.at,
            traded: said.traded.clone(),
        }
    }
}

/// What a page has that bears none of our names, where the venue's own are others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Externals {
    pub orders: Vec<ExternalOrder>,
    pub fills: Vec<ExternalFill>,
    /// Every open order is on this page, ours and others', whenever it changed last: what is not there has ended.
    pub all_open: bool,
}
