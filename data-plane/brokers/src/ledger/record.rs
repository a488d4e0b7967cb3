//! The ledger's records as they stand on disk. Decides their shapes, which are frozen: variants are only
//! appended, structs never change (golden bytes in the tests); what records do is decided by `ledger`.
//!
//! Every numbered event carries its number and all that is told of it, so a replay tells the same words under them.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tradewind_domain::{
    control::risk::TradingState,
    ids::{
        AccountId, ClientOrderId, ClusterIncarnation, CustomerId, Epoch, ExecId, Fence,
        InstrumentId, OrderId, Scope, StreamEpoch, TraderId, VenueId, VenueOrderId,
    },
    money::{Price, Quantity},
    time::UnixNanos,
    trading::{Conditions, Fill, Order, OrderState, OrderType, Replacement, Side, TimeInForce},
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
}

/// What an order has beside its `OrderRecord`. Variants are only appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    LaterVenueIds(Vec<VenueOrderId>),
    /// The terms that are on their way.
    Replacement {
        replace_id: ClientOrderId,
        quantity: Quantity,
        limit_price: Option<Price>,
    },
    Conditions {
        stop_price: Option<Price>,
        expires_at: Option<UnixNanos>,
        post_only: bool,
        reduce_only: bool,
    },
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

/// An order whole; the account is the ledger's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRecord {
    pub venue_order_id: VenueOrderId,
    pub customer: CustomerId,
    pub client_order_id: ClientOrderId,
    pub venue: VenueId,
    pub instrument: InstrumentId,
    pub side: SideRecord,
    pub order_type: OrderTypeRecord,
    pub quantity: Quantity,
    pub limit_price: Option<Price>,
    pub time_in_force: TimeInForceRecord,
    pub state: StateRecord,
    pub filled_quantity: Quantity,
    pub reason: Option<String>,
    pub created_at: UnixNanos,
    pub updated_at: UnixNanos,
    pub version: u32,
}

/// The domain's enums have their own order on disk, which a new variant there cannot disturb.
macro_rules! mirror {
    ($record:ident = $domain:ident { $($variant:ident),+ }) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $record { $($variant),+ }

        impl From<$domain> for $record {
            fn from(value: $domain) -> Self {
                match value { $($domain::$variant => Self::$variant),+ }
            }
        }

        impl From<$record> for $domain {
            fn from(value: $record) -> Self {
                match value { $($record::$variant => Self::$variant),+ }
            }
        }
    };
}

mirror!(TradingStateRecord = TradingState { Active, Reducing, Halted });
mirror!(SideRecord = Side { Buy, Sell });
mirror!(OrderTypeRecord = OrderType { Market, Limit, Stop, StopLimit });
mirror!(TimeInForceRecord = TimeInForce { Gtc, Ioc, Day, Fok, Gtd });
mirror!(
    StateRecord = OrderState {
        Accepted,
        PendingNew,
        New,
        PartiallyFilled,
        Filled,
        PendingCancel,
        Canceled,
        Rejected,
        Expired,
        Unknown,
        PendingReplace
    }
);

impl OrderRecord {
    #[must_use]
    pub fn of(order: &Order) -> Self {
        Self {
            venue_order_id: order.order_id.venue_order_id,
            customer: order.customer.clone(),
            client_order_id: order.client_order_id.clone(),
            venue: order.venue.clone(),
            instrument: order.instrument.clone(),
            side: order.side.into(),
            order_type: order.order_type.into(),
            quantity: order.quantity,
            limit_price: order.limit_price,
            time_in_force: order.time_in_force.into(),
            state: order.state.into(),
            filled_quantity: order.filled_quantity,
            reason: order.reason.clone(),
            created_at: order.created_at,
            updated_at: order.updated_at,
            version: order.version,
        }
    }

    /// `parts`: what stands beside it in its record.
    #[must_use]
    pub fn order(&self, account: &AccountId, parts: &[Part]) -> Order {
        let mut order = Order {
            order_id: OrderId { account: account.clone(), venue_order_id: self.venue_order_id },
            customer: self.customer.clone(),
            client_order_id: self.client_order_id.clone(),
            venue: self.venue.clone(),
            instrument: self.instrument.clone(),
            side: self.side.into(),
            order_type: self.order_type.into(),
            quantity: self.quantity,
            limit_price: self.limit_price,
            time_in_force: self.time_in_force.into(),
            conditions: Conditions::NONE,
            state: self.state.into(),
            filled_quantity: self.filled_quantity,
            reason: self.reason.clone(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            version: self.version,
            later_venue_ids: Vec::new(),
            replacement: None,
        };
        for part in parts.iter().cloned() {
            match part {
                Part::LaterVenueIds(ids) => order.later_venue_ids = ids,
                Part::Replacement { replace_id, quantity, limit_price } => {
                    order.replacement = Some(Replacement { replace_id, quantity, limit_price });
                }
                Part::Conditions { stop_price, expires_at, post_only, reduce_only } => {
                    order.conditions =
                        Conditions { stop_price, expires_at, post_only, reduce_only };
                }
            }
        }
        order
    }
}

impl Part {
    /// Of most orders there are none.
    #[must_use]
    pub fn of(order: &Order) -> Vec<Self> {
        let later = &order.later_venue_ids;
        let ids = (!later.is_empty()).then(|| Self::LaterVenueIds(later.clone()));
        let asked = order.replacement.clone();
        let asked = asked.map(|Replacement { replace_id, quantity, limit_price }| {
            Self::Replacement { replace_id, quantity, limit_price }
        });
        let Conditions { stop_price, expires_at, post_only, reduce_only } = order.conditions;
        let conditions = (!order.conditions.is_none()).then_some(Self::Conditions {
            stop_price,
            expires_at,
            post_only,
            reduce_only,
        });
        ids.into_iter().chain(asked).chain(conditions).collect()
    }
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

    /// An order that may be sent: `intent` holds it too.
    #[must_use]
    pub fn intent(intent: Intent, order: &Order) -> Self {
        let parts = Part::of(order);
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
            | Self::CopyJoins { .. } => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
