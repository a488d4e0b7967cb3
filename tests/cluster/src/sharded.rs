//! A Market whose load asks for a second shard: a group, a BrokerManager with a venue behind it, one or more MarketManagers, an algo
//! that trades and one that reads. Decides how all of it is started, loaded and judged; the claims stand in `tests/shards.rs`,
//! `tests/shards_lost.rs`, `tests/stands_still.rs`, and where `beside.rs` uses it.

use crate::{
    binary, eventually, eventually_async,
    other_venue::OtherVenue,
    reader::Reader,
    saw::{Saw, saw, truth},
    site::Site,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::sleep,
};
use tradewind_domain::{ids::InstrumentId, trading::invariants::check, trading::shards::shard_of};
use tradewind_launcher::Passing;
use tradewind_sdk::{OrderRequest, Session, Side};

pub const SOON: Duration = Duration::from_secs(60);
pub const INSTRUMENTS: [&str; 6] =
    ["ADA/USD", "DOT/USD", "ETH/USD", "LTC/USD", "SOL/USD", "XRP/USD"];
/// Traded there as well, and not over this Market.
const BESIDE: &str = "BTC/USD";
const KEY: &str = "tw_a-key-of-acme-that-nobody-guesses-0123456789abcdef";
pub const ACCOUNT: &str = "sim-1";
/// The Market's services.
pub const SHARDS: [&str; 2] = ["market.crypto.0", "market.crypto.1"];

/// A MarketManager.
#[derive(Clone, Debug)]
pub struct Edge {
    pub node: usize,
    pub manager: String,
    /// As algos are told it.
    pub address: String,
}

pub struct World {
    pub site: Site,
    pub venue: OtherVenue,
    /// In the order in which the customer's algos use them.
    pub edges: Vec<Edge>,
    session: Arc<Session>,
    token: String,
    /// What the algo that trades asked for and saw.
    history: PathBuf,
    /// That it reads its fills.
    _fills: JoinSet<()>,
}

impl World {
    /// So many MarketManagers, whose Markets may have two shards.
    pub async fn trading(market_managers: u32) -> Self {
        Self::trading_on(market_managers, &|_| Vec::new()).await
    }

    /// One MarketManager, whose Market has one shard whatever it has to do.
    pub async fn of_one_shard() -> Self {
        Self::made(1, &["--shards", "1"], &|_| Vec::new()).await
    }

    /// The same as `trading`, all of whose Managers and services find that in their environment.
    pub async fn trading_on(
        market_managers: u32,
        environment: &dyn Fn(&Path) -> Vec<(String, String)>,
    ) -> Self {
        Self::made(market_managers, &["--shards", "2", "--shard-busy", "20"], environment).await
    }

    async fn made(
        market_managers: u32,
        options: &[&str],
        environment: &dyn Fn(&Path) -> Vec<(String, String)>,
    ) -> Self {
        let mut site = Site::of(0).await;
        let venue = venue(&site.group.home.path().join("venue"));
        site.start_on("broker-manager", "n1", Passing::All, environment).await;
        site.options = options.iter().map(|option| (*option).to_owned()).collect();
        for n in 0..market_managers {
            let name = format!("n{}", n + 2);
            site.start_on("market-manager", &name, Passing::All, environment).await;
        }
        let key = site.group.home.path().join("key");
        fs::write(&key, KEY).unwrap();
        site.does(&["customer", "put", "acme"], &[]);
        site.does(&["key", "add", "acme", "--from", key.to_str().unwrap()], &[]);
        let routes = INSTRUMENTS.map(|name| format!("{name}=sim"));
        let mut market = vec!["market", "put", "crypto"];
        routes.iter().for_each(|route| market.extend(["--route", route]));
        site.does(&market, &[]);
        let account = ["account", "put", ACCOUNT, "--venue", "sim", "--customers", "acme"];
        site.does(&[&account[..], &["--endpoint", &venue.address]].concat(), &[]);
        let (token, edges) = opened(&site, market_managers).await;
        let history = site.group.home.path().join("history.jsonl");
        let session = session(&site, &history).await;
        let mut fills = session.fills().await.unwrap();
        let mut reading = JoinSet::new();
        reading.spawn(async move { while fills.next().await.is_ok() {} });
        Self { site, venue, edges, session, token, history, _fills: reading }
    }

