//! Engine: one order book of one instrument. Decides who trades with whom, at what price and how much;
//! orders, fills and their names are kept by `ledger`, time and connections elsewhere.
//!
//! Two kinds of liquidity stand at each price: orders of our clients, and the *street*, an anonymous
//! quantity that a recording sets. E1 the book is never crossed when a call returns. E2 at one price who
//! came first trades first; an order stands behind the street that was there when it came. E3 a trade is
//! at the price of the one who was resting. E4 nothing is traded that was not there: each trade takes the
//! same quantity from both sides.

mod level;
mod stops;
mod street;

use std::collections::BTreeMap;

use tradewind_domain::trading::Side;

use crate::instrument::{Lots, Ticks};
use level::Level;

pub use stops::{Reached, Stops};
pub use street::{Crossed, StreetLevel};

/// An order's number in the order of arrival. The lower came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderKey(pub u64);

/// An order as it comes to the book.
#[derive(Clone, Copy, Debug)]
pub struct Incoming {
    pub key: OrderKey,
    pub side: Side,
    /// None trades at any price.
    pub limit: Option<Ticks>,
    pub quantity: Lots,
    /// Whether what does not trade at once stays. An order without a limit never does.
    pub rests: bool,
}

/// A quantity that changed hands. None in a place is the street.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// Came, and took what was there.
    pub taker: Option<OrderKey>,
    /// Was there.
    pub maker: Option<OrderKey>,
    pub price: Ticks,
    pub quantity: Lots,
}

/// Who would trade next with an order that comes, and how much it has there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    pub price: Ticks,
    /// None is the street.
    pub maker: Option<OrderKey>,
    pub quantity: Lots,
}

/// Best prices and what stands at each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Top {
    pub bid: Option<(Ticks, Lots)>,
    pub ask: Option<(Ticks, Lots)>,
}

/// The book. Not one level in it is empty.
#[derive(Debug, Default)]
pub struct Book {
    bids: BTreeMap<Ticks, Level>,
    asks: BTreeMap<Ticks, Level>,
    resting: BTreeMap<OrderKey, (Side, Ticks)>,
}

impl Book {
    /// Trades what can be traded at once and lets the rest stand, if it may.
    pub fn place(&mut self, order: Incoming) -> Vec<Trade> {
        let mut trades = Vec::new();
        let mut left = order;
        while let Some(trade) = self.take(left) {
            left.quantity = left.quantity.less(trade.quantity);
            trades.push(trade);
        }
        if let (Some(price), true, false) = (order.limit, order.rests, left.quantity.is_zero()) {
            self.rest(order.key, order.side, price, left.quantity);
        }
        trades
    }

    /// One trade of an order with who is next, of no more than its quantity; none if it reaches nobody.
    pub fn take(&mut self, order: Incoming) -> Option<Trade> {
        if order.quantity.is_zero() {
            return None;
        }
        let (price, level) = best_within(self.side_mut(opposite(order.side)), order)?;
        let (maker, quantity) = level.take(order.quantity);
        let emptied = level.is_empty();
        if maker.done {
            maker.key.map(|key| self.resting.remove(&key));
        }
        if emptied {
            self.side_mut(opposite(order.side)).remove(&price);
        }
        Some(Trade { taker: Some(order.key), maker: maker.key, price, quantity })
    }

    /// All who would trade with an order of that side and limit, in the order in which they would.
    pub fn queue(&self, side: Side, limit: Option<Ticks>) -> impl Iterator<Item = Next> {
        let best_first: Box<dyn Iterator<Item = (&Ticks, &Level)>> = match side {
            Side::Buy => Box::new(self.asks.iter()),
            Side::Sell => Box::new(self.bids.iter().rev()),
        };
        best_first.take_while(move |(price, _)| reaches(side, limit, **price)).flat_map(
            |(price, level)| {
                level.queue().map(|(maker, quantity)| Next { price: *price, maker, quantity })
            },
        )
    }

    /// Lets an order stand behind all that is there, without trading. For orders that were open before a
    /// restart; they must come in the order of their keys, before the street does.
    pub fn rest(&mut self, key: OrderKey, side: Side, price: Ticks, quantity: Lots) {
        self.side_mut(side).entry(price).or_default().rest(key, quantity);
        self.resting.insert(key, (side, price));
    }

    /// Takes an order out. Gives what was left of it; none if it is not in the book.
    pub fn cancel(&mut self, key: OrderKey) -> Option<Lots> {
        let (side, price) = self.resting.remove(&key)?;
        let level = self.side_mut(side).get_mut(&price)?;
        let left = level.remove(key);
        if level.is_empty() {
            self.side_mut(side).remove(&price);
        }
        left
    }

    /// Leaves no more than that of a resting order, in its place, and something of it. Whether it is in the
    /// book and was larger.
    pub fn reduce(&mut self, key: OrderKey, left: Lots) -> bool {
        let Some((side, price)) = self.resting.get(&key).copied() else { return false };
        if left.is_zero() {
            return false;
        }
        self.side_mut(side).get_mut(&price).is_some_and(|level| level.reduce(key, left))
    }

    /// What stands at the best prices of a side, the best first.
    pub fn levels(&self, side: Side, depth: usize) -> Vec<(Ticks, Lots)> {
        let shown = |(price, level): (&Ticks, &Level)| (*price, level.quantity());
        match side {
            Side::Buy => self.bids.iter().rev().take(depth).map(shown).collect(),
            Side::Sell => self.asks.iter().take(depth).map(shown).collect(),
        }
    }

    pub fn top(&self) -> Top {
        let shown = |(price, level): (&Ticks, &Level)| (*price, level.quantity());
        Top {
            bid: self.bids.last_key_value().map(shown),
            ask: self.asks.first_key_value().map(shown),
        }
    }

    fn side_mut(&mut self, side: Side) -> &mut BTreeMap<Ticks, Level> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}

pub(crate) fn opposite(side: Side) -> Side {
    match side {
        Side::Buy => Side::Sell,
        Side::Sell => Side::Buy,
    }
}

/// The best level that an order may trade with.
fn best_within(
    levels: &mut BTreeMap<Ticks, Level>,
    order: Incoming,
) -> Option<(Ticks, &mut Level)> {
    let entry = match order.side {
        Side::Buy => levels.first_entry(),
        Side::Sell => levels.last_entry(),
    }?;
    let price = *entry.key();
    reaches(order.side, order.limit, price).then(|| (price, entry.into_mut()))
}

fn reaches(side: Side, limit: Option<Ticks>, price: Ticks) -> bool {
    limit.is_none_or(|limit| match side {
        Side::Buy => price <= limit,
        Side::Sell => price >= limit,
    })
}

#[cfg(test)]
mod tests;
