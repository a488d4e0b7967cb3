//! The exchange: every error text, the lives of orders, and random flows that must fold to the same state.

mod flows;

use core::time::Duration;

use tradewind_kraken::ws::private::{ExecType, OrderStatus};
use tradewind_kraken::ws::request::OrderType;
use tradewind_sim::instrument::{Lots, Ticks};

use super::*;
use crate::ledger::event::Force;
use crate::ledger::state::Status;
use crate::pair::pairs;

const NOW: UnixNanos = UnixNanos(1_700_000_000_000_000_000);

struct World {
    exchange: Exchange,
    events: Vec<Event>,
}

impl World {
    /// BTC/USD with asks of the street at 30,000.1 (1 BTC) and 30,000.2 (2 BTC), bids below.
    fn new() -> Self {
        let (exchange, done) = Exchange::resume(State::new(pairs()), Tier::Pro, NOW).unwrap();
        let mut world = Self { exchange, events: done.events };
        let level = |side, price: u64, quantity| StreetLevel {
            side,
            price: Ticks(price.try_into().unwrap()),
            quantity: Lots(quantity),
        };
        let levels = [
            level(Side::Sell, 300_001, 100_000_000),
            level(Side::Sell, 300_002, 200_000_000),
            level(Side::Buy, 299_999, 100_000_000),
            level(Side::Buy, 299_998, 200_000_000),
        ];
        let done = world.exchange.set_street(0, &levels, NOW).unwrap();
        world.events.extend(done.events);
        world
    }

    fn submit(&mut self, want: &Wanted) -> (Result<Option<OrderKey>, String>, Vec<Told>) {
        let (result, done) = self.exchange.submit(want, NOW).unwrap();
        self.events.extend(done.events);
        (result, done.told)
    }

    fn place(&mut self, want: &Wanted) -> OrderKey {
        self.submit(want).0.unwrap().unwrap()
    }

    fn order(&self, key: OrderKey) -> &Order {
        self.exchange.entry(key).unwrap()
    }

    fn amend(&mut self, key: OrderKey, quantity: &str, limit: &str) -> Result<String, String> {
        let amend = Amend {
            name: Name::Order(self.order(key).id.clone()),
            quantity: Some(quantity.parse().unwrap()),
            limit: Some(limit.parse().unwrap()),
            post_only: false,
            deadline: None,
        };
        let (result, done) = self.exchange.amend(&amend, NOW).unwrap();
        self.events.extend(done.events);
        result
    }

    fn cancel(&mut self, key: OrderKey) -> Result<u64, String> {
        let name = Name::Order(self.order(key).id.clone());
        let (result, done) = self.exchange.cancel(&name, NOW).unwrap();
        self.events.extend(done.events);
        result
    }
}

fn limit(side: Side, quantity: &str, price: &str) -> Wanted {
    Wanted {
        via: Via::Ws,
        symbol: "BTC/USD".into(),
        side,
        order_type: OrderType::Limit,
        quantity: Some(quantity.parse().unwrap()),
        limit: Some(price.parse().unwrap()),
        force: Force::Gtc,
        post_only: false,
        cl_ord_id: None,
        userref: None,
        expires: None,
        deadline: None,
        validate: false,
        in_batch: false,
    }
}

fn kinds(told: &[Told]) -> Vec<(ExecType, OrderStatus)> {
    let executions = told.iter().filter_map(|told| match told {
        Told::Executions(list) => Some(list),
        _ => None,
    });
    executions.flatten().map(|event| (event.exec_type, event.order_status)).collect()
}

