//! Connects to Kraken within one budget: whatever the Brokers of a BrokerManager lose, and however often, all their
//! WebSockets together are opened no more often than their address may. The simulator counts.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::{path::Path, process::Command, time::Duration};
use tokio::task::JoinSet;
use tradewind_launcher::{Passing, kill_process};
use tradewind_sdk::Session;
use tradewind_tests_cluster::{
    binary, eventually_async,
    other_venue::{OtherVenue, page},
    site::Site,
};

/// Reconnects wait for up to half a minute, by Kraken's own advice.
const PATIENCE: Duration = Duration::from_secs(120);
const SECRET: &str = "a3Jha2VuLXNlY3JldC1vZi10aGUtc2ltdWxhdG9yLWFsb25l";
const API_KEY: &str = "tw_a-key-of-acme-that-nobody-guesses-0123456789abcdef";
/// What the Brokers are told that their address may open in ten minutes. A Manager that has just begun takes half for spent.
const ALLOWED: u64 = 32;
/// One that may trade and has two private WebSockets, and two with a public one each.
const BROKERS: [&str; 3] = ["trades", "btc", "eth"];
const SOCKETS: u64 = 4;

struct World {
    site: Site,
    manager: usize,
    venue: OtherVenue,
    /// Read until the end: what is read is subscribed.
    _quotes: JoinSet<()>,
}

impl World {
    /// All that is wanted is connected.
    async fn connected() -> Self {
        let mut site = Site::of(0).await;
        let home = site.group.home.path().to_owned();
        let venue = OtherVenue::kraken(&home.join("venue"), "KEY", SECRET);
        let secrets = |_: &Path| {
            vec![("K".to_owned(), "KEY".to_owned()), ("S".to_owned(), SECRET.to_owned())]
        };
        let manager = site.start_on("broker-manager", "n1", Passing::All, &secrets).await;
        site.start("market-manager", "n2", Passing::All).await;
        let file = home.join("key");
        std::fs::write(&file, API_KEY).unwrap();
        site.does(&["customer", "put", "acme"], &[]);
        site.does(&["key", "add", "acme", "--from", file.to_str().unwrap()], &[]);
        for (account, key) in [
            ("trades", "key=env:K secret=env:S tier=pro"),
            ("btc", "data=only"),
            ("eth", "data=only"),
        ] {
            let endpoint = format!("url=http://{} {key} connects={ALLOWED}", venue.address);
            // Each calls its venue otherwise, and it is one.
            let venue = format!("kraken-{account}");
            let put = ["account", "put", account, "--venue", &venue, "--adapter", "kraken"];
            let more = ["--customers", "acme", "--endpoint", &endpoint];
            site.does(&[&put[..], &more].concat(), &[]);
        }
        let routes = ["--route", "BTC/USD=kraken-btc", "--route", "ETH/USD=kraken-eth"];
        site.does(&[&["market", "put", "crypto"][..], &routes].concat(), &[]);
        let mut quotes = JoinSet::new();
        for instrument in ["BTC/USD", "ETH/USD"] {
            quotes.spawn(read(site.group.addresses(), instrument));
        }
        let world = Self { site, manager, venue, _quotes: quotes };
        eventually_async("all are connected", PATIENCE, async || world.open().await == SOCKETS)
            .await;
        world
    }

    async fn connects(&self) -> Value {
        page(&self.venue.address, "/sim/connects").await
    }

    async fn open(&self) -> u64 {
        self.connects().await["open"].as_u64().unwrap_or_default()
    }

    /// All WebSockets are torn off.
    async fn drops(&self) {
        let url = format!("http://{}/sim/faults", self.venue.address);
        let fault = json!({"fault": "drop"}).to_string();
        let answer = reqwest::Client::new().post(url).body(fault).send().await.unwrap();
        assert!(answer.status().is_success());
    }

    /// Whether it says that it has to wait before it connects.
    /// Of market data nothing but the last error tells that; here none that waits may go on before the end.
    fn waits(&self, broker: &str) -> bool {
        let members = self.site.group.addresses().join(",");
        let show = ["broker", "show", &format!("{broker}.0"), "-o", "json", "--addr", &members];
        let output = Command::new(binary()).args(show).output().unwrap();
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let venue = &told["now"]["venue"];
        let why = venue["last_error"].as_str().unwrap_or_default();
        let waits = venue["state"] == "waiting" || why.starts_with("market data waits");
        waits && why.contains("connects that the venue allows")
    }

    /// What was lost is there again, but for what has to wait.
    async fn is_again(&self) {
        let again = async || {
            let wait = |broker: &&str| self.waits(broker);
            let away = BROKERS.iter().filter(|broker| wait(broker));
            let away: u64 = away.map(|broker| if *broker == "trades" { 2 } else { 1 }).sum();
            self.open().await + away >= SOCKETS
        };
        eventually_async("what was lost is there again, or waits", PATIENCE, again).await;
    }
}

async fn read(members: Vec<String>, instrument: &str) {
    loop {
        let builder = Session::builder().infrastructure_managers(members.clone());
        if let Ok(session) = builder.api_key(API_KEY).connect().await
            && let Ok(mut quotes) = session.quotes(instrument).await
        {
            while quotes.next().await.is_ok() {}
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_brokers_lose_all_they_open_at_kraken_comes_out_of_one_budget() {
    let world = World::connected().await;
    // when: Brokers of market data die, and everything is torn off, again and again
    for _ in 0..4 {
        let processes = world.site.processes(world.manager).await.unwrap();
        for broker in ["broker.btc.0", "broker.eth.0"] {
            processes.get(broker).into_iter().for_each(|pid| kill_process(*pid));
        }
        world.is_again().await;
        for _ in 0..2 {
            world.drops().await;
            world.is_again().await;
        }
    }
    // then
    let all_wait = async || BROKERS.iter().all(|broker| world.waits(broker));
    eventually_async("all say that they wait", PATIENCE, all_wait).await;
    let connects = world.connects().await;
    let opened = connects["opened"].as_u64().unwrap();
    assert!(opened <= ALLOWED / 2 && opened > 2 * SOCKETS, "{connects}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_their_manager_brokers_connect_again_by_themselves() {
    let mut world = World::connected().await;
    let before = world.connects().await["opened"].as_u64().unwrap();
    // when
    world.site.kill(world.manager);
    world.drops().await;
    // then
    let again = async || {
        let connects = world.connects().await;
        connects["open"] == SOCKETS && connects["opened"].as_u64() == Some(before + SOCKETS)
    };
    eventually_async("all are connected again", PATIENCE, again).await;
}
