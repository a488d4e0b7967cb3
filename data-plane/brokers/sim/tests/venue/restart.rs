//! The venue killed and started again over the same directory.

use core::time::Duration;
use std::time::Instant;

use tokio_util::sync::CancellationToken;
use tradewind_domain::trading::Side;
use tradewind_sim::wire::{Outcome, RefusalCode, VenueOrderState};
use tradewind_sim::{Error, LedgerError, Options, VenueError};

use crate::client::{Client, Running, WITHIN, id, limit, market};

/// A killed venue lets go of its directory when its last task has gone.
async fn free(home: &std::path::Path) {
    let deadline = Instant::now() + WITHIN;
    let options = Options::new(([127, 0, 0, 1], 0).into(), home);
    while let Err(error) = tradewind_sim::bind(options.clone()).await {
        assert!(Instant::now() < deadline, "{error:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_killed_venue_comes_back_with_its_orders_fills_and_arrivals() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::still(home.path()).await;
    let mut client = Client::log_in(&venue).await;
    client.submit(market(1, Side::Buy, "0.5")).await;
    client.submit(limit(2, Side::Buy, "29430.2", "2")).await;
    client.submit(limit(3, Side::Buy, "29430.2", "2")).await;
    client.cancel(3).await;
    let before = venue.ledger().await;
    venue.kill().await;
    free(home.path()).await;

    let venue = Running::still(home.path()).await;
    let after = venue.ledger().await;
    assert_eq!((&after.arrivals, &after.orders), (&before.arrivals, &before.orders));
    assert_eq!(after.fills, before.fills);
    let mut client = Client::log_in(&venue).await;
    let again = client.submit(limit(1, Side::Buy, "29430.2", "2")).await;
    assert!(matches!(again, Outcome::Refused { code: RefusalCode::Duplicate, .. }), "{again:?}");
    client.submit(limit(4, Side::Sell, "29430.2", "2")).await;
    client.state(2, VenueOrderState::Filled).await;
    let fills = venue.ledger().await.fills;
    let mut names: Vec<_> = fills.iter().map(|fill| fill.exec_id.clone()).collect();
    names.sort();
    names.dedup();
    assert_eq!((names.len(), fills.len()), (3, 3));
    assert_eq!(fills[2].venue_order_id, id(2));
    venue.stop().await;
}

#[tokio::test]
async fn whatever_was_answered_before_a_kill_is_in_the_ledger_after_it() {
    let home = tempfile::tempdir().unwrap();
    for round in 0..5_u64 {
        let venue = Running::still(home.path()).await;
        let mut client = Client::log_in(&venue).await;
        let first = round * 100;
        for number in first..first + 20 {
            assert!(matches!(
                client.submit(market(number, Side::Buy, "0.001")).await,
                Outcome::Done(_)
            ));
        }
        venue.kill().await;
        free(home.path()).await;
    }
    let venue = Running::still(home.path()).await;
    let page = venue.ledger().await;
    assert_eq!((page.arrivals.len(), page.orders.len(), page.fills.len()), (100, 100, 100));
    assert!(page.orders.iter().all(|order| order.state == VenueOrderState::Filled));
    venue.stop().await;
}

#[tokio::test]
async fn a_second_venue_over_the_same_ledger_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::still(home.path()).await;
    let options = Options::new(([127, 0, 0, 1], 0).into(), home.path());
    let refused = tradewind_sim::bind(options).await.err();
    assert!(
        matches!(refused, Some(Error::Venue(VenueError::Ledger(LedgerError::Open(_))))),
        "{refused:?}"
    );
    venue.stop().await;
}

#[tokio::test]
async fn a_venue_that_stops_says_so_to_its_clients() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::playing(home.path()).await;
    let mut client = Client::log_in(&venue).await;
    let (code, ()) = tokio::join!(client.close_code(), venue.stop());
    assert_eq!(u16::from(code), tradewind_sim::wire::CLOSE_GOING_AWAY);
}

#[tokio::test]
async fn a_venue_told_to_stop_ends_and_lets_go_of_its_ledger() {
    let home = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let options = Options::new(([127, 0, 0, 1], 0).into(), home.path());
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(tradewind_sim::run(options, shutdown.clone()));
        shutdown.cancel();
        tokio::time::timeout(WITHIN, running).await.unwrap().unwrap().unwrap();
    }
}
