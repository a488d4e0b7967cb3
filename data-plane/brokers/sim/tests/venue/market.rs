//! Quotes, heartbeats and the clock.

use core::time::Duration;
use std::time::Instant;

use tradewind_domain::ids::InstrumentId;
use tradewind_domain::money::Price;
use tradewind_sim::Options;
use tradewind_sim::wire::{FromVenue, RefusalCode, ToVenue};

use crate::client::{Client, Running, btc_usd, now};

#[tokio::test]
async fn quotes_flow_in_order_with_fresh_times_and_uncrossed() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::playing(home.path()).await;
    let mut client = Client::connect(&venue).await;
    let began = now();
    client.send(&ToVenue::Subscribe { instrument: btc_usd() }).await;
    let mut last = None;
    for _ in 0..100 {
        let (seq, quote) = client
            .until(|frame| match frame {
                FromVenue::Quote { seq, quote, .. } => Some((seq, quote)),
                _ => None,
            })
            .await;
        assert!(quote.bid.unwrap() < quote.ask.unwrap());
        assert!(last.is_none_or(|last| seq == last + 1), "{last:?} then {seq}");
        assert!(now().since(quote.at) < Duration::from_secs(5));
        last = Some(seq);
    }
    assert!(now() > began);
    venue.stop().await;
}

#[tokio::test]
async fn after_unsubscribing_no_quote_comes() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::playing(home.path()).await;
    let mut client = Client::connect(&venue).await;
    client.send(&ToVenue::Subscribe { instrument: btc_usd() }).await;
    client.until(|frame| matches!(frame, FromVenue::Quote { .. }).then_some(())).await;
    client.send(&ToVenue::Unsubscribe { instrument: btc_usd() }).await;
    client.send(&ToVenue::Ping {}).await;
    client.until(|frame| matches!(frame, FromVenue::Pong { .. }).then_some(())).await;
    for _ in 0..2 {
        assert!(matches!(client.next().await, FromVenue::Heartbeat { .. }));
    }
    venue.stop().await;
}

#[tokio::test]
async fn an_unknown_instrument_is_told_and_the_connection_stays() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::still(home.path()).await;
    let mut client = Client::connect(&venue).await;
    let instrument = "ETH/USD".parse().unwrap();
    client.send(&ToVenue::Subscribe { instrument }).await;
    let code = client
        .until(|frame| match frame {
            FromVenue::Error { code, .. } => Some(code),
            _ => None,
        })
        .await;
    assert_eq!(code, RefusalCode::UnknownInstrument);
    client.send(&ToVenue::Ping {}).await;
    client.until(|frame| matches!(frame, FromVenue::Pong { .. }).then_some(())).await;
    venue.stop().await;
}

#[tokio::test]
async fn heartbeats_come_about_each_second() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::still(home.path()).await;
    let mut client = Client::connect(&venue).await;
    client.until(|frame| matches!(frame, FromVenue::Heartbeat { .. }).then_some(())).await;
    let first = Instant::now();
    for _ in 0..2 {
        client.until(|frame| matches!(frame, FromVenue::Heartbeat { .. }).then_some(())).await;
    }
    let took = first.elapsed();
    assert!(took > Duration::from_millis(1_500) && took < Duration::from_secs(5), "{took:?}");
    venue.stop().await;
}

#[tokio::test]
async fn the_probes_answer() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::still(home.path()).await;
    for path in ["livez", "readyz"] {
        let answer = reqwest::get(format!("http://{}/{path}", venue.address)).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    venue.stop().await;
}

/// What is quoted of an instrument, and as its how manyth quote.
async fn quoted(client: &mut Client, wanted: &InstrumentId) -> (u64, [String; 4]) {
    let text = |price: Option<Price>| price.unwrap().to_string();
    let of = |frame| match frame {
        FromVenue::Quote { instrument, seq, quote } if instrument == *wanted => {
            let (bid_size, ask_size) = (quote.bid_size.to_string(), quote.ask_size.to_string());
            Some((seq, [text(quote.bid), bid_size, text(quote.ask), ask_size]))
        }
        _ => None,
    };
    client.until(of).await
}

#[tokio::test]
async fn by_the_same_seed_every_instrument_has_the_same_street_and_none_has_that_of_another() {
    let homes = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let eth = InstrumentId::new("ETH/USD").unwrap();
    let (mut venues, mut clients, mut latest) = (Vec::new(), Vec::new(), 0);
    for (home, seed) in homes.iter().zip([7, 7, 8]) {
        let options = Options::new(([127, 0, 0, 1], 0).into(), home.path());
        let instruments = vec![eth.clone()];
        let venue = Running::start(Options { generated: Some(seed), instruments, ..options }).await;
        for instrument in [btc_usd(), eth.clone()] {
            let mut client = Client::connect(&venue).await;
            client.send(&ToVenue::Subscribe { instrument: instrument.clone() }).await;
            latest = latest.max(quoted(&mut client, &instrument).await.0);
            clients.push((client, instrument));
        }
        venues.push(venue);
    }
    let mut quotes = Vec::new();
    for (client, instrument) in &mut clients {
        // It has yet to come, or is on its way.
        let mut next = quoted(client, instrument).await;
        while next.0 <= latest {
            next = quoted(client, instrument).await;
        }
        assert_eq!(next.0, latest + 1);
        quotes.push(next.1);
    }
    assert_eq!(quotes[..2], quotes[2..4]);
    assert_ne!(quotes[0], quotes[1]);
    assert_ne!(quotes[0], quotes[4]);
    for venue in venues {
        venue.stop().await;
    }
}
