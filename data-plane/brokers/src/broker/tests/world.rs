//! A whole world in one process, over real sockets: the sim venue with its ledger, a wire to it that can
//! be cut, a Broker, and Markets. Decides nothing; the tests do.

use super::super::{Broker, Setup, TRADE_PATH, gate, routes};
use futures_util::FutureExt as _;
use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{AbortHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;
use tradewind_domain::{
    control::desired::BrokerWanted,
    ids::{
        AccountId, ClientOrderId, ClusterIncarnation, CustomerId, Epoch, Fence, Incarnation,
        InstrumentId, OrderId, ServiceId, VenueId, VenueOrderId,
    },
    trading::{NewOrder, Order, OrderType, Side, TimeInForce},
};
use tradewind_link::{listen, pipe};
use tradewind_node::service::StateReporter;
use tradewind_protocol::{
    link::{Hello, PROTOCOL},
    problem::{Code, Problem},
    stream::Position,
    supervision::{Configuration, ServiceState},
    trade::{
        CommandAnswer, OrderCommand, Principal, PrivateChannel, PrivateEvent, TradeDown, TradeUp,
    },
};
use tradewind_sim::wire::LedgerPage;

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
pub(super) struct Venue {
    pub(super) address: SocketAddr,
    _home: TempDir,
    tasks: JoinSet<()>,
}

impl Venue {
    pub(super) async fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let bound = tradewind_sim::bind(tradewind_sim::Options::new(listen, home.path())).await;
        let bound = bound.unwrap();
        let address = bound.address().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { bound.serve(CancellationToken::new()).await.unwrap() });
        Self { address, _home: home, tasks }
    }

    /// What the judge says.
    pub(super) async fn judge(&self) -> LedgerPage {
        assert!(!self.tasks.is_empty());
        let url = format!("http://{}{}", self.address, tradewind_sim::wire::LEDGER_PATH);
        reqwest::get(url).await.unwrap().json().await.unwrap()
    }

    /// How often an order came.
    pub(super) async fn arrivals(&self, order: &VenueOrderId) -> usize {
        let page = self.judge().await;
        page.arrivals.iter().filter(|arrival| arrival.venue_order_id == *order).count()
    }
}

/// The wire between Broker and venue.
#[derive(Default)]
struct Faults {
    /// What the venue says is lost.
    deaf: AtomicBool,
    /// What the Broker says is held back, and lost with the connection.
    mute: AtomicBool,
    /// Nobody answers at the address.
    away: AtomicBool,
    connections: Mutex<Vec<AbortHandle>>,
}

#[derive(Clone)]
pub(super) struct Wire {
    pub(super) address: SocketAddr,
    faults: Arc<Faults>,
    _tasks: Arc<JoinSet<()>>,
}

impl Wire {
    pub(super) async fn to(venue: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let faults = Arc::new(Faults::default());
        let mut tasks = JoinSet::new();
        let mine = faults.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (near, _) = listener.accept().await.unwrap();
                if mine.away.load(Ordering::SeqCst) {
                    continue;
                }
                let handle = connections.spawn(carry(near, venue, mine.clone()));
                mine.connections.lock().unwrap().push(handle);
            }
        });
        Self { address, faults, _tasks: Arc::new(tasks) }
    }

    pub(super) fn deafen(&self) {
        self.faults.deaf.store(true, Ordering::SeqCst);
    }

    pub(super) fn mute(&self) {
        self.faults.mute.store(true, Ordering::SeqCst);
    }

    /// Cuts every connection; the next one is whole again.
    pub(super) fn cut(&self) {
        self.faults.connections.lock().unwrap().drain(..).for_each(|handle| handle.abort());
        self.faults.deaf.store(false, Ordering::SeqCst);
        self.faults.mute.store(false, Ordering::SeqCst);
    }

    pub(super) fn away(&self, away: bool) {
        self.faults.away.store(away, Ordering::SeqCst);
        if away {
            self.cut();
        }
    }
}

