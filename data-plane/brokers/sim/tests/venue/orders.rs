//! Orders from arrival to end, as one client sees them and as the ledger has them.

use core::time::Duration;

use tradewind_domain::time::UnixNanos;
use tradewind_domain::trading::{Side, TimeInForce};
use tradewind_sim::Fees;
use tradewind_sim::wire::{
    ArrivalOutcome, FromVenue, Outcome, RefusalCode, Submission, ToVenue, VenueOrderState,
};

use crate::client::{Client, Running, btc_usd, id, limit, market, now};

fn refusal(outcome: Outcome) -> RefusalCode {
    match outcome {
        Outcome::Refused { code, .. } => code,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_market_order_fills_at_the_streets_prices_and_is_told_in_order() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::still(home.path()).await;
    let mut client = Client::log_in(&venue).await;
    let order = market(1, Side::Buy, "8.5");
    client.send(&ToVenue::Submit { request: 7, order }).await;
    let mut told = Vec::new();
    while told.len() < 6 {
        match client.next().await {
            FromVenue::Answer { request, result: Outcome::Done(order), .. } => {
                told.push(format!("answer {request} {:?}", order.state));
            }
            FromVenue::OrderUpdate { order } => {
                told.push(format!("order {:?} {}", order.state, order.filled));
            }
            FromVenue::Fill { fill } => {
                told.push(format!("fill {} at {}", fill.quantity, fill.price))
            }
            FromVenue::Heartbeat { .. } => {}
            other => panic!("unexpected: {other:?}"),
        }
    }
    let expected = [
        "answer 7 New",
        "order New 0",
        "fill 8.25215653 at 29430.3",
        "order PartiallyFilled 8.25215653",
        "fill 0.24784347 at 29430.4",
        "order Filled 8.50000000",
    ];
    assert_eq!(told, expected);
    venue.stop().await;
}

#[tokio::test]
async fn a_limit_order_rests_shows_in_the_quote_fills_in_parts_and_then_whole() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::still(home.path()).await;
    // The quote's spread is one tick: make room by taking the best bid first.
    let mut client = Client::log_in(&venue).await;
    client.submit(market(1, Side::Sell, "0.18967538")).await;
    client.submit(limit(2, Side::Buy, "29430.1", "2")).await;
    client.send(&ToVenue::Subscribe { instrument: btc_usd() }).await;
    let quote = client
        .until(|frame| match frame {
            FromVenue::Quote { quote, .. } => Some(quote),
            _ => None,
        })
        .await;
    assert_eq!(
        (quote.bid.unwrap().to_string(), quote.bid_size.to_string()),
        ("29430.1".into(), "2".into())
    );
    client.submit(limit(3, Side::Sell, "29430.1", "0.5")).await;
    client.state(2, VenueOrderState::PartiallyFilled).await;
    client.submit(limit(4, Side::Sell, "29430.1", "1.5")).await;
    client.state(2, VenueOrderState::Filled).await;
    let page = venue.ledger().await;
    let of_two = page.fills.iter().filter(|fill| fill.venue_order_id == id(2)).count();
    assert_eq!((of_two, page.fills.len()), (2, 5));
    venue.stop().await;
}

#[tokio::test]
async fn a_resting_order_fills_while_the_recording_plays() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::playing(home.path()).await;
    let mut client = Client::log_in(&venue).await;
    // The recorded best bid reaches this price once in each round of seven seconds, and begins below it.
    client.submit(limit(1, Side::Sell, "29430.4", "0.001")).await;
    client.state(1, VenueOrderState::Filled).await;
    venue.stop().await;
}

#[tokio::test]
async fn a_canceled_order_is_told_and_cannot_be_canceled_again() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::still(home.path()).await;
    let mut client = Client::log_in(&venue).await;
    client.submit(limit(1, Side::Buy, "29000.0", "1")).await;
    assert!(matches!(client.cancel(1).await, Outcome::Done(_)));
    client.state(1, VenueOrderState::Canceled).await;
    assert_eq!(refusal(client.cancel(1).await), RefusalCode::TooLate);
    assert_eq!(refusal(client.cancel(2).await), RefusalCode::UnknownOrder);
    assert_eq!(refusal(client.query(2).await), RefusalCode::UnknownOrder);
    venue.stop().await;
}

#[tokio::test]
async fn an_ioc_order_takes_what_is_there_and_no_more() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::still(home.path()).await;
    let mut client = Client::log_in(&venue).await;
    let order = limit(1, Side::Buy, "29430.3", "9");
    client.submit(Submission { time_in_force: TimeInForce::Ioc, ..order }).await;
    client.state(1, VenueOrderState::Canceled).await;
    match client.query(1).await {
        Outcome::Order(order) => assert_eq!(order.filled.to_string(), "8.25215653"),
        other => panic!("{other:?}"),
    }
    venue.stop().await;
}