#[test]
fn each_error_has_its_text() {
    let mut world = World::new();
    let mut first = limit(Side::Buy, "0.01", "20000.0");
    first.cl_ord_id = Some("taken".into());
    world.place(&first);
    let good = limit(Side::Buy, "0.01", "20000.0");
    let of = |change: &dyn Fn(&mut Wanted)| {
        let mut want = good.clone();
        change(&mut want);
        want
    };
    let table: Vec<(Wanted, &str)> = vec![
        (of(&|w| w.symbol = "XBT/USD".into()), "Currency pair not supported XBT/USD"),
        (
            of(&|w| {
                w.symbol = "X/Y".into();
                w.via = Via::Rest;
            }),
            errors::UNKNOWN_PAIR,
        ),
        (of(&|w| w.quantity = None), "EGeneral:Invalid arguments:volume"),
        (of(&|w| w.quantity = "0.00001".parse().ok()), errors::VOLUME_MINIMUM),
        (
            of(&|w| {
                w.quantity = "0.00001".parse().ok();
                w.via = Via::Rest;
            }),
            errors::ORDER_MINIMUM,
        ),
        (of(&|w| w.quantity = "0.010000001".parse().ok()), "EGeneral:Invalid arguments:volume"),
        (of(&|w| w.limit = "20000.05".parse().ok()), errors::TICK_SIZE),
        (of(&|w| w.limit = "0.1".parse().ok()), errors::COST_MINIMUM),
        (of(&|w| w.limit = None), "EGeneral:Invalid arguments:price"),
        (of(&|w| w.order_type = OrderType::StopLoss), "EGeneral:Invalid arguments:ordertype"),
        (of(&|w| w.quantity = "9000".parse().ok()), errors::FUNDS),
        (
            of(&|w| {
                w.post_only = true;
                w.limit = "30000.1".parse().ok();
            }),
            errors::POST_ONLY,
        ),
        (of(&|w| w.cl_ord_id = Some("taken".into())), errors::DUPLICATE),
        (
            of(&|w| w.cl_ord_id = Some("far too long to be an id".into())),
            "EGeneral:Invalid arguments:cl_ord_id",
        ),
        (of(&|w| w.deadline = Some(UnixNanos(NOW.0 - 1))), errors::DEADLINE),
        (
            of(&|w| w.deadline = Some(NOW + Duration::from_secs(90))),
            "EGeneral:Invalid arguments:deadline",
        ),
        (of(&|w| w.force = Force::Gtd), "EGeneral:Invalid arguments:expire_time"),
    ];
    for (want, error) in table {
        assert_eq!(world.submit(&want).0, Err(error.to_owned()), "{want:?}");
    }
    assert_eq!(world.exchange.state.orders.len(), 1, "none of them was placed");
    assert_eq!(world.exchange.state.arrivals.len(), 18, "all of them are known");
    let unknown = Name::Client("nobody".into());
    assert_eq!(world.exchange.cancel(&unknown, NOW).unwrap().0, Err(errors::UNKNOWN_ORDER.into()));
}

#[test]
fn the_engines_state_decides_what_is_taken() {
    let mut world = World::new();
    let resting = limit(Side::Buy, "0.01", "20000.0");
    let key = world.place(&resting);
    let post = Wanted { post_only: true, ..resting.clone() };
    let refused = |text: &str| Err(text.to_owned());
    world.exchange.set_system(System::PostOnly);
    assert_eq!(world.submit(&resting).0, refused(errors::POST_ONLY_MARKET));
    assert!(world.submit(&post).0.is_ok());
    world.exchange.set_system(System::Maintenance);
    assert_eq!(world.submit(&post).0, refused(errors::UNAVAILABLE));
    assert_eq!(world.cancel(key), Err(errors::UNAVAILABLE.to_owned()));
    world.exchange.set_system(System::CancelOnly);
    assert_eq!(world.submit(&post).0, refused(errors::CANCEL_ONLY));
    assert_eq!(world.cancel(key), Ok(1));
}

#[test]
fn a_fill_that_completes_is_told_as_partial_and_then_as_filled() {
    let mut world = World::new();
    let (result, told) = world.submit(&limit(Side::Buy, "1.5", "30000.2"));
    assert_eq!(world.order(result.unwrap().unwrap()).status, Status::Filled);
    assert_eq!(
        kinds(&told),
        [
            (ExecType::PendingNew, OrderStatus::PendingNew),
            (ExecType::New, OrderStatus::New),
            (ExecType::Trade, OrderStatus::PartiallyFilled),
            (ExecType::Trade, OrderStatus::PartiallyFilled),
            (ExecType::Filled, OrderStatus::Filled),
        ]
    );
    let btc = world.exchange.state.balance("BTC");
    assert_eq!(btc, "101.5".parse().unwrap());
}

#[test]
fn the_rest_of_an_order_that_may_not_rest_is_canceled() {
    let mut world = World::new();
    let ioc = Wanted { force: Force::Ioc, ..limit(Side::Buy, "4", "30000.2") };
    let (result, told) = world.submit(&ioc);
    let order = world.order(result.unwrap().unwrap());
    assert_eq!((order.status, order.filled), (Status::Canceled, Lots(300_000_000)));
    assert_eq!(kinds(&told).last().unwrap().0, ExecType::Canceled);
    assert_eq!(order.reason.as_deref(), Some(errors::NOT_TRADED));
}

#[test]
fn an_account_does_not_trade_with_itself() {
    let mut world = World::new();
    let ask = world.place(&limit(Side::Sell, "1", "30000.2"));
    let bid = world.place(&limit(Side::Buy, "4", "30000.3"));
    assert_eq!(world.order(ask).status, Status::Open);
    let order = world.order(bid);
    assert_eq!((order.status, order.filled), (Status::Canceled, Lots(100_000_000)));
    assert_eq!(order.reason.as_deref(), Some(errors::SELF_TRADE));
}

