//! An order's round trip: from an algo to `accepted`, over MarketManager, Market and Broker, beside the least that such
//! a way can be in the same run: three relays that parse and write anew, and one fdatasync. Decides what is compared:
//! the same number of connections, each with one order under way, which is never filled: it bids far below the market. One
//! connection alone pauses between its orders.

use super::{
    peers, relay,
    site::{INSTRUMENT, Site, TRADER, below},
};
use crate::bench::{
    http::HttpCaller,
    journal::Raw,
    measured::{Latencies, Measured, hundredths},
};
use anyhow::{Context as _, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::{Deserialize, Serialize};
use std::{
    cell::Cell,
    collections::BTreeSet,
    net::SocketAddr,
    path::Path,
    rc::Rc,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};
use tokio::{net::TcpStream, task::JoinSet};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};
use tradewind_domain::ids::{ClientOrderId, Fence};
use tradewind_launcher::Process;
use tradewind_protocol::{
    orders::SubmitOrder,
    trade::{OrderCommand, Principal, TradeDown},
};
use tradewind_sdk::{OrderRequest, Session, Side, TimeInForce};

/// Before each measurement, not counted.
const WARM_UP: Duration = Duration::from_millis(500);

#[derive(Debug, Serialize)]
pub(super) struct Orders {
    /// One fdatasync of an order's record on the same disk.
    fdatasync: Measured,
    runs: Vec<Run>,
    /// The same through the SDK, one session, unloaded.
    sdk: Measured,
    /// Accepted orders, and those that reached the venue: each exactly once.
    accepted: u64,
    at_the_venue: u64,
}

#[derive(Debug, Serialize)]
struct Run {
    sessions: u32,
    tradewind: Measured,
    /// Three relays.
    relays: Measured,
    /// Our p50 by that of the relays and one fdatasync.
    p50_by_relays_and_sync: f64,
    /// Our p50 by 1.5 times that of the relays and one fdatasync: the target is 1 or less, at one session.
    p50_by_target: f64,
}

pub(super) async fn measure(
    data: &Path,
    sessions: &[u32],
    length: Duration,
) -> anyhow::Result<Orders> {
    let directory = below(data, "orders")?;
    let mut raw = Raw::create(&directory, 1)?;
    let mut syncs = Latencies::default();
    let mut took = Duration::ZERO;
    raw.turn(&mut Latencies::default())?;
    while took < length {
        took += raw.turn(&mut syncs)?;
    }
    let fdatasync = syncs.measured(took);
    let site = Site::start(1, &below(&directory, "cluster")?, None).await?;
    let opened = site.session(TRADER).await?;
    let edge = opened.market_managers.first().context("no MarketManager")?.address.parse()?;
    let (mut runs, mut accepted) = (Vec::new(), 0);
    for sessions in sessions.iter().copied() {
        // In turns, so that a machine that slows down slows both.
        let (mut ours, mut floor) = (Parts::default(), Parts::default());
        for _ in 0..TURNS {
            let turn = Turn { length: length / TURNS, pause: pause(sessions) };
            let callers = http_callers(edge, sessions, &opened.token).await?;
            accepted += ours.add(callers, turn).await?;
            floor.add(relay_callers(&directory, sessions).await?, turn).await?;
        }
        let (tradewind, relays) = (ours.measured(), floor.measured());
        let (own, hops) = (f64::from(tradewind.p50_us), f64::from(relays.p50_us));
        let sync = f64::from(fdatasync.p50_us);
        let p50_by_relays_and_sync = hundredths(own / (hops + sync));
        let p50_by_target = hundredths(own / (hops * 1.5 + sync));
        runs.push(Run { sessions, tradewind, relays, p50_by_relays_and_sync, p50_by_target });
    }
    let (sdk, by_sdk) = through_the_sdk(&site, length).await?;
    accepted += by_sdk;
    let at_the_venue = arrived(&site, accepted).await?;
    site.cluster.stop().await;
    Ok(Orders { fdatasync, runs, sdk, accepted, at_the_venue })
}

