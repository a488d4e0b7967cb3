//! The ledger's records as they stand on disk. Decides their shapes, which are frozen: variants are only
//! appended, structs never change (golden bytes in the tests); what records do is decided by `ledger`.
//!
//! Every numbered event carries its number and all that is told of it, so a replay tells the same words under them.

mod external;
mod order;

use bytes::Bytes;
pub use external::{ExternalFillRecord, ExternalRecord, TermsRecord};
pub use order::{
    OrderRecord, OrderTypeRecord, Part, SideRecord, StateRecord, TimeInForceRecord,
    TradingStateRecord,
};
use serde::{Deserialize, Serialize};
use tradewind_domain::{
    ids::{
        AccountId, ClusterIncarnation, CustomerId, Epoch, ExecId, Fence, OrderId, Scope, SessionId,
        StreamEpoch, TraderId, VenueOrderId,
    },
    money::{Price, Quantity},
    time::UnixNanos,
    trading::{Fill, Order},
};
use tradewind_journal::codec::{self, CodecError};
use tradewind_protocol::trade::{PrivateChannel, PrivateEvent};

/// The kind byte of the ledger's records.
const KIND: u8 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// The first record of a ledger.
    Opened { account: AccountId, stream_epoch: StreamEpoch, at: UnixNanos },
    /// The highest right to this account that was seen.
    Fenced { cluster: u64, epoch: u64 },
    /// The highest epoch of a Trader that was seen.
    TraderSeen { customer: CustomerId, trader: TraderId, epoch: u64 },
    /// An order that may be sent once this is durable.
    Intent(Intent),
    /// An order in its next state.
    Changed { number: Number, order: OrderRecord },
    /// A fill and the order after it: two events.
    Filled(Filled),
    /// The order's end is wanted: the cancel is repeated until it is known.
    CancelAsked { order: VenueOrderId, at: UnixNanos },
    /// A complete sweep: all before this moment of the venue's clock is known.
    Swept { to: UnixNanos },
    /// As `Changed`, of an order with parts.
    ChangedWith { number: Number, order: OrderRecord, parts: Vec<Part> },
    /// As `Filled`, of an order with parts.
    FilledWith { filled: Filled, parts: Vec<Part> },
    /// A replace that may be sent once this is durable.
    ReplaceAsked(ReplaceAsked),
    /// The venue has done the replace that was asked for.
    Replaced { number: Number, order: OrderRecord, parts: Vec<Part> },
    /// It has not and will not.
    NotReplaced { number: Number, order: OrderRecord, parts: Vec<Part> },
    /// Trading is tighter here than was said above. It holds until a higher version is heard of.
    Tightened { scope: Scope, state: TradingStateRecord, version: u64, at: UnixNanos },
    /// All open orders of the customer are canceled at that time; `None`: they are not.
    CancelAllAfter { customer: CustomerId, at: Option<UnixNanos> },
    /// As `Intent`, of an order with parts.
    IntentWith { intent: Intent, parts: Vec<Part> },
    /// The copy of this naming joins: from here on everything waits for both.
    CopyJoins { cluster: u64, epoch: u64 },
    /// An order at the venue that is none of these, as the venue shows it at that time.
    ExternalSeen { order: ExternalRecord, at: UnixNanos },
    /// A fill of such an order.
    ExternalFilled(ExternalFillRecord),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplaceAsked {
    pub number: Number,
    /// As the order is while the replace is on its way.
    pub order: OrderRecord,
    pub parts: Vec<Part>,
    /// As they were asked for: what a repeat is compared with.
    pub asked_version: u32,
    pub asked_quantity: Option<Quantity>,
    pub asked_limit_price: Option<Price>,
    /// The venue is told to refuse it later, by its own clock.
    pub deadline: UnixNanos,
    pub trader: Option<TraderId>,
    pub trader_epoch: u64,
    pub cluster: u64,
    pub epoch: u64,
}

/// An event's number and the number before it on the same channel (0: none).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Number {
    pub seq: u64,
    pub prev: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    pub number: Number,
    pub order: OrderRecord,
    /// The venue is told to refuse it later, by its own clock.
    pub deadline: UnixNanos,
    pub trader: Option<TraderId>,
    pub trader_epoch: u64,
    pub cluster: u64,
    pub epoch: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filled {
    pub fill_number: Number,
    pub exec_id: ExecId,
    pub quantity: Quantity,
    pub price: Price,
    pub at: UnixNanos,
    pub order_number: Number,
    pub order: OrderRecord,
}

