//! What is traded here: tick and lot of an instrument, and amounts counted in them. Decides what a legal
//! price and quantity is; inside the engine there are only whole ticks and lots, so nothing can be rounded.

use core::num::NonZeroU64;

use rust_decimal::{Decimal, prelude::ToPrimitive};
use tradewind_domain::{
    ids::InstrumentId,
    money::{Price, Quantity},
    time::UnixNanos,
};

use crate::limits::{ORDER_LOTS, PRICE_TICKS};

/// A price as a number of ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticks(pub NonZeroU64);

/// A quantity as a number of lots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lots(pub u64);

impl Lots {
    pub const ZERO: Self = Self(0);

    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum; the largest number instead of an overflow, which no legal book reaches.
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left without `other`; nothing if `other` is more.
    pub fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// An instrument and the steps its prices and quantities come in.
#[derive(Clone, Debug)]
pub struct Instrument {
    pub id: InstrumentId,
    tick: Decimal,
    lot: Decimal,
}

impl Instrument {
    /// An instrument with those steps; none if one of them is not above zero.
    pub fn new(id: InstrumentId, tick: Decimal, lot: Decimal) -> Option<Self> {
        (tick > Decimal::ZERO && lot > Decimal::ZERO).then_some(Self { id, tick, lot })
    }

    /// The one instrument of the recording: tick 0.1 USD, lot 0.00000001 BTC.
    pub fn btc_usd() -> Self {
        Self {
            id: InstrumentId::new("BTC/USD").expect("a legal name"),
            tick: Decimal::new(1, 1),
            lot: Decimal::new(1, 8),
        }
    }

    /// When the trading day of that moment ends. What is traded here is traded round the clock: at midnight UTC.
    pub fn day_end(&self, at: UnixNanos) -> UnixNanos {
        const DAY: u64 = 86_400_000_000_000;
        UnixNanos((at.0 / DAY + 1).saturating_mul(DAY))
    }

    /// One that trades as BTC/USD does, under another name.
    pub fn like_btc_usd(id: InstrumentId) -> Self {
        Self { id, ..Self::btc_usd() }
    }

    /// The price in ticks; none if it is off the tick or beyond the limit.
    pub fn ticks(&self, price: Price) -> Option<Ticks> {
        let ticks = NonZeroU64::new(whole(price.decimal(), self.tick)?)?;
        (ticks.get() <= PRICE_TICKS).then_some(Ticks(ticks))
    }

    /// The quantity in lots; none if it is off the lot or beyond the limit.
    pub fn lots(&self, quantity: Quantity) -> Option<Lots> {
        whole(quantity.decimal(), self.lot).filter(|lots| *lots <= ORDER_LOTS).map(Lots)
    }

    pub fn price(&self, ticks: Ticks) -> Price {
        Price::new(Decimal::from(ticks.0.get()) * self.tick).expect("ticks are above zero")
    }

    pub fn quantity(&self, lots: Lots) -> Quantity {
        let decimal = Decimal::from(lots.0) * self.lot;
        Quantity::new(decimal.normalize()).expect("lots are not below zero")
    }

    pub fn tick(&self) -> Decimal {
        self.tick
    }

    pub fn lot(&self) -> Decimal {
        self.lot
    }
}

fn whole(amount: Decimal, step: Decimal) -> Option<u64> {
    let rest = amount.checked_rem(step)?;
    rest.is_zero().then(|| amount.checked_div(step)?.to_u64()).flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn amounts_off_the_tick_or_the_lot_have_no_place() {
        let btc = Instrument::btc_usd();
        let ticks = |text: &str| btc.ticks(text.parse().unwrap()).map(|t| t.0.get());
        assert_eq!(ticks("29430.2"), Some(294_302));
        assert_eq!(ticks("29430.20"), Some(294_302));
        assert_eq!(ticks("29430.25"), None);
        assert_eq!(ticks("7900000000000000000000000000"), None);
        let lots = |text: &str| btc.lots(text.parse().unwrap()).map(|l| l.0);
        assert_eq!(lots("0.00000001"), Some(1));
        assert_eq!(lots("0.000000015"), None);
        assert_eq!(lots("7900000000000000000000000000"), None);
    }

    #[test]
    fn amounts_come_back_as_they_were() {
        let btc = Instrument::btc_usd();
        let price: Price = "29430.0".parse().unwrap();
        assert_eq!(btc.price(btc.ticks(price).unwrap()).to_string(), "29430.0");
        let quantity: Quantity = "0.10".parse().unwrap();
        assert_eq!(btc.quantity(btc.lots(quantity).unwrap()).to_string(), "0.1");
    }
}
