//! Random flows of orders with conditions, of two accounts, with restarts and leaps in time. What was written down is
//! read from its beginning: each fill must have been one that the order's conditions allow.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tradewind_domain::{
    money::Price,
    trading::{Conditions, OrderType, TimeInForce},
};

use super::super::*;
use crate::engine::opposite;
use crate::ledger::event::Arrived;

#[derive(Clone, Debug)]
struct Submit {
    own: bool,
    buys: bool,
    tenths: u64,
    lots: u64,
    order_type: OrderType,
    force: TimeInForce,
    post_only: bool,
    reduce_only: bool,
    lasts_ms: u64,
}

#[derive(Clone, Debug)]
enum Act {
    Submit(Submit),
    Cancel(u64),
    Replace { number: u64, tenths: u64, lots: u64 },
    Street { buys: bool, tenths: u64, lots: u64 },
    Wait(u64),
    Restart,
}

fn submit() -> impl Strategy<Value = Act> {
    let kind = prop_oneof![
        Just(OrderType::Market),
        Just(OrderType::Limit),
        Just(OrderType::Limit),
        Just(OrderType::Stop),
        Just(OrderType::StopLimit),
    ];
    let force = prop_oneof![
        Just(TimeInForce::Gtc),
        Just(TimeInForce::Gtc),
        Just(TimeInForce::Ioc),
        Just(TimeInForce::Day),
        Just(TimeInForce::Fok),
        Just(TimeInForce::Gtd),
    ];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (flags, 995_u64..1_006, 1_u64..12, kind, force, 1_u64..400).prop_map(
        |((own, buys, post_only, reduce_only), tenths, lots, order_type, force, lasts_ms)| {
            let rests = order_type == OrderType::Limit && force.rests();
            let post_only = post_only && rests;
            Act::Submit(Submit {
                own,
                buys,
                tenths,
                lots,
                order_type,
                force,
                post_only,
                reduce_only,
                lasts_ms,
            })
        },
    )
}

fn act() -> impl Strategy<Value = Act> {
    let street = (any::<bool>(), 995_u64..1_006, 0_u64..12)
        .prop_map(|(buys, tenths, lots)| Act::Street { buys, tenths, lots });
    let replace = (0_u64..60, 995_u64..1_006, 1_u64..15)
        .prop_map(|(number, tenths, lots)| Act::Replace { number, tenths, lots });
    prop_oneof![
        9 => submit(),
        1 => (0_u64..60).prop_map(Act::Cancel),
        1 => replace,
        3 => street,
        1 => (1_u64..300).prop_map(Act::Wait),
        1 => Just(Act::Restart),
    ]
}

fn side(buys: bool) -> Side {
    if buys { Side::Buy } else { Side::Sell }
}

fn price(tenths: u64) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn lots(lots: u64) -> String {
    format!("0.{lots:08}")
}

fn order(world: &World, number: u64, ask: &Submit) -> Submission {
    let limit = world.limit(number, side(ask.buys), &price(ask.tenths), &lots(ask.lots));
    let end = world.now + Duration::from_millis(ask.lasts_ms);
    Submission {
        order_type: ask.order_type,
        limit_price: limit.limit_price.filter(|_| ask.order_type.has_limit()),
        time_in_force: ask.force,
        conditions: Conditions {
            stop_price: limit.limit_price.filter(|_| ask.order_type.waits()),
            expires_at: (ask.force == TimeInForce::Gtd).then_some(end),
            post_only: ask.post_only,
            reduce_only: ask.reduce_only,
        },
        ..limit
    }
}

fn run(acts: Vec<Act>) -> World {
    let mut world = World::open();
    for (number, act) in (0..).zip(acts) {
        match act {
            Act::Submit(ask) => {
                let order = order(&world, number, &ask);
                world.submit_for(if ask.own { "a" } else { "b" }, order);
            }
            Act::Cancel(number) => drop(world.cancel(number)),
            Act::Replace { number: former, tenths, lots: quantity } => {
                world.replace(former, number, &lots(quantity), &price(tenths));
            }
            Act::Street { buys, tenths, lots: quantity } => {
                world.street(&[street(side(buys), &price(tenths), &lots(quantity))]);
            }
            Act::Wait(ms) => {
                world.now = world.now + Duration::from_millis(ms);
                let done = world.exchange.expire(world.now).unwrap();
                world.events.extend(done.events);
            }
            Act::Restart => world = world.restart(),
        }
    }
    world
}