/// Measurements of each side, in turns.
const TURNS: u32 = 3;
/// A single session is measured unloaded: what an order is followed by (its send, the venue's word, their records on the
/// same disk) is over before the next.
const UNLOADED_PAUSE: Duration = Duration::from_millis(5);

#[derive(Clone, Copy)]
struct Turn {
    length: Duration,
    /// Between an answer and the next order.
    pause: Option<Duration>,
}

fn pause(sessions: u32) -> Option<Duration> {
    (sessions == 1).then_some(UNLOADED_PAUSE)
}

#[derive(Default)]
struct Parts {
    latencies: Latencies,
    took: Duration,
}

impl Parts {
    /// Gives how many were accepted in all, those of the warm-up too.
    async fn add<C: Caller + 'static>(
        &mut self,
        callers: Vec<C>,
        turn: Turn,
    ) -> anyhow::Result<u64> {
        let (latencies, accepted) = load(callers, turn).await?;
        self.latencies.extend(latencies);
        self.took += turn.length;
        Ok(accepted)
    }

    fn measured(self) -> Measured {
        self.latencies.measured(self.took)
    }
}

/// One connection, one order under way.
trait Caller {
    async fn submit(&mut self) -> anyhow::Result<()>;
}

async fn load<C: Caller + 'static>(
    callers: Vec<C>,
    turn: Turn,
) -> anyhow::Result<(Latencies, u64)> {
    let begin = Instant::now() + WARM_UP;
    let end = begin + turn.length;
    let stop = Rc::new(Cell::new(false));
    let mut tasks = JoinSet::new();
    for mut caller in callers {
        let stop = stop.clone();
        tasks.spawn_local(async move {
            let (mut latencies, mut accepted) = (Latencies::default(), 0_u64);
            while !stop.get() {
                let began = Instant::now();
                caller.submit().await?;
                accepted += 1;
                let answered = Instant::now();
                if answered >= begin && answered < end {
                    latencies.note(answered - began);
                }
                if let Some(pause) = turn.pause {
                    tokio::time::sleep(pause).await;
                }
            }
            anyhow::Ok((latencies, accepted))
        });
    }
    tokio::time::sleep_until(end.into()).await;
    stop.set(true);
    let (mut all, mut accepted) = (Latencies::default(), 0);
    while let Some(done) = tasks.join_next().await {
        let (latencies, more) = done??;
        all.extend(latencies);
        accepted += more;
    }
    Ok((all, accepted))
}

/// An order of its own each time; far below the market, and canceled by the venue at once.
struct Draw {
    like: SubmitOrder,
}

impl Draw {
    fn new() -> anyhow::Result<Self> {
        let like = serde_json::from_value(serde_json::json!({
            "account": TRADER.account, "client_order_id": "none", "instrument": INSTRUMENT,
            "side": "buy", "type": "limit", "quantity": "0.001", "limit_price": "1",
            "time_in_force": "ioc",
        }))?;
        Ok(Self { like })
    }

    fn next(&mut self) -> anyhow::Result<&SubmitOrder> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        self.like.client_order_id = ClientOrderId::new(&format!("bench-{number}"))?;
        Ok(&self.like)
    }
}

struct HttpOrders {
    caller: HttpCaller,
    token: String,
    draw: Draw,
}

async fn http_callers(
    edge: SocketAddr,
    sessions: u32,
    token: &str,
) -> anyhow::Result<Vec<HttpOrders>> {
    let mut callers = Vec::new();
    for number in 0..sessions {
        let caller = HttpCaller::connect(edge, number).await?;
        let (token, draw) = (token.to_string(), Draw::new()?);
        callers.push(HttpOrders { caller, token, draw });
    }
    Ok(callers)
}

impl Caller for HttpOrders {
    async fn submit(&mut self) -> anyhow::Result<()> {
        let body = serde_json::to_string(self.draw.next()?)?;
        self.caller.post("/v1/orders", &self.token, &body).await
    }
}

