//! What an algo asks for when it orders. Decides how a request is put together; every request carries
//! an id of its own from the start, so that sending it again is never a second order.

use crate::error::Error;
use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};
use tradewind_protocol::{
    domain::{
        ids::{AccountId, ClientOrderId, InstrumentId},
        money::{Price, Quantity},
        trading::{OrderType, Side, TimeInForce},
    },
    orders::SubmitOrder,
};

/// An order to be submitted. Submit the same value again and it is the same order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRequest {
    pub(crate) body: SubmitOrder,
}

impl OrderRequest {
    fn new(
        instrument: &str,
        side: Side,
        quantity: &str,
        order_type: OrderType,
        limit_price: Option<Price>,
        time_in_force: TimeInForce,
    ) -> Result<Self, Error> {
        Ok(Self {
            body: SubmitOrder {
                account: None,
                client_order_id: next_id()?,
                instrument: InstrumentId::new(instrument)?,
                side,
                order_type,
                quantity: quantity.parse::<Quantity>()?,
                limit_price,
                time_in_force,
            },
        })
    }

    /// At the best prices there are, at once; what finds none is canceled.
    pub fn market(instrument: &str, side: Side, quantity: &str) -> Result<Self, Error> {
        Self::new(instrument, side, quantity, OrderType::Market, None, TimeInForce::Ioc)
    }

    /// At this price or better, until canceled.
    pub fn limit(
        instrument: &str,
        side: Side,
        quantity: &str,
        price: Price,
    ) -> Result<Self, Error> {
        Self::new(instrument, side, quantity, OrderType::Limit, Some(price), TimeInForce::Gtc)
    }

    #[must_use]
    pub fn time_in_force(mut self, time_in_force: TimeInForce) -> Self {
        self.body.time_in_force = time_in_force;
        self
    }

    /// Needed only by customers with several accounts at a venue.
    #[must_use]
    pub fn account(mut self, account: AccountId) -> Self {
        self.body.account = Some(account);
        self
    }

    /// An id of the algo's own instead of the one drawn.
    #[must_use]
    pub fn client_order_id(mut self, id: ClientOrderId) -> Self {
        self.body.client_order_id = id;
        self
    }

    #[must_use]
    pub fn id(&self) -> &ClientOrderId {
        &self.body.client_order_id
    }
}

/// Unique for ever: 64 random bits for the life of the process, and a counter.
fn next_id() -> Result<ClientOrderId, Error> {
    static LIFE: OnceLock<u64> = OnceLock::new();
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let life = match LIFE.get() {
        Some(life) => *life,
        None => {
            let drawn = getrandom::u64()
                .map_err(|error| Error::Configuration(format!("no random numbers: {error}")))?;
            *LIFE.get_or_init(|| drawn)
        }
    };
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    Ok(ClientOrderId::new(&format!("{life:016x}-{n}"))?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn two_requests_never_share_an_id_and_a_clone_keeps_it() {
        let one = OrderRequest::market("BTC/USD", Side::Buy, "1").unwrap();
        let two = OrderRequest::market("BTC/USD", Side::Buy, "1").unwrap();
        assert_ne!(one.id(), two.id());
        assert_eq!(one.clone().id(), one.id());
        assert!(OrderRequest::market("BTC/USD", Side::Buy, "one").is_err());
    }
}
