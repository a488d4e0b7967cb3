//! What the ledger writes down, and its bytes. Decides the records alone; which of them happen is decided by
//! `exchange`, what they add up to by `state`.
//!
//! One step of the exchange is one record, so a crash keeps all of it or nothing: no order is ever placed
//! without the trades it made on arrival. Variants are only appended, structs are frozen once released.

use serde::{Deserialize, Serialize};
use tradewind_domain::{
    ids::{AccountId, InstrumentId, VenueOrderId},
    money::{Notional, Price, Quantity},
    time::UnixNanos,
    trading::{self, OrderType, Side, TimeInForce},
};
use tradewind_journal::codec::{self, CodecError};

use crate::wire::{RefusalCode, Submission};

/// The one kind of record in this journal.
const KIND_STEP: u8 = 1;

/// What one step of the exchange did, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) events: Vec<Event>,
}

/// `order` is the number of an order: the how manyth to arrive for the first time, from 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Event {
    /// The ledger began; its first event. The time tells its executions from those of any other ledger.
    Opened {
        at: UnixNanos,
    },
    /// A submit reached the venue.
    Arrived {
        account: AccountId,
        order: Arrived,
        at: UnixNanos,
        fate: Fate,
    },
    /// `exec` counts all fills from 1.
    Filled {
        order: u64,
        exec: u64,
        quantity: Quantity,
        price: Price,
        at: UnixNanos,
    },
    Canceled {
        order: u64,
        cause: CancelCause,
        at: UnixNanos,
    },
    /// A cancel reached the venue and changed nothing.
    CancelRefused {
        account: AccountId,
        order: VenueOrderId,
        code: RefusalCode,
        at: UnixNanos,
    },
    /// A replace reached the venue: `order` has ended, and another one has arrived in its place.
    Replaced {
        order: u64,
        by: Arrived,
        at: UnixNanos,
    },
    /// A replace reached the venue and changed nothing. `by` is the id that the new order would have had.
    ReplaceRefused {
        account: AccountId,
        by: VenueOrderId,
        sent_at: UnixNanos,
        code: RefusalCode,
        at: UnixNanos,
    },
    /// As `Arrived`, of an order with conditions.
    ArrivedWith {
        account: AccountId,
        order: Arrived,
        conditions: Conditions,
        at: UnixNanos,
        fate: Fate,
    },
    /// The market has reached its stop price.
    Triggered {
        order: u64,
        at: UnixNanos,
    },
    /// Its time is over.
    Expired {
        order: u64,
        at: UnixNanos,
    },
    /// As `Filled`, of a fill that has cost something.
    FilledWithFee {
        order: u64,
        exec: u64,
        quantity: Quantity,
        price: Price,
        fee: Notional,
        at: UnixNanos,
    },
}

/// As the venue holds an order to them: the end of the trading day is among them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Conditions {
    pub(crate) stop_price: Option<Price>,
    pub(crate) expires_at: Option<UnixNanos>,
    pub(crate) post_only: bool,
    pub(crate) reduce_only: bool,
}

impl From<trading::Conditions> for Conditions {
    fn from(conditions: trading::Conditions) -> Self {
        let trading::Conditions { stop_price, expires_at, post_only, reduce_only } = conditions;
        Self { stop_price, expires_at, post_only, reduce_only }
    }
}

impl From<Conditions> for trading::Conditions {
    fn from(conditions: Conditions) -> Self {
        let Conditions { stop_price, expires_at, post_only, reduce_only } = conditions;
        Self { stop_price, expires_at, post_only, reduce_only }
    }
}

/// An order as it arrived.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Arrived {
    pub(crate) venue_order_id: VenueOrderId,
    pub(crate) instrument: InstrumentId,
    pub(crate) side: Side,
    pub(crate) order_type: OrderType,
    pub(crate) quantity: Quantity,
    pub(crate) limit_price: Option<Price>,
    pub(crate) time_in_force: TimeInForce,
    pub(crate) sent_at: UnixNanos,
    pub(crate) deadline: UnixNanos,
}

impl Event {
    /// The arrival of an order.
    pub(crate) fn arrived(
        account: AccountId,
        order: Arrived,
        conditions: trading::Conditions,
        at: UnixNanos,
        fate: Fate,
    ) -> Self {
        if conditions.is_none() {
            return Self::Arrived { account, order, at, fate };
        }
        Self::ArrivedWith { account, order, conditions: conditions.into(), at, fate }
    }

    /// A fill of the order, and what it has cost.
    pub(crate) fn filled(
        (order, exec): (u64, u64),
        quantity: Quantity,
        price: Price,
        fee: Option<Notional>,
        at: UnixNanos,
    ) -> Self {
        match fee {
            None => Self::Filled { order, exec, quantity, price, at },
            Some(fee) => Self::FilledWithFee { order, exec, quantity, price, fee, at },
        }
    }
}

impl From<Submission> for Arrived {
    fn from(order: Submission) -> Self {
        Self {
            venue_order_id: order.venue_order_id,
            instrument: order.instrument,
            side: order.side,
            order_type: order.order_type,
            quantity: order.quantity,
            limit_price: order.limit_price,
            time_in_force: order.time_in_force,
            sent_at: order.sent_at,
            deadline: order.deadline,
        }
    }
}

/// What became of a submit on arrival.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Fate {
    Placed,
    /// Its id had arrived before; nothing else happened.
    Duplicate,
    Refused {
        code: RefusalCode,
        reason: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum CancelCause {
    Client,
    /// What of an order that may not rest was not traded on arrival.
    NotTraded,
    /// There was not enough to trade it whole at once.
    NotWhole,
    /// What is left of it would not make the position smaller.
    WouldNotReduce,
}

impl CancelCause {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Client => "canceled by the client",
            Self::NotTraded => "not traded at once",
            Self::NotWhole => "fok: there was not enough to trade it whole at once",
            Self::WouldNotReduce => "reduce_only: the rest would not make the position smaller",
        }
    }
}

impl Step {
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, CodecError> {
        codec::encode(KIND_STEP, self)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(KIND_STEP, bytes)
    }
}
