//! What an algo reads as `Stream`s, and what happens to its session, against scripted servers on real sockets.
#![allow(clippy::unwrap_used)]

mod edge;

use edge::{Edge, HEARTBEAT, eventually, ledger, orders::order_of};
use futures_util::{Stream, StreamExt};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;
use tradewind_sdk::{Error, Session, SessionEvent, SessionEvents, Topic, TradeEvent};

/// Two edges over one ledger, the first preferred; both are members, too.
async fn connected() -> (Edge, Edge, Session) {
    let ledger = ledger();
    let (one, other) = (Edge::start(&ledger).await, Edge::start(&ledger).await);
    let addresses = vec![one.address.clone(), other.address.clone()];
    one.ledger().market_managers.clone_from(&addresses);
    one.ledger().members = addresses;
    let builder = Session::builder().infrastructure_managers([&one.address]).api_key("key");
    let session = builder.connect().await.unwrap();
    (one, other, session)
}

/// What a reader that knows nothing of `next` takes.
async fn taken<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    let next = StreamExt::next(stream);
    timeout(Duration::from_secs(10), next).await.expect("it has something, or ends")
}

/// It has nothing for now, and whoever waited has gone away.
async fn is_left<S: Stream + Unpin>(stream: &mut S) {
    assert!(timeout(HEARTBEAT, StreamExt::next(stream)).await.is_err());
}

#[tokio::test]
async fn fills_are_a_stream_that_takes_turns_with_next_and_ends_with_the_session() {
    // given
    let (one, _other, session) = connected().await;
    let mut fills = session.fills().await.unwrap();
    is_left(&mut fills).await;
    // when
    one.ledger().fills.extend(["x-0", "x-1", "x-2", "x-3"].map(str::to_string));
    // then
    assert_eq!(taken(&mut fills).await.unwrap().exec_id.as_str(), "x-0");
    assert_eq!(fills.next().await.unwrap().exec_id.as_str(), "x-1");
    let two: Vec<_> = fills.by_ref().take(2).map(|fill| fill.exec_id.to_string()).collect().await;
    assert_eq!(two, ["x-2", "x-3"]);
    drop(session);
    assert_eq!(taken(&mut fills).await, None);
    assert!(matches!(fills.next().await, Err(Error::Closed)));
    assert_eq!(taken(&mut fills).await, None);
}

#[tokio::test]
async fn order_updates_are_a_stream_that_ends_with_the_session() {
    let (one, _other, session) = connected().await;
    let mut updates = session.order_updates().await.unwrap();
    is_left(&mut updates).await;
    let changes = [("new", 3), ("filled", 4)].map(|(state, n)| order_of("sim-1", "x", state, n));
    one.ledger().orders.extend(changes);
    let versions: Vec<u32> = updates.by_ref().take(2).map(|order| order.version).collect().await;
    assert_eq!(versions, [3, 4]);
    drop(session);
    assert_eq!(taken(&mut updates).await, None);
}

fn quote(seq: u64, bid: &str) -> Value {
    json!({"type": "quote", "instrument": "BTC/USD", "epoch": "e", "seq": seq, "bid": bid,
        "bid_size": "1", "ask": null, "ask_size": "0", "at": "2026-11-23T18:00:00.000000000Z"})
}

#[tokio::test]
async fn quotes_are_a_stream_of_the_latest_that_takes_turns_with_next_and_ends_with_the_session() {
    // given
    let (one, _other, session) = connected().await;
    let mut quotes = session.quotes("BTC/USD").await.unwrap();
    let bid = |quote: tradewind_sdk::Quote| quote.bid.unwrap().to_string();
    let says = |seq, bid| one.stage().says.push(quote(seq, bid));
    // One who waited has gone away: what he waited for is there for the next.
    is_left(&mut quotes).await;
    says(1, "10");
    assert_eq!(bid(quotes.next().await.unwrap()), "10");
    // What `next` has taken is not there again.
    is_left(&mut quotes).await;
    says(2, "20");
    assert_eq!(bid(taken(&mut quotes).await.unwrap()), "20");
    says(3, "30");
    assert_eq!(bid(taken(&mut quotes).await.unwrap()), "30");
    is_left(&mut quotes).await;
    // when
    drop(session);
    // then
    assert_eq!(taken(&mut quotes).await, None);
    assert!(matches!(quotes.next().await, Err(Error::Closed)));
    assert_eq!(taken(&mut quotes).await, None);
}

