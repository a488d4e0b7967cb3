//! Routes changed live: market data and new orders are moved between two venues again and again, and algos that know
//! nothing of it miss nothing. The venues' own ledgers are the judges.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::{
    fs,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};
use tradewind_domain::trading::invariants::check;
use tradewind_sdk::{Order, OrderRequest, OrderState, Session, Side};
use tradewind_tests_cluster::{
    Demo, asked, binary, eventually, eventually_async,
    other_venue::{OtherVenue, ledger},
    saw::{Saw, saw, truth},
    wire::{self, Wire},
};

const SOON: Duration = Duration::from_secs(60);
const OTHER: &str = "sim-b";

fn does(demo: &Demo, words: &[&str], behind: &[&str]) {
    let output = Command::new(binary())
        .args(words)
        .args(["--addr", &demo.members().join(",")])
        .args(behind)
        .output()
        .unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

async fn arrivals(venue: &str, account: &str) -> usize {
    ledger(venue, account).await["arrivals"].as_array().map_or(0, Vec::len)
}

/// A session that knows of the account.
async fn session_with(demo: &Demo, key: &str, account: &str) -> Session {
    let began = std::time::Instant::now();
    loop {
        let builder = Session::builder().infrastructure_managers(demo.members()).api_key(key);
        let session = builder.connect().await.unwrap();
        if session.accounts().iter().any(|known| known.as_str() == account) {
            return session;
        }
        assert!(began.elapsed() < SOON, "{account} is never known");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What came on a stream of quotes.
#[derive(Debug, Default)]
struct Seen {
    epochs: Vec<String>,
    last: u64,
    /// What must not be.
    wrong: Vec<String>,
}

impl Seen {
    fn take(&mut self, frame: &Value) {
        match frame["type"].as_str().unwrap_or_default() {
            "quote" => {
                let (epoch, seq) =
                    (frame["epoch"].as_str().unwrap(), frame["seq"].as_u64().unwrap());
                if self.epochs.last().is_some_and(|last| last == epoch) {
                    if seq <= self.last {
                        self.wrong.push(format!("{seq} after {}", self.last));
                    }
                } else {
                    if self.epochs.iter().any(|before| before == epoch) {
                        self.wrong.push(format!("the epoch {epoch} comes back"));
                    }
                    self.epochs.push(epoch.to_owned());
                }
                self.last = seq;
            }
            // Once it is live, it stays so.
            "status" if !self.epochs.is_empty() => self.wrong.push(frame.to_string()),
            "gap" => self.wrong.push(frame.to_string()),
            _ => {}
        }
    }
}

/// Reads quotes as they come over the wire.
async fn watch_quotes(demo: &Demo) -> (Arc<Mutex<Seen>>, Wire) {
    let token = wire::token(&demo.members()[0], "guest-key").await;
    let seen = Arc::new(Mutex::new(Seen::default()));
    let told = seen.clone();
    let take = move |frame: &Value| told.lock().unwrap().take(frame);
    let wire = Wire::read(&demo.market_managers()[0], &token, take).await;
    wire.wish("subscribe", &["quotes"], &["BTC/USD"]).await;
    (seen, wire)
}

async fn is(session: &Session, order: &Order, state: OrderState) -> bool {
    session.order(&order.order_id).await.is_ok_and(|now| now.state == state)
}

/// Moves BTC/USD there and waits until quotes and orders of the demo's algo have followed.
async fn moved(demo: &Demo, from: &str, to: &str, at: (&str, &str), seen: &Mutex<Seen>) {
    let epochs = || seen.lock().unwrap().epochs.len();
    let (shown, before) = (epochs(), arrivals(at.0, at.1).await);
    does(demo, &["route", "move", "crypto", "--from", from, "--to", to], &[]);
    let followed = async || epochs() > shown && arrivals(at.0, at.1).await > before;
    eventually_async(&format!("quotes and orders follow to {to}"), SOON, followed).await;
}

/// Stops the demo's algo in order and holds what it saw against what both venues say.
async fn judge(demo: &Demo, at: &[(&str, &str)]) {
    let stop = ["trader", "put", "sample", "--customer", "acme", "--stopped"];
    does(demo, &stop, &["--", "tradewind", "sample-algo"]);
    let ended = || {
        let history = fs::read_to_string(demo.data.path().join("history.jsonl")).unwrap();
        history.lines().any(|line| line.contains(r#""f":"wind-down""#))
    };
    eventually("the algo winds down", SOON, ended);
    let Saw { view, errors, lives, .. } = saw(&demo.data.path().join("history.jsonl"));
    assert!(errors.is_empty(), "{errors:#?}");
    assert_eq!(lives.len(), 1, "it was never started anew");
    let truth = truth(&view, "acme", at).await;
    let found = check(&view, &truth);
    assert!(found.none(), "{found:?}");
    assert!(!truth.fills.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn algos_notice_nothing_while_their_instrument_is_moved_between_two_venues_again_and_again() {
    let demo = Demo::trading();
    let other = OtherVenue::start(&demo, &[]);
    let venue = demo.venue();
    for (account, customer) in [("acme-b", "acme"), ("guest-b", "guest")] {
        let at = ["--venue", OTHER, "--endpoint", &other.address, "--customers", customer];
        does(&demo, &[&["account", "put", account], &at[..]].concat(), &[]);
    }
    // The demo's own algo has had its session since before: it learns of the account by its orders.
    drop(session_with(&demo, "demo-key", "acme-b").await);
    let guest = session_with(&demo, "guest-key", "guest-b").await;
    let (seen, wire) = watch_quotes(&demo).await;
    eventually("quotes come", SOON, || !seen.lock().unwrap().epochs.is_empty());
    let price = "20000".parse().unwrap();
    let resting = || OrderRequest::limit("BTC/USD", Side::Buy, "0.001", price).unwrap();
    let first = resting();
    let here = guest.submit(&first).await.unwrap();
    let mut there = None;
    for flip in 0..asked("TRADEWIND_ROUTE_CHANGES", 20) {
        let ways =
            [("sim", OTHER, (&*other.address, "acme-b")), (OTHER, "sim", (&*venue, "sim-1"))];
        let (from, to, at) = ways[usize::try_from(flip % 2).unwrap()];
        moved(&demo, from, to, at, &seen).await;
        if flip == 0 {
            let order = guest.submit(&resting()).await.unwrap();
            assert_eq!(
                order.order_id.account.as_str(),
                "guest-b",
                "a new order goes to the new venue"
            );
            there = Some(order);
        }
        // One that is sent again is the order that it was, wherever the routes point now.
        assert_eq!(guest.submit(&first).await.unwrap().order_id, here.order_id);
        for order in [Some(&here), there.as_ref()].into_iter().flatten() {
            let rests = async || is(&guest, order, OrderState::New).await;
            eventually_async("open orders stay where they are", SOON, rests).await;
        }
    }
    for order in [here, there.unwrap()] {
        guest.cancel(&order.order_id).await.unwrap();
        let ended = async || is(&guest, &order, OrderState::Canceled).await;
        eventually_async("a cancel goes to where the order is", SOON, ended).await;
    }
    for (venue, account) in [(&venue, "sim-2"), (&other.address, "guest-b")] {
        let page = ledger(venue, account).await;
        assert_eq!(page["arrivals"].as_array().unwrap().len(), 1, "{page}");
        assert_eq!(page["orders"][0]["state"], "canceled", "{page}");
    }
    wire.end();
    let wrong = std::mem::take(&mut seen.lock().unwrap().wrong);
    assert!(wrong.is_empty(), "{wrong:?}");
    judge(&demo, &[(&*venue, "sim-1"), (&*other.address, "acme-b")]).await;
}

#[test]
fn the_watcher_of_quotes_sees_what_must_not_be() {
    let quote = |epoch: &str, seq: u64| json!({"type": "quote", "epoch": epoch, "seq": seq});
    let wrong = |frames: &[Value]| {
        let mut seen = Seen::default();
        frames.iter().for_each(|frame| seen.take(frame));
        seen.wrong.len()
    };
    let status = json!({"type": "status", "status": "reconnecting"});
    let whole = [status.clone(), quote("a", 3), quote("a", 9), quote("b", 1), quote("b", 2)];
    assert_eq!(wrong(&whole), 0);
    assert_eq!(wrong(&[quote("a", 3), quote("a", 3)]), 1, "a number twice");
    assert_eq!(wrong(&[quote("a", 3), quote("b", 1), quote("a", 4)]), 1, "an epoch comes back");
    assert_eq!(wrong(&[quote("a", 3), status]), 1, "an outage");
    assert_eq!(wrong(&[quote("a", 3), json!({"type": "gap"})]), 1, "a gap");
}
