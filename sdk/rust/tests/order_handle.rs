//! What becomes of an order, by its handle, against scripted servers on real sockets.
#![allow(clippy::unwrap_used)]

mod edge;

use edge::{Edge, HEARTBEAT, eventually, ledger, orders::order_of};
use serde_json::json;
use std::time::Duration;
use tokio::time::timeout;
use tradewind_protocol::Code;
use tradewind_sdk::{
    Error, Order, OrderError, OrderHandle, OrderRequest, OrderState, Session, Side,
};

async fn connected() -> (Edge, Session) {
    let edge = Edge::start(&ledger()).await;
    edge.ledger().market_managers = vec![edge.address.clone()];
    edge.ledger().members = vec![edge.address.clone()];
    let session = connect(&edge).await;
    (edge, session)
}

async fn connect(edge: &Edge) -> Session {
    let builder = Session::builder().infrastructure_managers([&edge.address]).api_key("key");
    builder.connect().await.unwrap()
}

fn an_order() -> OrderRequest {
    OrderRequest::market("BTC/USD", Side::Buy, "1").unwrap()
}

/// Submitted, and as its ledger has it at first.
async fn accepted(edge: &Edge, session: &Session) -> (OrderRequest, OrderHandle) {
    let request = an_order();
    edge.ledger().answers.push_back(order_of("sim-1", request.id().as_str(), "accepted", 1));
    let handle = session.submit_tracked(&request).await.unwrap();
    (request, handle)
}

/// Submitted, and nobody says whether it was placed.
async fn unknown(edge: &Edge, session: &Session, request: &OrderRequest) -> OrderHandle {
    edge.ledger().refusals.extend([Code::Unknown, Code::InvalidOrder]);
    let handle = session.submit_tracked(request).await.unwrap();
    assert!(handle.unknown().is_some() && handle.order().is_none());
    handle
}

fn becomes(edge: &Edge, request: &OrderRequest, state: &str, version: u32) {
    let order = order_of("sim-1", request.id().as_str(), state, version);
    edge.ledger().orders.push(order);
}

async fn within<T>(told: impl Future<Output = Result<T, Error>>) -> T {
    timeout(Duration::from_secs(10), told).await.expect("it is told").unwrap()
}

fn stand(order: &Order) -> (OrderState, u32) {
    (order.state, order.version)
}

#[tokio::test]
async fn each_state_of_an_order_is_told_once_it_is_reached_over_lost_connections() {
    // given
    let (edge, session) = connected().await;
    let (request, order) = accepted(&edge, &session).await;
    assert_eq!(stand(&within(order.accepted()).await), (OrderState::Accepted, 1));
    let follows = order.clone();
    let ended = tokio::spawn(async move { follows.ended().await });
    // when
    becomes(&edge, &request, "new", 3);
    // then
    let at_the_venue = within(order.state(OrderState::New)).await;
    assert_eq!(stand(&at_the_venue), (OrderState::New, 3));
    timeout(HEARTBEAT, order.state(OrderState::Filled)).await.unwrap_err();
    assert!(!ended.is_finished());
    // when
    edge.cut();
    becomes(&edge, &request, "pending_cancel", 4);
    becomes(&edge, &request, "filled", 5);
    // then
    assert_eq!(stand(&within(async { ended.await.unwrap() }).await), (OrderState::Filled, 5));
    assert_eq!(stand(&order.order().unwrap()), (OrderState::Filled, 5));
    assert!(edge.stage().connections > 1);
    // Over is what it was in before, and what it can become no more.
    for state in OrderState::ALL {
        within(order.state(state)).await;
    }
}

#[tokio::test]
async fn an_order_of_an_unknown_outcome_is_learned_from_the_stream_and_never_sent_again() {
    // given
    let (edge, session) = connected().await;
    let request = an_order();
    let order = unknown(&edge, &session, &request).await;
    timeout(HEARTBEAT, order.accepted()).await.unwrap_err();
    // when
    becomes(&edge, &request, "new", 3);
    // then
    assert_eq!(stand(&within(order.accepted()).await), (OrderState::New, 3));
    assert_eq!(order.unknown(), None);
    assert_eq!(edge.ledger().submits.len(), 2, "those of the submit");
}

#[tokio::test]
async fn an_order_of_an_unknown_outcome_is_asked_for_under_its_id() {
    // given
    let (edge, session) = connected().await;
    let request = an_order().client_order_id("a&b#c".parse().unwrap());
    let order = unknown(&edge, &session, &request).await;
    // when
    let other = order_of("sim-1", "another", "filled", 9);
    edge.ledger().found = vec![other, order_of("sim-1", "a&b#c", "filled", 4)];
    // then
    assert_eq!(stand(&within(order.ended()).await), (OrderState::Filled, 4));
    assert_eq!(edge.ledger().asked, ["account=sim-1&client_order_id=a%26b%23c"]);
    // Of what is known nobody is asked.
    within(order.accepted()).await;
    assert_eq!(edge.ledger().asked.len(), 1);
}

#[tokio::test]
async fn an_order_that_was_surely_not_placed_has_no_handle() {
    let (edge, session) = connected().await;
    edge.ledger().refusals.push_back(Code::InvalidOrder);
    let refused = session.submit_tracked(&an_order()).await;
    assert!(matches!(refused, Err(OrderError::Refused { .. })), "{refused:?}");
}