#[tokio::test]
async fn trades_are_a_stream_with_the_gaps_in_it() {
    // given
    let (one, _other, session) = connected().await;
    let mut trades = session.trades("BTC/USD").await.unwrap();
    is_left(&mut trades).await;
    let trade = |seq: u64, prev: u64| {
        json!({"type": "trade", "instrument": "BTC/USD", "epoch": "e", "seq": seq, "prev": prev,
            "price": "1", "quantity": "1", "taker": "buy", "at": "2026-11-23T18:00:00.000000000Z"})
    };
    // when
    one.stage().says.extend([trade(1, 0), trade(5, 4)]);
    // then
    assert!(matches!(taken(&mut trades).await, Some(TradeEvent::Trade(_))));
    assert!(matches!(taken(&mut trades).await, Some(TradeEvent::Gap { .. })));
    assert!(matches!(taken(&mut trades).await, Some(TradeEvent::Trade(_))));
    drop(session);
    assert_eq!(taken(&mut trades).await, None);
}

async fn told(events: &mut SessionEvents) -> SessionEvent {
    timeout(Duration::from_secs(10), events.next()).await.expect("it is told").unwrap()
}

fn orders() -> Topic {
    Topic::Orders { account: "sim-1".parse().unwrap() }
}

#[tokio::test]
async fn the_curious_are_told_where_a_session_is_why_it_is_not_and_what_goes_on() {
    // given
    let (one, other, session) = connected().await;
    let connected = |to: &Edge| SessionEvent::Connected { market_manager: to.address.clone() };
    let mut events = session.on_event();
    assert_eq!(told(&mut events).await, connected(&one), "how it stands comes first");
    // when it is asked to go
    one.stage().goaway = Some(vec![other.address.clone()]);
    // then
    let (market_manager, reconnect_to) = (one.address.clone(), vec![other.address.clone()]);
    assert_eq!(told(&mut events).await, SessionEvent::Goaway { market_manager, reconnect_to });
    assert_eq!(told(&mut events).await, connected(&other));
    assert_eq!(told(&mut events).await, SessionEvent::Resumed { stream: orders() });
    // when the connection is lost, and the ledger is built anew meanwhile
    one.ledger().source = "f";
    other.cut();
    // then
    let SessionEvent::Lost { market_manager, why } = told(&mut events).await else { panic!() };
    assert!(market_manager == other.address && !why.is_empty(), "{market_manager}: {why}");
    assert!(matches!(told(&mut events).await, SessionEvent::Connected { .. }));
    assert_eq!(told(&mut events).await, SessionEvent::Moved { stream: orders() });
    // when it is over
    drop(session);
    // then
    let over = timeout(Duration::from_secs(10), events.next()).await.expect("it ends");
    assert_eq!(over, None);
}

#[tokio::test]
async fn the_curious_are_told_of_a_token_that_is_renewed() {
    // given
    let (one, _other, session) = connected().await;
    let mut events = session.on_event();
    assert!(matches!(told(&mut events).await, SessionEvent::Connected { .. }));
    // when
    let before = one.ledger().tokens;
    one.ledger().good_from = before + 1;
    let request = tradewind_sdk::OrderRequest::market("BTC/USD", tradewind_sdk::Side::Buy, "1");
    session.submit(&request.unwrap()).await.unwrap();
    // then
    assert_eq!(told(&mut events).await, SessionEvent::TokenRenewed);
    eventually("it was renewed once", || one.ledger().tokens == before + 1).await;
}
