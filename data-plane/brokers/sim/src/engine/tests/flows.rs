//! Random flows of orders: against a naive model where only orders meet, and against E1, E2 and E4 where
//! the street takes part. A failure prints the flow, shrunk, and the seed that repeats it.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::*;
use super::{order, street};

#[derive(Clone, Debug)]
enum Step {
    Place(Incoming),
    Cancel(u64),
    Street(Vec<StreetLevel>),
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Buy), Just(Side::Sell)]
}

fn incoming() -> impl Strategy<Value = Step> {
    (side(), 95_u64..106, 1_u64..20, 0_u8..8).prop_map(|(side, price, quantity, kind)| {
        let mut order = order(0, side, price, quantity);
        order.rests = kind > 1;
        if kind == 0 {
            order.limit = None;
        }
        Step::Place(order)
    })
}

fn streets() -> impl Strategy<Value = Step> {
    let level = (side(), 95_u64..106, 0_u64..20).prop_map(|(s, p, q)| street(s, p, q));
    prop::collection::vec(level, 1..5).prop_map(Step::Street)
}

/// Steps with the orders numbered from 0.
fn flow(with_street: bool) -> impl Strategy<Value = Vec<Step>> {
    let cancel = (0_u64..60).prop_map(Step::Cancel);
    let step = if with_street {
        prop_oneof![4 => incoming(), 1 => cancel, 3 => streets()].boxed()
    } else {
        prop_oneof![5 => incoming(), 1 => cancel].boxed()
    };
    prop::collection::vec(step, 1..80).prop_map(|mut steps| {
        let orders = steps.iter_mut().filter_map(|step| match step {
            Step::Place(order) => Some(order),
            Step::Cancel(_) | Step::Street(_) => None,
        });
        for (key, order) in (0..).zip(orders) {
            order.key = OrderKey(key);
        }
        steps
    })
}

/// All resting orders in one list, searched from end to end.
#[derive(Default)]
struct Naive(Vec<Incoming>);

impl Naive {
    fn place(&mut self, mut order: Incoming) -> Vec<Trade> {
        let mut trades = Vec::new();
        while !order.quantity.is_zero() {
            let best = self
                .0
                .iter_mut()
                .filter(|maker| maker.side != order.side && !maker.quantity.is_zero())
                .filter(|maker| match (order.side, order.limit) {
                    (_, None) => true,
                    (Side::Buy, limit) => maker.limit <= limit,
                    (Side::Sell, limit) => maker.limit >= limit,
                })
                .min_by_key(|maker| {
                    let price = maker.limit.map_or(0, |limit| limit.0.get().cast_signed());
                    (if order.side == Side::Buy { price } else { -price }, maker.key)
                });
            let Some(maker) = best else { break };
            let quantity = order.quantity.min(maker.quantity);
            maker.quantity = maker.quantity.less(quantity);
            order.quantity = order.quantity.less(quantity);
            let price = maker.limit.unwrap();
            trades.push(Trade { taker: Some(order.key), maker: Some(maker.key), price, quantity });
        }
        if order.rests && order.limit.is_some() && !order.quantity.is_zero() {
            self.0.push(order);
        }
        trades
    }

    fn cancel(&mut self, key: OrderKey) -> Option<Lots> {
        let order = self.0.iter_mut().find(|order| order.key == key)?;
        let left = core::mem::take(&mut order.quantity);
        (!left.is_zero()).then_some(left)
    }
}

/// What was asked and what was traded of each order.
#[derive(Default)]
struct Watch {
    orders: BTreeMap<OrderKey, (Incoming, Lots)>,
}

