//! How many orders came lately. Decides whether another one is too many; times are passed in and must not fall. Memory is
//! bounded by the limit, and for equal orders by what the limit of the rate lets through.

use super::Breach;
use crate::{
    control::risk::OrdersWithin,
    ids::InstrumentId,
    money::{Price, Quantity},
    time::UnixNanos,
    trading::order::{NewOrder, OrderType, Side},
};
use alloc::collections::{BTreeMap, VecDeque};
use core::time::Duration;

/// Orders of a scope.
#[derive(Clone, Debug)]
pub struct Rate {
    limit: OrdersWithin,
    /// Of the newest, as many as the limit.
    times: VecDeque<UnixNanos>,
}

impl Rate {
    #[must_use]
    pub fn new(limit: OrdersWithin) -> Self {
        Self { limit, times: VecDeque::new() }
    }

    /// Whether another order may come now.
    pub fn check(&self, now: UnixNanos) -> Result<(), Breach> {
        match free_after(self.limit, &self.times, now) {
            None => Ok(()),
            Some(free_after) => {
                let OrdersWithin { orders, within_ms } = self.limit;
                Err(Breach::Rate { orders, within_ms, free_after })
            }
        }
    }

    /// An order came.
    pub fn count(&mut self, at: UnixNanos) {
        count(self.limit, &mut self.times, at);
    }
}

/// What makes orders equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Likeness {
    instrument: InstrumentId,
    buys: bool,
    order_type: OrderType,
    quantity: Quantity,
    limit_price: Option<Price>,
    stop_price: Option<Price>,
}

impl Likeness {
    fn of(order: &NewOrder) -> Self {
        Self {
            instrument: order.instrument.clone(),
            buys: order.side == Side::Buy,
            order_type: order.order_type,
            quantity: order.quantity,
            limit_price: order.limit_price,
            stop_price: order.conditions.stop_price,
        }
    }
}

/// Equal orders of a scope.
#[derive(Clone, Debug)]
pub struct Equals {
    limit: OrdersWithin,
    times: BTreeMap<Likeness, VecDeque<UnixNanos>>,
    /// In the order they came: what is over is forgotten.
    recent: VecDeque<(UnixNanos, Likeness)>,
}

impl Equals {
    #[must_use]
    pub fn new(limit: OrdersWithin) -> Self {
        Self { limit, times: BTreeMap::new(), recent: VecDeque::new() }
    }

    pub fn check(&self, order: &NewOrder, now: UnixNanos) -> Result<(), Breach> {
        let times = self.times.get(&Likeness::of(order));
        match times.and_then(|times| free_after(self.limit, times, now)) {
            None => Ok(()),
            Some(free_after) => {
                let OrdersWithin { orders, within_ms } = self.limit;
                Err(Breach::Equal { orders, within_ms, free_after })
            }
        }
    }

    pub fn count(&mut self, order: &NewOrder, at: UnixNanos) {
        while let Some((then, likeness)) = self.recent.front() {
            if at.since(*then) < within(self.limit) {
                break;
            }
            let over = self.times.get(likeness).and_then(|times| times.back());
            if over.is_none_or(|newest| at.since(*newest) >= within(self.limit)) {
                self.times.remove(likeness);
            }
            self.recent.pop_front();
        }
        let likeness = Likeness::of(order);
        count(self.limit, self.times.entry(likeness.clone()).or_default(), at);
        self.recent.push_back((at, likeness));
    }
}

fn within(limit: OrdersWithin) -> Duration {
    Duration::from_millis(limit.within_ms.into())
}

/// How long until another one may come; `None`: now.
fn free_after(
    limit: OrdersWithin,
    times: &VecDeque<UnixNanos>,
    now: UnixNanos,
) -> Option<Duration> {
    let all = usize::try_from(limit.orders).unwrap_or(usize::MAX);
    // Of a limit that lets none through nothing is ever free.
    let Some(first) = times.len().checked_sub(all).and_then(|at| times.get(at)) else {
        return (all == 0).then(|| within(limit));
    };
    within(limit).checked_sub(now.since(*first)).filter(|left| !left.is_zero())
}

fn count(limit: OrdersWithin, times: &mut VecDeque<UnixNanos>, at: UnixNanos) {
    times.push_back(at);
    while times.len() > usize::try_from(limit.orders).unwrap_or(usize::MAX).max(1) {
        times.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trading::order::tests::order;
    use proptest::prelude::*;
    use std::vec::Vec;

    const LIMIT: OrdersWithin = OrdersWithin { orders: 3, within_ms: 100 };

    fn ms(at: u64) -> UnixNanos {
        UnixNanos(at * 1_000_000)
    }

    #[test]
    fn so_many_come_and_the_next_waits_until_the_first_is_over() {
        let mut rate = Rate::new(LIMIT);
        for at in [0, 10, 20] {
            assert!(rate.check(ms(at)).is_ok());
            rate.count(ms(at));
        }
        let refused = rate.check(ms(30)).expect_err("the fourth");
        assert_eq!(refused.free_after(), Some(Duration::from_millis(70)));
        assert!(rate.check(ms(99)).is_err());
        assert!(rate.check(ms(100)).is_ok());
        let none = OrdersWithin { orders: 0, within_ms: 100 };
        assert!(Rate::new(none).check(ms(0)).is_err(), "a share of a limit that leaves none");
    }

    #[test]
    fn only_what_is_the_same_in_all_counts_as_equal() {
        let mut equals = Equals::new(OrdersWithin { orders: 1, within_ms: 100 });
        let body = order("1").body();
        equals.count(&body, ms(0));
        let same = NewOrder {
            client_order_id: crate::ids::ClientOrderId::new("another").expect("legal"),
            quantity: "1.0".parse().expect("legal"),
            ..body.clone()
        };
        assert!(equals.check(&same, ms(50)).is_err());
        assert!(equals.check(&same, ms(100)).is_ok());
        let others = [
            NewOrder { side: Side::Sell, ..body.clone() },
            NewOrder { quantity: "2".parse().expect("legal"), ..body.clone() },
            NewOrder { limit_price: "101".parse().ok(), ..body.clone() },
            NewOrder { order_type: OrderType::Market, ..body.clone() },
            NewOrder { instrument: InstrumentId::new("AAPL").expect("legal"), ..body },
        ];
        for other in others {
            assert!(equals.check(&other, ms(50)).is_ok(), "{other:?}");
        }
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let mut equals = Equals::new(LIMIT);
        for at in 0..10_000_u64 {
            let quantity = std::format!("{}", at + 1).parse().expect("legal");
            equals.count(&NewOrder { quantity, ..order("1").body() }, ms(at * 10));
        }
        assert!(equals.times.len() <= 11 && equals.recent.len() <= 11, "{}", equals.times.len());
    }

    proptest! {
        #[test]
        fn whatever_comes_no_window_ever_holds_more(gaps in prop::collection::vec(0_u64..60, 1..200)) {
            let (mut rate, mut taken, mut now) = (Rate::new(LIMIT), Vec::new(), 1_000);
            for gap in gaps {
                now += gap;
                if rate.check(ms(now)).is_ok() {
                    rate.count(ms(now));
                    taken.push(now);
                }
            }
            for at in &taken {
                let window = taken.iter().filter(|other| **other <= *at && **other + 100 > *at);
                prop_assert!(window.count() <= 3);
            }
        }
    }
}
