//! Tests of the exchange: what becomes of each kind of arrival, and that a restart changes nothing.

#![allow(clippy::unwrap_used)]

mod conditions;
mod flows;
mod replaces;

use core::time::Duration;

use tradewind_domain::{
    money::Quantity,
    trading::{OrderType, Side},
};

use super::*;
use crate::wire::{ArrivalOutcome, Replacement, VenueOrderState};

/// An exchange, its clock, and everything it has written down.
struct World {
    exchange: Exchange,
    now: UnixNanos,
    events: Vec<Event>,
}

fn account(name: &str) -> AccountId {
    AccountId::new(name).unwrap()
}

fn id(number: u64) -> VenueOrderId {
    format!("{number:032x}").parse().unwrap()
}

fn btc_usd() -> InstrumentId {
    InstrumentId::new("BTC/USD").unwrap()
}

fn street(side: Side, price: &str, quantity: &str) -> StreetLevel {
    let btc = Instrument::btc_usd();
    let price = btc.ticks(price.parse().unwrap()).unwrap();
    StreetLevel { side, price, quantity: btc.lots(quantity.parse().unwrap()).unwrap() }
}

impl World {
    fn resume(events: Vec<Event>) -> Self {
        let mut state = State::default();
        for event in &events {
            state.apply(event).unwrap();
        }
        let now = UnixNanos(state.latest().0.max(1_000_000_000));
        let (exchange, done) = Exchange::resume(state, vec![Instrument::btc_usd()], now).unwrap();
        let mut world = Self { exchange, now, events };
        world.events.extend(done.events);
        world
    }

    /// Bids at 99.9 (1) and 99.8 (2), asks at 100.1 (1) and 100.2 (2).
    fn open() -> Self {
        let mut world = Self::resume(Vec::new());
        world.street(&[
            street(Side::Buy, "99.9", "1"),
            street(Side::Buy, "99.8", "2"),
            street(Side::Sell, "100.1", "1"),
            street(Side::Sell, "100.2", "2"),
        ]);
        world
    }

    fn restart(self) -> Self {
        Self::resume(self.events)
    }

    fn tick(&mut self) -> UnixNanos {
        self.now = self.now + Duration::from_millis(1);
        self.now
    }

    fn street(&mut self, levels: &[StreetLevel]) -> Vec<Told> {
        let now = self.tick();
        let done = self.exchange.set_street(&btc_usd(), levels, now).unwrap();
        self.events.extend(done.events);
        done.told
    }

    fn limit(&self, number: u64, side: Side, price: &str, quantity: &str) -> Submission {
        Submission {
            venue_order_id: id(number),
            instrument: btc_usd(),
            side,
            order_type: OrderType::Limit,
            quantity: quantity.parse().unwrap(),
            limit_price: Some(price.parse().unwrap()),
            time_in_force: TimeInForce::Gtc,
            conditions: Conditions::NONE,
            sent_at: self.now,
            deadline: self.now + Duration::from_secs(1),
        }
    }

    fn market(&self, number: u64, side: Side, quantity: &str) -> Submission {
        let limit = self.limit(number, side, "1", quantity);
        Submission { order_type: OrderType::Market, limit_price: None, ..limit }
    }

    fn submit(&mut self, order: Submission) -> (Outcome, Vec<Told>) {
        self.submit_for("a", order)
    }

    fn submit_for(&mut self, name: &str, order: Submission) -> (Outcome, Vec<Told>) {
        let now = self.tick();
        let (outcome, done) = self.exchange.submit(&account(name), order, now).unwrap();
        self.events.extend(done.events);
        (outcome, done.told)
    }

    fn cancel(&mut self, number: u64) -> Outcome {
        let now = self.tick();
        let (outcome, done) = self.exchange.cancel(&account("a"), id(number), now).unwrap();
        self.events.extend(done.events);
        outcome
    }

    /// By an order of that number, with a second's time to arrive.
    fn replace(
        &mut self,
        number: u64,
        by: u64,
        quantity: &str,
        price: &str,
    ) -> (Outcome, Vec<Told>) {
        let deadline = self.now + Duration::from_secs(1);
        self.replace_until(number, by, quantity, price, deadline)
    }

    fn replace_until(
        &mut self,
        number: u64,
        by: u64,
        quantity: &str,
        price: &str,
        deadline: UnixNanos,
    ) -> (Outcome, Vec<Told>) {
        let now = self.tick();
        let by = Replacement {
            venue_order_id: id(by),
            quantity: quantity.parse().unwrap(),
            limit_price: price.parse().unwrap(),
            sent_at: now,
            deadline,
        };
        let (outcome, done) = self.exchange.replace(&account("a"), id(number), &by, now).unwrap();
        self.events.extend(done.events);
        (outcome, done.told)
    }

