//! Tests of the engine: the rules one by one, then random flows against a naive model and against E1-E4.

#![allow(clippy::unwrap_used)]

mod flows;

use super::*;

pub(super) fn ticks(price: u64) -> Ticks {
    Ticks(price.try_into().unwrap())
}

pub(super) fn order(key: u64, side: Side, limit: u64, quantity: u64) -> Incoming {
    let limit = Some(ticks(limit));
    Incoming { key: OrderKey(key), side, limit, quantity: Lots(quantity), rests: true }
}

pub(super) fn street(side: Side, price: u64, quantity: u64) -> StreetLevel {
    StreetLevel { side, price: ticks(price), quantity: Lots(quantity) }
}

fn trade(taker: Option<u64>, maker: Option<u64>, price: u64, quantity: u64) -> Trade {
    let (taker, maker) = (taker.map(OrderKey), maker.map(OrderKey));
    Trade { taker, maker, price: ticks(price), quantity: Lots(quantity) }
}

/// Asks of the street at 101 (5) and 102 (10), bids at 99 (5) and 98 (10).
fn book() -> Book {
    let mut book = Book::default();
    let levels = [
        street(Side::Sell, 101, 5),
        street(Side::Sell, 102, 10),
        street(Side::Buy, 99, 5),
        street(Side::Buy, 98, 10),
    ];
    assert_eq!(book.set_street(&levels), []);
    book
}

#[test]
fn a_market_order_walks_the_street_and_never_rests() {
    let mut book = book();
    let market = Incoming { limit: None, ..order(1, Side::Buy, 1, 20) };
    let trades = book.place(market);
    assert_eq!(trades, [trade(Some(1), None, 101, 5), trade(Some(1), None, 102, 10)]);
    assert_eq!(book.top().ask, None);
    assert_eq!(book.cancel(OrderKey(1)), None);
}

#[test]
fn a_limit_order_stops_at_its_limit_and_rests_there() {
    let mut book = book();
    assert_eq!(book.place(order(1, Side::Buy, 101, 8)), [trade(Some(1), None, 101, 5)]);
    assert_eq!(book.top().bid, Some((ticks(101), Lots(3))));
    assert_eq!(book.top().ask, Some((ticks(102), Lots(10))));
}

#[test]
fn what_an_order_took_of_the_street_stays_gone_until_the_recording_sets_it() {
    let mut book = book();
    book.place(order(1, Side::Buy, 101, 4));
    book.set_street(&[street(Side::Buy, 97, 1)]);
    assert_eq!(book.top().ask, Some((ticks(101), Lots(1))));
    book.set_street(&[street(Side::Sell, 101, 5)]);
    assert_eq!(book.top().ask, Some((ticks(101), Lots(5))));
}

#[test]
fn an_order_that_may_not_rest_leaves_nothing() {
    let mut book = book();
    let ioc = Incoming { rests: false, ..order(1, Side::Buy, 101, 8) };
    assert_eq!(book.place(ioc), [trade(Some(1), None, 101, 5)]);
    assert_eq!(book.top().bid, Some((ticks(99), Lots(5))));
}

#[test]
fn an_order_stands_behind_the_street_that_was_there_before_it() {
    let mut book = book();
    book.place(order(1, Side::Buy, 99, 4));
    book.set_street(&[street(Side::Buy, 99, 9)]);
    let trades = book.place(order(2, Side::Sell, 99, 12));
    let expected =
        [trade(Some(2), None, 99, 5), trade(Some(2), Some(1), 99, 4), trade(Some(2), None, 99, 3)];
    assert_eq!(trades, expected);
    assert_eq!(book.top().bid, Some((ticks(99), Lots(1))));
}

#[test]
fn a_street_that_shrinks_lets_the_order_move_up() {
    let mut book = book();
    book.place(order(1, Side::Buy, 99, 4));
    book.set_street(&[street(Side::Buy, 99, 2)]);
    let trades = book.place(order(2, Side::Sell, 99, 3));
    assert_eq!(trades, [trade(Some(2), None, 99, 2), trade(Some(2), Some(1), 99, 1)]);
}

#[test]
fn a_street_that_comes_through_an_order_fills_it_at_its_own_limit() {
    let mut book = book();
    book.place(order(1, Side::Buy, 99, 4));
    book.place(order(2, Side::Buy, 98, 4));
    let trades = book.set_street(&[street(Side::Sell, 97, 6)]);
    assert_eq!(trades, [trade(None, Some(1), 99, 4), trade(None, Some(2), 98, 2)]);
    // The crossed street is used up, and so are the street's bids it came through.
    assert_eq!(book.top().bid, Some((ticks(98), Lots(2))));
    assert_eq!(book.top().ask, Some((ticks(101), Lots(5))));
}

#[test]
fn a_canceled_order_trades_no_more() {
    let mut book = book();
    book.place(order(1, Side::Buy, 100, 4));
    assert_eq!(book.cancel(OrderKey(1)), Some(Lots(4)));
    assert_eq!(book.cancel(OrderKey(1)), None);
    assert_eq!(book.place(order(2, Side::Sell, 100, 1)), []);
}

#[test]
fn an_order_put_back_after_a_restart_fills_when_the_street_has_passed_it() {
    let mut book = Book::default();
    book.rest(OrderKey(1), Side::Buy, ticks(103), Lots(4));
    let trades = book.set_street(&[street(Side::Sell, 101, 5), street(Side::Buy, 99, 5)]);
    assert_eq!(trades, [trade(None, Some(1), 103, 4)]);
}

#[test]
fn an_order_that_is_reduced_keeps_its_place() {
    let mut book = Book::default();
    book.place(order(1, Side::Buy, 100, 8));
    book.place(order(2, Side::Buy, 100, 8));
    assert!(book.reduce(OrderKey(1), Lots(3)));
    assert!(!book.reduce(OrderKey(1), Lots(3)), "it is no larger");
    assert!(!book.reduce(OrderKey(1), Lots(0)), "that would be a cancel");
    assert!(!book.reduce(OrderKey(7), Lots(1)));
    assert_eq!(book.levels(Side::Buy, 5), [(ticks(100), Lots(11))]);
    let trades = book.place(order(3, Side::Sell, 100, 5));
    assert_eq!(trades, [trade(Some(3), Some(1), 100, 3), trade(Some(3), Some(2), 100, 2)]);
}

#[test]
fn levels_come_from_the_best_price_on() {
    let book = book();
    assert_eq!(book.levels(Side::Buy, 1), [(ticks(99), Lots(5))]);
    assert_eq!(book.levels(Side::Sell, 9), [(ticks(101), Lots(5)), (ticks(102), Lots(10))]);
}
