//! Replaces with the real sim venue. Its ledger is the judge: no replace arrives twice, and what the ledger says of an
//! order is what the venue has.

use super::*;
use std::collections::BTreeMap;
use tradewind_domain::{ids::ClientOrderId, trading::Order, trading::ReplaceOrder};
use tradewind_sim::wire::VenueOrderState;

fn ask(order: &Order, name: &str, quantity: &str) -> OrderCommand {
    let replace = ReplaceOrder {
        replace_id: ClientOrderId::new(name).unwrap(),
        version: order.version,
        quantity: quantity.parse().ok(),
        limit_price: None,
    };
    OrderCommand::Replace { order_id: order.order_id.clone(), replace }
}

async fn resting(market: &Market, name: &str) -> Order {
    let (order, _) = market.submit("acme", resting_order(name)).await.unwrap();
    market.order_until("acme", &order.order_id, |o| o.state == OrderState::New).await
}

fn replaced(quantity: &str) -> impl Fn(&Order) -> bool {
    let quantity = quantity.parse().unwrap();
    move |order| order.state == OrderState::New && order.quantity == quantity
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_replaced_twice_canceled_under_its_first_id_and_the_venue_agrees() {
    // given
    let world = World::new().await;
    let (_broker, market) = world.trading().await;
    let mut order = resting(&market, "o-1").await;
    // when
    for (name, quantity) in [("r-1", "0.002"), ("r-2", "0.0005")] {
        market.command(fence(10), principal("acme"), ask(&order, name, quantity)).await;
        order = market.order_until("acme", &order.order_id, replaced(quantity)).await;
    }
    market.cancel("acme", &order.order_id).await.unwrap();
    market.order_until("acme", &order.order_id, |o| o.state == OrderState::Canceled).await;
    // then
    let judge = world.venue.judge().await;
    let states: Vec<_> = judge.orders.iter().map(|order| order.state).collect();
    use VenueOrderState::{Canceled, Replaced};
    assert_eq!(states, [Replaced, Replaced, Canceled]);
    assert_eq!(judge.orders[2].venue_order_id, order.venue_id());
    assert_eq!((judge.arrivals.len(), order.later_venue_ids.len()), (3, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replace_whose_answer_was_lost_is_found_by_the_sweep_and_never_sent_again() {
    // given
    let world = World::new().await;
    let (broker, market) = world.trading().await;
    let order = resting(&market, "o-1").await;
    world.wire.deafen();
    // when
    market.command(fence(10), principal("acme"), ask(&order, "r-1", "0.002")).await;
    while world.venue.judge().await.arrivals.len() < 2 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    broker.kill().await;
    world.wire.cut();
    // then
    let (_broker, market) = world.trading().await;
    let after = market.order_until("acme", &order.order_id, replaced("0.002")).await;
    assert_eq!(world.venue.arrivals(&after.venue_id()).await, 1);
    // and an algo that asks again gets the order
    let again = market.command(fence(10), principal("acme"), ask(&order, "r-1", "0.002")).await;
    assert!(matches!(again, CommandAnswer::Order { order, .. } if *order == after));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replace_that_never_reached_the_venue_ends_once_the_venue_would_not_take_it() {
    let world = World::new().await;
    let (_broker, market) = world.trading().await;
    let order = resting(&market, "o-1").await;
    world.wire.mute();
    market.command(fence(10), principal("acme"), ask(&order, "r-1", "0.002")).await;
    let pending = |o: &Order| o.state == OrderState::PendingReplace;
    market.order_until("acme", &order.order_id, pending).await;
    world.wire.cut();
    let after = market.order_until("acme", &order.order_id, |o| o.state == OrderState::New).await;
    assert_eq!((after.quantity, after.replacement.clone()), (order.quantity, None));
    assert!(after.reason.unwrap().starts_with("not_replaced"));
    assert_eq!(world.venue.judge().await.arrivals.len(), 1);
}

/// Kills, cuts and losses at any moment of replaces and cancels.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_dies_when_no_replace_arrives_twice_and_ledger_and_venue_agree() {
    let world = World::new().await;
    for round in 0..8_u64 {
        // given
        let (broker, market) = world.trading().await;
        let mut orders = Vec::new();
        for n in 0..6 {
            orders.push(resting(&market, &format!("o-{round}-{n}")).await);
        }
        // when
        for (n, order) in orders.iter().enumerate() {
            let replace = ask(order, &format!("r-{round}-{n}"), "0.002");
            market.ask(fence(10), principal("acme"), replace).await;
            if n % 3 == 0 {
                let cancel = OrderCommand::Cancel { order_id: order.order_id.clone() };
                market.ask(fence(10), principal("acme"), cancel).await;
            }
        }
        // a moment that differs from round to round
        tokio::time::sleep(Duration::from_micros(700 * round)).await;
        match round % 4 {
            0 => {}
            1 => world.wire.deafen(),
            2 => world.wire.mute(),
            _ => world.wire.cut(),
        }
        broker.kill().await;
        world.wire.cut();
    }
    // then
    let (_broker, market) = world.trading().await;
    let settled = |o: &Order| o.state.is_terminal() || o.state == OrderState::New;
    for order in market.list("acme").await {
        market.order_until("acme", &order.order_id, settled).await;
    }
    let judge = world.venue.judge().await;
    let mut arrivals = BTreeMap::<_, usize>::new();
    for arrival in &judge.arrivals {
        *arrivals.entry(arrival.venue_order_id).or_default() += 1;
    }
    assert!(arrivals.values().all(|count| *count == 1), "O1: {arrivals:?}");
    let orders = market.list("acme").await;
    assert_eq!(orders.len(), 48);
    for order in &orders {
        let there = judge.orders.iter().find(|there| there.venue_order_id == order.venue_id());
        let there = there.unwrap_or_else(|| panic!("not at the venue: {order:?}"));
        assert_eq!(order.state, there.state.into(), "{order:?} {there:?}");
        assert_ne!(there.state, VenueOrderState::Replaced, "{order:?}");
        assert_eq!((order.quantity, order.limit_price), (there.quantity, there.limit_price));
    }
    let known: Vec<_> = orders.iter().map(Order::venue_id).collect();
    let open = judge.orders.iter().filter(|there| there.state == VenueOrderState::New);
    assert!(open.into_iter().all(|there| known.contains(&there.venue_order_id)));
}