struct RelayOrders {
    socket: WebSocketStream<TcpStream>,
    principal: Principal,
    request: u64,
    draw: Draw,
    /// The chain lives as long as whoever uses it.
    _relays: Rc<[Process; 3]>,
}

async fn relay_callers(data: &Path, sessions: u32) -> anyhow::Result<Vec<RelayOrders>> {
    let last = peers::start(data, &["relay"]).await?;
    let second = peers::start(data, &["relay", "--to", last.address()]).await?;
    let first = peers::start(data, &["relay", "--to", second.address()]).await?;
    let address: SocketAddr = first.address().parse()?;
    let relays = Rc::new([first, second, last]);
    let mut callers = Vec::new();
    for _ in 0..sessions {
        let socket = relay::dial(address).await?;
        let principal =
            Principal { customer: TRADER.customer.parse()?, trader: None, session: None };
        let (draw, _relays) = (Draw::new()?, relays.clone());
        callers.push(RelayOrders { socket, principal, request: 0, draw, _relays });
    }
    Ok(callers)
}

impl Caller for RelayOrders {
    async fn submit(&mut self) -> anyhow::Result<()> {
        self.request += 1;
        let body = self.draw.next()?;
        let order = body.new_order();
        let command = OrderCommand::Submit { account: body.account.clone(), order };
        let frame = TradeDown::Command {
            request: self.request,
            fence: Fence::default(),
            principal: self.principal.clone(),
            command,
            routed: None,
        };
        self.socket.send(Message::text(serde_json::to_string(&frame)?)).await?;
        let answer = self.socket.next().await.context("a relay has closed")??;
        ensure!(answer.is_text(), "a relay said something else: {answer:?}");
        Ok(())
    }
}

/// One session of the SDK, as an algo has it.
async fn through_the_sdk(site: &Site, length: Duration) -> anyhow::Result<(Measured, u64)> {
    let builder = Session::builder().infrastructure_managers(site.cluster.members());
    let session = builder.api_key(TRADER.key).connect().await?;
    let caller = SdkOrders(session);
    let (latencies, accepted) = load(vec![caller], Turn { length, pause: pause(1) }).await?;
    Ok((latencies.measured(length), accepted))
}

struct SdkOrders(Session);

impl Caller for SdkOrders {
    async fn submit(&mut self) -> anyhow::Result<()> {
        let request = OrderRequest::limit(INSTRUMENT, Side::Buy, "0.001", "1".parse()?)?;
        self.0.submit(&request.time_in_force(TimeInForce::Ioc)).await?;
        Ok(())
    }
}

/// How many orders the venue has had, once it has had so many, or nothing more comes.
async fn arrived(site: &Site, accepted: u64) -> anyhow::Result<u64> {
    let venue: SocketAddr = site.cluster.venue_address().parse()?;
    let path = format!("/v1/ledger?account={}", TRADER.account);
    let mut before = None;
    loop {
        let mut caller = HttpCaller::connect(venue, 0).await?;
        let page: Page = serde_json::from_slice(caller.get(&path).await?)?;
        let arrived = page.arrivals.len() as u64;
        let each: BTreeSet<String> =
            page.arrivals.into_iter().map(|arrival| arrival.venue_order_id).collect();
        ensure!(each.len() as u64 == arrived, "an order has arrived at the venue twice");
        if arrived >= accepted || before == Some(arrived) {
            return Ok(arrived);
        }
        before = Some(arrived);
        tokio::time::sleep(LATE).await;
    }
}

/// An order that was accepted reaches the venue well within this.
const LATE: Duration = Duration::from_secs(3);

/// Of the venue's ledger, which is too large to be read otherwise.
#[derive(Deserialize)]
struct Page {
    arrivals: Vec<Arrival>,
}

#[derive(Deserialize)]
struct Arrival {
    venue_order_id: String,
}
