//! The street: quantities that a recording says stand at a price. Decides what happens when the recording
//! sets them, above all when they come through a price where an order of ours rests: that order trades at
//! its own limit with what has crossed. What the street's own sides do to one another is not simulated:
//! the newer word wins.

use tradewind_domain::trading::Side;

use super::{Book, OrderKey, Trade, opposite};
use crate::instrument::{Lots, Ticks};

/// The street's quantity at a price from now on; what our orders took of it before is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreetLevel {
    pub side: Side,
    pub price: Ticks,
    pub quantity: Lots,
}

/// An order that the street has come through: `side` is the street's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crossed {
    pub key: OrderKey,
    pub side: Side,
    pub price: Ticks,
}

impl Book {
    /// Sets these levels, all of them before any trade. Gives the trades that follow, the street as taker.
    pub fn set_street(&mut self, levels: &[StreetLevel]) -> Vec<Trade> {
        self.set_levels(levels);
        std::iter::from_fn(|| self.cross(self.crossed()?, Lots(u64::MAX))).collect()
    }

    /// Sets these levels; what they have come through is left to [`Book::cross`].
    pub fn set_levels(&mut self, levels: &[StreetLevel]) {
        for level in levels {
            self.set_level(*level);
        }
    }

    /// The order whose turn it is of those that the street has come through.
    pub fn crossed(&self) -> Option<Crossed> {
        [Side::Buy, Side::Sell].into_iter().find_map(|side| {
            let (from, _) = self.best_street(side)?;
            let (price, level) = match side {
                Side::Buy => self.asks.iter().find(|(_, level)| level.has_orders())?,
                Side::Sell => self.bids.iter().rev().find(|(_, level)| level.has_orders())?,
            };
            let crossed = match side {
                Side::Buy => from >= *price,
                Side::Sell => from <= *price,
            };
            let key = level.first_order().filter(|_| crossed)?;
            Some(Crossed { key, side, price: *price })
        })
    }

    fn set_level(&mut self, StreetLevel { side, price, quantity }: StreetLevel) {
        self.set_quantity(side, price, quantity);
        if quantity.is_zero() {
            return;
        }
        let other = self.side_mut(opposite(side));
        let crossed: Vec<Ticks> = match side {
            Side::Buy => other.range(..=price).map(|(price, _)| *price).collect(),
            Side::Sell => other.range(price..).map(|(price, _)| *price).collect(),
        };
        for price in crossed {
            self.set_quantity(opposite(side), price, Lots::ZERO);
        }
    }

    fn set_quantity(&mut self, side: Side, price: Ticks, quantity: Lots) {
        let levels = self.side_mut(side);
        let level = levels.entry(price).or_default();
        level.set_street(quantity);
        if level.is_empty() {
            levels.remove(&price);
        }
    }

    /// One trade of the street with that order, of at most so much; none of nothing.
    pub fn cross(&mut self, Crossed { side, price, .. }: Crossed, most: Lots) -> Option<Trade> {
        let (from, standing) = self.best_street(side)?;
        let levels = self.side_mut(opposite(side));
        let level = levels.get_mut(&price)?;
        let (maker, quantity) = level.take_order(standing.min(most))?;
        if level.is_empty() {
            levels.remove(&price);
        }
        if let (Some(key), true) = (maker.key, maker.done) {
            self.resting.remove(&key);
        }
        self.set_quantity(side, from, standing.less(quantity));
        (!quantity.is_zero()).then_some(Trade { taker: None, maker: maker.key, price, quantity })
    }

    /// The best price of the street on that side, and its quantity there.
    fn best_street(&self, side: Side) -> Option<(Ticks, Lots)> {
        let found = match side {
            Side::Buy => self.bids.iter().rev().find(|(_, level)| !level.street().is_zero()),
            Side::Sell => self.asks.iter().find(|(_, level)| !level.street().is_zero()),
        };
        found.map(|(price, level)| (*price, level.street()))
    }
}
