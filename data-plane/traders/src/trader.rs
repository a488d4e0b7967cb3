//! The Trader service. Decides when a copy of the algo starts, is started again and ends: one at a time,
//! again after a failure and a wait, anew under another epoch or command, not again after it has ended
//! well by itself.

use crate::{algo::Order, limits, record::Record};
use futures_util::{FutureExt as _, future::BoxFuture};
use std::{path::PathBuf, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;
use tradewind_domain::{control::handed_back::Failure, limits::CRASH_WINDOW};
use tradewind_node::{
    limits::LOG_LOOK_EVERY,
    log_file::LogFile,
    process::{Exit, Process},
    service::{self, BoxError, Context, EnvError, StateReporter},
    supervision::Backoff,
};
use tradewind_protocol::supervision::{Configuration, ServiceState};

/// Why a Trader's process ended without having been asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Env(#[from] EnvError),
    #[error("this program's own file cannot be found")]
    OwnBinary(#[source] std::io::Error),
    #[error(transparent)]
    Service(#[from] service::Error),
}

/// Runs the Trader that the environment names, until its Manager or `shutdown` asks it to stop.
pub fn trader(shutdown: CancellationToken) -> BoxFuture<'static, Result<(), Error>> {
    // Boxed here: a future's code is made where it is awaited, which would be the binary's crate.
    serve(shutdown).boxed()
}

async fn serve(shutdown: CancellationToken) -> Result<(), Error> {
    let context = Context::from_env()?;
    let binary = std::env::current_exe().map_err(Error::OwnBinary)?;
    let log = LogFile::at(context.state_dir.join("algo.log"));
    let record = Record::at(context.state_dir.join("algo.json"));
    // Before the first copy, and before anyone may ask this service to stop.
    record.end_left_over();
    let work = |configured, reporter, stop| {
        Trader { binary, log, record, reporter, stop, backoff: Backoff::default() }.run(configured)
    };
    Ok(service::run(context, axum::Router::new(), work, shutdown).await?)
}

type Configured = watch::Receiver<Option<Configuration>>;

struct Trader {
    binary: PathBuf,
    log: LogFile,
    record: Record,
    reporter: StateReporter,
    stop: CancellationToken,
    backoff: Backoff,
}

/// What follows on a copy's end.
enum Next {
    Stop,
    /// Another order stands.
    Anew,
    Again(Duration),
    /// The algo is done; only another order starts it.
    Done,
}

impl Trader {
    async fn run(mut self, mut configured: Configured) -> Result<(), BoxError> {
        while let Some(order) = self.ordered(&mut configured).await? {
            match self.attend(&order, &mut configured).await? {
                Next::Stop => return Ok(()),
                Next::Anew => {
                    self.backoff = Backoff::default();
                    self.reporter.give_up(None);
                }
                Next::Again(wait) => {
                    tokio::select! {
                        () = sleep(wait) => {}
                        superseded = superseded(&mut configured, &order) => superseded?,
                        () = self.stop.cancelled() => return Ok(()),
                    }
                }
                Next::Done => {
                    tokio::select! {
                        superseded = superseded(&mut configured, &order) => superseded?,
                        () = self.stop.cancelled() => return Ok(()),
                    }
                }
            }
        }
        Ok(())
    }

    /// The order that stands; waits for the first. `None`: it is to stop.
    async fn ordered(&self, configured: &mut Configured) -> Result<Option<Order>, BoxError> {
        tokio::select! {
            first = configured.wait_for(|told| order_of(told.as_ref()).is_some()) => {
                Ok(order_of(first?.as_ref()))
            }
            () = self.stop.cancelled() => Ok(None),
        }
    }

    /// Starts a copy and stays with it to its end.
    async fn attend(
        &mut self,
        order: &Order,
        configured: &mut Configured,
    ) -> Result<Next, BoxError> {
        let (log_from, since) = (self.log.bytes(), Instant::now());
        let mut process = match order.start(&self.binary, &self.log) {
            Ok(process) => process,
            Err(error) => {
                let failure = Failure::NotStarted;
                return Ok(self.failed(&error.to_string(), failure, log_from, Duration::ZERO));
            }
        };
        self.record.put(process.identity());
        tracing::info!(pid = process.pid(), epoch = order.fence().epoch.0, "algo started");
        self.reporter.live(format!(
            "running as {} at epoch {}",
            process.pid(),
            order.fence().epoch
        ));
        let mut log_look = interval(LOG_LOOK_EVERY);
        log_look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => {
                    self.end(&mut process).await;
                    return Ok(Next::Stop);
                }
                exit = process.exited() => return Ok(self.ended(exit, log_from, since.elapsed())),
                superseded = superseded(configured, order) => {
                    self.end(&mut process).await;
                    // A channel that has closed is the shell on its way out: the stop follows.
                    return Ok(if superseded.is_ok() { Next::Anew } else { Next::Stop });
                }
                _ = log_look.tick() => {
                    self.bound_log();
                    if since.elapsed() >= CRASH_WINDOW {
                        self.reporter.give_up(None);
                    }
                }
            }
        }
    }

    async fn end(&self, process: &mut Process) {
        self.reporter.report(ServiceState::Stopping, "ending the algo");
        let exit = process.end(limits::ALGO_STOPS_WITHIN).await;
        tracing::info!(pid = process.pid(), %exit, "algo ended as asked");
    }

    fn ended(&mut self, exit: Exit, log_from: u64, lived: Duration) -> Next {
        if exit.0.is_some_and(|status| status.success()) {
            tracing::info!("algo has ended by itself");
            self.reporter.live("the algo has ended by itself, without an error");
            return Next::Done;
        }
        let failure = Failure::Ended { exit: exit.told() };
        self.failed(&exit.to_string(), failure, log_from, lived)
    }

    fn failed(&mut self, why: &str, failure: Failure, log_from: u64, lived: Duration) -> Next {
        let wait = self.backoff.crashed(std::time::Instant::now(), lived);
        // Its Manager tells the leader, who may find it another place; until then it is tried again here.
        self.reporter.give_up((wait > Duration::ZERO).then_some(failure));
        let words = self.log.tail(log_from, limits::CRASH_LINES);
        tracing::warn!(why, last_words = words, ?wait, "algo failed");
        let detail = format!("the algo failed, again in {wait:?}: {why}; its last words: {words}");
        self.reporter.report(ServiceState::Waiting, detail);
        Next::Again(wait)
    }

    fn bound_log(&self) {
        let log = self.log.clone();
        // Not waited for: a slow disk must not hold up the end of the algo.
        tokio::task::spawn_blocking(move || {
            if let Err(error) = log.bound() {
                tracing::warn!(%error, "the algo's log could not be begun anew");
            }
        });
    }
}

/// Returns when a copy that runs under `order` must make way; an error if the shell is gone.
async fn superseded(configured: &mut Configured, order: &Order) -> Result<(), BoxError> {
    let next = |told: &Option<Configuration>| {
        order_of(told.as_ref()).is_some_and(|next| order.is_superseded_by(&next))
    };
    configured.wait_for(next).await?;
    Ok(())
}

fn order_of(told: Option<&Configuration>) -> Option<Order> {
    match told? {
        Configuration::Trader { wanted, access } => {
            Some(Order { wanted: wanted.clone(), access: access.clone() })
        }
        Configuration::Broker { .. } | Configuration::Market { .. } => None,
    }
}
