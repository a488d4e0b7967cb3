//! A cluster that trades at Kraken's simulator, while the simulator does to it what Kraken is known to do and its Broker
//! is killed. The simulator's own ledger is the judge: no order twice, no fill lost, every gap told.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use serde_json::{Value, json};
use std::{
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;
use tradewind_domain::{
    ids::{AccountId, ClientOrderId, CustomerId, ExecId, VenueOrderId},
    trading::invariants::{AlgoView, VenueTruth, check},
};
use tradewind_sdk::{Order, OrderError, OrderRequest, OrderState, Session, Side};
use tradewind_tests_cluster::{
    Demo, binary, eventually, eventually_async, other_venue::page, send,
};

/// What one step may take: reconnects wait for up to half a minute, by Kraken's own advice.
const PATIENCE: Duration = Duration::from_secs(180);

/// A demo at the simulator whose own algo is stopped, and an algo of the test in its place.
struct World {
    demo: Demo,
    session: Session,
    /// What the algo asked for and was told.
    view: AlgoView,
    fills: Arc<Mutex<Vec<(ClientOrderId, ExecId)>>>,
    reader: JoinHandle<()>,
}

fn account() -> AccountId {
    AccountId::new("kraken-1").unwrap()
}

fn venue_order_id(id: &ClientOrderId) -> VenueOrderId {
    VenueOrderId::of(&account(), &CustomerId::new("acme").unwrap(), id)
}

impl World {
    async fn begin() -> Self {
        let arguments =
            ["--venue", "kraken-sim", "--for", "3600s", "-o", "json", "--data", "{data}"];
        let demo = Demo::start(&arguments, Stdio::null(), Stdio::null());
        eventually("the demo's algo trades", PATIENCE, || demo.fills() > 0);
        let stopped = run(&demo, &["trader", "stop", "sample", "--why", "the test trades"]);
        assert!(stopped.status.success(), "{}", String::from_utf8_lossy(&stopped.stderr));
        let algo = || demo.processes_of("sample-algo").len() + demo.processes_of("exec").len();
        eventually("the demo's algo has ended", PATIENCE, || algo() == 0);
        let builder = Session::builder().infrastructure_managers(demo.members());
        let session = builder.api_key("demo-key").connect().await.unwrap();
        let mut stream = session.fills().await.unwrap();
        let fills = Arc::new(Mutex::new(Vec::new()));
        let seen = fills.clone();
        let reader = tokio::spawn(async move {
            while let Ok(fill) = stream.next().await {
                seen.lock().unwrap().push((fill.client_order_id, fill.exec_id));
            }
        });
        Self { demo, session, view: AlgoView::default(), fills, reader }
    }

    async fn fault(&self, fault: &Value) {
        let url = format!("http://{}/sim/faults", self.demo.venue());
        let body = fault.to_string();
        let answer = reqwest::Client::new().post(url).body(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{fault}: {}", answer.text().await.unwrap());
    }

    /// Asks until somebody has answered; `None` if it was refused.
    async fn submit(&mut self, request: &OrderRequest) -> Option<Order> {
        let id = request.id().clone();
        self.view.submitted.push(id.clone());
        let began = Instant::now();
        loop {
            match self.session.submit(request).await {
                Ok(order) => {
                    self.view.acknowledged.push(id);
                    return Some(order);
                }
                Err(OrderError::Refused { problem, .. }) if began.elapsed() > PATIENCE => {
                    panic!("{problem}")
                }
                Err(OrderError::Refused { problem, .. })
                    if problem.code == tradewind_protocol::problem::Code::Unavailable => {}
                Err(OrderError::Refused { .. }) => {
                    self.view.refused.push(id);
                    return None;
                }
                Err(error) => assert!(began.elapsed() < PATIENCE, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn ended(&mut self, order: &Order) -> Order {
        let began = Instant::now();
        let id = order.client_order_id.clone();
        loop {
            if let Ok(order) = self.session.order(&order.order_id).await
                && order.state.is_terminal()
            {
                let unsent = order.reason.as_deref() == Some("canceled before it was sent");
                if order.state == OrderState::Rejected || unsent {
                    // It was told so, and must not be there.
                    self.view.acknowledged.retain(|known| *known != id);
                    self.view.refused.push(id);
                }
                return order;
            }
            assert!(began.elapsed() < PATIENCE, "{id} does not end");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn market() -> OrderRequest {
        OrderRequest::market("BTC/USD", Side::Buy, "0.001").unwrap()
    }

    fn resting() -> OrderRequest {
        OrderRequest::limit("BTC/USD", Side::Buy, "0.001", "20000".parse().unwrap()).unwrap()
    }

    /// One order that trades and one that rests and is canceled; how the first one ended.
    async fn trade(&mut self) -> Option<Order> {
        let market = self.submit(&Self::market()).await;
        let resting = self.submit(&Self::resting()).await;
        if let Some(resting) = resting {
            // One that was rejected meanwhile cannot be canceled any more.
            let _ = self.session.cancel(&resting.order_id).await;
            self.ended(&resting).await;
        }
        match market {
            Some(market) => Some(self.ended(&market).await),
            None => None,
        }
    }

    /// Trades until an order has filled: all is well again.
    async fn recovers(&mut self, after: &str) {
        let began = Instant::now();
        loop {
            let market = self.submit(&Self::market()).await;
            let ended = match market {
                Some(market) => self.ended(&market).await.state,
                None => OrderState::Rejected,
            };
            if ended == OrderState::Filled {
                eprintln!("{after}: well again after {:?}", began.elapsed());
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{after}: no order fills");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn ledger(&self) -> Value {
        page(&self.demo.venue(), "/sim/ledger").await
    }

    /// What the simulator has of this algo's orders.
    fn truth(&self, ledger: &Value) -> VenueTruth {
        let own = |row: &Value| {
            let id = row["cl_ord_id"].as_str().unwrap_or_default();
            self.view.submitted.iter().find(|own| venue_order_id(own).to_string() == id).cloned()
        };
        let list = |name: &str| ledger[name].as_array().cloned().unwrap_or_default();
        let placed = |row: &Value| row["fate"] == "placed";
        let fills = list("fills").into_iter().filter(|row| own(row).is_some());
        VenueTruth {
            arrivals: list("arrivals").iter().filter(|row| placed(row)).filter_map(own).collect(),
            fills: fills
                .map(|row| ExecId::new(row["exec_id"].as_str().unwrap()).unwrap())
                .collect(),
        }
    }

    /// The judge speaks, once every fill has had the time to come.
    async fn judged(mut self) {
        let truth = self.truth(&self.ledger().await);
        let own = |id: &ClientOrderId| self.view.submitted.contains(id);
        let told = || {
            let fills = self.fills.lock().unwrap();
            fills.iter().filter(|(id, _)| own(id)).map(|(_, exec)| exec.clone()).collect::<Vec<_>>()
        };
        eventually_async("every fill is told", PATIENCE, || async {
            told().len() >= truth.fills.len()
        })
        .await;
        let fills = told();
        self.view.fills = fills;
        let violations = check(&self.view, &truth);
        assert!(violations.none(), "{violations:?}\n{:?}\n{truth:?}", self.view);
        assert!(!truth.fills.is_empty());
        // The judge can speak otherwise: a fill less, an order more.
        let mut lost = self.view.clone();
        lost.fills.pop();
        assert_eq!(check(&lost, &truth).lost_fills, 1);
        let mut doubled = truth.clone();
        doubled.arrivals.push(truth.arrivals[0].clone());
        assert_eq!(check(&self.view, &doubled).duplicate_orders, 1);
        self.reader.abort();
    }

    fn broker(&self) -> u32 {
        let mut found = Vec::new();
        eventually("the Broker runs", PATIENCE, || {
            found = self.demo.processes_of("broker");
            found.len() == 1
        });
        found[0]
    }
}

fn run(demo: &Demo, words: &[&str]) -> Output {
    let members = demo.members().join(",");
    Command::new(binary()).args(words).args(["--addr", &members]).output().unwrap()
}

#[tokio::test]
async fn whatever_kraken_loses_repeats_or_delays_no_order_is_doubled_and_no_fill_lost() {
    let mut world = World::begin().await;
    for (what, fault) in [
        ("an answer lost", json!({"fault": "swallow_answer", "method": "add_order"})),
        ("an answer late", json!({"fault": "delay_answer", "method": "add_order", "millis": 700})),
        ("a fill told twice", json!({"fault": "repeat_fill"})),
        ("a frame dropped", json!({"fault": "drop_frame"})),
        (
            "unavailable",
            json!({"fault": "error", "method": "add_order", "error": "EService:Unavailable"}),
        ),
        ("tokens expired", json!({"fault": "expire_tokens"})),
        (
            "the rate limit",
            json!({"fault": "error", "method": "add_order", "error": "EOrder:Rate limit exceeded"}),
        ),
        (
            "a nonce clash",
            json!({"fault": "error", "method": "OpenOrders", "error": "EAPI:Invalid nonce", "times": 3}),
        ),
        ("a listing answered 502", json!({"fault": "bad_gateway", "method": "ClosedOrders"})),
        ("a broken book", json!({"fault": "corrupt_book", "symbol": "BTC/USD"})),
        ("a message lost", json!({"fault": "skip_sequence", "channel": "executions"})),
        ("torn off", json!({"fault": "drop"})),
    ] {
        world.fault(&fault).await;
        world.trade().await;
        world.recovers(what).await;
    }
    world.judged().await;
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_noticed_and_loses_nothing() {
    let mut world = World::begin().await;
    for (what, fault) in [
        // The subscription is acknowledged, heartbeats come, and nothing of an order.
        ("executions silent", json!({"fault": "silence", "channel": "executions"})),
        ("all silent but heartbeats", json!({"fault": "stall", "heartbeats": true})),
        ("all silent", json!({"fault": "stall"})),
    ] {
        world.fault(&fault).await;
        world.trade().await;
        world.recovers(what).await;
    }
    // A silent book: quotes are said to be stale, and come again.
    let mut quotes = world.session.quotes("BTC/USD").await.unwrap();
    quotes.next().await.unwrap();
    world.fault(&json!({"fault": "silence", "channel": "book"})).await;
    let began = Instant::now();
    let mut longest = Duration::ZERO;
    while longest < Duration::from_secs(4) {
        let before = Instant::now();
        tokio::time::timeout(PATIENCE, quotes.next()).await.unwrap().unwrap();
        longest = longest.max(before.elapsed());
        assert!(began.elapsed() < PATIENCE, "the book never fell silent");
    }
    world.judged().await;
}

#[tokio::test]
async fn a_broker_killed_in_the_middle_of_orders_doubles_none_and_loses_none() {
    let mut world = World::begin().await;
    for round in 0..3 {
        // Taken by Kraken, never answered, and nobody left who waits for the answer.
        let swallowed = json!({"fault": "swallow_answer", "method": "add_order", "times": 2});
        world.fault(&swallowed).await;
        let market = world.submit(&World::market()).await.unwrap();
        let resting = world.submit(&World::resting()).await.unwrap();
        send(world.broker(), Signal::KILL);
        world.session.cancel(&resting.order_id).await.unwrap();
        world.ended(&market).await;
        world.ended(&resting).await;
        world.recovers(&format!("kill {round}")).await;
    }
    world.judged().await;
}

#[tokio::test]
async fn an_order_that_was_answered_502_by_rest_was_taken_once() {
    let mut world = World::begin().await;
    let endpoint = format!(
        "url=http://{} key=env:DEMO_KRAKEN_KEY secret=env:DEMO_KRAKEN_SECRET tier=pro orders=rest",
        world.demo.venue()
    );
    let put = ["account", "put", "kraken-1", "--venue", "kraken", "--adapter", "kraken"];
    let more = ["--customers", "acme", "--endpoint", &endpoint];
    let done = run(&world.demo, &[&put[..], &more].concat());
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    // Orders go by REST once a fault of REST alone hits one.
    let funds = "EOrder:Insufficient funds";
    world.fault(&json!({"fault": "error", "method": "AddOrder", "error": funds})).await;
    let began = Instant::now();
    loop {
        let market = world.submit(&World::market()).await.unwrap();
        if world.ended(&market).await.reason.as_deref() == Some(funds) {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "no order goes by REST");
    }
    for (what, fault) in [
        ("502 after accept", json!({"fault": "bad_gateway", "method": "AddOrder"})),
        ("no answer after accept", json!({"fault": "swallow_answer", "method": "AddOrder"})),
    ] {
        world.fault(&fault).await;
        let before = world.truth(&world.ledger().await).arrivals.len();
        let market = world.submit(&World::market()).await.unwrap();
        let ended = world.ended(&market).await;
        assert_eq!(ended.state, OrderState::Filled, "{what}: {:?}", ended.reason);
        let after = world.truth(&world.ledger().await).arrivals.len();
        assert_eq!(after, before + 1, "{what}: it arrived once");
    }
    world.judged().await;
}

#[tokio::test]
async fn maintenance_in_the_middle_of_an_order_is_told_and_the_order_outlives_it() {
    let mut world = World::begin().await;
    world.recovers("before").await;
    let resting = world.submit(&World::resting()).await.unwrap();
    let state = async |world: &World, wanted| {
        world.session.order(&resting.order_id).await.is_ok_and(|order| order.state == wanted)
    };
    eventually_async("it rests", PATIENCE, || state(&world, OrderState::New)).await;
    for system in ["maintenance", "cancel_only"] {
        world.fault(&json!({"fault": "system", "system": system})).await;
        let status = || {
            let said = run(&world.demo, &["status", "-o", "json"]);
            String::from_utf8_lossy(&said.stdout).into_owned()
        };
        eventually("the status says so", PATIENCE, || status().contains("Kraken takes no orders"));
        let market = World::market();
        let asked = tokio::time::timeout(Duration::from_secs(2), world.session.submit(&market));
        // Refused, or asked again by the SDK until the time is over; never taken.
        assert!(!matches!(asked.await, Ok(Ok(_))), "{system}");
        if system == "maintenance" {
            world.session.cancel(&resting.order_id).await.unwrap();
        } else {
            // It takes cancels again: the one that was asked for is sent.
            world.ended(&resting).await;
        }
    }
    world.fault(&json!({"fault": "system", "system": "online"})).await;
    world.recovers("maintenance").await;
    world.judged().await;
}
