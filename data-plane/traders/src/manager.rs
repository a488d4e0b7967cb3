//! The TraderManager. Decides that a Trader is configured once it has a session under its assignment's
//! epoch and Brokers refuse all earlier ones; until then a copy that runs goes on and none is started.

use crate::{
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
use tokio::time::sleep;
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
#[derive(Default)]
pub struct TraderManager {
    sessions: Sessions,
}

impl Work for TraderManager {
    fn wanted(&self, desired: &Desired) -> Vec<Wanted> {
        let wanted = traders(desired).iter().map(|wanted| {
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

    async fn background(self: Arc<Self>, handle: Handle, shutdown: CancellationToken) {
        shutdown.run_until_cancelled(self.keep_sessions(&handle)).await;
    }
}

impl TraderManager {
    /// Opens sessions as they fall due, for ever.
    async fn keep_sessions(&self, handle: &Handle) {
        let mut desired = handle.desired();
        loop {
            let wanted = desired.borrow_and_update().clone();
            let wanted = wanted.as_deref().map_or(&[][..], traders);
            let (due, next) = self.sessions.due(wanted, Instant::now());
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
        let ask = OpenTraderSession { manager, epoch: wanted.fence.epoch, incarnation };
        let opened =
            handle.control().open_trader_session(&wanted.trader, &ask, limits::OPEN_WITHIN).await;
        match opened {
            Ok(opened) => {
                tracing::info!(trader = %wanted.trader, epoch = ask.epoch.0, "session opened");
                self.sessions.opened(wanted, opened, clock::now(), Instant::now());
                handle.reconsider();
                true
            }
            Err(problem) => {
                tracing::warn!(trader = %wanted.trader, %problem, "session not opened");
                false
            }
        }
    }
}

fn traders(desired: &Desired) -> &[TraderWanted] {
    match &desired.work {
        DesiredWork::Traders { traders } => traders,
        DesiredWork::Brokers { .. } | DesiredWork::Markets { .. } => &[],
    }
}
