//! A Market that gets a second process as its load grows, loses one by `kill -9`, and has one again once the load is gone. What
//! an algo sees at its one endpoint meanwhile, and what the venue says of its orders.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinSet;
use tradewind_domain::{ids::InstrumentId, trading::shards::shard_of};
use tradewind_launcher::Passing;
use tradewind_sdk::{OrderRequest, Session, Side};
use tradewind_tests_cluster::{
    binary, eventually, eventually_async,
    other_venue::{OtherVenue, ledger},
    send,
    site::Site,
    wire::{self, Wire},
};

const SOON: Duration = Duration::from_secs(60);
/// Until a load that is gone is believed to be.
const LATER: Duration = Duration::from_secs(120);
const INSTRUMENTS: [&str; 6] = ["ADA/USD", "DOT/USD", "ETH/USD", "LTC/USD", "SOL/USD", "XRP/USD"];
const CHANNELS: [&str; 2] = ["quotes", "trades"];
const KEY: &str = "tw_a-key-of-acme-that-nobody-guesses-0123456789abcdef";
/// Of the MarketManager.
const EDGE: usize = 1;

/// What came of one instrument.
#[derive(Clone, Debug, Default)]
struct Seen {
    quotes: usize,
    trades: usize,
    /// Once it was live.
    away: usize,
    gaps: usize,
    /// Holes in the numbers of its trades before which no gap was told.
    untold: usize,
    /// Where its trades stand.
    stand: Option<(String, u64)>,
}

#[derive(Clone, Debug, Default)]
struct All(Arc<Mutex<BTreeMap<String, Seen>>>);

impl All {
    fn of(&self, instrument: &str) -> Seen {
        self.0.lock().unwrap().get(instrument).cloned().unwrap_or_default()
    }

    fn take(&self, frame: &Value) {
        let channel = frame["topic"].as_object().and_then(|topic| topic.iter().next());
        let named = channel.map_or(&frame["instrument"], |(_, topic)| &topic["instrument"]);
        let Some(instrument) = named.as_str() else { return };
        let mut all = self.0.lock().unwrap();
        let seen = all.entry(instrument.to_owned()).or_default();
        let at = |number: &Value| {
            (frame["epoch"].as_str().unwrap_or_default().to_owned(), number.as_u64().unwrap())
        };
        match frame["type"].as_str().unwrap_or_default() {
            "quote" => seen.quotes += 1,
            "trade" => {
                let before = at(&frame["prev"]);
                seen.untold += usize::from(seen.stand.as_ref().is_some_and(|at| *at != before));
                seen.stand = Some(at(&frame["seq"]));
                seen.trades += 1;
            }
            "subscribed" => seen.stand = None,
            "gap" => {
                seen.stand = None;
                seen.gaps += 1;
            }
            "status" if frame["status"] == "reconnecting" && seen.quotes > 0 => seen.away += 1,
            _ => {}
        }
    }
}

struct World {
    site: Site,
    venue: OtherVenue,
    session: Arc<Session>,
    token: String,
    edge: String,
}

impl World {
    /// One BrokerManager, and a MarketManager whose Markets may have two shards.
    async fn trading() -> Self {
        let mut site = Site::of(0).await;
        // Slow enough that quotes alone keep no shard.
        let mut more = vec!["--speed", "1"];
        INSTRUMENTS.iter().for_each(|name| more.extend(["--instrument", name]));
        let venue = OtherVenue::at(&site.group.home.path().join("venue"), &more);
        site.start("broker-manager", "n1", Passing::All).await;
        site.options = ["--shards", "2", "--shard-busy", "20"].map(str::to_owned).to_vec();
        site.start("market-manager", "n2", Passing::All).await;
        let key = site.group.home.path().join("key");
        fs::write(&key, KEY).unwrap();
        site.does(&["customer", "put", "acme"], &[]);
        site.does(&["key", "add", "acme", "--from", key.to_str().unwrap()], &[]);
        let routes = INSTRUMENTS.map(|name| format!("{name}=sim"));
        let mut market = vec!["market", "put", "crypto"];
        routes.iter().for_each(|route| market.extend(["--route", route]));
        site.does(&market, &[]);
        let account = ["account", "put", "sim-1", "--venue", "sim", "--customers", "acme"];
        site.does(&[&account[..], &["--endpoint", &venue.address]].concat(), &[]);
        let session = Self::session(&site).await;
        let member = site.group.addresses().remove(0);
        let token = wire::token(&member, KEY).await;
        let edge = site.own(EDGE).to_owned();
        Self { site, venue, session, token, edge }
    }

