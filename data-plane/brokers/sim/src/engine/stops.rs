//! Stops: orders that wait for a price. Decides which of them the market has reached, and whose turn it is; what becomes
//! of one then is decided by `exchange`. T1 one that was given out is never given out again.

use std::collections::{BTreeMap, BTreeSet};

use tradewind_domain::trading::Side;

use super::{OrderKey, Top, Trade};
use crate::instrument::Ticks;

/// The highest and the lowest price that somebody traded at or could have bought and sold at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    pub high: Option<Ticks>,
    pub low: Option<Ticks>,
}

impl Reached {
    /// A trade was made.
    pub fn trade(&mut self, trade: &Trade) {
        self.high = self.high.max(Some(trade.price));
        self.low = Some(self.low.map_or(trade.price, |low| low.min(trade.price)));
    }

    /// These are the best prices now: one buys at the ask and sells at the bid.
    pub fn quote(&mut self, top: Top) {
        if let Some((ask, _)) = top.ask {
            self.high = self.high.max(Some(ask));
        }
        if let Some((bid, _)) = top.bid {
            self.low = Some(self.low.map_or(bid, |low| low.min(bid)));
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Stops {
    buys: BTreeSet<(Ticks, OrderKey)>,
    sells: BTreeSet<(Ticks, OrderKey)>,
    waiting: BTreeMap<OrderKey, (Side, Ticks)>,
}

impl Stops {
    pub fn add(&mut self, key: OrderKey, side: Side, price: Ticks) {
        self.side_mut(side).insert((price, key));
        self.waiting.insert(key, (side, price));
    }

    /// Whether it waited here.
    pub fn remove(&mut self, key: OrderKey) -> bool {
        let Some((side, price)) = self.waiting.remove(&key) else { return false };
        self.side_mut(side).remove(&(price, key))
    }

    /// Of those that the market has reached the one that came first; it waits no more.
    pub fn trigger(&mut self, reached: Reached) -> Option<OrderKey> {
        let buys = self.buys.iter().take_while(|(price, _)| Some(*price) <= reached.high);
        let sells = self.sells.iter().rev();
        let sells = sells.take_while(|(price, _)| reached.low.is_some_and(|low| *price >= low));
        let key = buys.chain(sells).map(|(_, key)| *key).min()?;
        self.remove(key);
        Some(key)
    }

    fn side_mut(&mut self, side: Side) -> &mut BTreeSet<(Ticks, OrderKey)> {
        match side {
            Side::Buy => &mut self.buys,
            Side::Sell => &mut self.sells,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn ticks(price: u64) -> Ticks {
        Ticks(price.try_into().unwrap())
    }

    fn reached(low: u64, high: u64) -> Reached {
        Reached { low: Some(ticks(low)), high: Some(ticks(high)) }
    }

    #[test]
    fn a_buy_waits_for_a_price_from_below_and_a_sell_from_above() {
        let mut stops = Stops::default();
        stops.add(OrderKey(2), Side::Buy, ticks(110));
        stops.add(OrderKey(1), Side::Sell, ticks(90));
        assert_eq!(stops.trigger(Reached::default()), None);
        assert_eq!(stops.trigger(reached(91, 109)), None);
        assert_eq!(stops.trigger(reached(91, 110)), Some(OrderKey(2)));
        assert_eq!(stops.trigger(reached(90, 110)), Some(OrderKey(1)));
    }

    #[test]
    fn one_that_is_removed_is_not_triggered() {
        let mut stops = Stops::default();
        stops.add(OrderKey(1), Side::Buy, ticks(100));
        assert!(stops.remove(OrderKey(1)));
        assert!(!stops.remove(OrderKey(1)));
        assert_eq!(stops.trigger(reached(1, 1_000)), None);
    }

    proptest! {
        #[test]
        fn each_is_triggered_once_when_its_price_is_reached_and_in_the_order_they_came(
            added in prop::collection::vec((any::<bool>(), 90_u64..111), 1..40),
            moves in prop::collection::vec((90_u64..111, 0_u64..4), 1..40),
        ) {
            let mut stops = Stops::default();
            for (key, (buys, price)) in (0..).zip(&added) {
                let side = if *buys { Side::Buy } else { Side::Sell };
                stops.add(OrderKey(key), side, ticks(*price));
            }
            let mut waiting: BTreeMap<u64, _> = (0..).zip(added).collect();
            for (low, width) in moves {
                let (low, high) = (low, low + width);
                let due = |(buys, price): &(bool, u64)| {
                    if *buys { *price <= high } else { *price >= low }
                };
                let expected: Vec<u64> =
                    waiting.iter().filter(|(_, stop)| due(stop)).map(|(key, _)| *key).collect();
                waiting.retain(|_, stop| !due(stop));
                let mut given = Vec::new();
                while let Some(OrderKey(key)) = stops.trigger(reached(low, high)) {
                    given.push(key);
                }
                prop_assert_eq!(given, expected);
            }
        }
    }
}
