//! The gateway: where algos connect to a MarketManager, by REST and by `/v1/stream`. Decides who is let
//! in, which Market is asked and what a session is told; routes and accounts are the Markets' decision,
//! orders the Brokers'.

mod auth;
mod bars;
mod calendar;
mod directory;
mod fan_out;
mod home;
mod instruments;
mod operations;
mod port;
mod presence;
mod rate;
mod rest;
mod session;
mod sessions;
mod tape;
mod trade_link;

use crate::{clock, hop::ReceiverId, limits, market::Waits};
use auth::Caller;
use axum::{
    Router,
    extract::{State, WebSocketUpgrade},
    middleware,
    response::Response,
    routing::get,
};
use directory::Directory;
use futures_util::FutureExt as _;
use home::Home;
use rate::Rates;
pub(crate) use sessions::Sessions;
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{oneshot, watch},
    time::sleep,
};
use trade_link::{Ask, TradeLink};
pub(crate) use trade_link::{MAIN, Shard};
use tradewind_domain::{
    control::Desired,
    ids::{CustomerId, Incarnation, InstrumentId, ManagerId, MarketId, ServiceId},
    limits as system,
    trading::presence::SessionKey,
};
use tradewind_link::{Failure, pipe};
use tradewind_protocol::{
    Code, Problem,
    link::{Hello, PROTOCOL},
    orders::LatestQuote,
    stream::ToAlgo,
    supervision::ServiceReport,
    token::Claims,
};

use crate::hop::unavailable;

/// Bounds and timings of the gateway; the default is what `limits` says.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) sessions: usize,
    /// Of one session.
    pub(crate) subscriptions: usize,
    /// Of one connection, not answered yet.
    pub(crate) operations: usize,
    /// Of one session, by REST and over its stream together.
    pub(crate) requests_per_second: u32,
    /// Frames waiting for one session that must not be left out.
    pub(crate) queue_frames: usize,
    /// A session that has no room for a private stream and takes nothing is disconnected after that.
    pub(crate) slow_after: Duration,
    pub(crate) heartbeat_every: Duration,
    pub(crate) ping_every: Duration,
    /// A peer from which nothing came for so long is gone.
    pub(crate) silence: Duration,
    pub(crate) close_within: Duration,
    pub(crate) goaway_within: Duration,
    pub(crate) relocation_grace: Duration,
    pub(crate) relocation_spread: Duration,
    pub(crate) waits: Waits,
    pub(crate) pipes: pipe::Options,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sessions: system::SESSIONS_PER_MARKET_MANAGER,
            subscriptions: system::SUBSCRIPTIONS_PER_SESSION,
            operations: system::OPERATIONS_PER_SESSION,
            requests_per_second: system::SESSION_REQUESTS_PER_SECOND,
            queue_frames: system::SESSION_QUEUE_FRAMES,
            slow_after: limits::SLOW_AFTER,
            heartbeat_every: system::HEARTBEAT_EVERY,
            ping_every: limits::EDGE_PING_EVERY,
            silence: limits::EDGE_SILENCE,
            close_within: limits::CLOSE_WITHIN,
            goaway_within: limits::GOAWAY_WITHIN,
            relocation_grace: limits::RELOCATION_GRACE,
            relocation_spread: limits::RELOCATION_SPREAD,
            waits: Waits::default(),
            pipes: pipe::Options::default(),
        }
    }
}

/// The MarketManager to which the gateway belongs.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) manager: ManagerId,
    pub(crate) incarnation: Incarnation,
}

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Gateway(Arc<Shared>);

struct Shared {
    settings: Settings,
    identity: Identity,
    /// The Manager's services, and where they listen.
    services: watch::Receiver<Arc<Vec<ServiceReport>>>,
    directory: watch::Sender<Option<Arc<Directory>>>,
    links: Mutex<BTreeMap<MarketId, TradeLink>>,
    sessions: Arc<Sessions>,
    rates: Rates,
}

