//! A whole world in one process, over real sockets: the sim venue with its ledger, a wire to it that can
//! be cut, a Broker, and Markets. Decides nothing; the tests do.

use super::{
    super::{Broker, Setup, gate, routes},
    market::Market,
    wire::Wire,
};
use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tradewind_domain::{
    control::desired::BrokerWanted,
    ids::{
        AccountId, ClusterIncarnation, CustomerId, Epoch, Fence, Incarnation, InstrumentId,
        ServiceId, VenueId, VenueOrderId,
    },
};
use tradewind_journal::RealDisk;
use tradewind_link::listen;
use tradewind_node::service::StateReporter;
use tradewind_protocol::supervision::{Configuration, ServiceState};
use tradewind_sim::wire::{Connected, LedgerPage};

pub(super) const WITHIN: Duration = Duration::from_secs(10);

/// Waits until the condition holds.
pub(super) async fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + WITHIN;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {WITHIN:?}: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The venue, for real, with its own ledger on disk.
pub(crate) struct Venue {
    pub(crate) address: SocketAddr,
    _home: TempDir,
    tasks: JoinSet<()>,
}

impl Venue {
    pub(crate) async fn start() -> Self {
        Self::of(1, tradewind_sim::limits::SUBSCRIPTIONS).await
    }

    /// One that trades so many instruments, and lets a connection have so many of them.
    pub(crate) async fn of(instruments: u8, subscriptions: u32) -> Self {
        let home = tempfile::tempdir().unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let options = tradewind_sim::Options::new(listen, home.path());
        let instruments = (1..instruments).map(instrument).collect();
        let options = tradewind_sim::Options { instruments, subscriptions, ..options };
        let bound = tradewind_sim::bind(options).await.unwrap();
        let address = bound.address().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { bound.serve(CancellationToken::new()).await.unwrap() });
        Self { address, _home: home, tasks }
    }

    /// What the judge says.
    pub(crate) async fn judge(&self) -> LedgerPage {
        assert!(!self.tasks.is_empty());
        let url = format!("http://{}{}", self.address, tradewind_sim::wire::LEDGER_PATH);
        reqwest::get(url).await.unwrap().json().await.unwrap()
    }

    /// Who is connected.
    pub(crate) async fn connections(&self) -> Vec<Connected> {
        let url = format!("http://{}{}", self.address, tradewind_sim::wire::CONNECTIONS_PATH);
        reqwest::get(url).await.unwrap().json().await.unwrap()
    }

    /// Ends one of them.
    pub(crate) async fn end(&self, number: u64) {
        let path = tradewind_sim::wire::CONNECTIONS_PATH;
        let url = format!("http://{}{path}/{number}", self.address);
        let answer = reqwest::Client::new().delete(url).send().await.unwrap();
        assert_eq!(answer.status(), 204);
    }

    /// How often an order came.
    pub(crate) async fn arrivals(&self, order: &VenueOrderId) -> usize {
        let page = self.judge().await;
        page.arrivals.iter().filter(|arrival| arrival.venue_order_id == *order).count()
    }
}

/// A Broker's process, as far as one process holds it.
pub(super) struct Process {
    pub(super) address: SocketAddr,
    pub(super) configure: watch::Sender<Option<Configuration>>,
    pub(super) said: watch::Receiver<(ServiceState, String)>,
    pub(super) reporter: StateReporter,
    stop: CancellationToken,
    work: JoinSet<Result<(), crate::Error>>,
    server: JoinSet<()>,
}

impl Process {
    pub(super) async fn live(&self) {
        eventually("the Broker is live", || {
            (self.said.borrow().0 == ServiceState::Live).then_some(())
        })
        .await;
    }

    /// Like `kill -9`: nothing is finished.
    pub(super) async fn kill(mut self) {
        self.work.abort_all();
        while self.work.join_next().await.is_some() {}
        self.server.shutdown().await;
    }

    /// As its Manager asks.
    pub(super) async fn stop(mut self) {
        self.stop.cancel();
        let ended = self.work.join_next().await.unwrap();
        ended.unwrap().unwrap();
        self.server.shutdown().await;
    }
}

/// Venue, wire, and where the Broker keeps its ledger.
pub(super) struct World {
    pub(super) venue: Venue,
    pub(super) wire: Wire,
    home: TempDir,
    incarnation: AtomicU64,
}

pub(crate) fn account() -> AccountId {
    AccountId::new("sim-1").unwrap()
}

pub(super) fn customer(name: &str) -> CustomerId {
    CustomerId::new(name).unwrap()
}

pub(super) fn fence(epoch: u64) -> Fence {
    Fence { cluster: ClusterIncarnation(1), epoch: Epoch(epoch) }
}

pub(crate) fn btc() -> InstrumentId {
    InstrumentId::new("BTC/USD").unwrap()
}

/// The first is BTC/USD.
pub(crate) fn instrument(n: u8) -> InstrumentId {
    if n == 0 { btc() } else { InstrumentId::new(&format!("I{n:02}/USD")).unwrap() }
}

impl World {
    pub(super) async fn new() -> Self {
        Self::around(Venue::start().await).await
    }

    pub(super) async fn around(venue: Venue) -> Self {
        let wire = Wire::to(venue.address).await;
        let home = tempfile::tempdir().unwrap();
        Self { venue, wire, home, incarnation: AtomicU64::new(1) }
    }

    pub(super) fn wanted(&self, epoch: u64) -> BrokerWanted {
        BrokerWanted {
            account: account(),
            shard: 0,
            fence: fence(epoch),
            venue: VenueId::new("sim").unwrap(),
            adapter: "sim".to_string(),
            endpoint: self.wire.address.to_string(),
            customers: [customer("acme"), customer("bolt")].into(),
            fences: Vec::new(),
            controls: Default::default(),
            copies: None,
        }
    }

    pub(super) fn directory(&self) -> PathBuf {
        self.home.path().join("ledger")
    }

    /// Something beside it.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Starts the Broker under epoch 10, in its next life, once its last life is really over.
    pub(super) async fn broker(&self) -> Process {
        self.broker_in(self.directory(), self.wanted(10)).await
    }

    /// The same in this directory, told to be this.
    pub(super) async fn broker_in(&self, directory: PathBuf, wanted: BrokerWanted) -> Process {
        eventually("the former life has let go of the ledger", || {
            let journal = tradewind_journal::Options::at(&directory);
            tradewind_journal::Journal::open(journal).ok().map(drop)
        })
        .await;
        let incarnation = Incarnation(self.incarnation.fetch_add(1, Ordering::SeqCst));
        let service = ServiceId::Broker { account: account(), shard: 0 };
        let (gate, pipes) = gate(&service, incarnation);
        let listener = listen::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (reporter, said) = StateReporter::new();
        let (configure, configured) = watch::channel(Some(Configuration::Broker { wanted }));
        let setup = Setup { account: account(), incarnation, directory, disk: Arc::new(RealDisk) };
        let told = reporter.clone();
        let broker = Broker { setup, configured, reporter, pipes, loaded: None };
        let stop = CancellationToken::new();
        let mut work = JoinSet::new();
        work.spawn(broker.run(stop.clone()));
        let mut server = JoinSet::new();
        let limits = listen::Limits::default();
        server.spawn(listen::serve(listener, routes(gate), limits, CancellationToken::new()));
        Process { address, configure, said, reporter: told, stop, work, server }
    }

    /// A live Broker with a Market connected to it.
    pub(super) async fn trading(&self) -> (Process, Market) {
        let process = self.broker().await;
        process.live().await;
        let market = Market::connect(process.address, "a1", 10).await;
        (process, market)
    }
}