    /// One that reads all instruments at the first of these that takes it.
    pub async fn reader(&self, edges: &[Edge]) -> Reader {
        let edges = edges.iter().map(|edge| edge.address.clone()).collect();
        Reader::start(edges, &self.token, &INSTRUMENTS).await
    }

    /// The Market's processes at a MarketManager.
    pub async fn processes(&self, edge: &Edge) -> BTreeMap<String, u32> {
        self.site.processes(edge.node).await.unwrap_or_default()
    }

    /// Its shards there as operators see them: how each is, and how many instruments come over it.
    #[must_use]
    pub fn seen(&self, edge: &Edge) -> Vec<(u64, String, usize)> {
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
        all.iter().filter(|at| at["manager"] == *edge.manager).filter_map(shard).collect()
    }

    /// Waits until both shards are live there and have what is theirs.
    pub fn is_on_both(&self, edge: &Edge) {
        let due = [(0, of_the_second(false).len()), (1, of_the_second(true).len())];
        eventually("its instruments are on two shards", SOON, || {
            let seen = self.seen(edge);
            let live = seen.iter().filter(|(_, state, _)| state == "live");
            live.map(|(shard, _, has)| (*shard, *has)).eq(due)
        });
    }

    /// Work for the main shard at a MarketManager: it is asked for open orders, and for its figures, again and again.
    pub async fn works(&self, edge: &Edge) -> Works {
        let own = self.site.own(edge.node);
        let service = format!("http://{own}/v1/services/{}", SHARDS[0]);
        let told: Value = reqwest::get(service).await.unwrap().json().await.unwrap();
        let figures = format!("http://{}/metrics", told["address"].as_str().unwrap());
        let orders = format!("http://{own}/v1/orders?account={ACCOUNT}&open=true");
        let mut works = Works {
            asks: Arc::new(AtomicBool::new(true)),
            measures: Arc::new(AtomicBool::new(true)),
            all: JoinSet::new(),
        };
        let (asks, measures) = (works.asks.clone(), works.measures.clone());
        for (on, url) in [
            (&asks, &orders),
            (&asks, &orders),
            (&measures, &figures),
            (&measures, &figures),
            (&measures, &figures),
        ] {
            let (on, url, token) = (on.clone(), url.clone(), self.token.clone());
            works.all.spawn(async move {
                let client = reqwest::Client::new();
                while on.load(Ordering::Relaxed) {
                    if client.get(&url).bearer_auth(&token).send().await.is_err() {
                        // Whoever is away is not asked as fast as that can be told.
                        sleep(Duration::from_millis(20)).await;
                    }
                }
            });
        }
        works
    }

    /// Trades all instruments in turn, from now on.
    #[must_use]
    pub fn trades(&self) -> Trading {
        let (pause_ms, orders) = (Arc::new(AtomicU64::new(20)), Arc::new(AtomicUsize::new(0)));
        let (session, pause, done) = (self.session.clone(), pause_ms.clone(), orders.clone());
        let task = tokio::spawn(async move {
            for n in 0.. {
                let pause = Duration::from_millis(pause.load(Ordering::Relaxed));
                if pause.is_zero() {
                    return;
                }
                let instrument = INSTRUMENTS[n % INSTRUMENTS.len()];
                let order = OrderRequest::market(instrument, Side::Buy, "0.001").unwrap();
                session.submit(&order).await.unwrap();
                done.fetch_add(1, Ordering::Relaxed);
                sleep(pause).await;
            }
        });
        Trading { pause_ms, orders, task }
    }

    /// Ends the trading, and holds what the algo saw against what the venue says: every order is there, once, every fill was told, and
    /// nothing of it was missing.
    pub async fn judge(&self, trading: Trading) {
        assert_eq!(self.judge_all_but_rejected(trading).await, 0, "accepted, and never placed");
    }

    /// The same where Brokers die, which may leave what they have accepted unsent and say so. Gives how many orders those are.
    pub async fn judge_all_but_rejected(&self, trading: Trading) -> usize {
        self.judge_at(trading, &[(&self.venue.address, ACCOUNT)]).await
    }

