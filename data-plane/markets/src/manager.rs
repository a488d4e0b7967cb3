//! The MarketManager. Decides which Market services run: each market's shard 0, since Markets are not exclusive, and as many
//! more as its load asks for (`scaling`); supervising them is `data-plane/node`'s work, letting algos in the gateway's.

mod scaling;

use crate::{
    gateway::{Gateway, Identity, MAIN, Sessions, Settings},
    limits::SHARD_LOOK_EVERY,
};
use futures_util::{FutureExt as _, future::BoxFuture};
use scaling::{Scaling, Scene};
use std::{
    collections::BTreeSet,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tradewind_domain::{
    control::{
        Desired,
        desired::{self, MarketWanted},
    },
    ids::ServiceId,
    limits::{CONNECTIONS, SESSIONS_PER_MARKET_MANAGER},
    trading::shards::{Load, Marks},
};
use tradewind_link::listen;
use tradewind_node::manager::{self, Gauge, Handle, Options, Wanted, Work};
use tradewind_protocol::supervision::Configuration;

/// Runs a MarketManager until `shutdown`; its Markets have as many shards as `marks` let them.
pub fn market_manager(
    options: Options,
    marks: Marks,
    shutdown: CancellationToken,
) -> BoxFuture<'static, Result<(), manager::Error>> {
    // Boxed here: a future's code is made where it is awaited, which would be the binary's crate.
    manager::run(options, Arc::new(MarketManager::new(marks)), shutdown).boxed()
}

/// What makes a Manager a MarketManager.
struct MarketManager {
    sessions: Arc<Sessions>,
    gateway: OnceLock<Gateway>,
    /// What is here is to move away.
    empties: watch::Sender<bool>,
    scaling: Scaling,
    cordoned: AtomicBool,
    leased: AtomicBool,
}

impl MarketManager {
    fn new(marks: Marks) -> Self {
        let sessions = Sessions::new(Settings::default().sessions);
        // Until the Manager has a lease.
        sessions.lease(false);
        Self {
            sessions,
            gateway: OnceLock::new(),
            empties: watch::Sender::new(false),
            scaling: Scaling::new(marks),
            cordoned: AtomicBool::new(false),
            leased: AtomicBool::new(false),
        }
    }

    /// The services of one market.
    fn shards(&self, wanted: &MarketWanted) -> Vec<Wanted> {
        let (services, used) = match self.gateway.get() {
            Some(gateway) => (gateway.services(), gateway.used(&wanted.market)),
            None => (Arc::default(), BTreeSet::from([MAIN])),
        };
        let shards = self.scaling.wanted(&wanted.market, &services, &used).into_iter();
        let service = |shard| ServiceId::Market { market: wanted.market.clone(), shard };
        let configuration = || Configuration::Market { wanted: wanted.clone() };
        shards.map(|shard| Wanted::from((service(shard), configuration()))).collect()
    }

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
            desired::Work::Markets { markets, .. } => {
                markets.iter().flat_map(|wanted| self.shards(wanted)).collect()
            }
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
        self.cordoned.store(!desired.cordons.is_empty(), Ordering::Relaxed);
        self.empties.send_if_modified(|empties| {
            std::mem::replace(empties, desired.empties) != desired.empties
        });
    }

    fn on_lease(&self, holds: bool) {
        self.sessions.lease(holds);
        self.leased.store(holds, Ordering::Relaxed);
    }

    fn on_load(&self, service: &ServiceId, load: Load) {
        self.scaling.heard(service, load);
    }

    fn gauges(&self) -> Vec<Gauge> {
        let of = self.scaling.figures();
        let gauge = |name, help, value| Gauge { name, help, value };
        vec![
            gauge("manager_market_shards", "Shards of Markets that are to run here", of.wanted),
            gauge("manager_market_shards_serving", "Those that instruments go over", of.serving),
            gauge(
                "manager_market_shard_load_max",
                "What the busiest of them takes of a core, in thousandths",
                of.busiest,
            ),
        ]
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
            () = self.scale(gateway, &handle) => {}
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
    /// Looks now and then how many shards there should be, and which of them serve.
    async fn scale(&self, gateway: &Gateway, handle: &Handle) {
        let (desired, mut services) = (handle.desired(), handle.services());
        let mut look = interval(SHARD_LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // What a shard says of itself counts at once; that nobody tells any more ends nothing.
            tokio::select! {
                _ = look.tick() => {}
                Ok(()) = services.changed() => {}
            }
            let Some(wanted) = desired.borrow().clone() else { continue };
            let desired::Work::Markets { markets, .. } = &wanted.work else { continue };
            let told = services.borrow_and_update().clone();
            let looked = self.scaling.look(&Scene {
                markets,
                services: &told,
                open: self.leased.load(Ordering::Relaxed) && !self.cordoned.load(Ordering::Relaxed),
                emptied: wanted.empties,
                used: &|market| gateway.used(market),
            });
            for (market, shards) in &looked.serving {
                gateway.serve(market, shards);
            }
            if looked.changed {
                handle.reconsider();
            }
        }
    }

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