#[tokio::test]
async fn an_order_of_which_the_stream_misses_changes_is_asked_for_once() {
    // given
    let (edge, session) = connected().await;
    let (request, order) = accepted(&edge, &session).await;
    becomes(&edge, &request, "new", 3);
    within(order.state(OrderState::New)).await;
    timeout(HEARTBEAT, order.ended()).await.unwrap_err();
    assert!(edge.ledger().asked.is_empty());
    // when
    edge.ledger().found = vec![order_of("sim-1", request.id().as_str(), "pending_cancel", 5)];
    let gap = json!({"type": "gap", "topic": {"orders": {"account": "sim-1"}}, "from": null,
        "reason": "the stream could not be resumed where it was"});
    edge.stage().says.push(gap);
    // then
    let found = within(order.state(OrderState::PendingCancel)).await;
    assert_eq!(stand(&found), (OrderState::PendingCancel, 5));
    timeout(HEARTBEAT, order.ended()).await.unwrap_err();
    assert_eq!(edge.ledger().asked.len(), 1, "what came behind the gap is known");
}

#[tokio::test]
async fn an_order_at_an_account_that_the_session_did_not_know_of_is_followed_there() {
    // given
    let (edge, _session) = connected().await;
    edge.ledger().accounts.clear();
    let session = connect(&edge).await;
    let request = an_order();
    let as_it_is = |state, version| order_of("sim-2", request.id().as_str(), state, version);
    edge.ledger().answers.push_back(as_it_is("accepted", 1));
    // when
    let order = session.submit_tracked(&request).await.unwrap();
    edge.ledger().orders.extend([as_it_is("pending_new", 2), as_it_is("filled", 3)]);
    // then
    assert_eq!(stand(&within(order.ended()).await), (OrderState::Filled, 3));
}

#[tokio::test]
async fn an_order_of_an_unknown_outcome_is_found_and_followed_at_an_account_that_the_session_did_not_know_of()
 {
    for is_named in [false, true] {
        // given
        let (edge, _session) = connected().await;
        edge.ledger().accounts.clear();
        let session = connect(&edge).await;
        let request = an_order();
        let asked = format!("client_order_id={}", request.id());
        let (request, asked) = if is_named {
            (request.account("sim-2".parse().unwrap()), format!("account=sim-2&{asked}"))
        } else {
            (request, asked)
        };
        let as_it_is = |state, version| order_of("sim-2", request.id().as_str(), state, version);
        let order = unknown(&edge, &session, &request).await;
        // when
        edge.ledger().found = vec![as_it_is("accepted", 1)];
        // then
        assert_eq!(stand(&within(order.accepted()).await), (OrderState::Accepted, 1));
        assert_eq!(edge.ledger().asked, [asked]);
        // when
        edge.ledger().orders.extend([as_it_is("pending_new", 2), as_it_is("filled", 3)]);
        // then
        assert_eq!(stand(&within(order.ended()).await), (OrderState::Filled, 3));
        assert!(session.accounts().iter().any(|account| account.as_str() == "sim-2"));
    }
}

#[tokio::test]
async fn an_order_of_which_the_ledger_was_built_anew_is_followed_by_its_new_versions() {
    // given
    let (edge, session) = connected().await;
    let (request, order) = accepted(&edge, &session).await;
    becomes(&edge, &request, "new", 3);
    within(order.state(OrderState::New)).await;
    // when
    {
        let mut ledger = edge.ledger();
        ledger.source = "another";
        let anew = order_of("sim-1", request.id().as_str(), "partially_filled", 2);
        ledger.orders = vec![anew];
    }
    edge.cut();
    // then
    let followed = within(order.state(OrderState::PartiallyFilled)).await;
    assert_eq!(stand(&followed), (OrderState::PartiallyFilled, 2));
}

#[tokio::test]
async fn many_handles_share_the_one_subscription_of_their_account() {
    // given
    let (edge, session) = connected().await;
    let mut handles = Vec::new();
    for _ in 0..50 {
        handles.push(accepted(&edge, &session).await);
    }
    // when
    for (request, _) in &handles {
        becomes(&edge, request, "canceled", 2);
    }
    // then
    for (request, handle) in &handles {
        let ended = within(handle.ended()).await;
        assert_eq!(
            (&ended.client_order_id, stand(&ended)),
            (request.id(), (OrderState::Canceled, 2))
        );
    }
    let orders = |asked: &&serde_json::Value| asked["channel"] == "orders";
    assert_eq!(edge.ledger().subscribed.iter().filter(orders).count(), 1);
}

#[tokio::test]
async fn a_session_stays_open_while_a_handle_of_it_is_held_and_no_longer() {
    // given
    let (edge, session) = connected().await;
    let (request, order) = accepted(&edge, &session).await;
    let mut events = session.on_event();
    // when
    drop(session);
    becomes(&edge, &request, "filled", 2);
    // then
    within(order.ended()).await;
    drop(order);
    let over = async { while events.next().await.is_some() {} };
    timeout(Duration::from_secs(10), over).await.expect("the session is over");
    eventually("the order was sent once", || edge.ledger().submits.len() == 1).await;
}