    /// The same with what several venues say of the customer's accounts there.
    pub async fn judge_at(&self, trading: Trading, at: &[(&str, &str)]) -> usize {
        trading.pause_ms.store(0, Ordering::Relaxed);
        trading.task.await.unwrap();
        let orders = trading.orders.load(Ordering::Relaxed);
        let began = Instant::now();
        loop {
            let Saw { view, errors, rejected, .. } = saw(&self.history);
            let truth = truth(&view, "acme", at).await;
            let (found, placed) = (check(&view, &truth), orders - rejected);
            assert!(errors.is_empty(), "{errors:#?}");
            if found.none() && truth.fills.len() >= placed {
                assert_eq!(view.acknowledged.len(), placed);
                // The venue may have been told of one too late, and have refused it.
                assert!((placed..=orders).contains(&truth.arrivals.len()), "{truth:?}");
                return rejected;
            }
            assert!(began.elapsed() < SOON, "{found:?}, {} of {orders}", truth.fills.len());
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Work that goes on.
pub struct Works {
    asks: Arc<AtomicBool>,
    measures: Arc<AtomicBool>,
    all: JoinSet<()>,
}

impl Works {
    /// Nothing more is asked of the MarketManager; its main shard has work as before.
    pub fn asks_no_more(&self) {
        self.asks.store(false, Ordering::Relaxed);
    }

    pub async fn end(mut self) {
        self.asks_no_more();
        self.measures.store(false, Ordering::Relaxed);
        while self.all.join_next().await.is_some() {}
    }
}

/// An algo that trades.
pub struct Trading {
    pause_ms: Arc<AtomicU64>,
    /// Those that were taken.
    orders: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Trading {
    /// Waits so many milliseconds after each order from now on.
    pub fn pauses(&self, pause_ms: u64) {
        self.pause_ms.store(pause_ms, Ordering::Relaxed);
    }

    /// Waits until each instrument was traded twice more.
    pub async fn goes_on(&self, when: &str) {
        let wanted = self.orders.load(Ordering::Relaxed) + 2 * INSTRUMENTS.len();
        let done = async || {
            assert!(!self.task.is_finished(), "an order was not taken {when}");
            self.orders.load(Ordering::Relaxed) >= wanted
        };
        eventually_async(&format!("it trades on {when}"), SOON, done).await;
    }
}

/// A venue where all of it is traded.
#[must_use]
pub fn venue(ledger: &Path) -> OtherVenue {
    // Slow enough that quotes alone keep no shard.
    let mut more = vec!["--speed", "1"];
    let traded = INSTRUMENTS.iter().chain([&BESIDE]);
    traded.for_each(|name| more.extend(["--instrument", name]));
    OtherVenue::at(ledger, &more)
}

/// A token, and the MarketManagers to use it at, once there are so many.
async fn opened(site: &Site, market_managers: u32) -> (String, Vec<Edge>) {
    let member = site.group.addresses().remove(0);
    let (client, began) = (reqwest::Client::new(), Instant::now());
    loop {
        let asked = client.post(format!("http://{member}/v1/sessions")).bearer_auth(KEY).send();
        let opened: Value = match asked.await {
            Ok(answer) => answer.json().await.unwrap_or_default(),
            Err(_) => Value::Null,
        };
        let edge = |told: &Value| {
            let manager = told["manager"].as_str()?.to_owned();
            let node = site.nodes.iter().position(|node| node.manager == manager)?;
            Some(Edge { node, manager, address: told["address"].as_str()?.to_owned() })
        };
        let told = opened["market_managers"].as_array().cloned().unwrap_or_default();
        let edges: Vec<Edge> = told.iter().filter_map(edge).collect();
        if edges.len() == market_managers as usize {
            return (opened["token"].as_str().unwrap().to_owned(), edges);
        }
        assert!(began.elapsed() < SOON, "not so many MarketManagers: {opened}");
        sleep(Duration::from_millis(100)).await;
    }
}

/// An algo that knows of the account.
async fn session(site: &Site, history: &Path) -> Arc<Session> {
    let began = Instant::now();
    loop {
        let builder = Session::builder().infrastructure_managers(site.group.addresses());
        if let Ok(session) = builder.api_key(KEY).history(history).connect().await
            && session.accounts().iter().any(|known| known.as_str() == ACCOUNT)
        {
            return Arc::new(session);
        }
        assert!(began.elapsed() < SOON, "no session");
        sleep(Duration::from_millis(100)).await;
    }
}

/// Instruments by whether they go over the second of two shards.
#[must_use]
pub fn of_the_second(second: bool) -> Vec<&'static str> {
    let both = BTreeSet::from([0, 1]);
    let goes = |name: &str| shard_of(&InstrumentId::new(name).unwrap(), &both) == 1;
    let all: Vec<_> = INSTRUMENTS.into_iter().filter(|name| goes(name) == second).collect();
    assert!(!all.is_empty(), "one shard has all");
    all
}
