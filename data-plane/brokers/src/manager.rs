//! The BrokerManager. Decides that each Broker that is wanted is one service, and has all of them ask before they connect
//! to a venue; supervising them, and saying where each is (`GET /v1/services/{service}`, which Markets ask at every
//! dial), is what all Managers share. Beside them it keeps copies of the ledgers of other nodes.

use crate::{
    connects::desk::Desk,
    copies::{
        serve::{CopyPipe, routes, serve},
        shelf::Shelf,
    },
    venue::{Dials, Purpose},
};
use axum::Router;
use futures_util::{FutureExt as _, future::BoxFuture};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tradewind_domain::{
    control::{
        Desired,
        desired::{BrokerWanted, Work as Wish},
    },
    ids::{AccountId, Epoch, Fence, ServiceId},
};
use tradewind_journal::RealDisk;
use tradewind_node::manager::{self, Handle, Options, Wanted, Work};
use tradewind_protocol::{
    asks::{ServiceAnswer, ServiceAsk},
    supervision::Configuration,
};

/// What a BrokerManager does beside what all Managers do.
pub struct Brokers {
    desk: Desk,
    shelf: Arc<Shelf>,
    /// Of those whose copies it keeps, from when it has a listener to when they are served.
    pipes: Mutex<Option<mpsc::Receiver<CopyPipe>>>,
}

impl Brokers {
    /// With its directory; copies are kept in it.
    #[must_use]
    pub fn at(state_dir: &Path) -> Self {
        let shelf = Arc::new(Shelf::at(state_dir.join("copies"), Arc::new(RealDisk)));
        Self { desk: Desk::default(), shelf, pipes: Mutex::default() }
    }

    /// Lets go of copies that others keep by now.
    fn keep(&self, desired: &Desired) {
        let Wish::Brokers { copies, .. } = &desired.work else { return };
        let kept: BTreeMap<AccountId, Fence> =
            copies.iter().map(|copy| (copy.account.clone(), copy.since)).collect();
        let at = Fence { cluster: desired.fence.cluster, epoch: Epoch(desired.revision.0) };
        if let Err(error) = self.shelf.keep(&kept, at) {
            // Looked at again with the next state.
            tracing::error!(%error, "a copy that is named no longer cannot be removed");
        }
    }
}

impl Work for Brokers {
    fn wanted(&self, desired: &Desired) -> Vec<Wanted> {
        match &desired.work {
            Wish::Brokers { brokers, .. } => brokers.iter().cloned().map(service).collect(),
            // Only a leader that takes this Manager for another sends these.
            Wish::Markets { .. } | Wish::Traders { .. } => {
                tracing::error!("told to run services of another kind");
                Vec::new()
            }
        }
    }

    fn router(&self, handle: &Handle) -> Router {
        let (router, pipes) = routes(handle.manager(), handle.incarnation());
        *self.pipes.lock().unwrap_or_else(PoisonError::into_inner) = Some(pipes);
        router
    }

    async fn background(self: Arc<Self>, handle: Handle, shutdown: CancellationToken) {
        let pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut pipes) = pipes else { return };
        let mut desired = handle.desired();
        let mut served = JoinSet::new();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                Some(accepted) = pipes.recv() => {
                    tracing::info!(from = accepted.hello.from, "a ledger's copy is kept here");
                    served.spawn(serve(accepted, self.shelf.clone()));
                }
                Some(_) = served.join_next() => {}
                Ok(()) = desired.changed() => {
                    let told = desired.borrow_and_update().clone();
                    let work = self.clone();
                    let kept = tokio::task::spawn_blocking(move || {
                        told.iter().for_each(|told| work.keep(told));
                    });
                    // It fails only by a panic, which was told.
                    drop(kept.await);
                }
            }
        }
    }

    fn asked(&self, service: &ServiceId, ask: ServiceAsk) -> ServiceAnswer {
        match ask {
            ServiceAsk::Connect { venue, endpoint, allowed, dials, for_data } => {
                let purpose = if for_data { Purpose::MarketData } else { Purpose::Orders };
                self.desk.ask(service, &venue, &Dials { at: endpoint, allowed, dials, purpose })
            }
        }
    }
}

fn service(wanted: BrokerWanted) -> Wanted {
    let service = ServiceId::Broker { account: wanted.account.clone(), shard: wanted.shard };
    Wanted::from((service, Configuration::Broker { wanted }))
}

/// Runs a BrokerManager until `shutdown`.
pub fn broker_manager(
    options: Options,
    shutdown: CancellationToken,
) -> BoxFuture<'static, Result<(), manager::Error>> {
    let work = Arc::new(Brokers::at(&options.state_dir));
    // Boxed here: a future's code is made where it is awaited, which would be the binary's crate.
    manager::run(options, work, shutdown).boxed()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tradewind_domain::ids::{Revision, VenueId};

    #[test]
    fn each_broker_wanted_is_one_service_named_after_account_and_shard() {
        // given
        let wanted = |account: &str, shard| BrokerWanted {
            account: AccountId::new(account).unwrap(),
            shard,
            fence: Fence::default(),
            venue: VenueId::new("sim").unwrap(),
            adapter: "sim".to_string(),
            endpoint: "127.0.0.1:1".to_string(),
            customers: Default::default(),
            fences: Vec::new(),
            controls: Default::default(),
            copies: None,
        };
        let brokers = vec![wanted("a", 0), wanted("a", 1), wanted("b", 0)];
        let desired = Desired {
            revision: Revision(1),
            fence: Fence::default(),
            work: Wish::Brokers { brokers: brokers.clone(), copies: Vec::new() },
            market_managers: Vec::new(),
            cordons: Default::default(),
            empties: false,
        };
        // when
        let services = Brokers::at(Path::new("/nowhere")).wanted(&desired);
        // then
        let names: Vec<_> = services.iter().map(|wanted| wanted.service.to_string()).collect();
        assert_eq!(names, ["broker.a.0", "broker.a.1", "broker.b.0"]);
        let told = services.into_iter().map(|wanted| wanted.configuration.unwrap());
        assert!(told.eq(brokers.into_iter().map(|wanted| Configuration::Broker { wanted })));
    }
}