    fn order(&self, number: u64) -> VenueOrder {
        match self.exchange.query(&account("a"), id(number)) {
            Outcome::Order(order) => order,
            other => panic!("no order {number}: {other:?}"),
        }
    }

    fn page(&self) -> LedgerPage {
        self.exchange.page(Some(&account("a")), UnixNanos(0))
    }
}

fn refusal(outcome: &Outcome) -> RefusalCode {
    match outcome {
        Outcome::Refused { code, .. } => *code,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_market_order_fills_at_the_prices_of_the_street() {
    let mut world = World::open();
    let (outcome, told) = world.submit(world.market(1, Side::Buy, "1.5"));
    assert!(matches!(outcome, Outcome::Done(order) if order.state == VenueOrderState::New));
    let fills: Vec<_> = told
        .iter()
        .filter_map(|told| match told {
            Told::Fill(_, fill) => Some((fill.price.to_string(), fill.quantity.to_string())),
            _ => None,
        })
        .collect();
    let expected = [("100.1", "1"), ("100.2", "0.5")];
    assert_eq!(fills, expected.map(|(price, quantity)| (price.to_owned(), quantity.to_owned())));
    assert_eq!(world.order(1).state, VenueOrderState::Filled);
    let quote = world.exchange.quote(&btc_usd()).unwrap().1;
    assert_eq!(
        (quote.ask.unwrap().to_string(), quote.ask_size.to_string()),
        ("100.2".into(), "1.5".into())
    );
}

#[test]
fn what_of_an_ioc_or_market_order_does_not_trade_is_canceled() {
    let mut world = World::open();
    let ioc = world.limit(1, Side::Buy, "100.1", "5");
    world.submit(Submission { time_in_force: TimeInForce::Ioc, ..ioc });
    let order = world.order(1);
    assert_eq!((order.state, order.filled.to_string()), (VenueOrderState::Canceled, "1".into()));
    world.submit(world.market(2, Side::Buy, "5"));
    let order = world.order(2);
    assert_eq!((order.state, order.filled.to_string()), (VenueOrderState::Canceled, "2".into()));
}

#[test]
fn who_takes_and_who_was_there_pay_each_his_own_fee_and_a_restart_keeps_it() {
    let mut world = World::open();
    world.exchange = world.exchange.with_fees(Fees { taker_bps: 25, maker_bps: 10 });
    world.submit(world.limit(1, Side::Buy, "100.0", "2"));
    world.submit(world.limit(2, Side::Sell, "100.0", "1"));
    world.street(&[street(Side::Sell, "99.7", "1")]);
    let fees = |world: &World| {
        let fills = world.page().fills.into_iter();
        let fees = fills.map(|fill| (fill.venue_order_id, fill.fee.unwrap().to_string()));
        fees.collect::<Vec<_>>()
    };
    // The first order was there both times: the street takes too.
    let expected = [(2, "0.25"), (1, "0.1"), (1, "0.1")];
    let expected = expected.map(|(number, fee)| (id(number), fee.to_owned()));
    assert_eq!(fees(&world), expected);
    assert_eq!(fees(&world.restart()), expected);
}

#[test]
fn a_resting_order_is_filled_in_parts_when_the_street_comes_through() {
    let mut world = World::open();
    world.submit(world.limit(1, Side::Buy, "100.0", "3"));
    world.street(&[street(Side::Sell, "99.7", "1")]);
    assert_eq!(world.order(1).state, VenueOrderState::PartiallyFilled);
    world.street(&[street(Side::Sell, "99.7", "9")]);
    assert_eq!(world.order(1).state, VenueOrderState::Filled);
    let page = world.page();
    assert!(page.fills.iter().all(|fill| fill.price.to_string() == "100.0"), "{:?}", page.fills);
    assert_eq!(page.fills.len(), 2);
}

#[test]
fn orders_of_two_accounts_trade_and_each_has_its_own_fill() {
    let mut world = World::open();
    world.submit(world.limit(1, Side::Sell, "100.0", "1"));
    let (order, now) = (world.limit(1, Side::Buy, "100.0", "1"), world.now);
    // The same id under another account is another order.
    let (outcome, done) = world.exchange.submit(&account("b"), order, now).unwrap();
    assert!(matches!(outcome, Outcome::Done(_)));
    let whose: Vec<_> = done
        .told
        .iter()
        .filter_map(|told| match told {
            Told::Fill(account, fill) => Some((account.as_str(), fill.exec_id.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(whose.len(), 2);
    assert_eq!((whose[0].0, whose[1].0), ("b", "a"));
    assert_ne!(whose[0].1, whose[1].1);
}

#[test]
fn an_order_that_arrives_again_is_recorded_and_not_placed_again() {
    let mut world = World::open();
    let order = world.limit(1, Side::Buy, "100.0", "1");
    world.submit(order.clone());
    let (outcome, told) = world.submit(order);
    assert_eq!(refusal(&outcome), RefusalCode::Duplicate);
    assert_eq!(told, []);
    let page = world.page();
    let outcomes: Vec<_> = page.arrivals.iter().map(|arrival| arrival.outcome).collect();
    assert_eq!(outcomes, [ArrivalOutcome::Placed, ArrivalOutcome::Duplicate]);
    assert_eq!(page.orders.len(), 1);
    let quote = world.exchange.quote(&btc_usd()).unwrap().1;
    assert_eq!(quote.bid_size.to_string(), "1");
}

#[test]
fn an_order_after_its_deadline_is_refused_for_ever() {
    let mut world = World::open();
    let late = Submission { deadline: world.now, ..world.limit(1, Side::Buy, "100.0", "1") };
    let (outcome, _) = world.submit(late.clone());
    assert_eq!(refusal(&outcome), RefusalCode::DeadlinePassed);
    assert_eq!(world.order(1).state, VenueOrderState::Rejected);
    let again = Submission { deadline: world.now + Duration::from_secs(9), ..late };
    assert_eq!(refusal(&world.submit(again).0), RefusalCode::Duplicate);
    let outcomes: Vec<_> = world.page().arrivals.iter().map(|arrival| arrival.outcome).collect();
    let refused = ArrivalOutcome::Refused(RefusalCode::DeadlinePassed);
    assert_eq!(outcomes, [refused, ArrivalOutcome::Duplicate]);
}

#[test]
fn impossible_orders_are_refused_each_with_its_reason() {
    let mut world = World::open();
    let whole = world.limit(0, Side::Buy, "100.0", "1");
    let unknown = InstrumentId::new("ETH/USD").unwrap();
    let market = OrderType::Market;
    let cases = [
        (Submission { quantity: Quantity::ZERO, ..whole.clone() }, "quantity"),
        (world.limit(0, Side::Buy, "100.0", "0.000000001"), "quantity"),
        (world.limit(0, Side::Buy, "100.0", "79000000000000000000000000000"), "quantity"),
        (world.limit(0, Side::Buy, "100.05", "1"), "limit_price"),
        (Submission { limit_price: None, ..whole.clone() }, "limit_price"),
        (Submission { order_type: market, ..whole.clone() }, "limit_price"),
        (Submission { instrument: unknown, ..whole }, "BTC/USD"),
    ];
    for (number, (order, word)) in (1..).zip(cases) {
        let deadline = world.now + Duration::from_secs(1);
        let order = Submission { venue_order_id: id(number), deadline, ..order };
        match world.submit(order).0 {
            Outcome::Refused { reason, .. } => assert!(reason.contains(word), "{number}: {reason}"),
            other => panic!("case {number}: {other:?}"),
        }
        assert_eq!(world.order(number).state, VenueOrderState::Rejected);
    }
    assert_eq!(world.page().arrivals.len(), 7);
}

#[test]
fn a_cancel_ends_an_open_order_and_no_other() {
    let mut world = World::open();
    world.submit(world.limit(1, Side::Buy, "100.0", "1"));
    assert!(matches!(world.cancel(1), Outcome::Done(o) if o.state == VenueOrderState::Canceled));
    assert_eq!(refusal(&world.cancel(1)), RefusalCode::TooLate);
    assert_eq!(refusal(&world.cancel(2)), RefusalCode::UnknownOrder);
    let quote = world.exchange.quote(&btc_usd()).unwrap().1;
    assert_eq!(quote.bid.unwrap().to_string(), "99.9");
}

#[test]
fn after_a_restart_open_orders_are_back_and_executions_go_on_counting() {
    let mut world = World::open();
    world.submit(world.limit(1, Side::Buy, "100.0", "2"));
    world.submit(world.limit(2, Side::Buy, "100.0", "1"));
    world.street(&[street(Side::Sell, "100.0", "0.5")]);
    let before = world.page();
    let mut world = world.restart();
    assert_eq!(world.page(), before);
    world.street(&[street(Side::Sell, "99.0", "2")]);
    assert_eq!(world.order(1).state, VenueOrderState::Filled);
    assert_eq!(world.order(2).filled.to_string(), "0.5");
    let mut names: Vec<_> = world.page().fills.into_iter().map(|fill| fill.exec_id).collect();
    assert_eq!(names.len(), 3);
    names.dedup();
    assert_eq!(names.len(), 3);
    // An id that came before the restart is not taken after it.
    assert_eq!(
        refusal(&world.submit(world.limit(1, Side::Buy, "90.0", "1")).0),
        RefusalCode::Duplicate
    );
}