#[test]
fn an_amended_order_keeps_its_ids_and_what_was_filled() {
    let mut world = World::new();
    let key = world.place(&limit(Side::Buy, "1.5", "30000.1"));
    let id = world.order(key).id.clone();
    assert_eq!(world.order(key).filled, Lots(100_000_000));
    world.amend(key, "2", "29000.0").unwrap();
    let order = world.order(key);
    assert_eq!((order.id.as_str(), order.quantity), (id.as_str(), Lots(200_000_000)));
    assert_eq!(world.exchange.levels(0, Side::Buy, 9).last().unwrap().1, Lots(100_000_000));
    assert_eq!(world.amend(key, "2", "29000.05"), Err(errors::TICK_SIZE.to_owned()));
    world.amend(key, "0.5", "29000.0").unwrap();
    let order = world.order(key);
    assert_eq!((order.status, order.filled), (Status::Canceled, Lots(100_000_000)));
    assert_eq!(world.amend(key, "3", "29000.0"), Err(errors::UNKNOWN_ORDER.to_owned()));
}

#[test]
fn an_order_that_is_amended_through_the_market_trades() {
    let mut world = World::new();
    let key = world.place(&limit(Side::Buy, "1", "29000.0"));
    world.amend(key, "1", "30000.1").unwrap();
    assert_eq!(world.order(key).status, Status::Filled);
}

#[test]
fn the_switch_and_time_end_orders() {
    let mut world = World::new();
    let kept = world.place(&limit(Side::Buy, "1", "29000.0"));
    let until = NOW + Duration::from_secs(5);
    let gtd =
        Wanted { force: Force::Gtd, expires: Some(until), ..limit(Side::Buy, "1", "28000.0") };
    let timed = world.place(&gtd);
    world.exchange.tick(NOW + Duration::from_secs(4)).unwrap();
    assert!(world.order(timed).is_open());
    world.exchange.tick(until).unwrap();
    assert_eq!(world.order(timed).status, Status::Expired);
    world.exchange.set_switch(Some(Duration::from_secs(10)), NOW);
    world.exchange.set_switch(None, NOW);
    world.exchange.tick(NOW + Duration::from_secs(60)).unwrap();
    assert!(world.order(kept).is_open(), "it was turned off");
    world.exchange.set_switch(Some(Duration::from_secs(10)), NOW);
    world.exchange.tick(NOW + Duration::from_secs(10)).unwrap();
    assert_eq!(world.order(kept).reason.as_deref(), Some(errors::SWITCH));
}

#[test]
fn orders_are_counted_and_refused_beyond_the_threshold() {
    let mut world = World::new();
    let want = limit(Side::Buy, "0.0001", "20000.0");
    let key = world.place(&want);
    // A cancel of a young order costs eight points and is never refused.
    world.cancel(key).unwrap();
    let taken = (0..300).take_while(|_| world.submit(&want).0.is_ok()).count();
    assert_eq!(taken, 180 - 1 - 8);
    assert_eq!(world.submit(&want).0, Err(errors::ORDER_RATE.to_owned()));
}

#[test]
fn an_account_has_no_more_open_orders_than_its_tier() {
    let mut world = World::new();
    let later = |seconds: u64| NOW + Duration::from_secs(seconds);
    for second in 0..225 {
        let want = limit(Side::Buy, "0.0001", "20000.0");
        world.exchange.submit(&want, later(second)).unwrap().0.unwrap();
    }
    let want = limit(Side::Buy, "0.0001", "20000.0");
    let (refused, _) = world.exchange.submit(&want, later(226)).unwrap();
    assert_eq!(refused, Err(errors::TOO_MANY_ORDERS.to_owned()));
}

#[test]
fn a_batch_is_refused_whole_or_each_order_stands_for_itself() {
    let mut world = World::new();
    let (good, dear) = (limit(Side::Buy, "1", "20000.0"), limit(Side::Buy, "9000", "20000.0"));
    let wrong = limit(Side::Buy, "1", "20000.05");
    let (refused, _) = world.exchange.submit_batch(&[good.clone(), wrong], NOW).unwrap();
    assert_eq!(refused, Err(errors::TICK_SIZE.to_owned()));
    assert_eq!(world.exchange.state.orders.len(), 0);
    let (each, _) = world.exchange.submit_batch(&[good, dear], NOW).unwrap();
    let each = each.unwrap();
    assert!(each[0].is_ok());
    assert_eq!(each[1], Err(errors::FUNDS.to_owned()));
}

#[test]
fn a_validated_order_is_not_placed() {
    let mut world = World::new();
    let want = Wanted { validate: true, ..limit(Side::Buy, "1", "20000.0") };
    assert_eq!(world.submit(&want).0, Ok(None));
    assert_eq!(world.exchange.state.orders.len(), 0);
}
