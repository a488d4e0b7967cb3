//! Conditions with the real sim venue: they arrive there as they were asked for, its word ends the order, and they
//! outlive the Broker.

use super::*;
use tradewind_domain::trading::{Conditions, NewOrder, Order, OrderType, TimeInForce};

fn with(name: &str, change: impl FnOnce(&mut NewOrder)) -> NewOrder {
    let mut order = resting_order(name);
    change(&mut order);
    order
}

async fn ends(market: &Market, order: NewOrder) -> Order {
    let (order, _) = market.submit("acme", order).await.unwrap();
    market.order_until("acme", &order.order_id, |o| o.state.is_terminal()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_venue_s_word_ends_an_order_by_its_conditions() {
    let world = World::new().await;
    let (_broker, market) = world.trading().await;
    let fok = ends(&market, with("fok", |o| o.time_in_force = TimeInForce::Fok)).await;
    assert_eq!((fok.state, fok.filled_quantity.is_zero()), (OrderState::Canceled, true));
    let takes = with("post-only", |o| {
        o.limit_price = "60000".parse().ok();
        o.conditions.post_only = true;
    });
    let takes = ends(&market, takes).await;
    assert_eq!((takes.state, takes.filled_quantity.is_zero()), (OrderState::Rejected, true));
    assert!(takes.reason.unwrap().contains("post_only"));
    let end = tradewind_node::clock::now() + Duration::from_secs(2);
    let gtd = with("gtd", |o| {
        o.time_in_force = TimeInForce::Gtd;
        o.conditions.expires_at = Some(end);
    });
    let expired = ends(&market, gtd.clone()).await;
    assert_eq!(expired.state, OrderState::Expired);
    assert!(expired.updated_at >= end, "not before its time");
    // An order whose end is over is no new one, and the one that was accepted in time still is that.
    let (again, created) = market.submit("acme", gtd.clone()).await.unwrap();
    assert_eq!((again.order_id, created), (expired.order_id, false));
    let name = ClientOrderId::new("late").unwrap();
    let late = market.submit("acme", NewOrder { client_order_id: name, ..gtd }).await.unwrap_err();
    assert_eq!(late.code, Code::InvalidOrder);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_waits_outlives_the_broker_with_all_its_conditions() {
    // given
    let world = World::new().await;
    let (broker, market) = world.trading().await;
    market.submit("acme", market_order("buy")).await.unwrap();
    let bought = |o: &Order| o.state == OrderState::Filled;
    let (buy, _) = market.submit("acme", market_order("buy")).await.unwrap();
    market.order_until("acme", &buy.order_id, bought).await;
    let stop = with("stop", |o| {
        o.side = tradewind_domain::trading::Side::Sell;
        o.order_type = OrderType::StopLimit;
        o.conditions = Conditions { stop_price: "900".parse().ok(), ..Conditions::NONE };
        o.limit_price = "800".parse().ok();
        o.conditions.reduce_only = true;
    });
    let (stop, _) = market.submit("acme", stop).await.unwrap();
    let before = market.order_until("acme", &stop.order_id, |o| o.state == OrderState::New).await;
    // when
    broker.kill().await;
    let (_broker, market) = world.trading().await;
    // then
    let after = market.order_until("acme", &stop.order_id, |o| o.state == OrderState::New).await;
    assert_eq!(after, before);
    let judge = world.venue.judge().await;
    let there = judge.orders.iter().find(|o| o.venue_order_id == before.venue_id()).unwrap();
    assert_eq!((there.conditions, there.waits()), (before.conditions, true));
    market.cancel("acme", &stop.order_id).await.unwrap();
    market.order_until("acme", &stop.order_id, |o| o.state == OrderState::Canceled).await;
}