async fn carry(near: TcpStream, venue: SocketAddr, faults: Arc<Faults>) {
    let far = TcpStream::connect(venue).await.unwrap();
    near.set_nodelay(true).unwrap();
    far.set_nodelay(true).unwrap();
    let (mut near_read, mut near_write) = near.into_split();
    let (mut far_read, mut far_write) = far.into_split();
    let there = async {
        let mut bytes = vec![0; 8 << 10];
        while let Ok(n @ 1..) = near_read.read(&mut bytes).await {
            if !faults.mute.load(Ordering::SeqCst)
                && far_write.write_all(&bytes[..n]).await.is_err()
            {
                break;
            }
        }
    };
    let back = async {
        let mut bytes = vec![0; 8 << 10];
        while let Ok(n @ 1..) = far_read.read(&mut bytes).await {
            if !faults.deaf.load(Ordering::SeqCst)
                && near_write.write_all(&bytes[..n]).await.is_err()
            {
                break;
            }
        }
    };
    tokio::select! { () = there => {}, () = back => {} }
}

/// A Broker's process, as far as one process holds it.
pub(super) struct Process {
    pub(super) address: SocketAddr,
    pub(super) configure: watch::Sender<Option<Configuration>>,
    pub(super) said: watch::Receiver<(ServiceState, String)>,
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

pub(super) fn account() -> AccountId {
    AccountId::new("sim-1").unwrap()
}

pub(super) fn customer(name: &str) -> CustomerId {
    CustomerId::new(name).unwrap()
}

pub(super) fn fence(epoch: u64) -> Fence {
    Fence { cluster: ClusterIncarnation(1), epoch: Epoch(epoch) }
}

pub(super) fn btc() -> InstrumentId {
    InstrumentId::new("BTC/USD").unwrap()
}

impl World {
    pub(super) async fn new() -> Self {
        let venue = Venue::start().await;
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
        }
    }

    pub(super) fn directory(&self) -> PathBuf {
        self.home.path().join("ledger")
    }

    /// Starts the Broker under epoch 10, in its next life, once its last life is really over.
    pub(super) async fn broker(&self) -> Process {
        let directory = self.directory();
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
        let wanted = self.wanted(10);
        let (configure, configured) = watch::channel(Some(Configuration::Broker { wanted }));
        let setup = Setup {
            account: account(),
            incarnation,
            directory,
            disk: Arc::new(tradewind_journal::RealDisk),
        };
        let broker = Broker { setup, configured, reporter, pipes };
        let stop = CancellationToken::new();
        let mut work = JoinSet::new();
        work.spawn(broker.run(stop.clone()));
        let mut server = JoinSet::new();
        let limits = listen::Limits::default();
        server.spawn(listen::serve(listener, routes(gate), limits, CancellationToken::new()));
        Process { address, configure, said, stop, work, server }
    }

    /// A live Broker with a Market connected to it.
    pub(super) async fn trading(&self) -> (Process, Market) {
        let process = self.broker().await;
        process.live().await;
        let market = Market::connect(process.address, "a1", 10).await;
        (process, market)
    }
}

/// A Market's end of the pipe; keeps all it hears.
pub(super) struct Market {
    sender: pipe::Sender<TradeDown>,
    pub(super) heard: Arc<Mutex<Vec<TradeUp>>>,
    requests: AtomicU64,
    _listens: JoinSet<()>,
}

/// A private event as heard: number, number before, event.
pub(super) type Heard = (u64, u64, PrivateEvent);

impl Market {
    pub(super) async fn connect(broker: SocketAddr, from: &str, epoch: u64) -> Self {
        let hello = Hello {
            protocol: PROTOCOL,
            purpose: "trade".to_string(),
            from: format!("{from}.market-manager/market.crypto.0"),
            to: "broker.sim-1.0".to_string(),
            incarnation: Incarnation(1),
            fence: fence(epoch),
        };
        let target = format!("{broker}{TRADE_PATH}");
        let (sender, mut events) = pipe::dial::<TradeDown, TradeUp>(
            move || std::future::ready(Ok(target.clone())).boxed(),
            move || hello.clone(),
            pipe::Options::default(),
        );
        let heard = Arc::new(Mutex::new(Vec::new()));
        let keep = heard.clone();
        let mut listens = JoinSet::new();
        listens.spawn(async move {
            while let Some(event) = events.next().await {
                if let pipe::Event::Message(message) = event {
                    keep.lock().unwrap().push(message);
                }
            }
        });
        eventually("the pipe is up", || sender.is_up().then_some(())).await;
        Self { sender, heard, requests: AtomicU64::new(1), _listens: listens }
    }

    pub(super) async fn send(&self, message: TradeDown) {
        self.sender.send(message).await.unwrap();
    }