    async fn session(site: &Site) -> Arc<Session> {
        let began = std::time::Instant::now();
        loop {
            let builder = Session::builder().infrastructure_managers(site.group.addresses());
            if let Ok(session) = builder.api_key(KEY).connect().await
                && session.accounts().iter().any(|known| known.as_str() == "sim-1")
            {
                return Arc::new(session);
            }
            assert!(began.elapsed() < SOON, "no session");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Reads what comes over one connection to the one endpoint.
    async fn watch(&self) -> (All, Wire) {
        let all = All::default();
        let told = all.clone();
        let wire = Wire::read(&self.edge, &self.token, move |frame| told.take(frame)).await;
        wire.wish("subscribe", &CHANNELS, &INSTRUMENTS).await;
        (all, wire)
    }

    /// The Market's processes.
    async fn shards(&self) -> BTreeMap<String, u32> {
        self.site.processes(EDGE).await.unwrap_or_default()
    }

    /// Its shards as operators see them: how each is, and how many instruments come over it.
    fn seen(&self) -> Vec<(u64, String, usize)> {
        let members = self.site.group.addresses().join(",");
        let asked = ["market", "get", "crypto", "-o", "json", "--addr", &members];
        let output = Command::new(binary()).args(asked).output().unwrap();
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let shard = |at: &Value| {
            let words: Vec<&str> = at["detail"].as_str()?.split(' ').collect();
            let place = words.iter().position(|word| *word == "instruments")?;
            let count = words[place - 1].parse().ok()?;
            Some((at["shard"].as_u64()?, at["state"].as_str()?.to_owned(), count))
        };
        let all = told["at"].as_array().cloned().unwrap_or_default();
        all.iter().filter_map(shard).collect()
    }

    /// Work for the main shard: it is asked for open orders, and for its figures, again and again.
    async fn works(&self, on: &Arc<AtomicBool>) -> JoinSet<()> {
        let service = format!("http://{}/v1/services/market.crypto.0", self.edge);
        let told: Value = reqwest::get(service).await.unwrap().json().await.unwrap();
        let figures = format!("http://{}/metrics", told["address"].as_str().unwrap());
        let orders = format!("http://{}/v1/orders?account=sim-1&open=true", self.edge);
        let mut all = JoinSet::new();
        for url in [orders.clone(), orders, figures.clone(), figures.clone(), figures] {
            let (on, token) = (on.clone(), self.token.clone());
            all.spawn(async move {
                let client = reqwest::Client::new();
                while on.load(Ordering::Relaxed) {
                    let _ = client.get(&url).bearer_auth(&token).send().await;
                }
            });
        }
        all
    }
}

/// Trades all instruments in turn, with so many milliseconds in between, until that is none; gives how often.
async fn trades(session: Arc<Session>, pause: Arc<AtomicU64>) -> usize {
    let mut orders = 0;
    loop {
        let pause = Duration::from_millis(pause.load(Ordering::Relaxed));
        if pause.is_zero() {
            return orders;
        }
        let instrument = INSTRUMENTS[orders % INSTRUMENTS.len()];
        let order = OrderRequest::market(instrument, Side::Buy, "0.001").unwrap();
        session.submit(&order).await.unwrap();
        orders += 1;
        tokio::time::sleep(pause).await;
    }
}

/// Instruments by whether they go over the second of two shards.
fn of_the_second(second: bool) -> Vec<&'static str> {
    let both = BTreeSet::from([0, 1]);
    let goes = |name: &str| shard_of(&InstrumentId::new(name).unwrap(), &both) == 1;
    INSTRUMENTS.into_iter().filter(|name| goes(name) == second).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_market_gets_a_second_shard_and_loses_it_and_its_algo_sees_one_endpoint_without_a_gap()
 {
    // given
    let (moves, stays) = (of_the_second(true), of_the_second(false));
    assert!(!moves.is_empty() && !stays.is_empty());
    let world = World::trading().await;
    let (all, wire) = world.watch().await;
    let quoted = |before: &BTreeMap<String, usize>| {
        INSTRUMENTS.iter().all(|of| all.of(of).quotes > before.get(*of).copied().unwrap_or(0))
    };
    let quotes = || INSTRUMENTS.map(|of| (of.to_owned(), all.of(of).quotes)).into();
    eventually("all are quoted", SOON, || quoted(&BTreeMap::new()));
    assert_eq!(world.shards().await.len(), 1);
    let (pause, works_on) = (Arc::new(AtomicU64::new(20)), Arc::new(AtomicBool::new(true)));
    let trading = tokio::spawn(trades(world.session.clone(), pause.clone()));
    // when: there is more to do than one is to do
    let mut working = world.works(&works_on).await;
    let spread = || {
        let seen = world.seen();
        let live = seen.iter().filter(|(_, state, _)| state == "live").count();
        let has: BTreeMap<u64, usize> = seen.iter().map(|(shard, _, has)| (*shard, *has)).collect();
        live == 2 && has == BTreeMap::from([(0, stays.len()), (1, moves.len())])
    };
    eventually("its instruments are on two shards", SOON, spread);
    let whole = |of: &str| {
        let Seen { gaps, untold, away, .. } = all.of(of);
        assert_eq!((gaps, untold, away), (0, 0, 0), "{of}");
    };
    INSTRUMENTS.into_iter().for_each(whole);
    // when: one of them dies
    works_on.store(false, Ordering::Relaxed);
    let killed = world.shards().await["market.crypto.1"];
    send(killed, Signal::KILL);
    let others = async || world.shards().await.get("market.crypto.1").is_some_and(|p| *p != killed);
    eventually_async("another one is there", SOON, others).await;
    let before = quotes();
    eventually("all are quoted again", SOON, || quoted(&before));
    // then
    stays.iter().copied().for_each(whole);
    assert!(moves.iter().all(|of| all.of(of).away == 1 && all.of(of).untold == 0), "{all:?}");
    let gaps: Vec<usize> = moves.iter().map(|of| all.of(of).gaps).collect();
    // when: there is nearly nothing to do
    pause.store(1_000, Ordering::Relaxed);
    while working.join_next().await.is_some() {}
    wire.wish("unsubscribe", &CHANNELS, &INSTRUMENTS).await;
    wire.wish("subscribe", &CHANNELS, &[moves[0], stays[0]]).await;
    let one = async || world.shards().await.len() == 1;
    eventually_async("one shard is left", LATER, one).await;
    let read = |of: &str| (all.of(of).quotes, all.of(of).trades);
    let (moved, stayed) = (read(moves[0]), read(stays[0]));
    let further =
        |before: (usize, usize), now: (usize, usize)| now.0 > before.0 && now.1 > before.1;
    eventually("both go on", SOON, || {
        further(moved, read(moves[0])) && further(stayed, read(stays[0]))
    });
    // then
    stays.iter().copied().for_each(whole);
    let now: Vec<usize> = moves.iter().map(|of| all.of(of).gaps).collect();
    assert_eq!(now, gaps, "that a shard goes is no gap");
    assert!(moves.iter().all(|of| all.of(of).away == 1 && all.of(of).untold == 0), "{all:?}");
    // Every order is at the venue, once.
    pause.store(0, Ordering::Relaxed);
    let orders = trading.await.unwrap();
    let page = ledger(&world.venue.address, "sim-1").await;
    let arrivals = page["arrivals"].as_array().unwrap();
    let names: BTreeSet<&str> =
        arrivals.iter().map(|one| one["venue_order_id"].as_str().unwrap()).collect();
    assert_eq!((arrivals.len(), names.len()), (orders, orders));
    wire.end();
}
