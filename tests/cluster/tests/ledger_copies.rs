//! Two copies of a ledger, over real processes: the node of a Broker is lost with its disk, and its account trades on at the
//! node of the copy with all that was accepted. The venue's own ledger is the judge.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;
use tradewind_launcher::Passing;
use tradewind_sdk::{Order, OrderRequest, OrderState, Session, Side};
use tradewind_tests_cluster::{
    binary, eventually_async,
    other_venue::{OtherVenue, ledger},
    site::Site,
};

const SOON: Duration = Duration::from_secs(60);
const ACCOUNT: &str = "sim-1";

struct World {
    site: Site,
    venue: OtherVenue,
    session: Arc<Session>,
}

/// What was answered with `accepted`.
type Accepted = Arc<Mutex<Vec<Order>>>;

impl World {
    /// BrokerManagers on the nodes 0 and 1, a MarketManager on node 2, an account with two copies.
    async fn trading() -> Self {
        let mut site = Site::of(0).await;
        let venue = OtherVenue::at(&site.group.home.path().join("venue"), &[]);
        for (kind, name) in
            [("broker-manager", "n1"), ("broker-manager", "n2"), ("market-manager", "n3")]
        {
            site.start(kind, name, Passing::All).await;
        }
        let key = site.group.home.path().join("key");
        fs::write(&key, "tw_a-key-of-acme-that-nobody-guesses-0123456789abcdef").unwrap();
        let file = key.to_str().unwrap();
        site.does(&["customer", "put", "acme"], &[]);
        site.does(&["key", "add", "acme", "--from", file], &[]);
        site.does(&["market", "put", "crypto", "--route", "BTC/USD=sim"], &[]);
        let account = ["account", "put", ACCOUNT, "--venue", "sim", "--customers", "acme"];
        let more = ["--endpoint", &venue.address, "--copies", "2"];
        // Two copies need a feature level that is raised once all have said that they know it.
        let addresses = site.group.addresses().join(",");
        let declared = async || {
            let mut command = Command::new(binary());
            command.args(account).args(more).args(["--addr", &addresses]);
            command.output().unwrap().status.success()
        };
        eventually_async("the account is declared", SOON, declared).await;
        let session = Self::session(&site).await;
        let world = Self { site, venue, session };
        world.has("two_copies").await;
        world
    }

    async fn session(site: &Site) -> Arc<Session> {
        let began = Instant::now();
        loop {
            let members = site.group.addresses();
            let builder = Session::builder().infrastructure_managers(members);
            if let Ok(session) = builder
                .api_key("tw_a-key-of-acme-that-nobody-guesses-0123456789abcdef")
                .connect()
                .await
                && session.accounts().iter().any(|known| known.as_str() == ACCOUNT)
            {
                return Arc::new(session);
            }
            assert!(began.elapsed() < SOON, "no session");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn asked(&self, words: &[&str]) -> Value {
        let addresses = self.site.group.addresses().join(",");
        let mut command = Command::new(binary());
        let output = command.args(words).args(["--addr", &addresses, "-o", "json"]).output();
        serde_json::from_slice(&output.unwrap().stdout).unwrap_or_default()
    }

    /// The Broker as operators see it.
    fn broker(&self) -> Value {
        self.asked(&["broker", "get", &format!("{ACCOUNT}.0")])
    }

    /// The node whose BrokerManager has the Broker.
    fn home(&self) -> Option<usize> {
        let broker = self.broker();
        let manager = broker["assignment"]["manager"].as_str()?.to_owned();
        self.site.nodes.iter().position(|node| node.manager == manager)
    }

    async fn has(&self, state: &str) {
        let seen = async || self.broker()["now"]["ledger"]["state"] == state;
        eventually_async(&format!("the ledger is {state}"), SOON, seen).await;
    }

    /// Submits orders, one after the other, until told to stop.
    fn submits(&self, until: &Arc<AtomicBool>) -> (Accepted, JoinHandle<()>) {
        let (accepted, session, until) = (Accepted::default(), self.session.clone(), until.clone());
        let told = accepted.clone();
        let task = tokio::spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_millis(10));
            while !until.load(Ordering::SeqCst) {
                pace.tick().await;
                let price = "20000".parse().unwrap();
                let order = OrderRequest::limit("BTC/USD", Side::Buy, "0.001", price).unwrap();
                // The SDK repeats it under its id until there is an answer.
                if let Ok(order) = session.submit(&order).await {
                    told.lock().unwrap().push(order);
                }
            }
        });
        (accepted, task)
    }

    /// What was placed there, each time it was.
    async fn at_venue(&self) -> Vec<String> {
        let page = ledger(&self.venue.address, ACCOUNT).await;
        let arrivals = page["arrivals"].as_array().cloned().unwrap_or_default();
        let id = |arrival: &Value| arrival["venue_order_id"].as_str().unwrap().to_owned();
        arrivals.iter().filter(|arrival| !arrival["outcome"].is_object()).map(id).collect()
    }
}

fn count(accepted: &Accepted) -> usize {
    accepted.lock().unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_two_copies_the_loss_of_the_brokers_node_and_its_disk_loses_no_accepted_order() {
    // given an account that trades, with the copy of its ledger on another node
    let mut world = World::trading().await;
    let home = world.home().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let (accepted, submits) = world.submits(&stop);
    eventually_async("orders are accepted", SOON, async || count(&accepted) >= 50).await;
    // when
    world.site.lose(home).await;
    fs::remove_dir_all(world.site.data(home)).unwrap();
    let before = count(&accepted);
    // then it trades on elsewhere
    let elsewhere = async || world.home().is_some_and(|now| now != home);
    eventually_async("the ledger is continued on the node of its copy", SOON, elsewhere).await;
    eventually_async("orders are accepted again", SOON, async || count(&accepted) >= before + 20)
        .await;
    stop.store(true, Ordering::SeqCst);
    submits.await.unwrap();
    // and all that was ever accepted is known there, and at the venue once, unless the ledger says that it was never placed
    let accepted: Vec<Order> = accepted.lock().unwrap().clone();
    assert!(accepted.len() >= 70);
    let mut counted = BTreeMap::<String, usize>::new();
    for venue_order_id in world.at_venue().await {
        *counted.entry(venue_order_id).or_default() += 1;
    }
    assert!(counted.values().all(|times| *times == 1), "an order is at the venue twice");
    for order in &accepted {
        let id = order.order_id.venue_order_id.to_string();
        let told = async || match world.session.order(&order.order_id).await.map(|now| now.state) {
            Ok(OrderState::New) => {
                counted.contains_key(&id) || world.at_venue().await.contains(&id)
            }
            Ok(OrderState::Rejected) => !counted.contains_key(&id),
            Ok(_) | Err(_) => false,
        };
        eventually_async(&format!("{id} is told as it is at the venue"), SOON, told).await;
    }
}
