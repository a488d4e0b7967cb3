//! Kraken's adapter on the stage, before Kraken's simulator, with orders by either of Kraken's interfaces: both owe the
//! same.

use super::{Fault, Outcome, Stage, run_apart};
use crate::{
    broker::tests::{wire::Wire, world},
    venue::{
        Venue,
        kraken::{Account, settings::Settings},
    },
};
use futures_util::{FutureExt as _, future::BoxFuture};
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tradewind_domain::ids::{AccountId, InstrumentId, VenueOrderId};
use tradewind_kraken::sign::Secret;
use tradewind_kraken_sim::{Options, bind};

const KEY: &str = "conformance";
const SECRET: &str = "c2ltdWxhdGVk";

pub(super) struct KrakenStage {
    /// One for all connections of a case: what it was told over one it does not tell again over the next.
    venue: Arc<dyn Venue>,
    wire: Wire,
    simulator: SocketAddr,
    _running: JoinSet<()>,
    _home: TempDir,
}

impl KrakenStage {
    pub(super) async fn by_websocket() -> Self {
        Self::of("orders=websocket").await
    }

    pub(super) async fn by_rest() -> Self {
        Self::of("orders=rest").await
    }

    async fn of(words: &str) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let listen = "127.0.0.1:0".parse().expect("legal");
        let secret = Secret::from_base64(SECRET).expect("legal");
        let bound = bind(Options::new(listen, home.path(), KEY, secret)).await.expect("bound");
        let simulator = bound.address().expect("it listens");
        let mut running = JoinSet::new();
        running.spawn(async move {
            bound.serve(CancellationToken::new()).await.expect("it serves");
        });
        let wire = Wire::to(simulator).await;
        for (name, value) in [("key", KEY), ("secret", SECRET)] {
            std::fs::write(home.path().join(name), value).expect("written");
        }
        let (at, url) = (home.path().display(), wire.address);
        let settings =
            format!("url=http://{url} key=file:{at}/key secret=file:{at}/secret tier=pro {words}");
        let settings: Settings = settings.parse().expect("legal");
        let venue = Arc::new(Account::new(settings, home.path().join("nonces")));
        Self { venue, wire, simulator, _running: running, _home: home }
    }

    fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.simulator)
    }
}

pub(super) fn eth() -> InstrumentId {
    InstrumentId::new("ETH/USD").expect("legal")
}

impl Stage for KrakenStage {
    fn venue(&self) -> Arc<dyn Venue> {
        Arc::clone(&self.venue)
    }
    fn account(&self) -> AccountId {
        AccountId::new("kraken-1").expect("legal")
    }
    fn instrument(&self) -> InstrumentId {
        world::btc()
    }
    fn instruments(&self) -> Vec<InstrumentId> {
        vec![world::btc(), eth()]
    }
    fn arrivals(&self, id: VenueOrderId) -> BoxFuture<'_, usize> {
        async move {
            let page = reqwest::get(self.at("/sim/ledger")).await.expect("it answers");
            let page: Value = page.json().await.expect("its ledger");
            let id = id.to_string();
            let arrivals = page["arrivals"].as_array().expect("a list").iter();
            arrivals.filter(|arrival| arrival["cl_ord_id"] == id.as_str()).count()
        }
        .boxed()
    }
    fn deafen(&self) {
        self.wire.deafen();
    }
    fn cut(&self) {
        self.wire.cut();
    }
    fn fault(&self, fault: Fault) -> BoxFuture<'_, bool> {
        let error = "EService:Unavailable";
        let taken = |of: &str| json!({ "fault": "error_after", "method": of, "error": error });
        let body = match fault {
            Fault::FillTwice => json!({ "fault": "repeat_fill" }),
            Fault::FillsAfterTheEnd => json!({ "fault": "late_fills" }),
            Fault::FillsBackwards => json!({ "fault": "reverse_fills" }),
            // By whichever interface it goes.
            Fault::TakenAndRefused => json!([taken("add_order"), taken("AddOrder")]),
            Fault::BookBroken => json!({ "fault": "corrupt_book", "symbol": world::btc() }),
        };
        async move {
            let asked = reqwest::Client::new().post(self.at("/sim/faults")).body(body.to_string());
            asked.send().await.is_ok_and(|answer| answer.status().is_success())
        }
        .boxed()
    }
}

/// What Kraken's capabilities ask for, and all faults.
fn assert_whole(outcome: &Outcome) {
    assert!(outcome.failed.is_empty(), "{:#?}", outcome.words());
    let asked_for = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 25, 29, 30, 31, 32, 33, 34];
    assert_eq!(outcome.ran, asked_for);
    assert!(outcome.left.is_empty(), "the simulator cannot do {:?}", outcome.left);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kraken_does_what_every_venue_must() {
    assert_whole(&run_apart(KrakenStage::by_websocket).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kraken_does_so_with_orders_by_rest() {
    assert_whole(&run_apart(KrakenStage::by_rest).await);
}
