//! Frames that are no messages, and clients that do not behave: each is told and closed, nobody else notices.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;
use tradewind_domain::trading::Side;
use tradewind_sim::wire::{CLOSE_BAD_FRAME, FromVenue, Outcome, RefusalCode, ToVenue};

use crate::client::{Client, Running, btc_usd, market};

#[tokio::test]
async fn a_frame_that_is_no_message_is_told_and_closed() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::still(home.path()).await;
    let deep = "[".repeat(10_000);
    let submit = |field: &str| {
        format!(
            r#"{{"type":"submit","request":1,"order":{{"venue_order_id":"{:032x}","instrument":"BTC/USD",
            "side":"buy","type":"limit","quantity":"1","limit_price":"1","time_in_force":"gtc",
            "sent_at":"2026-01-01T00:00:00Z","deadline":"2026-01-01T00:00:00Z"{field}}}}}"#,
            1
        )
    };
    let texts = [
        "",
        "nonsense",
        "{}",
        r#"{"type":"shout"}"#,
        r#"{"type":"ping","loud":true}"#,
        r#"{"type":"login","account":"Not A Name"}"#,
        r#"{"type":"cancel","request":-1,"venue_order_id":"1"}"#,
        &deep,
        &submit(r#","surprise":1"#),
        &submit(r#","quantity":"2""#),
    ];
    for text in texts {
        let mut client = Client::log_in(&venue).await;
        client.send_raw(Message::text(text)).await;
        let code = client
            .until(|frame| match frame {
                FromVenue::Error { code, .. } => Some(code),
                _ => None,
            })
            .await;
        assert_eq!(code, RefusalCode::BadFrame, "{text:.40}");
        assert_eq!(u16::from(client.close_code().await), CLOSE_BAD_FRAME, "{text:.40}");
    }
    let mut client = Client::log_in(&venue).await;
    client.send_raw(Message::binary(vec![0_u8; 10])).await;
    assert_eq!(u16::from(client.close_code().await), CLOSE_BAD_FRAME);
    assert!(venue.ledger().await.arrivals.is_empty());
    venue.stop().await;
}

#[tokio::test]
async fn amounts_that_are_none_are_bad_frames() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::still(home.path()).await;
    for quantity in ["-1", "NaN", "1e5", "", "1.00000000000000000000000000000000001", "٣"] {
        let mut client = Client::log_in(&venue).await;
        let good = ToVenue::Submit { request: 1, order: market(1, Side::Buy, "0.123") };
        let bad = serde_json::to_string(&good).unwrap().replace("0.123", quantity);
        client.send_raw(Message::text(bad)).await;
        assert_eq!(u16::from(client.close_code().await), CLOSE_BAD_FRAME, "{quantity}");
    }
    venue.stop().await;
}

#[tokio::test]
async fn a_frame_over_its_limit_ends_only_its_own_connection() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::still(home.path()).await;
    let mut witness = Client::log_in(&venue).await;
    let mut client = Client::log_in(&venue).await;
    client.send_raw(Message::text("x".repeat(100_000))).await;
    assert_eq!(u16::from(client.close_code().await), CLOSE_BAD_FRAME);
    assert!(matches!(witness.submit(market(1, Side::Buy, "0.1")).await, Outcome::Done(_)));
    venue.stop().await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_delays_nobody_and_is_cut() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::still(home.path()).await;
    let mut deaf = Client::log_in(&venue).await;
    let mut client = Client::log_in(&venue).await;
    deaf.send(&ToVenue::Subscribe { instrument: btc_usd() }).await;
    for number in 0..130 {
        client.submit(market(number, Side::Buy, "0.001")).await;
    }
    // Each sweep answers with some 50 KiB: what the deaf one does not read fills its sockets, then its
    // queue, and then its own requests find nobody.
    let since = tradewind_domain::time::UnixNanos(0);
    let mut request = 0;
    let began = Instant::now();
    while deaf.try_send(&ToVenue::Sweep { request, since, cursor: None }).await {
        request += 1;
        // By time, not by number: how many requests fit into the sockets is the kernel's affair.
        assert!(began.elapsed() < Duration::from_secs(30), "one that reads nothing is never cut");
    }
    assert!(matches!(client.submit(market(999, Side::Buy, "0.1")).await, Outcome::Done(_)));
    venue.stop().await;
}

#[tokio::test]
async fn a_peer_that_does_not_speak_http_or_only_half_of_it_holds_nothing_up() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::still(home.path()).await;
    let mut half = tokio::net::TcpStream::connect(venue.address).await.unwrap();
    half.write_all(b"GET /v1/venue HT").await.unwrap();
    let mut noise = tokio::net::TcpStream::connect(venue.address).await.unwrap();
    noise.write_all(&[0xff; 4_096]).await.unwrap();
    let mut client = Client::log_in(&venue).await;
    assert!(matches!(client.submit(market(1, Side::Buy, "0.1")).await, Outcome::Done(_)));
    let url = format!("http://{}/v1/ledger?acount=a", venue.address);
    assert_eq!(reqwest::get(url).await.unwrap().status(), 400);
    venue.stop().await;
}