impl Gateway {
    /// A gateway that finds its Markets among `services`. It lets nobody in before it has been told the
    /// first desired state.
    pub(crate) fn new(
        settings: Settings,
        identity: Identity,
        services: watch::Receiver<Arc<Vec<ServiceReport>>>,
        sessions: Arc<Sessions>,
    ) -> Self {
        let directory = watch::Sender::new(None);
        let links = Mutex::default();
        let rates = Rates::new(settings.requests_per_second);
        let shared = Shared { settings, identity, services, directory, links, sessions, rates };
        Self(Arc::new(shared))
    }

    /// What is served to algos.
    pub(crate) fn router(&self) -> Router {
        let counted = middleware::from_fn_with_state(self.0.sessions.clone(), rest::counted);
        let rest = rest::routes().merge(calendar::routes()).merge(instruments::routes());
        let rest = rest.merge(bars::routes());
        let rest = rest.layer(counted);
        rest.route("/v1/stream", get(stream)).with_state(self.clone())
    }

    /// Whether an order may be submitted in the caller's session. All else that is asked goes on behind a cordon:
    /// what is there is looked at and cancelled.
    fn submits(&self, caller: &Caller) -> Result<(), Problem> {
        self.0.sessions.submits(caller.0.session.as_str())
    }

    /// A newer desired state counts from now on.
    pub(crate) fn follow(&self, desired: &Desired) {
        let Some(directory) = Directory::new(desired) else {
            tracing::error!("the desired state is not a market manager's");
            return;
        };
        let directory = Arc::new(directory);
        // Whoever looks for a Market's link after this finds it: it is looked for under the same lock.
        let mut links = self.0.links.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.directory.send_replace(Some(directory.clone()));
        // A Market that is wanted no more keeps its link: sessions see it as away, and it may return.
        for market in directory.markets() {
            links.entry(market.clone()).or_insert_with(|| self.dial(market));
        }
    }

    /// Tells all sessions where to go, and closes them.
    pub(crate) async fn drain(&self) {
        let known = self.0.directory.borrow().clone();
        let others = known.map(|directory| directory.others(&self.0.identity.manager));
        self.0.sessions.drain(others.unwrap_or_default(), self.0.settings.goaway_within).await;
    }

