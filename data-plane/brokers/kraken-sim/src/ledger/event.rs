//! What the ledger writes down, and its bytes. Decides the records alone; which of them happen is decided by
//! `exchange`, what they add up to by `state`. One step is one record, so a crash keeps all of it or nothing.
//! Variants are only appended, structs are frozen once released.

use serde::{Deserialize, Serialize};
use tradewind_domain::{time::UnixNanos, trading::Side};
use tradewind_journal::codec::{self, CodecError};
use tradewind_kraken::ws::trading::TimeInForce;

/// The one kind of record in this journal.
const KIND_STEP: u8 = 1;

/// What one step of the exchange did, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) events: Vec<Event>,
}

/// `order` is the number of a placed order, from 0. Amounts are in ticks and lots of the pair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Event {
    /// The ledger began; its first event. The time tells its ids from those of any other ledger.
    Opened {
        at: UnixNanos,
    },
    /// An order reached the venue.
    Arrived {
        order: Arrived,
        at: UnixNanos,
        fate: Fate,
    },
    /// `exec` counts all fills from 0, `trade` the public trades of the pair from 1.
    Filled {
        order: u64,
        exec: u64,
        trade: u64,
        quantity: u64,
        price: u64,
        maker: bool,
        at: UnixNanos,
    },
    /// `amend` counts all amends from 0. An order that is requeued lost its place.
    Amended {
        order: u64,
        amend: u64,
        quantity: u64,
        limit: Option<u64>,
        requeued: bool,
        at: UnixNanos,
    },
    Ended {
        order: u64,
        how: End,
        reason: String,
        at: UnixNanos,
    },
}

/// An order as it arrived, as far as it was understood.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Arrived {
    pub(crate) symbol: String,
    pub(crate) side: Side,
    /// In lots; none if it was no amount of the pair.
    pub(crate) quantity: Option<u64>,
    /// In ticks; a market order has none.
    pub(crate) limit: Option<u64>,
    pub(crate) market: bool,
    pub(crate) time_in_force: Force,
    pub(crate) post_only: bool,
    pub(crate) cl_ord_id: Option<String>,
    pub(crate) userref: Option<i64>,
    pub(crate) expires: Option<UnixNanos>,
    pub(crate) deadline: Option<UnixNanos>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Force {
    Gtc,
    Gtd,
    Ioc,
}

impl From<TimeInForce> for Force {
    fn from(force: TimeInForce) -> Self {
        match force {
            TimeInForce::Gtc => Self::Gtc,
            TimeInForce::Gtd => Self::Gtd,
            TimeInForce::Ioc => Self::Ioc,
        }
    }
}

impl From<Force> for TimeInForce {
    fn from(force: Force) -> Self {
        match force {
            Force::Gtc => Self::Gtc,
            Force::Gtd => Self::Gtd,
            Force::Ioc => Self::Ioc,
        }
    }
}

/// What became of an order on arrival.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Fate {
    Placed,
    /// It was to be looked at and not placed.
    Validated,
    Refused(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum End {
    Canceled,
    Expired,
}

impl Step {
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, CodecError> {
        codec::encode(KIND_STEP, self)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(KIND_STEP, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Step {
        let at = UnixNanos(1_700_000_000_000_000_000);
        let order = Arrived {
            symbol: "BTC/USD".into(),
            side: Side::Buy,
            quantity: Some(1_000_000),
            limit: Some(294_302),
            market: false,
            time_in_force: Force::Gtc,
            post_only: true,
            cl_ord_id: Some("ours".into()),
            userref: None,
            expires: None,
            deadline: Some(at),
        };
        let events = vec![
            Event::Opened { at },
            Event::Arrived { order: order.clone(), at, fate: Fate::Placed },
            Event::Arrived { order, at, fate: Fate::Refused("EOrder:Post only order".into()) },
            Event::Filled {
                order: 0,
                exec: 0,
                trade: 1,
                quantity: 5,
                price: 294_302,
                maker: true,
                at,
            },
            Event::Amended {
                order: 0,
                amend: 0,
                quantity: 900,
                limit: Some(294_303),
                requeued: true,
                at,
            },
            Event::Ended { order: 0, how: End::Canceled, reason: "User requested".into(), at },
        ];
        Step { events }
    }

    /// The bytes of the first release: a step that was written then must be read for ever.
    const GOLDEN: &str = include_str!("golden/step_1.hex");

    #[test]
    fn a_step_has_the_bytes_it_always_had() {
        let bytes = whole().to_bytes().unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, GOLDEN.trim_end());
        assert_eq!(Step::from_bytes(&bytes).unwrap(), whole());
    }
}
