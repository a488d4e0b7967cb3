//! More instruments than one connection to their venue takes: one Broker has several connections, one of which is cut, and
//! later has more than it needs. What algos see, and what the venue saw.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::{
    collections::BTreeMap,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};
use tradewind_sdk::{OrderRequest, Session, Side};
use tradewind_tests_cluster::{
    Demo, binary, eventually, eventually_async,
    other_venue::{OtherVenue, ledger, page},
    wire::{self, Wire},
};

const SOON: Duration = Duration::from_secs(60);
const INSTRUMENTS: [&str; 5] = ["AAA/USD", "BBB/USD", "CCC/USD", "DDD/USD", "EEE/USD"];
const CHANNELS: [&str; 2] = ["quotes", "trades"];
/// Of one connection to the venue.
const TAKES: u64 = 2;

fn does(demo: &Demo, words: &[&str]) {
    let members = demo.members().join(",");
    let output = Command::new(binary()).args(words).args(["--addr", &members]).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What came of one instrument.
#[derive(Clone, Debug, Default)]
struct Seen {
    quotes: usize,
    /// Once it was live.
    away: usize,
    trades: usize,
    gaps: usize,
}

type All = Arc<Mutex<BTreeMap<String, Seen>>>;

fn take(all: &All, frame: &Value) {
    let topic = frame["topic"].as_object().and_then(|topic| topic.values().next());
    let named = topic.map_or(&frame["instrument"], |topic| &topic["instrument"]);
    let Some(instrument) = named.as_str() else { return };
    let mut all = all.lock().unwrap();
    let seen = all.entry(instrument.to_owned()).or_default();
    match frame["type"].as_str().unwrap_or_default() {
        "quote" => seen.quotes += 1,
        "trade" => seen.trades += 1,
        "gap" => seen.gaps += 1,
        "status" if frame["status"] == "reconnecting" && seen.quotes > 0 => seen.away += 1,
        _ => {}
    }
}

/// Reads quotes and trades of all instruments.
async fn watch(demo: &Demo) -> (All, Wire) {
    let token = wire::token(&demo.members()[0], "guest-key").await;
    let all = All::default();
    let told = all.clone();
    let take = move |frame: &Value| take(&told, frame);
    let wire = Wire::read(&demo.market_managers()[0], &token, take).await;
    wire.wish("subscribe", &CHANNELS, &INSTRUMENTS).await;
    (all, wire)
}

/// A session that may trade there.
async fn session(demo: &Demo) -> Session {
    loop {
        let builder = Session::builder().infrastructure_managers(demo.members());
        let session = builder.api_key("guest-key").connect().await.unwrap();
        if session.accounts().iter().any(|known| known.as_str() == "wide") {
            return session;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn trade(session: &Session, instruments: &[&str]) {
    for instrument in instruments {
        let order = OrderRequest::market(instrument, Side::Buy, "0.001").unwrap();
        session.submit(&order).await.unwrap();
    }
}

/// Every trade of these has come that the venue knows of, and each has traded so often.
async fn all_have_come(venue: &OtherVenue, all: &All, of: &[&str], rounds: usize) {
    let whole = async || {
        let page = ledger(&venue.address, "wide").await;
        let fills = page["fills"].as_array().cloned().unwrap_or_default();
        let seen = all.lock().unwrap().clone();
        of.iter().all(|of| {
            let count = fills.iter().filter(|fill| fill["instrument"] == **of).count();
            count >= rounds && seen.get(*of).is_some_and(|seen| seen.trades == count)
        })
    };
    eventually_async("every trade has come", SOON, whole).await;
}

/// The Broker's connections as the venue sees them: their numbers, whether orders go over them, and what they have.
async fn connections(venue: &OtherVenue) -> Vec<(u64, bool, Vec<String>)> {
    let told = page(&venue.address, "/v1/connections").await;
    let of = |one: &Value| {
        assert!(one["subscriptions_max"].as_u64().unwrap() <= TAKES, "{told}");
        assert_eq!(one["refused"], 0, "{told}");
        let has = one["subscriptions"].as_array().unwrap().iter();
        let has = has.map(|name| name.as_str().unwrap().to_owned()).collect();
        (one["number"].as_u64().unwrap(), one["account"] == "wide", has)
    };
    told.as_array().map_or(Vec::new(), |all| all.iter().map(of).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_several_connections_is_cut_and_what_comes_over_the_others_flows_on_without_a_gap() {
    // given: five instruments at a venue that takes two on a connection
    let demo = Demo::trading();
    let mut more = vec!["--subscriptions", "2"];
    INSTRUMENTS.iter().for_each(|name| more.extend(["--instrument", name]));
    let venue = OtherVenue::start(&demo, &more);
    let place = ["--venue", "sim-wide", "--endpoint", &venue.address, "--customers", "guest"];
    does(&demo, &[&["account", "put", "wide"], &place[..]].concat());
    for instrument in INSTRUMENTS {
        does(&demo, &["route", "put", "crypto", instrument, "--venue", "sim-wide"]);
    }
    let guest = session(&demo).await;
    let (all, wire) = watch(&demo).await;
    let seen = |of: &str| all.lock().unwrap().get(of).cloned().unwrap_or_default();
    eventually("all are quoted", SOON, || INSTRUMENTS.iter().all(|of| seen(of).quotes > 0));
    let before = connections(&venue).await;
    assert_eq!(before.len(), 3, "{before:?}");
    trade(&guest, &INSTRUMENTS).await;
    all_have_come(&venue, &all, &INSTRUMENTS, 1).await;
    // when: one of two is cut
    let (number, _, lost) = before.iter().find(|c| !c.1 && c.2.len() == 2).unwrap().clone();
    let url = format!("http://{}/v1/connections/{number}", venue.address);
    assert_eq!(reqwest::Client::new().delete(url).send().await.unwrap().status(), 204);
    let gone = async || connections(&venue).await.iter().all(|one| one.0 != number);
    eventually_async("it is gone", SOON, gone).await;
    let others: Vec<&str> =
        INSTRUMENTS.into_iter().filter(|of| !lost.iter().any(|lost| lost == of)).collect();
    trade(&guest, &others).await;
    // then: what nobody traded meanwhile has no gap either
    let back = async || connections(&venue).await.iter().map(|c| c.2.len()).sum::<usize>() == 5;
    eventually_async("all are subscribed again", SOON, back).await;
    let came: Vec<usize> = lost.iter().map(|of| seen(of).quotes).collect();
    eventually("and quoted", SOON, || lost.iter().zip(&came).all(|(of, n)| seen(of).quotes > *n));
    trade(&guest, &lost.iter().map(String::as_str).collect::<Vec<_>>()).await;
    all_have_come(&venue, &all, &INSTRUMENTS, 2).await;
    // when: fewer are read, while all the others trade
    let (_, _, left) = connections(&venue).await.into_iter().find(|c| c.1).unwrap();
    let left: Vec<&str> = left.iter().map(String::as_str).collect();
    wire.wish("unsubscribe", &CHANNELS, &left).await;
    let rest: Vec<&str> = INSTRUMENTS.into_iter().filter(|of| !left.contains(of)).collect();
    for _ in 0..10 {
        trade(&guest, &rest).await;
    }
    // then
    let fewer = async || connections(&venue).await.len() == 2;
    eventually_async("they come over two connections", SOON, fewer).await;
    trade(&guest, &rest).await;
    all_have_come(&venue, &all, &rest, 13).await;
    for of in INSTRUMENTS {
        let Seen { gaps, away, .. } = seen(of);
        // One that found room elsewhere at once may be back before anybody was told.
        let may_be_away = usize::from(lost.iter().any(|lost| lost == of));
        assert!(gaps == 0 && away <= may_be_away, "{of}: {gaps} gaps, {away} times away");
    }
    wire.end();
}
