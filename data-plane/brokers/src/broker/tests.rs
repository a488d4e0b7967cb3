//! The Broker with the real sim venue, over real sockets: claims that hold between an order and the
//! venue's own ledger.

#![allow(clippy::unwrap_used)]

mod conditions;
mod connections;
mod copies;
mod external;
mod failures;
mod market;
mod replaces;
mod streams;
pub(crate) mod wire;
pub(crate) mod world;

use super::*;
use market::*;
use std::time::Duration;
use tradewind_domain::{
    ids::{ClientOrderId, Epoch, TraderId},
    trading::OrderState,
};
use tradewind_protocol::{
    problem::Code,
    supervision::ServiceState,
    token::TraderClaim,
    trade::{CommandAnswer, OrderCommand, Principal, PrivateChannel, PrivateEvent},
};
use world::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_goes_from_submit_to_fill_and_each_step_is_told_once_in_order() {
    // given
    let world = World::new().await;
    let (broker, market) = world.trading().await;
    market.subscribe(1, "acme", PrivateChannel::Orders, None).await;
    market.subscribe(2, "acme", PrivateChannel::Fills, None).await;
    // when
    let (order, created) = market.submit("acme", market_order("o-1")).await.unwrap();
    // then
    assert_eq!((order.state, created), (OrderState::Accepted, true));
    let filled =
        market.order_until("acme", &order.order_id, |o| o.state == OrderState::Filled).await;
    assert_eq!(filled.filled_quantity, filled.quantity);
    let states = || -> Vec<OrderState> {
        let all = market.private(1).into_iter();
        all.map(|(.., event)| match event {
            PrivateEvent::Order(order) => order.state,
            PrivateEvent::Fill(fill) => panic!("{fill:?} on the orders' channel"),
        })
        .collect()
    };
    eventually("the end is told", || states().contains(&OrderState::Filled).then_some(())).await;
    let states = states();
    assert_eq!(states[..3], [OrderState::Accepted, OrderState::PendingNew, OrderState::New]);
    // and the venue's ledger says the same
    let judge = world.venue.judge().await;
    assert_eq!(judge.arrivals.len(), 1);
    let venue: Vec<_> = judge.fills.iter().map(|fill| fill.exec_id.clone()).collect();
    let fills = || -> Vec<_> {
        let all = market.private(2).into_iter();
        all.filter_map(|(.., event)| match event {
            PrivateEvent::Fill(fill) => Some(fill.exec_id),
            PrivateEvent::Order(_) => None,
        })
        .collect()
    };
    eventually("all fills are told", || (fills().len() >= venue.len()).then_some(())).await;
    assert_eq!(fills(), venue);
    // both channels together are one numbering
    let mut numbers: Vec<u64> =
        [1, 2].iter().flat_map(|s| market.private(*s)).map(|e| e.0).collect();
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "{numbers:?}");
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_submit_is_the_same_order_and_reaches_the_venue_once() {
    let world = World::new().await;
    let (_broker, market) = world.trading().await;
    let (order, _) = market.submit("acme", market_order("o-1")).await.unwrap();
    for _ in 0..5 {
        let (again, created) = market.submit("acme", market_order("o-1")).await.unwrap();
        assert_eq!((again.order_id, created), (order.order_id.clone(), false));
    }
    let other = market.submit("acme", resting_order("o-1")).await.unwrap_err();
    assert_eq!((other.code, other.status), (Code::Conflict, 409));
    // another customer's order of the same name is another order
    let (bolt, created) = market.submit("bolt", market_order("o-1")).await.unwrap();
    assert!(created);
    market.order_until("bolt", &bolt.order_id, |o| o.state.is_terminal()).await;
    market.order_until("acme", &order.order_id, |o| o.state.is_terminal()).await;
    assert_eq!(world.venue.judge().await.arrivals.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resting_order_is_canceled_and_a_filled_one_is_too_late() {
    let world = World::new().await;
    let (_broker, market) = world.trading().await;
    let (resting, _) = market.submit("acme", resting_order("rests")).await.unwrap();
    market.order_until("acme", &resting.order_id, |o| o.state == OrderState::New).await;
    let asked = market.cancel("acme", &resting.order_id).await.unwrap();
    assert_eq!(asked.state, OrderState::PendingCancel);
    market.order_until("acme", &resting.order_id, |o| o.state == OrderState::Canceled).await;
    let again = market.cancel("acme", &resting.order_id).await.unwrap();
    assert_eq!(again.state, OrderState::Canceled);
    let (filled, _) = market.submit("acme", market_order("fills")).await.unwrap();
    market.order_until("acme", &filled.order_id, |o| o.state == OrderState::Filled).await;
    assert_eq!(market.cancel("acme", &filled.order_id).await, Err(Code::Conflict));
    assert_eq!(market.cancel("bolt", &filled.order_id).await, Err(Code::NotFound));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_venue_refuses_is_rejected_with_its_reason() {
    let world = World::new().await;
    let (_broker, market) = world.trading().await;
    let off_tick = tradewind_domain::trading::NewOrder {
        limit_price: "1000.123456".parse().ok(),
        ..resting_order("off-tick")
    };
    let (order, _) = market.submit("acme", off_tick).await.unwrap();
    let rejected =
        market.order_until("acme", &order.order_id, |o| o.state == OrderState::Rejected).await;
    assert!(rejected.reason.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn markets_of_older_and_newer_epochs_stay_connected_and_are_judged_command_by_command() {
    // given
    let world = World::new().await;
    let (broker, market) = world.trading().await;
    let old = Market::connect(broker.address, "a2", 9).await;
    let list = || OrderCommand::List { account: account(), client_order_id: None, open: true };
    let code = |answer| match answer {
        CommandAnswer::Problem { problem } => Some(problem.code),
        _ => None,
    };
    let stale = Some(Code::StaleEpoch);
    // when, then: both pipes stand, whichever came first; the command's own epoch counts
    assert_eq!(code(old.command(fence(9), principal("acme"), list()).await), stale);
    assert_eq!(code(old.command(fence(10), principal("acme"), list()).await), None);
    assert_eq!(code(market.command(fence(10), principal("acme"), list()).await), None);
    // a higher one supersedes this Broker: it refuses everything, and says so
    assert_eq!(code(market.command(fence(11), principal("acme"), list()).await), stale);
    assert_eq!(code(market.command(fence(10), principal("acme"), list()).await), stale);
    let refused = market.submit("acme", market_order("o-1")).await.unwrap_err();
    assert_eq!(refused.code, Code::StaleEpoch);
    assert!(broker.said.borrow().1.contains("11 has been given out"), "{:?}", broker.said.borrow());
    // even after a restart under its old right
    broker.kill().await;
    let broker = world.broker().await;
    let market = Market::connect(broker.address, "a1", 10).await;
    assert_eq!(code(market.command(fence(10), principal("acme"), list()).await), stale);
    // until it is assigned anew
    let wanted = world.wanted(11);
    broker.configure.send_replace(Some(Configuration::Broker { wanted }));
    broker.live().await;
    assert_eq!(code(market.command(fence(11), principal("acme"), list()).await), None);
    assert_eq!(world.venue.judge().await.arrivals.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_superseded_copy_of_a_trader_may_cancel_and_no_more() {
    // given
    let world = World::new().await;
    let (broker, market) = world.trading().await;
    let copy = |epoch| Principal {
        trader: Some(TraderClaim { trader: TraderId::new("t").unwrap(), epoch: Epoch(epoch) }),
        ..principal("acme")
    };
    let submit = |name: &str| OrderCommand::Submit { account: None, order: resting_order(name) };
    let old = market.command(fence(10), copy(5), submit("old")).await;
    let CommandAnswer::Order { order, .. } = old else { panic!("{old:?}") };
    // when
    let new = market.command(fence(10), copy(6), submit("new")).await;
    assert!(matches!(new, CommandAnswer::Order { created: true, .. }));
    // then
    let stale = |answer: &CommandAnswer| matches!(answer, CommandAnswer::Problem { problem } if problem.code == Code::StaleTrader);
    assert!(stale(&market.command(fence(10), copy(5), submit("late")).await));
    let cancel = OrderCommand::Cancel { order_id: order.order_id.clone() };
    let canceled = market.command(fence(10), copy(5), cancel).await;
    assert!(matches!(canceled, CommandAnswer::Order { .. }), "cancels pass");
    // and the ledger remembers
    broker.kill().await;
    let (_broker, market) = world.trading().await;
    assert!(stale(&market.command(fence(10), copy(5), submit("later")).await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_that_is_taken_away_counts_from_the_next_command_on() {
    let world = World::new().await;
    let (broker, market) = world.trading().await;
    market.submit("bolt", market_order("o-1")).await.unwrap();
    let eve = market.submit("eve", market_order("o-1")).await.unwrap_err();
    assert_eq!((eve.code, eve.status), (Code::Forbidden, 403));
    let mut wanted = world.wanted(10);
    wanted.customers.remove(&customer("bolt"));
    broker.configure.send_replace(Some(Configuration::Broker { wanted }));
    let mut n = 2;
    let refused = loop {
        match market.submit("bolt", market_order(&format!("o-{n}"))).await {
            Err(problem) => break problem.code,
            Ok(_) => n += 1,
        }
        assert!(n < 100, "never refused");
    };
    assert_eq!(refused, Code::Forbidden);
    let closed = market.subscribe(7, "bolt", PrivateChannel::Orders, None).await;
    assert!(matches!(closed, TradeUp::PrivateClosed { .. }), "{closed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adapter_that_is_not_built_is_refused_with_that_sentence() {
    // given
    let world = World::new().await;
    let (broker, market) = world.trading().await;
    let wanted = BrokerWanted { adapter: "schwab".to_string(), ..world.wanted(10) };
    // when
    broker.configure.send_replace(Some(Configuration::Broker { wanted }));
    // then
    eventually("it says so", || {
        broker.said.borrow().1.contains("`schwab` is not built yet").then_some(())
    })
    .await;
    drop(market);
    let market = Market::connect(broker.address, "a3", 10).await;
    let away = market.submit("acme", market_order("o-1")).await.unwrap_err();
    assert_eq!(away.code, Code::Unavailable);
    // and told to be what it was, it goes on
    let wanted = world.wanted(10);
    broker.configure.send_replace(Some(Configuration::Broker { wanted }));
    broker.live().await;
    let market = Market::connect(broker.address, "a4", 10).await;
    market.submit("acme", market_order("o-1")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_in_order_answers_what_was_taken_and_sends_nothing_more() {
    // given
    let world = World::new().await;
    let (broker, market) = world.trading().await;
    let mut asked = Vec::new();
    for n in 0..50 {
        let order = market_order(&format!("o-{n}"));
        let submit = OrderCommand::Submit { account: None, order };
        asked.push(market.ask(fence(10), principal("acme"), submit).await);
    }
    eventually("some are taken", || market.answer(asked[0])).await;
    // when
    broker.stop().await;
    // then: each answered order is known in the next life, and none came twice
    let answered: Vec<_> = asked.iter().filter_map(|request| market.answer(*request)).collect();
    let (_broker, market) = world.trading().await;
    for answer in answered {
        if let CommandAnswer::Order { order, .. } = answer {
            market.order_until("acme", &order.order_id, |o| o.state.is_terminal()).await;
        }
    }
    let judge = world.venue.judge().await;
    let mut ids: Vec<_> = judge.arrivals.iter().map(|arrival| arrival.venue_order_id).collect();
    let arrived = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), arrived);
}
