//! Claims about bars by REST: made of trades that a session reads, and of those that nobody else does.

use crate::{
    limits::BARS_AT_ONCE,
    world::{
        edge::{Edge, quick_settings},
        eventually, instrument, trade_at,
    },
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tradewind_domain::{ids::InstrumentId, time::UnixNanos, trading::Trade};
use tradewind_link::rest::Method;
use tradewind_protocol::stream::{Channel, FromAlgo, ToAlgo};

async fn get(edge: &Edge, path: &str) -> (u16, Value) {
    edge.rest(Method::GET, path, None).await
}

/// The bars of `BTC/USD`, asked for until they are so.
async fn told_when(edge: &Edge, what: &str, so: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let (status, told) = get(edge, "/v1/bars/BTC/USD").await;
        assert_eq!(status, 200, "{told}");
        if so(&told) {
            return told;
        }
        assert!(Instant::now() < deadline, "not within 10 s: {what}: {told}");
        sleep(Duration::from_millis(2)).await;
    }
}

/// From when on all trades are read: a trade of that time is of a bar that is kept.
fn from(told: &Value) -> UnixNanos {
    told["from"].as_str().unwrap().parse().unwrap()
}

async fn trade(edge: &Edge, of: &InstrumentId, at: UnixNanos) -> u64 {
    edge.broker.trade_of(of, |seq| Trade { at, ..trade_at(seq) }).await
}

fn is_read(edge: &Edge, of: &InstrumentId) -> bool {
    !edge.broker.readers(of).1.is_empty()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bars_are_made_of_the_trades_that_a_session_reads() {
    // given
    let edge = Edge::start(quick_settings()).await;
    let btc = instrument("BTC/USD");
    let mut algo = edge.algo().await;
    let (channel, read) = (Channel::Trades, Some(btc.clone()));
    algo.say(&FromAlgo::Subscribe { channel, instrument: read, account: None, from: None }).await;
    let begun = told_when(&edge, "read", |told| told["from"].is_string()).await;
    assert_eq!((&begun["bars"], &begun["next"]), (&json!([]), &Value::Null));
    // when
    let at = from(&begun);
    trade(&edge, &btc, at).await;
    let last = trade(&edge, &btc, at).await;
    algo.until(|frame| matches!(frame, ToAlgo::Trade { seq, .. } if seq == last).then_some(()))
        .await;
    // then: one subscription serves both
    assert_eq!(edge.broker.readers(&btc).1.len(), 1);
    let told = told_when(&edge, "traded", |told| told["bars"][0]["trades"] == 2).await;
    let bar = &told["bars"][0];
    assert_eq!(
        (&bar["open"], &bar["volume"], &bar["vwap"]),
        (&json!("100"), &json!("2"), &json!("100"))
    );
    // and: its minute had begun before everything was read
    assert_eq!((&bar["gap"], &bar["complete"]), (&json!(true), &json!(false)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_for_bars_begins_to_read_them_and_an_unread_instrument_is_left_alone() {
    // given
    let edge = Edge::start(quick_settings()).await;
    let btc = instrument("BTC/USD");
    // when
    let begun = told_when(&edge, "read", |told| told["from"].is_string()).await;
    trade(&edge, &btc, from(&begun)).await;
    // then
    told_when(&edge, "traded", |told| told["bars"][0]["trades"] == 1).await;
    assert!(!is_read(&edge, &instrument("ETH/USD")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_sessions_read_is_read_by_nobody_once_they_are_gone() {
    // given
    let edge = Edge::start(quick_settings()).await;
    let [btc, eth] = ["BTC/USD", "ETH/USD"].map(instrument);
    let mut algo = edge.algo().await;
    for of in [&btc, &eth] {
        let (channel, read) = (Channel::Trades, Some(of.clone()));
        algo.say(&FromAlgo::Subscribe { channel, instrument: read, account: None, from: None })
            .await;
        eventually("read", || is_read(&edge, of)).await;
    }
    told_when(&edge, "asked for", |told| told["from"].is_string()).await;
    // when
    drop(algo);
    // then: but for what was asked for
    eventually("left", || !is_read(&edge, &eth)).await;
    assert!(is_read(&edge, &btc));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trades_that_a_dead_market_missed_are_a_gap() {
    // given
    let mut edge = Edge::start(quick_settings()).await;
    let btc = instrument("BTC/USD");
    let begun = told_when(&edge, "read", |told| told["from"].is_string()).await;
    assert_eq!(begun["gaps"], json!([]));
    // when
    edge.stop_market().await;
    trade(&edge, &btc, from(&begun)).await;
    edge.start_market().await;
    // then
    told_when(&edge, "missed", |told| told["gaps"][0]["from"].is_string()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_market_is_away_what_may_be_traded_is_a_gap_and_is_none_if_nothing_was() {
    // given
    let mut edge = Edge::start(quick_settings()).await;
    told_when(&edge, "read", |told| told["from"].is_string() && told["gaps"] == json!([])).await;
    // when, then
    edge.stop_market().await;
    told_when(&edge, "away", |told| told["gaps"][0]["from"].is_string()).await;
    edge.start_market().await;
    told_when(&edge, "back", |told| told["gaps"] == json!([])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bars_that_cannot_be_told_are_a_problem() {
    // given
    let edge = Edge::without_market(quick_settings()).await;
    let (most, over) = (BARS_AT_ONCE, BARS_AT_ONCE + 1);
    let (early, late) = ("2026-11-25T14:30:00Z", "2026-11-25T14:31:00Z");
    let cases = [
        ("timeframe=1d".to_string(), 200),
        (format!("timeframe=1h&start={early}&end={early}&limit={most}"), 200),
        ("timeframe=2m".to_string(), 400),
        (format!("start={late}&end={early}"), 400),
        ("start=yesterday".to_string(), 400),
        ("limit=0".to_string(), 400),
        (format!("limit={over}"), 400),
        ("colour=red".to_string(), 400),
    ];
    for (asked, expected) in cases {
        // when, then
        let (status, told) = get(&edge, &format!("/v1/bars/BTC/USD?{asked}")).await;
        assert_eq!(status, expected, "{asked}: {told}");
    }
    assert_eq!(get(&edge, "/v1/bars/XRP/USD").await.0, 404);
}
