//! Two copies of a ledger, over real processes: the node of a Broker is lost with its disk, or the Broker dies there again and
//! again, and its account trades on at the node of the copy with all that was accepted; or it stands still, and wakes when it
//! was continued there. The venue's own ledger is the judge.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
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
use tradewind_launcher::{Passing, kill_process, process_is_alive};
use tradewind_sdk::{Order, OrderRequest, OrderState, Session, Side};
use tradewind_tests_cluster::{
    binary, eventually_async,
    other_venue::{OtherVenue, ledger},
    send,
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

    /// Waits for so many more.
    async fn accepts(&self, more: usize, accepted: &Accepted, when: &str) {
        let wanted = count(accepted) + more;
        let done = async || count(accepted) >= wanted;
        eventually_async(&format!("orders are accepted {when}"), SOON, done).await;
    }

    /// What arrived there, each time it did, and whether it was placed.
    async fn at_venue(&self) -> Vec<(String, bool)> {
        let page = ledger(&self.venue.address, ACCOUNT).await;
        let arrivals = page["arrivals"].as_array().cloned().unwrap_or_default();
        let id = |arrival: &Value| arrival["venue_order_id"].as_str().unwrap().to_owned();
        let each = arrivals.iter().map(|arrival| (id(arrival), !arrival["outcome"].is_object()));
        each.collect()
    }

    /// All that was ever accepted is known, and at the venue once, unless the ledger says that it was never placed.
    async fn judge(&self, accepted: &Accepted) {
        let accepted: Vec<Order> = accepted.lock().unwrap().clone();
        assert!(accepted.len() >= 70);
        let mut counted = BTreeMap::<String, usize>::new();
        let arrived = self.at_venue().await;
        for (venue_order_id, _) in &arrived {
            *counted.entry(venue_order_id.clone()).or_default() += 1;
        }
        assert!(counted.values().all(|times| *times == 1), "an order is at the venue twice");
        for order in &accepted {
            let id = order.order_id.venue_order_id.to_string();
            let placed = (id.clone(), true);
            let told = async || match self.session.order(&order.order_id).await.map(|now| now.state)
            {
                Ok(OrderState::New) => {
                    arrived.contains(&placed) || self.at_venue().await.contains(&placed)
                }
                Ok(OrderState::Rejected) => !arrived.contains(&placed),
                Ok(_) | Err(_) => false,
            };
            eventually_async(&format!("{id} is told as it is at the venue"), SOON, told).await;
        }
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
    world.accepts(50, &accepted, "at first").await;
    // when
    world.site.lose(home).await;
    fs::remove_dir_all(world.site.data(home)).unwrap();
    // then it trades on elsewhere
    let elsewhere = async || world.home().is_some_and(|now| now != home);
    eventually_async("the ledger is continued on the node of its copy", SOON, elsewhere).await;
    world.accepts(20, &accepted, "again").await;
    stop.store(true, Ordering::SeqCst);
    submits.await.unwrap();
    world.judge(&accepted).await;
}

/// A BrokerManager stands still, and its Broker may, until the ledger is continued elsewhere. Then they wake, the Broker first.
async fn stands_still(with_its_broker: bool) {
    // given
    let world = World::trading().await;
    let home = world.home().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let (accepted, submits) = world.submits(&stop);
    world.accepts(50, &accepted, "at first").await;
    let service = format!("broker.{ACCOUNT}.0");
    let broker = world.site.processes(home).await.unwrap()[&service];
    // when: with whatever is on its way at the moment
    world.site.stop(home);
    if with_its_broker {
        send(broker, Signal::STOP);
    }
    // then
    let elsewhere = async || world.home().is_some_and(|now| now != home);
    eventually_async("the ledger is continued on the node of its copy", SOON, elsewhere).await;
    world.accepts(20, &accepted, "elsewhere").await;
    // when: it goes on with what it had, and nobody is there to tell it that it is not to
    send(broker, Signal::CONT);
    // then
    world.accepts(20, &accepted, "beside the one that woke").await;
    // when
    world.site.wake(home);
    // then
    let ended = async || !process_is_alive(broker);
    eventually_async("the Broker that was superseded has ended", SOON, ended).await;
    let none = async || world.site.processes(home).await == Some(BTreeMap::new());
    eventually_async("its Manager has no Broker", SOON, none).await;
    world.accepts(20, &accepted, "with both awake").await;
    assert_ne!(world.home(), Some(home));
    stop.store(true, Ordering::SeqCst);
    submits.await.unwrap();
    world.judge(&accepted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_manager_that_stands_still_loses_its_broker_to_the_copy_and_what_runs_on_harms_nothing()
 {
    stands_still(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_stood_still_while_its_ledger_was_continued_elsewhere_harms_nothing_when_it_wakes()
 {
    stands_still(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_two_copies_a_broker_that_its_manager_gives_up_goes_on_elsewhere() {
    // given
    let world = World::trading().await;
    let home = world.home().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let (accepted, submits) = world.submits(&stop);
    world.accepts(50, &accepted, "at first").await;
    let service = format!("broker.{ACCOUNT}.0");
    // when it dies wherever it was at first, each time it is started there
    let moved = async || {
        let processes = world.site.processes(home).await.unwrap_or_default();
        processes.get(&service).into_iter().for_each(|pid| kill_process(*pid));
        world.home().is_some_and(|now| now != home)
    };
    eventually_async("it is continued elsewhere", SOON, moved).await;
    // then
    let status = world.site.told().await;
    let row = status.handed_back.iter().find(|row| row.service.to_string() == service);
    let by = &world.site.nodes[home].manager;
    assert_eq!(row.map(|row| row.manager.to_string()).as_ref(), Some(by), "it is on record");
    world.accepts(20, &accepted, "elsewhere").await;
    let services = async || world.site.services(home).await == Some(vec![]);
    eventually_async("nothing of it is left where it was", SOON, services).await;
    stop.store(true, Ordering::SeqCst);
    submits.await.unwrap();
    world.judge(&accepted).await;
}