#[tokio::test]
async fn an_order_sent_twice_is_placed_once_and_the_ledger_shows_both_arrivals() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::still(home.path()).await;
    let mut client = Client::log_in(&venue).await;
    let order = limit(1, Side::Buy, "29000.0", "1");
    assert!(matches!(client.submit(order.clone()).await, Outcome::Done(_)));
    // Over another connection, as a Broker does that forgot.
    let mut other = Client::log_in(&venue).await;
    assert_eq!(refusal(other.submit(order).await), RefusalCode::Duplicate);
    let page = venue.ledger().await;
    let arrivals: Vec<_> = page.arrivals.iter().map(|a| (a.venue_order_id, a.outcome)).collect();
    assert_eq!(arrivals, [(id(1), ArrivalOutcome::Placed), (id(1), ArrivalOutcome::Duplicate)]);
    assert_eq!(page.orders.len(), 1);
    venue.stop().await;
}

#[tokio::test]
async fn an_order_after_its_deadline_is_refused_and_found_as_rejected() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::still(home.path()).await;
    let mut client = Client::log_in(&venue).await;
    let late = UnixNanos(now().0 - Duration::from_secs(1).as_nanos() as u64);
    let order = Submission { deadline: late, ..limit(1, Side::Buy, "29430.3", "1") };
    assert_eq!(refusal(client.submit(order).await), RefusalCode::DeadlinePassed);
    let page = client.sweep(UnixNanos(0), None).await;
    assert_eq!(page.orders.len(), 1);
    assert_eq!(page.orders[0].state, VenueOrderState::Rejected);
    assert!(page.fills.is_empty() && page.complete);
    venue.stop().await;
}

#[tokio::test]
async fn events_go_to_every_connection_of_the_account_and_to_no_other() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::still(home.path()).await;
    let mut client = Client::log_in(&venue).await;
    let mut second = Client::log_in(&venue).await;
    let mut stranger = Client::connect(&venue).await;
    stranger.send(&ToVenue::Login { account: "b".parse().unwrap() }).await;
    client.submit(market(1, Side::Buy, "0.1")).await;
    second.state(1, VenueOrderState::Filled).await;
    stranger.send(&ToVenue::Ping {}).await;
    let private =
        |frame: &FromVenue| matches!(frame, FromVenue::OrderUpdate { .. } | FromVenue::Fill { .. });
    stranger
        .until(|frame| {
            assert!(!private(&frame), "{frame:?}");
            matches!(frame, FromVenue::Pong { .. }).then_some(())
        })
        .await;
    venue.stop().await;
}

#[tokio::test]
async fn without_a_login_there_are_no_orders() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::still(home.path()).await;
    let mut client = Client::connect(&venue).await;
    let refused = refusal(client.submit(limit(1, Side::Buy, "29000.0", "1")).await);
    assert_eq!(refused, RefusalCode::NotLoggedIn);
    assert!(venue.ledger().await.arrivals.is_empty());
    venue.stop().await;
}

#[tokio::test]
async fn sweep_pages_list_every_order_and_every_fill() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::still(home.path()).await;
    let mut client = Client::log_in(&venue).await;
    for number in 1..=150 {
        client.submit(market(number, Side::Buy, "0.01")).await;
    }
    let (mut orders, mut fills, mut pages, mut cursor) = (Vec::new(), Vec::new(), 0, None);
    loop {
        let page = client.sweep(UnixNanos(0), cursor).await;
        orders.extend(page.orders.iter().map(|order| order.venue_order_id));
        fills.extend(page.fills);
        cursor = Some(page.next);
        pages += 1;
        if page.complete {
            break;
        }
    }
    assert!(pages > 1, "{pages}");
    assert_eq!(orders, (1..=150).map(id).collect::<Vec<_>>());
    assert_eq!(fills, venue.ledger().await.fills);
    assert_eq!(fills.len(), 150);
    venue.stop().await;
}

#[tokio::test]
async fn what_a_fill_costs_is_told_and_in_the_ledger() {
    let home = tempfile::tempdir().unwrap();
    let fees = Fees { taker_bps: 25, maker_bps: 10 };
    let venue = Running::still_with(home.path(), fees).await;
    let mut client = Client::log_in(&venue).await;
    let order = market(1, Side::Buy, "0.5");
    client.send(&ToVenue::Submit { request: 1, order }).await;
    let fee = client.until(|frame| match frame {
        FromVenue::Fill { fill } => fill.fee,
        _ => None,
    });
    assert_eq!(fee.await.to_string(), "36.787875");
    let page = venue.ledger().await;
    let fees: Vec<_> = page.fills.iter().map(|fill| fill.fee.unwrap().to_string()).collect();
    assert_eq!(fees, ["36.787875"]);
    venue.stop().await;
    // What it has cost is kept, whatever it costs now.
    let venue = Running::still(home.path()).await;
    let mut client = Client::log_in(&venue).await;
    client.submit(market(2, Side::Buy, "0.5")).await;
    let fills = venue.ledger().await.fills;
    assert_eq!((fills[0].fee, fills[1].fee), (page.fills[0].fee, None));
    venue.stop().await;
}
