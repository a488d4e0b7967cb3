//! The whole way from an algo to a Broker: a gateway on a real listener, a Market task behind it that can
//! be stopped and started, and the scripted Broker.
#![allow(clippy::unwrap_used)]

use super::{algo::Algo, broker::Broker, claims, desired, market_wanted, quick_pipes, token};
use crate::{
    gateway::{Gateway, Identity, Sessions, Settings},
    market::{self, Market},
};
use std::{sync::Arc, time::Duration};
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
    /// Dropped, it ends the Market.
    configuration: Option<watch::Sender<Option<Configuration>>>,
    market: Option<JoinSet<()>>,
    _serving: JoinSet<()>,
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
        let (lives, market) = (0, None);
        Self {
            broker,
            gateway,
            sessions,
            address,
            settings,
            wanted,
            services,
            lives,
            configuration: None,
            market,
            _serving,
        }
    }

    /// Starts a life of the Market on a fresh port.
    pub(crate) async fn start_market(&mut self) {
        self.lives += 1;
        let service = format!("market.{}.0", self.wanted.market);
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
        self.configuration = Some(configuration);
        let (reporter, _) = StateReporter::new();
        let never = CancellationToken::new();
        let limits = listen::Limits::default();
        let mut running = JoinSet::new();
        running.spawn(listen::serve(listener, router, limits, never.clone()));
        running.spawn(market.run(configured, reporter, never));
        self.market = Some(running);
        self.services.send_replace(Arc::new(vec![ServiceReport {
            service: service.parse().unwrap(),
            state: ServiceState::Live,
            detail: String::new(),
            incarnation: Some(Incarnation(self.lives)),
            pid: None,
            address: Some(address),
            crashes: 0,
            handed_back: None,
            fenced: Default::default(),
            venue: None,
            ledger: None,
        }]));
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
        self.configuration.as_ref().unwrap().send_replace(Some(configuration));
    }

    /// Ends the Market's life as a crash would.
    pub(crate) async fn stop_market(&mut self) {
        if let Some(mut market) = self.market.take() {
            market.shutdown().await;
        }
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
