//! The MarketManager. Decides which Market services run: one of each market, since Markets are not
//! exclusive; supervising them is `data-plane/node`'s work, letting algos in the gateway's.

use crate::gateway::{Gateway, Identity, Sessions, Settings};
use futures_util::{FutureExt as _, future::BoxFuture};
use std::sync::{Arc, OnceLock};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tradewind_domain::{
    control::{Desired, desired},
    ids::ServiceId,
    limits::{CONNECTIONS, SESSIONS_PER_MARKET_MANAGER},
};
use tradewind_link::listen;
use tradewind_node::manager::{self, Handle, Options, Wanted, Work};
use tradewind_protocol::supervision::Configuration;

/// Runs a MarketManager until `shutdown`.
pub fn market_manager(
    options: Options,
    shutdown: CancellationToken,
) -> BoxFuture<'static, Result<(), manager::Error>> {
    // Boxed here: a future's code is made where it is awaited, which would be the binary's crate.
    manager::run(options, Arc::new(MarketManager::default()), shutdown).boxed()
}

/// What makes a Manager a MarketManager.
struct MarketManager {
    sessions: Arc<Sessions>,
    gateway: OnceLock<Gateway>,
    /// What is here is to move away.
    empties: watch::Sender<bool>,
}

impl Default for MarketManager {
    fn default() -> Self {
        let sessions = Sessions::new(Settings::default().sessions);
        // Until the Manager has a lease.
        sessions.lease(false);
        Self { sessions, gateway: OnceLock::new(), empties: watch::Sender::new(false) }
    }
}

impl MarketManager {
    fn gateway(&self, handle: &Handle) -> &Gateway {
        self.gateway.get_or_init(|| {
            let identity =
                Identity { manager: handle.manager().clone(), incarnation: handle.incarnation() };
            Gateway::new(Settings::default(), identity, handle.services(), self.sessions.clone())
        })
    }
}

impl Work for MarketManager {
    fn wanted(&self, desired: &Desired) -> Vec<Wanted> {
        match &desired.work {
            desired::Work::Markets { markets, access: _ } => markets
                .iter()
                .map(|wanted| {
                    let service = ServiceId::Market { market: wanted.market.clone(), shard: 0 };
                    Wanted::from((service, Configuration::Market { wanted: wanted.clone() }))
                })
                .collect(),
            desired::Work::Brokers { .. } | desired::Work::Traders { .. } => {
                tracing::error!("the desired state is not a market manager's");
                Vec::new()
            }
        }
    }

    fn router(&self, handle: &Handle) -> axum::Router {
        self.gateway(handle).router()
    }

    fn listen_limits(&self) -> listen::Limits {
        let connections = SESSIONS_PER_MARKET_MANAGER + CONNECTIONS;
        // The algos of a TraderManager all come from its one address.
        listen::Limits { connections, connections_per_address: connections, ..Default::default() }
    }

    fn on_desired(&self, desired: &Desired) {
        // At once: the Manager confirms its cordons with what it tells next.
        self.sessions.cordon(!desired.cordons.is_empty());
        self.empties.send_if_modified(|empties| {
            std::mem::replace(empties, desired.empties) != desired.empties
        });
    }

    fn on_lease(&self, holds: bool) {
        self.sessions.lease(holds);
    }

    fn sessions(&self) -> u64 {
        self.sessions.count()
    }

    async fn background(self: Arc<Self>, handle: Handle, shutdown: CancellationToken) {
        let gateway = self.gateway(&handle);
        let following = self.follow(gateway, &handle);
        let emptying = async {
            let mut empties = self.empties.subscribe();
            loop {
                // Its sender is this Manager's own.
                let _ = empties.wait_for(|empties| *empties).await;
                tokio::select! {
                    never = gateway.empty() => match never {},
                    _ = empties.wait_for(|empties| !*empties) => {}
                }
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = following => {}
            () = emptying => {}
            never = gateway.tell_presence() => match never {},
        }
    }

    async fn drain(&self) {
        if let Some(gateway) = self.gateway.get() {
            gateway.drain().await;
        }
    }
}

impl MarketManager {
    async fn follow(&self, gateway: &Gateway, handle: &Handle) {
        let mut desired = handle.desired();
        desired.mark_changed();
        while desired.changed().await.is_ok() {
            let newest = desired.borrow_and_update().clone();
            if let Some(newest) = newest {
                gateway.follow(&newest);
            }
        }
    }
}
