//! The Market service: what algos trade through without knowing which venue is behind it. This file
//! decides only how frames get in and out (pipes to Brokers, pipes from the MarketManager) and when the
//! Market takes nothing more in; what is done with a frame is `relay`'s decision.
//!
//! No circle waits for itself: towards the venue nothing is waited for, towards the algos only pipes are.

mod downstream;
mod relay;
pub(crate) mod routes;
mod upstream;

use crate::{clock::Clock, hop::Act, limits};
use axum::{
    Router,
    extract::{State, WebSocketUpgrade},
    routing::get,
};
use downstream::{Downstreams, FromReceiver};
use futures_util::{FutureExt as _, future::BoxFuture};
use relay::Relay;
use std::sync::Arc;
use tokio::{
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tradewind_domain::{
    control::desired::MarketWanted,
    ids::{AccountId, Incarnation},
};
use tradewind_link::pipe::{self, Accepted, Diallers, Event, Gate};
use tradewind_node::service::{self, Context, EnvError, StateReporter};
use tradewind_protocol::{
    supervision::Configuration,
    trade::{TradeDown, TradeUp},
};
use upstream::{FromBroker, Identity, Upstreams};

pub(crate) use relay::Waits;

/// Why a Market ended without having been asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It was not started by a Manager.
    #[error(transparent)]
    Environment(#[from] EnvError),
    #[error(transparent)]
    Service(#[from] service::Error),
}

/// Runs the Market service that the environment describes, until `shutdown` or its Manager's word.
pub fn run(shutdown: CancellationToken) -> BoxFuture<'static, Result<(), Error>> {
    // Boxed here: a future's code is made where it is awaited, which would be the binary's crate.
    serve(shutdown).boxed()
}

async fn serve(shutdown: CancellationToken) -> Result<(), Error> {
    let context = Context::from_env()?;
    let settings = Settings {
        service: context.service.to_string(),
        // Every MarketManager runs a Market of the same name: its address tells them apart.
        from: format!("{}@{}", context.service, context.manager),
        incarnation: context.incarnation,
        waits: Waits::default(),
        pipes: pipe::Options::default(),
    };
    let (router, market) = Market::new(settings);
    let work = |configuration, reporter, stop| async move {
        market.run(configuration, reporter, stop).await;
        Ok(())
    };
    Ok(service::run(context, router, work, shutdown).await?)
}

/// Who a Market is, and its timings.
pub(crate) struct Settings {
    pub(crate) service: String,
    /// What it calls itself to Brokers.
    pub(crate) from: String,
    pub(crate) incarnation: Incarnation,
    pub(crate) waits: Waits,
    pub(crate) pipes: pipe::Options,
}

type TradeGate = Gate<TradeUp, TradeDown>;

/// The Market's task: owns the relay and all pipes.
pub(crate) struct Market {
    clock: Clock,
    relay: Relay,
    upstreams: Upstreams,
    downstreams: Downstreams,
    from_brokers: mpsc::Receiver<FromBroker>,
    from_receivers: mpsc::Receiver<FromReceiver>,
    accepted: mpsc::Receiver<Accepted<TradeUp, TradeDown>>,
}

impl Market {
    /// A Market and the routes to serve for it.
    pub(crate) fn new(settings: Settings) -> (Router, Self) {
        let Settings { service, from, incarnation, waits, pipes } = settings;
        let (gate, accepted) =
            TradeGate::new(service, "trade", incarnation, Diallers::One, pipes.clone());
        let router = Router::new().route("/v1/trade", get(trade)).with_state(gate);
        let (upstreams, from_brokers) = Upstreams::new(Identity { from, incarnation }, pipes);
        let (downstreams, from_receivers) = Downstreams::new();
        let (clock, relay) = (Clock::start(), Relay::new(waits));
        let market =
            Self { clock, relay, upstreams, downstreams, from_brokers, from_receivers, accepted };
        (router, market)
    }

    /// Works until `shutdown`. May be cancelled: all pipes end with it.
    pub(crate) async fn run(
        mut self,
        mut configuration: watch::Receiver<Option<Configuration>>,
        reporter: StateReporter,
        shutdown: CancellationToken,
    ) {
        let mut tick = interval(limits::TICK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let room = self.downstreams.room();
        configuration.mark_changed();
        loop {
            let have_room = self.downstreams.have_room();
            let acts = tokio::select! {
                () = shutdown.cancelled() => return,
                changed = configuration.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let told = configuration.borrow_and_update().clone();
                    self.configure(told.as_ref())
                }
                Some(accepted) = self.accepted.recv() => {
                    self.downstreams.accept(accepted);
                    Vec::new()
                }
                Some(from) = self.from_brokers.recv(), if have_room => self.heard_broker(from),
                Some(from) = self.from_receivers.recv(),
                    if have_room && !self.upstreams.congested() => self.heard_receiver(from),
                () = room.notified(), if !have_room => Vec::new(),
                _ = tick.tick() => {
                    self.upstreams.flush();
                    let (live, words) = self.relay.standing();
                    if live { reporter.live(words) } else { reporter.connecting(words) }
                    self.relay.tick(self.clock.now())
                }
            };
            self.carry_out(acts);
        }
    }

    fn configure(&mut self, told: Option<&Configuration>) -> Vec<Act<AccountId>> {
        match told {
            Some(Configuration::Market { wanted }) => self.become_wanted(wanted),
            Some(Configuration::Broker { .. } | Configuration::Trader { .. }) => {
                tracing::error!("the configuration is not a market's");
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    fn become_wanted(&mut self, wanted: &MarketWanted) -> Vec<Act<AccountId>> {
        tracing::info!(market = %wanted.market, epoch = wanted.fence.epoch.0, "configured");
        let gone = self.upstreams.reconcile(wanted.accounts.iter(), wanted.fence);
        let mut acts: Vec<_> =
            gone.iter().flat_map(|account| self.relay.broker_down(account)).collect();
        acts.extend(self.relay.configure(wanted, self.clock.now()));
        acts
    }

    fn heard_broker(&mut self, from: FromBroker) -> Vec<Act<AccountId>> {
        if !self.upstreams.is_current(&from) {
            return Vec::new();
        }
        let FromBroker { account, event, .. } = from;
        match event {
            Event::Up { protocol, .. } => {
                tracing::info!(%account, "broker reached");
                if let Some(line) = self.upstreams.line(&account) {
                    line.up(protocol);
                }
                self.relay.broker_up(&account, self.clock.now())
            }
            Event::Message(frame) => self.relay.heard_broker(&account, frame, self.clock.now()),
            Event::Down(lost) => {
                tracing::debug!(%account, %lost, "broker not reached");
                if let Some(line) = self.upstreams.line(&account) {
                    line.lost();
                }
                self.relay.broker_down(&account)
            }
        }
    }

    fn heard_receiver(&mut self, received: FromReceiver) -> Vec<Act<AccountId>> {
        let FromReceiver { from, frame } = received;
        match frame {
            Some(frame) => self.relay.heard_receiver(from, frame, self.clock.now()),
            None => {
                self.downstreams.remove(from);
                self.relay.receiver_gone(from)
            }
        }
    }

    /// Sends what was decided, and what follows where something could not be sent.
    fn carry_out(&mut self, mut acts: Vec<Act<AccountId>>) {
        while !acts.is_empty() {
            let mut more = Vec::new();
            for act in acts {
                match act {
                    Act::Up { via, frame } => {
                        let sent = self.upstreams.line(&via).map(|line| line.send(frame));
                        if let Some(Err(request)) = sent {
                            more.extend(self.relay.not_sent(request));
                        }
                    }
                    Act::Down { to, frame } => {
                        if !self.downstreams.send(to, frame) {
                            tracing::warn!(
                                pipe = to.0,
                                "a trading pipe is too far behind, closing it"
                            );
                            self.downstreams.remove(to);
                            more.extend(self.relay.receiver_gone(to));
                        }
                    }
                }
            }
            acts = more;
        }
    }
}

async fn trade(
    State(gate): State<Arc<TradeGate>>,
    upgrade: WebSocketUpgrade,
) -> axum::response::Response {
    pipe::accept(upgrade, gate)
}
