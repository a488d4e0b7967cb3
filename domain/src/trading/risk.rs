//! Risk: what an order must keep before it is written down. Each rule is a function of the order, the numbers it is
//! measured by, and the limit; which limits and whose numbers are handed to it is decided by the Broker.
//!
//! A limit that cannot be measured refuses: without a fresh quote nothing is known of a price.

pub mod rate;
pub mod word;

use super::{
    exposure::Exposure,
    order::{OrderType, Side},
    quote::Quote,
};
use crate::{
    control::risk::TradingState,
    ids::InstrumentId,
    money::{Notional, Price, Quantity, Share},
};
use core::time::Duration;
use rust_decimal::Decimal;

/// An order as it is judged: a new one, or the terms a replace asks for.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    pub instrument: &'a InstrumentId,
    pub side: Side,
    pub order_type: OrderType,
    /// The total.
    pub quantity: Quantity,
    pub limit_price: Option<Price>,
    /// At which it begins to trade, of one that waits.
    pub stop_price: Option<Price>,
    pub reduce_only: bool,
    /// What the order may come to from now on. Of a replace, by the larger of both terms.
    pub adds: Quantity,
    /// By how much that is more than before: all of a new order.
    pub more: Decimal,
}

/// Why an order is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    #[error("halted: no new orders are taken, and open ones are canceled")]
    Halted,
    #[error("reducing: only what makes the position of {position} smaller is taken")]
    Reducing { position: Decimal },
    #[error("reduce_only: the position is {position}, and this is more than would make it smaller")]
    ReduceOnly { position: Decimal },
    #[error("max_order_quantity: {quantity} is more than {most}")]
    Quantity { quantity: Quantity, most: Quantity },
    #[error("max_order_notional: {quantity} at {price} is more than {most}")]
    Notional { quantity: Quantity, price: Price, most: Notional },
    #[error(
        "price_band: {price} is further from the quote's {quoted} than a share of {share} of it"
    )]
    Band { price: Price, quoted: Price, share: Share },
    #[error("there is no fresh quote to judge the price by")]
    NoQuote,
    #[error("max_position: the position may come to {comes_to}, more than {most} either way")]
    Position { comes_to: Decimal, most: Quantity },
    #[error("max_open_orders: {open} are open, {most} may be")]
    OpenOrders { open: u32, most: u32 },
    #[error("order_rate: {orders} orders within {within_ms} ms are all that may come")]
    Rate { orders: u32, within_ms: u32, free_after: Duration },
    #[error("equal_orders: {orders} equal ones within {within_ms} ms are all that may come")]
    Equal { orders: u32, within_ms: u32, free_after: Duration },
}

impl Breach {
    /// After how long the same order may be taken, if by nothing but time.
    #[must_use]
    pub fn free_after(&self) -> Option<Duration> {
        match self {
            Self::Rate { free_after, .. } | Self::Equal { free_after, .. } => Some(*free_after),
            Self::NoQuote => Some(Duration::from_millis(100)),
            Self::Halted
            | Self::Reducing { .. }
            | Self::ReduceOnly { .. }
            | Self::Quantity { .. }
            | Self::Notional { .. }
            | Self::Band { .. }
            | Self::Position { .. }
            | Self::OpenOrders { .. } => None,
        }
    }
}

/// `has`: the exposure of him whose position is to shrink, without the order itself.
pub fn trading_state(state: TradingState, asked: &Asked<'_>, has: &Exposure) -> Result<(), Breach> {
    match state {
        TradingState::Active => Ok(()),
        TradingState::Halted => Err(Breach::Halted),
        TradingState::Reducing => {
            // What already stands on that side shrinks it first. A replace that only takes back is no more than was
            // allowed.
            let room = has.room_beside(asked.side);
            if asked.more <= Decimal::ZERO || asked.adds.decimal() <= room {
                return Ok(());
            }
            Err(Breach::Reducing { position: has.position })
        }
    }
}

/// Of a `reduce_only` order. What else stands on its side counts nothing: one of several that close a position at
/// different prices does, and the venue sees to it that no more than that trades. `has`: without the order itself.
pub fn reduce_only(asked: &Asked<'_>, has: &Exposure) -> Result<(), Breach> {
    if !asked.reduce_only || asked.adds.decimal() <= has.room(asked.side) {
        return Ok(());
    }
    Err(Breach::ReduceOnly { position: has.position })
}

pub fn max_order_quantity(asked: &Asked<'_>, most: Quantity) -> Result<(), Breach> {
    let quantity = asked.quantity;
    if quantity <= most { Ok(()) } else { Err(Breach::Quantity { quantity, most }) }
}

/// At its own price, or that which triggers it; an order without any at the quote's.
pub fn max_order_notional(
    asked: &Asked<'_>,
    quote: Option<&Quote>,
    most: Notional,
) -> Result<(), Breach> {
    let quantity = asked.quantity;
    let quoted = || quote.and_then(|quote| taken_from(quote, asked.side));
    let price = asked.limit_price.or(asked.stop_price).or_else(quoted).ok_or(Breach::NoQuote)?;
    // What cannot be computed is more than anything.
    let fits = quantity.notional(price).is_ok_and(|notional| notional <= most.decimal());
    if fits { Ok(()) } else { Err(Breach::Notional { quantity, price, most }) }
}

/// An order without a price has the quote's, which must be a fresh one. One that waits trades when the market is where
/// its stop price is: its limit is measured from there.
pub fn price_band(asked: &Asked<'_>, quote: Option<&Quote>, share: Share) -> Result<(), Breach> {
    let of = |quote: &Quote| taken_from(quote, asked.side).or(quote.bid).or(quote.ask);
    let quoted = asked.stop_price.or_else(|| quote.and_then(of)).ok_or(Breach::NoQuote)?;
    let Some(price) = asked.limit_price else { return Ok(()) };
    let apart = (price.decimal() - quoted.decimal()).abs();
    // A quote so large that its share cannot be computed lets nothing differ.
    let allowed = quoted.decimal().checked_mul(share.decimal()).unwrap_or_default();
    if apart <= allowed { Ok(()) } else { Err(Breach::Band { price, quoted, share }) }
}

/// `has`: without the order itself.
pub fn max_position(asked: &Asked<'_>, has: &Exposure, most: Quantity) -> Result<(), Breach> {
    let adds = asked.adds.decimal();
    let comes_to = match asked.side {
        Side::Buy => has.position.saturating_add(has.buying).saturating_add(adds),
        Side::Sell => has.position.saturating_sub(has.selling).saturating_sub(adds),
    };
    let beyond = match asked.side {
        Side::Buy => comes_to > most.decimal(),
        Side::Sell => -comes_to > most.decimal(),
    };
    // What leads out of a position that is too large is no breach.
    if beyond && asked.more > Decimal::ZERO {
        return Err(Breach::Position { comes_to, most });
    }
    Ok(())
}

/// For new orders: a replace opens none.
pub fn max_open_orders(open: u32, most: u32) -> Result<(), Breach> {
    if open < most { Ok(()) } else { Err(Breach::OpenOrders { open, most }) }
}

/// The price at which an order of that side trades.
fn taken_from(quote: &Quote, side: Side) -> Option<Price> {
    match side {
        Side::Buy => quote.ask,
        Side::Sell => quote.bid,
    }
}

#[cfg(test)]
mod tests;
