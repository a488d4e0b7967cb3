//! Failures between an order and its end. The venue's own ledger is the judge: no order arrives twice,
//! none that was accepted is forgotten, no fill is lost.

use super::*;
use std::collections::BTreeMap;
use tradewind_domain::ids::VenueOrderId;
use tradewind_sim::wire::VenueOrderState;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_venue_is_away_an_order_is_refused_before_it_is_written_down() {
    // given
    let world = World::new().await;
    let (broker, market) = world.trading().await;
    world.wire.away(true);
    eventually("the Broker sees it", || {
        (broker.said.borrow().0 == ServiceState::Connecting).then_some(())
    })
    .await;
    // when
    let refused = market.submit("acme", market_order("o-1")).await.unwrap_err();
    // then
    assert_eq!((refused.code, refused.status), (Code::Unavailable, 503));
    assert!(refused.retry_after_ms.is_some());
    assert_eq!(market.list("acme").await, []);
    // and it comes back by itself
    world.wire.away(false);
    broker.live().await;
    let (_, created) = market.submit("acme", market_order("o-1")).await.unwrap();
    assert!(created);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_whose_answer_was_lost_is_unknown_and_the_sweep_finds_it() {
    // given
    let world = World::new().await;
    let (broker, market) = world.trading().await;
    market.subscribe(1, "acme", PrivateChannel::Orders, None).await;
    market.subscribe(2, "acme", PrivateChannel::Fills, None).await;
    world.wire.deafen();
    // when
    let (order, _) = market.submit("acme", market_order("o-1")).await.unwrap();
    let id = order.order_id.venue_order_id;
    while world.venue.arrivals(&id).await == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    world.wire.cut();
    // then
    market.order_until("acme", &order.order_id, |o| o.state == OrderState::Filled).await;
    let told = || {
        let all = market.private(1);
        let unknown = |event: &Heard| matches!(&event.2, PrivateEvent::Order(o) if o.state == OrderState::Unknown);
        all.iter().any(unknown).then_some(())
    };
    eventually("the doubt was told", told).await;
    broker.live().await;
    let again = market.submit("acme", market_order("o-1")).await.unwrap();
    assert!(!again.1);
    assert_eq!(world.venue.arrivals(&id).await, 1, "never a second time");
    let fills = world.venue.judge().await.fills.len();
    eventually("no fill is lost", || (market.private(2).len() == fills).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_never_reached_the_venue_is_rejected_once_the_venue_would_not_take_it() {
    // given
    let world = World::new().await;
    let (broker, market) = world.trading().await;
    world.wire.mute();
    // when
    let (order, _) = market.submit("acme", market_order("o-1")).await.unwrap();
    market.order_until("acme", &order.order_id, |o| o.state == OrderState::PendingNew).await;
    world.wire.cut();
    // then
    let doubt = |o: &tradewind_domain::trading::Order| o.state == OrderState::Unknown;
    market.order_until("acme", &order.order_id, doubt).await;
    let end = market.order_until("acme", &order.order_id, |o| o.state.is_terminal()).await;
    assert_eq!(end.state, OrderState::Rejected);
    assert!(end.reason.unwrap().starts_with("not_placed"));
    assert!(end.updated_at.since(end.created_at) >= Duration::from_secs(1), "by its deadline");
    broker.live().await;
    assert_eq!(world.venue.judge().await.arrivals.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_venue_that_stays_connected_and_does_not_answer_leaves_the_order_unknown_until_it_does() {
    // given
    let world = World::new().await;
    let (_broker, market) = world.trading().await;
    world.wire.deafen();
    // when
    let (order, _) = market.submit("acme", market_order("o-1")).await.unwrap();
    // then: by its silence, or by that of the connection
    market.order_until("acme", &order.order_id, |o| o.state == OrderState::Unknown).await;
    world.wire.cut();
    market.order_until("acme", &order.order_id, |o| o.state == OrderState::Filled).await;
    assert_eq!(world.venue.judge().await.arrivals.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_asked_while_the_venue_is_away_is_sent_when_it_is_back() {
    // given
    let world = World::new().await;
    let (broker, market) = world.trading().await;
    let (order, _) = market.submit("acme", resting_order("o-1")).await.unwrap();
    market.order_until("acme", &order.order_id, |o| o.state == OrderState::New).await;
    world.wire.away(true);
    // when
    let asked = market.cancel("acme", &order.order_id).await.unwrap();
    assert_eq!(asked.state, OrderState::PendingCancel);
    broker.kill().await;
    let broker = world.broker().await;
    world.wire.away(false);
    broker.live().await;
    // then
    let market = Market::connect(broker.address, "a1", 10).await;
    market.order_until("acme", &order.order_id, |o| o.state == OrderState::Canceled).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fill_made_while_the_broker_was_dead_is_told_when_it_is_back() {
    // given
    let world = World::new().await;
    let (broker, market) = world.trading().await;
    world.wire.deafen();
    let (order, _) = market.submit("acme", market_order("o-1")).await.unwrap();
    while world.venue.judge().await.fills.is_empty() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // when
    broker.kill().await;
    world.wire.cut();
    // then
    let (_broker, market) = world.trading().await;
    market.order_until("acme", &order.order_id, |o| o.state == OrderState::Filled).await;
    let CommandAnswer::Fills { fills } = market
        .command(fence(10), principal("acme"), OrderCommand::Fills { account: account() })
        .await
    else {
        panic!("no fills")
    };
    let venue = world.venue.judge().await;
    let execs = |page: &tradewind_sim::wire::LedgerPage| -> Vec<_> {
        page.fills.iter().map(|fill| fill.exec_id.clone()).collect()
    };
    assert_eq!(fills.iter().map(|fill| fill.exec_id.clone()).collect::<Vec<_>>(), execs(&venue));
    assert_eq!(venue.arrivals.len(), 1);
}

/// Kills, cuts and losses at any moment of many orders' lives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_dies_when_no_order_arrives_twice_and_every_accepted_one_comes_to_its_end() {
    // given
    let world = World::new().await;
    let mut accepted = Vec::new();
    for round in 0..8_u64 {
        let (broker, market) = world.trading().await;
        // when
        let mut asked = Vec::new();
        for n in 0..20 {
            let order = if n % 3 == 0 {
                resting_order(&format!("o-{round}-{n}"))
            } else {
                market_order(&format!("o-{round}-{n}"))
            };
            let submit = OrderCommand::Submit { account: None, order };
            asked.push(market.ask(fence(10), principal("acme"), submit).await);
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
        for request in asked {
            if let Some(CommandAnswer::Order { order, .. }) = market.answer(request) {
                accepted.push(order.order_id);
            }
        }
    }
    // then
    let (_broker, market) = world.trading().await;
    let settled = |state: OrderState| state.is_terminal() || state == OrderState::New;
    for id in &accepted {
        market.order_until("acme", id, |order| settled(order.state)).await;
    }
    for order in market.list("acme").await {
        market.order_until("acme", &order.order_id, |order| settled(order.state)).await;
    }
    let judge = world.venue.judge().await;
    let mut arrivals: BTreeMap<VenueOrderId, usize> = BTreeMap::new();
    for arrival in &judge.arrivals {
        *arrivals.entry(arrival.venue_order_id).or_default() += 1;
    }
    assert!(arrivals.values().all(|count| *count == 1), "O1: {arrivals:?}");
    let orders = market.list("acme").await;
    assert!(orders.len() >= accepted.len(), "none accepted is forgotten");
    for order in &orders {
        let id = order.order_id.venue_order_id;
        let there = judge.orders.iter().find(|there| there.venue_order_id == id);
        match there {
            None => assert_eq!(order.state, OrderState::Rejected, "{order:?}"),
            Some(there) => {
                assert_eq!(order.filled_quantity, there.filled, "O2: {order:?} {there:?}");
                let same = match there.state {
                    VenueOrderState::PartiallyFilled => OrderState::PartiallyFilled,
                    state => state.into(),
                };
                assert_eq!(order.state, same, "{there:?}");
            }
        }
    }
    let known: Vec<_> = orders.iter().map(|order| order.order_id.venue_order_id).collect();
    assert!(judge.orders.iter().all(|there| known.contains(&there.venue_order_id)));
}
