//! Orders that are tied to their algo's session, over real processes: what becomes of them when the algo is killed or
//! falls silent, and that nothing becomes of them when what is between it and the venue dies. The venue's own ledger is the
//! judge.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tradewind_launcher::Passing;
use tradewind_sdk::{OrderRequest, Session, Side};
use tradewind_tests_cluster::{
    eventually_async,
    other_venue::{OtherVenue, ledger},
    send,
    site::Site,
};

const SOON: Duration = Duration::from_secs(60);
/// How long a session may be away, and how much later than that its orders are canceled on a busy machine.
const AWAY: Duration = Duration::from_secs(5);
const LATE: Duration = Duration::from_secs(30);
/// For so long nothing may happen to be sure that nothing will.
const NOTHING: Duration = Duration::from_secs(12);
const ACCOUNT: &str = "sim-1";
const KEY: &str = "tw_a-key-of-acme-that-nobody-guesses-0123456789abcdef";
/// Set for the process that is the algo: the members it connects by.
const MEMBERS: &str = "TRADEWIND_TEST_ALGO_MEMBERS";

/// Not a claim: the algo, as a process of its own. It leaves two orders at the venue, of which one is tied to its
/// session, and stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn algo_until_killed() {
    let Ok(members) = std::env::var(MEMBERS) else { return };
    let session = loop {
        let builder = Session::builder().infrastructure_managers(members.split(','));
        match builder.api_key(KEY).connect().await {
            Ok(session) if !session.accounts().is_empty() => break session,
            Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    };
    for (name, away) in [("tied", Some(AWAY)), ("untied", None)] {
        let price = "20000".parse().unwrap();
        let order = OrderRequest::limit("BTC/USD", Side::Buy, "0.001", price).unwrap();
        let order = match away {
            Some(away) => order.cancel_on_disconnect(away),
            None => order,
        };
        let order = session.submit(&order).await.unwrap();
        println!("\n{name} {}", order.order_id.venue_order_id);
    }
    std::future::pending::<()>().await;
}

/// Killed when dropped.
struct Algo {
    child: Child,
    tied: String,
    untied: String,
}

impl Algo {
    fn start(site: &Site) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "algo_until_killed", "--nocapture"])
            .env(MEMBERS, site.group.addresses().join(","))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut ids = lines.filter_map(|line| {
            let (name, id) = line.split_once(' ')?;
            ["tied", "untied"].contains(&name).then(|| id.to_owned())
        });
        let (tied, untied) = (ids.next().unwrap(), ids.next().unwrap());
        Self { child, tied, untied }
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Algo {
    fn drop(&mut self) {
        self.kill();
    }
}

struct World {
    site: Site,
    venue: OtherVenue,
}

impl World {
    /// A BrokerManager on node 0, MarketManagers on the nodes 1 and 2.
    async fn start() -> Self {
        let mut site = Site::of(0).await;
        let venue = OtherVenue::at(&site.group.home.path().join("venue"), &[]);
        for (kind, name) in
            [("broker-manager", "n1"), ("market-manager", "n2"), ("market-manager", "n3")]
        {
            site.start(kind, name, Passing::All).await;
        }
        let key = site.group.home.path().join("key");
        fs::write(&key, KEY).unwrap();
        site.does(&["customer", "put", "acme"], &[]);
        site.does(&["key", "add", "acme", "--from", key.to_str().unwrap()], &[]);
        site.does(&["market", "put", "crypto", "--route", "BTC/USD=sim"], &[]);
        let account = ["account", "put", ACCOUNT, "--venue", "sim", "--customers", "acme"];
        site.does(&[&account[..], &["--endpoint", &venue.address]].concat(), &[]);
        Self { site, venue }
    }

    /// As the venue has it: `null` if it has not.
    async fn state(&self, order: &str) -> String {
        let page = ledger(&self.venue.address, ACCOUNT).await;
        let orders = page["orders"].as_array().cloned().unwrap_or_default();
        let found = orders.iter().find(|entry| entry["venue_order_id"] == order);
        found.map_or_else(String::new, |entry| entry["state"].as_str().unwrap().to_owned())
    }

    async fn becomes(&self, order: &str, state: &str, within: Duration) {
        let is = async || self.state(order).await == state;
        eventually_async(&format!("{order} is {state} at the venue"), within, is).await;
    }

    async fn stay_open(&self, orders: &[&str], why: &str) {
        let until = Instant::now() + NOTHING;
        while Instant::now() < until {
            for order in orders {
                assert_eq!(self.state(order).await, "new", "{order}: {why}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn algo(&self) -> Algo {
        let algo = Algo::start(&self.site);
        self.becomes(&algo.tied, "new", SOON).await;
        self.becomes(&algo.untied, "new", SOON).await;
        algo
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_algo_that_is_killed_or_falls_silent_has_the_orders_canceled_that_are_tied_to_its_session()
 {
    // given
    let world = World::start().await;
    let (mut killed, silent, stays) = (world.algo().await, world.algo().await, world.algo().await);
    // when
    killed.kill();
    let began = Instant::now();
    // then: not before its time is over
    world.becomes(&killed.tied, "canceled", AWAY + LATE).await;
    assert!(began.elapsed() >= AWAY, "{:?}", began.elapsed());
    // and when one neither reads nor ends
    send(silent.child.id(), Signal::STOP);
    let began = Instant::now();
    world.becomes(&silent.tied, "canceled", AWAY + LATE).await;
    assert!(began.elapsed() >= AWAY, "{:?}", began.elapsed());
    // and nobody else's
    let others = [&killed.untied, &silent.untied, &stays.tied, &stays.untied].map(String::as_str);
    world.stay_open(&others, "it is not tied to a session that is gone").await;
    send(silent.child.id(), Signal::CONT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_death_of_what_is_between_an_algo_and_the_venue_cancels_nothing() {
    // given
    let mut world = World::start().await;
    let mut algo = world.algo().await;
    let orders = [algo.tied.clone(), algo.untied.clone()];
    let orders = orders.each_ref().map(String::as_str);
    // when: each MarketManager in turn, so that its own is one of them
    for node in [1, 2] {
        world.site.lose(node).await;
        world.stay_open(&orders, "the algo connects to the other MarketManager in time").await;
        world.site.start_again(node);
        let serves = async || world.site.services(node).await.is_some_and(|all| !all.is_empty());
        eventually_async("it is there again", SOON, serves).await;
    }
    // and the Broker itself
    let processes = world.site.processes(0).await.unwrap();
    send(processes[&format!("broker.{ACCOUNT}.0")], Signal::KILL);
    world.stay_open(&orders, "its session was there all the time").await;
    // then, and only then
    algo.kill();
    world.becomes(&algo.tied, "canceled", AWAY + LATE).await;
    assert_eq!(world.state(&algo.untied).await, "new");
}