struct Known {
    account: AccountId,
    order: Arrived,
    conditions: Conditions,
    at: UnixNanos,
    filled: Quantity,
    triggered: bool,
}

/// Reads all events and holds each fill against its order.
#[derive(Default)]
struct Auditor {
    orders: Vec<Known>,
    /// In lots of a hundred-millionth.
    positions: BTreeMap<AccountId, i128>,
    ended: BTreeSet<u64>,
    /// The fill that stands right before.
    last: Option<(Side, Quantity, Price, UnixNanos)>,
}

impl Auditor {
    fn arrive(
        &mut self,
        account: &AccountId,
        order: &Arrived,
        conditions: Conditions,
        at: UnixNanos,
    ) {
        let (account, order) = (account.clone(), order.clone());
        let filled = Quantity::ZERO;
        self.orders.push(Known { account, order, conditions, at, filled, triggered: false });
    }

    fn see(&mut self, event: &Event) {
        match event {
            Event::Opened { .. } | Event::CancelRefused { .. } | Event::ReplaceRefused { .. } => {}
            Event::Arrived { account, order, at, fate } => {
                if *fate != Fate::Duplicate {
                    self.arrive(account, order, Conditions::NONE, *at);
                }
            }
            Event::ArrivedWith { account, order, conditions, at, fate } => {
                if *fate != Fate::Duplicate {
                    self.arrive(account, order, (*conditions).into(), *at);
                }
            }
            Event::Replaced { order, by, at } => {
                self.ended.insert(*order);
                let former = &self.orders[usize::try_from(*order).unwrap()];
                let (account, conditions) = (former.account.clone(), former.conditions);
                self.arrive(&account, by, conditions, *at);
            }
            Event::Canceled { order, .. } | Event::Expired { order, .. } => {
                self.ended.insert(*order);
            }
            Event::Triggered { order, .. } => {
                let known = &mut self.orders[usize::try_from(*order).unwrap()];
                assert!(known.order.order_type.waits() && !known.triggered, "triggered twice");
                known.triggered = true;
            }
            Event::Filled { order, quantity, price, at, .. }
            | Event::FilledWithFee { order, quantity, price, at, .. } => {
                self.fill(*order, *quantity, *price, *at);
                return;
            }
        }
        self.last = None;
    }

    fn fill(&mut self, order: u64, quantity: Quantity, price: Price, at: UnixNanos) {
        assert!(!self.ended.contains(&order), "order {order} has ended");
        let known = &mut self.orders[usize::try_from(order).unwrap()];
        known.filled = known.filled.checked_add(quantity).unwrap();
        assert!(!known.order.order_type.waits() || known.triggered, "it waits");
        // Who took stands before whom he took from; in a later step only others and the street come.
        let side = known.order.side;
        let was_there = at > known.at || self.last == Some((opposite(side), quantity, price, at));
        assert!(!known.conditions.post_only || was_there, "a post_only order took");
        self.last = Some((side, quantity, price, at));
        assert!(known.conditions.expires_at.is_none_or(|end| at < end), "its time is over");
        let lots = Instrument::btc_usd().lots(quantity).unwrap();
        let change = i128::from(lots.0);
        let change = if known.order.side == Side::Buy { change } else { -change };
        let position = self.positions.entry(known.account.clone()).or_default();
        let (before, after) = (*position, *position + change);
        *position = after;
        let smaller = after.abs() < before.abs() && after.signum() * before.signum() >= 0;
        assert!(!known.conditions.reduce_only || smaller, "reduce_only: {before} to {after}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_fill_is_one_that_the_orders_conditions_allow(acts in prop::collection::vec(act(), 1..60)) {
        let mut world = run(acts);
        // The end of the day, for all of them.
        let done = world.exchange.expire(UnixNanos(86_400_000_000_000 * 2)).unwrap();
        world.events.extend(done.events);
        let mut auditor = Auditor::default();
        world.events.iter().for_each(|event| auditor.see(event));
        for (number, known) in (0..).zip(&auditor.orders) {
            let whole = known.filled == known.order.quantity;
            if known.order.time_in_force == TimeInForce::Fok {
                prop_assert!(whole || known.filled.is_zero(), "fok order {number}: {}", known.filled);
            }
            if known.conditions.expires_at.is_some() {
                let open = world.exchange.state.open_orders().any(|(key, _)| key.0 == number);
                prop_assert!(!open, "order {number} has outlived its time");
            }
        }
        let page = world.exchange.page(None, UnixNanos(0));
        prop_assert_eq!(world.restart().exchange.page(None, UnixNanos(0)), page);
    }
}