    /// Sends a command and gives its number.
    pub(super) async fn ask(&self, fence: Fence, principal: Principal, c: OrderCommand) -> u64 {
        let request = self.requests.fetch_add(1, Ordering::SeqCst);
        self.send(TradeDown::Command { request, fence, principal, command: c }).await;
        request
    }

    pub(super) fn answer(&self, number: u64) -> Option<CommandAnswer> {
        self.heard.lock().unwrap().iter().find_map(|message| match message {
            TradeUp::Answer { request, answer } if *request == number => Some(answer.clone()),
            _ => None,
        })
    }

    pub(super) async fn command(
        &self,
        fence: Fence,
        principal: Principal,
        command: OrderCommand,
    ) -> CommandAnswer {
        let request = self.ask(fence, principal, command).await;
        eventually("an answer", || self.answer(request)).await
    }

    pub(super) async fn submit(
        &self,
        who: &str,
        order: NewOrder,
    ) -> Result<(Order, bool), Problem> {
        let command = OrderCommand::Submit { account: None, order };
        match self.command(fence(10), principal(who), command).await {
            CommandAnswer::Order { order, created } => Ok((*order, created)),
            CommandAnswer::Problem { problem } => Err(problem),
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn cancel(&self, who: &str, order_id: &OrderId) -> Result<Order, Code> {
        let command = OrderCommand::Cancel { order_id: order_id.clone() };
        match self.command(fence(10), principal(who), command).await {
            CommandAnswer::Order { order, .. } => Ok(*order),
            CommandAnswer::Problem { problem } => Err(problem.code),
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn list(&self, who: &str) -> Vec<Order> {
        let list = OrderCommand::List { account: account(), client_order_id: None, open: false };
        match self.command(fence(10), principal(who), list).await {
            CommandAnswer::Orders { orders } => orders,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn get(&self, who: &str, order_id: &OrderId) -> Order {
        let get = OrderCommand::Get { order_id: order_id.clone() };
        match self.command(fence(10), principal(who), get).await {
            CommandAnswer::Order { order, .. } => *order,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the ledger says that of the order.
    pub(super) async fn order_until(
        &self,
        who: &str,
        order_id: &OrderId,
        is: impl Fn(&Order) -> bool,
    ) -> Order {
        let deadline = Instant::now() + WITHIN;
        loop {
            let order = self.get(who, order_id).await;
            if is(&order) {
                return order;
            }
            assert!(Instant::now() < deadline, "the order stays {order:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) async fn subscribe(
        &self,
        subscription: u64,
        who: &str,
        channel: PrivateChannel,
        from: Option<Position>,
    ) -> TradeUp {
        let (account, customer) = (account(), customer(who));
        let ask = TradeDown::SubscribePrivate { subscription, account, customer, channel, from };
        self.send(ask).await;
        eventually("a private subscription is answered", || {
            let heard = self.heard.lock().unwrap();
            heard.iter().find(|message| opens(message, subscription)).cloned()
        })
        .await
    }

    /// What has come on a private subscription.
    pub(super) fn private(&self, subscription: u64) -> Vec<Heard> {
        let heard = self.heard.lock().unwrap();
        let own = heard.iter().filter_map(|message| match message {
            TradeUp::Private { subscription: s, seq, prev, event, .. } if *s == subscription => {
                Some((*seq, *prev, event.clone()))
            }
            _ => None,
        });
        own.collect()
    }
}

fn opens(message: &TradeUp, number: u64) -> bool {
    match message {
        TradeUp::PrivateOpened { subscription, .. }
        | TradeUp::PrivateClosed { subscription, .. } => *subscription == number,
        _ => false,
    }
}

pub(super) fn principal(who: &str) -> Principal {
    Principal { customer: customer(who), trader: None }
}

/// Trades at once.
pub(super) fn market_order(name: &str) -> NewOrder {
    NewOrder {
        client_order_id: ClientOrderId::new(name).unwrap(),
        instrument: btc(),
        side: Side::Buy,
        order_type: OrderType::Market,
        quantity: "0.001".parse().unwrap(),
        limit_price: None,
        time_in_force: TimeInForce::Ioc,
    }
}

/// Far below the market: rests until canceled.
pub(super) fn resting_order(name: &str) -> NewOrder {
    NewOrder {
        order_type: OrderType::Limit,
        limit_price: "1000".parse().ok(),
        time_in_force: TimeInForce::Gtc,
        ..market_order(name)
    }
}