    /// Moves all sessions to other MarketManagers, as soon as there is one that takes them, for as long as this is
    /// polled. May be cancelled at any await.
    pub(crate) async fn empty(&self) -> Infallible {
        loop {
            let known = self.0.directory.borrow().clone();
            let others = known.map(|known| known.others(&self.0.identity.manager));
            let others = others.unwrap_or_default();
            if !others.is_empty() && self.0.sessions.count() > 0 {
                let (grace, spread) =
                    (self.0.settings.relocation_grace, self.0.settings.relocation_spread);
                self.0.sessions.relocate(others, grace, spread).await;
            }
            sleep(limits::RELOCATION_LOOK).await;
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn rates(&self) -> &Rates {
        &self.0.rates
    }

    pub(crate) fn directory(&self) -> watch::Receiver<Option<Arc<Directory>>> {
        self.0.directory.subscribe()
    }

    /// What is known of the cluster.
    pub(crate) fn known(&self) -> Result<Arc<Directory>, Problem> {
        self.0.directory.borrow().clone().ok_or_else(|| {
            unavailable("this MarketManager has not been told yet whom to let in; use another one")
        })
    }

    pub(crate) fn link(&self, market: &MarketId) -> Result<TradeLink, Problem> {
        let links = self.0.links.lock().unwrap_or_else(PoisonError::into_inner);
        let none = || Problem::new(Code::NotFound, format!("there is no market {market} here"));
        links.get(market).cloned().ok_or_else(none)
    }

    pub(crate) async fn latest_quote(
        &self,
        market: &MarketId,
        instrument: InstrumentId,
    ) -> Result<LatestQuote, Problem> {
        let (reply, answer) = oneshot::channel();
        self.link(market)?.ask(Ask::LatestQuote { instrument, reply }).await;
        answer.await.unwrap_or_else(|_| Err(unavailable("this MarketManager is stopping")))
    }

    /// A session is over.
    pub(crate) async fn forget(&self, session: ReceiverId) {
        let links: Vec<TradeLink> = {
            let links = self.0.links.lock().unwrap_or_else(PoisonError::into_inner);
            links.values().cloned().collect()
        };
        for link in links {
            link.ask(Ask::Gone { session }).await;
        }
    }

    pub(crate) fn hello(&self, claims: &Claims, home: &Home) -> ToAlgo {
        let every = self.0.settings.heartbeat_every.as_millis();
        let Home { trader_manager, affinity_version } = home.clone();
        ToAlgo::Hello {
            session: claims.session.to_string(),
            time: clock::unix(),
            heartbeat_ms: u64::try_from(every).unwrap_or(u64::MAX),
            trader_manager,
            affinity_version,
            operations: u64::try_from(self.0.settings.operations).ok(),
        }
    }

    pub(crate) fn home(&self, customer: &CustomerId) -> Home {
        let known = self.0.directory.borrow();
        known.as_ref().and_then(|known| known.customer(customer)).map(Home::of).unwrap_or_default()
    }

    /// Where a customer belongs, if that is not `told`.
    pub(crate) fn home_if_not(&self, told: &Home, customer: &CustomerId) -> Option<Home> {
        let known = self.0.directory.borrow();
        let customer = known.as_ref()?.customer(customer)?;
        (!told.is_of(customer)).then(|| Home::of(customer))
    }

    /// The Manager's services as they are.
    pub(crate) fn services(&self) -> Arc<Vec<ServiceReport>> {
        self.0.services.borrow().clone()
    }

    /// These shards of a Market serve from now on.
    pub(crate) fn serve(&self, market: &MarketId, shards: &BTreeSet<Shard>) {
        if let Ok(link) = self.link(market) {
            link.serve(shards);
        }
    }

    /// Shards of a Market over which something comes, or may: they are not to be stopped.
    pub(crate) fn used(&self, market: &MarketId) -> BTreeSet<Shard> {
        self.link(market).map(|link| link.used()).unwrap_or_default()
    }

    /// Starts the link to a Market, whose shards are looked up among the Manager's own services at every dial.
    fn dial(&self, market: &MarketId) -> TradeLink {
        let fence = {
            let directory = self.0.directory.subscribe();
            move || directory.borrow().as_ref().map(|known| known.fence()).unwrap_or_default()
        };
        let (services, of) = (self.0.services.clone(), market.clone());
        let (identity, right) = (self.0.identity.clone(), fence.clone());
        let options = self.0.settings.pipes.clone();
        let dial = move |shard: Shard| {
            let service = ServiceId::Market { market: of.clone(), shard };
            let (services, wanted) = (services.clone(), service.clone());
            let target = move || {
                let reports = services.borrow();
                let report = reports.iter().find(|report| report.service == wanted);
                let address = report.and_then(|report| report.address.clone());
                let found = address.map(|address| format!("{address}/v1/trade"));
                std::future::ready(found.ok_or_else(|| format!("{wanted} is not there yet")))
                    .boxed()
            };
            let (identity, right) = (identity.clone(), right.clone());
            let hello = move || Hello {
                protocol: PROTOCOL,
                purpose: "trade".to_string(),
                from: identity.manager.to_string(),
                to: service.to_string(),
                incarnation: identity.incarnation,
                fence: right(),
            };
            pipe::dial(target, hello, options.clone())
        };
        TradeLink::start(market.clone(), dial, fence, self.0.settings.waits)
    }
}

async fn stream(
    State(gateway): State<Gateway>,
    caller: Caller,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Failure> {
    let settings = gateway.settings();
    let Caller(claims) = caller;
    let sessions = &gateway.0.sessions;
    let customer = claims.customer.clone();
    let session = SessionKey { customer, session: claims.session.clone() };
    let seat = sessions.enter(&session, settings.queue_frames, settings.slow_after)?;
    Ok(session::bounded(upgrade).on_upgrade(|socket| session::run(socket, seat, gateway, claims)))
}

#[cfg(test)]
mod tests;
