//! What an algo asks for when it orders. Decides how a request is put together; every request carries
//! an id of its own from the start, so that sending it again is never a second order.

use crate::error::Error;
use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tradewind_protocol::{
    domain::{
        ids::{AccountId, ClientOrderId, InstrumentId, OrderId},
        money::{Price, Quantity},
        time::UnixNanos,
        trading::{
            CancelOnDisconnect, Conditions, Order, OrderType, ReplaceOrder, Side, TimeInForce,
        },
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
                conditions: Conditions::NONE,
                cancel_on_disconnect: None,
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

    /// A market order once the market has reached `stop`: for a buy from below, for a sell from above.
    pub fn stop(instrument: &str, side: Side, quantity: &str, stop: Price) -> Result<Self, Error> {
        let gtc = TimeInForce::Gtc;
        let mut order = Self::new(instrument, side, quantity, OrderType::Stop, None, gtc)?;
        order.body.conditions.stop_price = Some(stop);
        Ok(order)
    }

    /// A limit order at `price` once the market has reached `stop`.
    pub fn stop_limit(
        instrument: &str,
        side: Side,
        quantity: &str,
        (stop, price): (Price, Price),
    ) -> Result<Self, Error> {
        let (kind, gtc) = (OrderType::StopLimit, TimeInForce::Gtc);
        let mut order = Self::new(instrument, side, quantity, kind, Some(price), gtc)?;
        order.body.conditions.stop_price = Some(stop);
        Ok(order)
    }

    /// Until that time by the venue's clock: `gtd`.
    #[must_use]
    pub fn until(mut self, end: UnixNanos) -> Self {
        self.body.time_in_force = TimeInForce::Gtd;
        self.body.conditions.expires_at = Some(end);
        self
    }

    /// Never takes what stands in the book: where it would, the venue refuses it.
    #[must_use]
    pub fn post_only(mut self) -> Self {
        self.body.conditions.post_only = true;
        self
    }

    /// Makes the position smaller and never turns it.
    #[must_use]
    pub fn reduce_only(mut self) -> Self {
        self.body.conditions.reduce_only = true;
        self
    }

    /// It is canceled once the session is away for so long: neither connected nor asking anything. From 5 s to an hour. A
    /// session that connects again in time finds it as it was; a new one of the same algo is another.
    #[must_use]
    pub fn cancel_on_disconnect(mut self, after: Duration) -> Self {
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        self.body.cancel_on_disconnect = Some(CancelOnDisconnect { after_ms });
        self
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

/// Other terms for an order. Ask for the same value again and it is the same replace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplaceRequest {
    pub(crate) order: OrderId,
    pub(crate) body: ReplaceOrder,
}

impl ReplaceRequest {
    /// Of the order as it was when this is decided on: if it has changed by then, the replace is refused.
    pub fn of(order: &Order) -> Result<Self, Error> {
        let (replace_id, version) = (next_id()?, order.version);
        let body = ReplaceOrder { replace_id, version, quantity: None, limit_price: None };
        Ok(Self { order: order.order_id.clone(), body })
    }

    /// The total, with what is filled in it.
    pub fn quantity(mut self, quantity: &str) -> Result<Self, Error> {
        self.body.quantity = Some(quantity.parse::<Quantity>()?);
        Ok(self)
    }

    #[must_use]
    pub fn limit_price(mut self, price: Price) -> Self {
        self.body.limit_price = Some(price);
        self
    }

    /// An id of the algo's own instead of the one drawn.
    #[must_use]
    pub fn replace_id(mut self, id: ClientOrderId) -> Self {
        self.body.replace_id = id;
        self
    }

    #[must_use]
    pub fn id(&self) -> &ClientOrderId {
        &self.body.replace_id
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

    #[test]
    fn an_order_that_is_tied_to_its_session_says_for_how_long_that_may_be_away() {
        let order = OrderRequest::market("BTC/USD", Side::Buy, "1").unwrap();
        assert_eq!(serde_json::to_value(&order.body).unwrap().get("cancel_on_disconnect"), None);
        for (seconds, legal) in [(4, false), (5, true), (3_600, true), (3_601, false)] {
            let order = order.clone().cancel_on_disconnect(Duration::from_secs(seconds));
            let json = serde_json::to_value(&order.body).unwrap();
            assert_eq!(json["cancel_on_disconnect"]["after_ms"], seconds * 1_000);
            assert_eq!(order.body.new_order().check(UnixNanos(1)).is_ok(), legal, "{seconds}");
        }
    }

    #[test]
    fn conditions_stand_among_the_order_s_fields() {
        let price = |text: &str| text.parse::<Price>().unwrap();
        let prices = (price("100.5"), price("100"));
        let order = OrderRequest::stop_limit("BTC/USD", Side::Sell, "1", prices).unwrap();
        let order = order.until(UnixNanos(1_800_000_000_000_000_000)).reduce_only();
        let json = serde_json::to_value(&order.body).unwrap();
        assert_eq!(json["type"], "stop_limit");
        assert_eq!((&json["stop_price"], &json["limit_price"]), (&"100.5".into(), &"100".into()));
        assert_eq!((&json["time_in_force"], &json["reduce_only"]), (&"gtd".into(), &true.into()));
        assert_eq!(json["expires_at"], "2027-01-15T08:00:00.000000000Z");
        assert_eq!(json.get("post_only"), None);
        let order = OrderRequest::stop("BTC/USD", Side::Buy, "1", price("101")).unwrap();
        assert_eq!(order.body.new_order().check(UnixNanos(1)), Ok(()));
        let order = OrderRequest::limit("BTC/USD", Side::Buy, "1", price("99")).unwrap();
        assert_eq!(order.post_only().body.new_order().check(UnixNanos(1)), Ok(()));
    }
}
