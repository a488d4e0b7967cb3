//! The TraderManager. Decides that a Trader is configured once it has a session under its assignment's
//! epoch and Brokers refuse all earlier ones; until then a copy that runs goes on and none is started. One that its
//! customer runs himself is not spawned: it attaches.

use crate::{
    attach::{self, Door, standing::admission},
    attachments::Attachments,
    limits,
    sessions::{Sessions, until},
};
use futures_util::{FutureExt as _, future::BoxFuture};
use futures_util::{StreamExt as _, stream};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};
use tokio::{
    sync::{Semaphore, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tradewind_domain::{
    control::{
        Desired,
        desired::{TraderWanted, Work as DesiredWork},
    },
    ids::ServiceId,
};
use tradewind_node::{
    clock,
    manager::{self, Handle, Options, Wanted, Work},
};
use tradewind_protocol::{session::OpenTraderSession, supervision::Configuration};

/// Runs a TraderManager until `shutdown`.
pub fn trader_manager(
    options: Options,
    shutdown: CancellationToken,
) -> BoxFuture<'static, Result<(), manager::Error>> {
    // Boxed here: a future's code is made where it is awaited, which would be the binary's crate.
    manager::run(options, Arc::new(TraderManager::default()), shutdown).boxed()
}

/// What makes a Manager a TraderManager.
pub struct TraderManager {
    sessions: Arc<Sessions>,
    attachments: Arc<Attachments>,
    /// Rises with every session that is opened.
    opened: watch::Sender<u64>,
    leaves: CancellationToken,
    asking: Arc<Semaphore>,
}

impl Default for TraderManager {
    fn default() -> Self {
        Self {
            sessions: Arc::default(),
            attachments: Arc::default(),
            opened: watch::Sender::new(0),
            leaves: CancellationToken::new(),
            asking: Arc::new(Semaphore::new(limits::ASKING)),
        }
    }
}

impl Work for TraderManager {
    fn wanted(&self, desired: &Desired) -> Vec<Wanted> {
        let spawned = traders(desired).iter().filter(|wanted| !wanted.is_self_managed());
        let wanted = spawned.map(|wanted| {
            let access = self.sessions.access(wanted, &desired.market_managers);
            // T1: an earlier copy may still be accepted somewhere.
            let access = access.filter(|_| !wanted.fencing);
            let configuration =
                access.map(|access| Configuration::Trader { wanted: wanted.clone(), access });
            let service = ServiceId::Trader { trader: wanted.trader.clone() };
            Wanted { service, configuration }
        });
        wanted.collect()
    }

    fn router(&self, handle: &Handle) -> axum::Router {
        attach::router(self.door(handle))
    }

    async fn background(self: Arc<Self>, handle: Handle, shutdown: CancellationToken) {
        let door = self.door(&handle);
        let telling = async {
            let mut desired = handle.desired();
            loop {
                door.publish();
                if desired.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.keep_sessions(&handle) => {}
            () = telling => {}
        }
    }

    async fn drain(&self) {
        self.attachments.close();
        self.leaves.cancel();
        self.attachments.all_gone().await;
    }
}

impl TraderManager {
    fn door(&self, handle: &Handle) -> Door {
        Door {
            handle: handle.clone(),
            attachments: self.attachments.clone(),
            sessions: self.sessions.clone(),
            opened: self.opened.subscribe(),
            leaves: self.leaves.clone(),
            asking: self.asking.clone(),
        }
    }

    /// Opens sessions as they fall due, for ever.
    async fn keep_sessions(&self, handle: &Handle) {
        let mut desired = handle.desired();
        loop {
            let wanted = desired.borrow_and_update().clone();
            let wanted = wanted.as_deref().map(openable).unwrap_or_default();
            let (due, next) = self.sessions.due(&wanted, Instant::now());
            let failed = AtomicBool::new(false);
            stream::iter(due)
                .for_each_concurrent(limits::OPENING, async |wanted| {
                    if !self.open(handle, &wanted).await {
                        failed.store(true, Ordering::Relaxed);
                    }
                })
                .await;
            let now = Instant::now();
            let again = failed.load(Ordering::Relaxed).then_some(now + limits::OPEN_AGAIN);
            let wake = [again, next].into_iter().flatten().min();
            tokio::select! {
                changed = desired.changed() => if changed.is_err() { return },
                () = sleep(wake.map_or(limits::LOOK_EVERY, |at| until(at, now))) => {}
            }
        }
    }

    async fn open(&self, handle: &Handle, wanted: &TraderWanted) -> bool {
        let (manager, incarnation) = (handle.manager().clone(), Some(handle.incarnation()));
        let Some(right) = wanted.right() else { return true };
        let ask = OpenTraderSession { manager, epoch: right.epoch, incarnation };
        let opened =
            handle.control().open_trader_session(&wanted.trader, &ask, limits::OPEN_WITHIN).await;
        match opened {
            Ok(opened) => {
                tracing::info!(trader = %wanted.trader, epoch = ask.epoch.0, "session opened");
                self.sessions.opened(wanted, opened, clock::now(), Instant::now());
                handle.reconsider();
                self.opened.send_modify(|opened| *opened += 1);
                true
            }
            Err(problem) => {
                tracing::warn!(trader = %wanted.trader, %problem, "session not opened");
                false
            }
        }
    }
}

/// Those that a session is opened for. One whose API key was revoked is given none.
fn openable(desired: &Desired) -> Vec<TraderWanted> {
    let admission = admission(desired);
    let good = |wanted: &&TraderWanted| {
        let customer = admission.customer(&wanted.customer);
        let key_id = wanted.attached.as_ref().map(|held| &held.key_id);
        let has = |key_id| customer.is_some_and(|customer| customer.key_ids.contains(key_id));
        !wanted.is_self_managed() || key_id.is_some_and(has)
    };
    traders(desired).iter().filter(good).cloned().collect()
}

pub(crate) fn traders(desired: &Desired) -> &[TraderWanted] {
    match &desired.work {
        DesiredWork::Traders { traders, .. } => traders,
        DesiredWork::Brokers { .. } | DesiredWork::Markets { .. } => &[],
    }
}