impl Watch {
    fn see(&mut self, trades: &[Trade]) {
        for trade in trades {
            assert!(!trade.quantity.is_zero(), "an empty trade: {trade:?}");
            for key in [trade.taker, trade.maker].into_iter().flatten() {
                let (order, filled) = self.orders.get_mut(&key).expect("an order that was placed");
                *filled = filled.plus(trade.quantity);
                assert!(*filled <= order.quantity, "{key:?} is filled beyond its quantity");
                if let Some(limit) = order.limit {
                    let kept = match order.side {
                        Side::Buy => trade.price <= limit,
                        Side::Sell => trade.price >= limit,
                    };
                    assert!(kept, "{key:?} traded beyond its limit: {trade:?}");
                }
            }
        }
    }

    fn left(&self, key: OrderKey) -> Option<Lots> {
        self.orders.get(&key).map(|(order, filled)| order.quantity.less(*filled))
    }
}

fn is_crossed(book: &Book) -> bool {
    let top = book.top();
    top.bid.zip(top.ask).is_some_and(|((bid, _), (ask, _))| bid >= ask)
}

fn street_total(book: &Book) -> u64 {
    book.bids.values().chain(book.asks.values()).map(|level| level.street().0).sum()
}

/// What the levels hold beyond the street is exactly what is left of the orders said to rest.
fn check_whole(book: &Book, watch: &Watch) {
    let levels = book.bids.values().chain(book.asks.values());
    assert!(levels.clone().all(|level| !level.is_empty()), "an empty level stayed");
    let standing: u64 = levels.map(|level| level.quantity().0).sum();
    let orders: u64 = book.resting.keys().map(|key| watch.left(*key).unwrap().0).sum();
    assert_eq!(standing, street_total(book) + orders);
    assert!(!is_crossed(book), "the book is crossed: {:?}", book.top());
}

proptest! {
    #[test]
    fn orders_meet_as_in_a_naive_model(steps in flow(false)) {
        let (mut book, mut naive) = (Book::default(), Naive::default());
        for step in steps {
            match step {
                Step::Place(order) => prop_assert_eq!(book.place(order), naive.place(order)),
                Step::Cancel(key) => {
                    prop_assert_eq!(book.cancel(OrderKey(key)), naive.cancel(OrderKey(key)));
                }
                Step::Street(_) => unreachable!("this flow has none"),
            }
        }
    }

    #[test]
    fn no_flow_crosses_the_book_or_makes_quantity_from_nothing(steps in flow(true)) {
        let (mut book, mut watch) = (Book::default(), Watch::default());
        for step in steps {
            let before = street_total(&book);
            match step {
                Step::Place(order) => {
                    watch.orders.insert(order.key, (order, Lots::ZERO));
                    let trades = book.place(order);
                    watch.see(&trades);
                    let street: u64 =
                        trades.iter().filter(|t| t.maker.is_none()).map(|t| t.quantity.0).sum();
                    prop_assert_eq!(street_total(&book) + street, before);
                }
                Step::Cancel(key) => {
                    let left = book.cancel(OrderKey(key));
                    prop_assert!(left.is_none() || left == watch.left(OrderKey(key)));
                }
                Step::Street(levels) => watch.see(&book.set_street(&levels)),
            }
            check_whole(&book, &watch);
        }
    }

    #[test]
    fn at_one_price_who_came_first_is_filled_first(steps in flow(true)) {
        let (mut book, mut watch) = (Book::default(), Watch::default());
        for step in steps {
            let resting = book.resting.clone();
            let trades = match step {
                Step::Place(order) => {
                    watch.orders.insert(order.key, (order, Lots::ZERO));
                    book.place(order)
                }
                Step::Cancel(key) => {
                    book.cancel(OrderKey(key));
                    continue;
                }
                Step::Street(levels) => book.set_street(&levels),
            };
            watch.see(&trades);
            for maker in trades.iter().filter_map(|trade| trade.maker) {
                let place = resting[&maker];
                let mut earlier = resting.iter().filter(|(key, at)| **key < maker && **at == place);
                prop_assert!(earlier.all(|(key, _)| watch.left(*key) == Some(Lots::ZERO)));
            }
        }
    }
}