impl Filled {
    /// The fill as it is told.
    #[must_use]
    pub fn fill(&self, account: &AccountId) -> Fill {
        Fill {
            exec_id: self.exec_id.clone(),
            order_id: OrderId {
                account: account.clone(),
                venue_order_id: self.order.venue_order_id,
            },
            customer: self.order.customer.clone(),
            client_order_id: self.order.client_order_id.clone(),
            instrument: self.order.instrument.clone(),
            side: self.order.side.into(),
            quantity: self.quantity,
            price: self.price,
            at: self.at,
        }
    }
}

/// An event of a customer's private stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    pub customer: CustomerId,
    pub number: Number,
    pub event: PrivateEvent,
}

impl Numbered {
    #[must_use]
    pub fn channel(&self) -> PrivateChannel {
        match self.event {
            PrivateEvent::Order(_) => PrivateChannel::Orders,
            PrivateEvent::Fill(_) => PrivateChannel::Fills,
        }
    }
}

impl Record {
    /// The record's bytes.
    pub fn encode(&self) -> Result<Bytes, CodecError> {
        codec::encode(KIND, self).map(Bytes::from)
    }

    /// The record of those bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(KIND, bytes)
    }

    /// An order that may be sent: `intent` holds it too. `session`: of one that is canceled when that is gone.
    #[must_use]
    pub fn intent(intent: Intent, order: &Order, session: Option<SessionId>) -> Self {
        let parts: Vec<Part> =
            Part::of(order).into_iter().chain(session.map(Part::Session)).collect();
        if parts.is_empty() { Self::Intent(intent) } else { Self::IntentWith { intent, parts } }
    }

    /// The naming whose copy joins with it.
    #[must_use]
    pub fn joins(&self) -> Option<Fence> {
        let Self::CopyJoins { cluster, epoch } = self else { return None };
        Some(Fence { cluster: ClusterIncarnation(*cluster), epoch: Epoch(*epoch) })
    }

    /// An order in its next state.
    #[must_use]
    pub fn changed(number: Number, next: &Order) -> Self {
        let (order, parts) = (OrderRecord::of(next), Part::of(next));
        if parts.is_empty() {
            Self::Changed { number, order }
        } else {
            Self::ChangedWith { number, order, parts }
        }
    }

    /// A fill and the order after it, which `filled` holds too.
    #[must_use]
    pub fn filled(filled: Filled, next: &Order) -> Self {
        let parts = Part::of(next);
        if parts.is_empty() { Self::Filled(filled) } else { Self::FilledWith { filled, parts } }
    }

    /// The numbered events it makes, in the order of their numbers.
    #[must_use]
    pub fn events(&self, account: &AccountId) -> Vec<Numbered> {
        let order_event = |number: Number, order: &OrderRecord, parts: &[Part]| Numbered {
            customer: order.customer.clone(),
            number,
            event: PrivateEvent::Order(Box::new(order.order(account, parts))),
        };
        let fill_events = |filled: &Filled, parts: &[Part]| {
            let fill = Numbered {
                customer: filled.order.customer.clone(),
                number: filled.fill_number,
                event: PrivateEvent::Fill(Box::new(filled.fill(account))),
            };
            vec![fill, order_event(filled.order_number, &filled.order, parts)]
        };
        match self {
            Self::Intent(intent) => vec![order_event(intent.number, &intent.order, &[])],
            Self::IntentWith { intent, parts } => {
                vec![order_event(intent.number, &intent.order, parts)]
            }
            Self::Changed { number, order } => vec![order_event(*number, order, &[])],
            Self::ChangedWith { number, order, parts }
            | Self::Replaced { number, order, parts }
            | Self::NotReplaced { number, order, parts } => {
                vec![order_event(*number, order, parts)]
            }
            Self::ReplaceAsked(asked) => {
                vec![order_event(asked.number, &asked.order, &asked.parts)]
            }
            Self::Filled(filled) => fill_events(filled, &[]),
            Self::FilledWith { filled, parts } => fill_events(filled, parts),
            Self::Opened { .. }
            | Self::Fenced { .. }
            | Self::TraderSeen { .. }
            | Self::CancelAsked { .. }
            | Self::Swept { .. }
            | Self::Tightened { .. }
            | Self::CancelAllAfter { .. }
            | Self::CopyJoins { .. }
            | Self::ExternalSeen { .. }
            | Self::ExternalFilled(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
