//! The whole way from an algo to a Broker: a gateway on a real listener, a Market task behind it that can
//! be stopped and started, and the scripted Broker.
#![allow(clippy::unwrap_used)]

use super::{algo::Algo, broker::Broker, claims, desired, market_wanted, quick_pipes, token};
use crate::{
    gateway::{Gateway, Identity, MAIN, Sessions, Settings, Shard},
    market::{self, Market},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tradewind_domain::{
    control::desired::MarketWanted,
    ids::{Incarnation, MarketId},
};
use tradewind_link::{
    listen,
    rest::{HeaderValue, Method, Rest},
};
use tradewind_node::service::StateReporter;
use tradewind_protocol::supervision::{Configuration, ServiceReport, ServiceState};

pub(crate) struct Edge {
    pub(crate) broker: Broker,
    pub(crate) gateway: Gateway,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) address: String,
    settings: Settings,
    wanted: MarketWanted,
    services: watch::Sender<Arc<Vec<ServiceReport>>>,
    lives: u64,
    shards: BTreeMap<Shard, Running>,
    _serving: JoinSet<()>,
}

/// A shard of the Market, while it runs.
struct Running {
    /// Dropped, it ends it.
    configuration: watch::Sender<Option<Configuration>>,
    tasks: JoinSet<()>,
}

pub(crate) fn quick_settings() -> Settings {
    Settings {
        heartbeat_every: Duration::from_millis(50),
        pipes: quick_pipes(),
        ..Settings::default()
    }
}

impl Edge {
    /// All of it running.
    pub(crate) async fn start(settings: Settings) -> Self {
        let mut edge = Self::without_market(settings).await;
        edge.broker.start().await;
        edge.start_market().await;
        edge
    }

    /// The gateway alone, told what is wanted.
    pub(crate) async fn without_market(settings: Settings) -> Self {
        let broker = Broker::new().await;
        let mut wanted = market_wanted("crypto");
        wanted.accounts[0].broker_manager = broker.manager.clone();
        let services = watch::Sender::new(Arc::default());
        let identity =
            Identity { manager: "a1.market-manager".parse().unwrap(), incarnation: Incarnation(1) };
        let sessions = Sessions::new(settings.sessions);
        let gateway =
            Gateway::new(settings.clone(), identity, services.subscribe(), sessions.clone());
        gateway.follow(&desired(vec![wanted.clone()]));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serving = listen::serve(
            listener,
            gateway.router(),
            listen::Limits::default(),
            CancellationToken::new(),
        );
        let _serving = JoinSet::from_iter([serving]);
        let (lives, shards) = (0, BTreeMap::new());
        Self {
            broker,
            gateway,
            sessions,
            address,
            settings,
            wanted,
            services,
            lives,
            shards,
            _serving,
        }
    }

    /// Starts a life of the Market on a fresh port.
    pub(crate) async fn start_market(&mut self) {
        self.start_shard(MAIN).await;
    }

    /// The same of one of its shards.
    pub(crate) async fn start_shard(&mut self, shard: Shard) {
        self.lives += 1;
        let service = format!("market.{}.{shard}", self.wanted.market);
        let (router, market) = Market::new(market::Settings {
            service: service.clone(),
            from: format!("{service}@a1"),
            incarnation: Incarnation(self.lives),
            waits: self.settings.waits,
            pipes: quick_pipes(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (configuration, configured) =
            watch::channel(Some(Configuration::Market { wanted: self.wanted.clone() }));
        let (reporter, _) = StateReporter::new();
        let never = CancellationToken::new();
        let limits = listen::Limits::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(listen::serve(listener, router, limits, never.clone()));
        tasks.spawn(market.run(configured, reporter, never));
        self.shards.insert(shard, Running { configuration, tasks });
        let report = ServiceReport {
            state: ServiceState::Live,
            incarnation: Some(Incarnation(self.lives)),
            address: Some(address),
            ..ServiceReport::starting(service.parse().unwrap())
        };
        self.services.send_modify(|held| {
            let others = held.iter().filter(|held| held.service != report.service).cloned();
            *held = Arc::new(others.chain([report.clone()]).collect());
        });
    }

    /// All that the Market has goes to one of another name, which is started.
    pub(crate) async fn rename_market(&mut self, name: &str) {
        self.wanted.market = MarketId::new(name).unwrap();
        self.gateway.follow(&desired(vec![self.wanted.clone()]));
        self.start_market().await;
    }

    /// The account is placed with another BrokerManager; the Broker it had lives on.
    pub(crate) fn move_account(&mut self, broker_manager: &str) {
        self.wanted.accounts[0].broker_manager = broker_manager.to_string();
        let configuration = Configuration::Market { wanted: self.wanted.clone() };
        self.shards[&MAIN].configuration.send_replace(Some(configuration));
    }

    /// Ends the Market's life as a crash would.
    pub(crate) async fn stop_market(&mut self) {
        self.stop_shard(MAIN).await;
    }

    pub(crate) async fn stop_shard(&mut self, shard: Shard) {
        if let Some(mut running) = self.shards.remove(&shard) {
            running.tasks.shutdown().await;
        }
    }

    /// These shards of the Market serve from now on.
    pub(crate) fn serve(&self, shards: &[Shard]) {
        self.gateway.serve(&self.wanted.market, &shards.iter().copied().collect());
    }

    /// Whether something comes over these shards, and no others.
    pub(crate) fn uses(&self, shards: &[Shard]) -> bool {
        self.gateway.used(&self.wanted.market) == shards.iter().copied().collect()
    }

    pub(crate) async fn algo(&self) -> Algo {
        Algo::connect(&self.address, &token(&claims("acme"))).await.unwrap()
    }

    /// A request of `acme`: status and body.
    pub(crate) async fn rest(
        &self,
        method: Method,
        path: &str,
        body: Option<&str>,
    ) -> (u16, serde_json::Value) {
        self.rest_as(&token(&claims("acme")), method, path, body).await
    }

    /// The same of whoever bears this token.
    pub(crate) async fn rest_as(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<&str>,
    ) -> (u16, serde_json::Value) {
        let bearer = format!("Bearer {token}");
        let mut headers = axum::http::HeaderMap::new();
        headers.insert("authorization", HeaderValue::try_from(bearer).unwrap());
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        let body = body.unwrap_or_default().to_string().into();
        let deadline = Duration::from_secs(10);
        let answer = Rest::default()
            .raw(method, &self.address, path, headers, body, deadline)
            .await
            .unwrap();
        (answer.0.as_u16(), serde_json::from_slice(&answer.2).unwrap())
    }
}
