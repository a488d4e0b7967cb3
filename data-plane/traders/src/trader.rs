//! The Trader service. Decides when a copy of the algo starts, is started again and ends: one at a time,
//! again after a wait where its policy says so, anew under another epoch or declaration, not at all while it
//! is paused or after it has ended for good.

use crate::{
    algo::Order,
    environment, limits,
    record::{Ended, Record},
};
use futures_util::{FutureExt as _, future::BoxFuture};
use std::{path::PathBuf, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;
use tradewind_domain::{
    control::{handed_back::Failure, trader::RestartPolicy},
    limits::CRASH_WINDOW,
};
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
    #[error("whether anything of its last algo still runs cannot be seen: {0}")]
    LeftOver(#[source] std::io::Error),
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
    let record = Record::within(&context.state_dir);
    // Before the first copy, and before anyone may ask this service to stop.
    record.end_left_over().map_err(Error::LeftOver)?;
    // A Manager of an earlier build tells none, and has not raised it.
    let open_files = std::env::var(service::OPEN_FILES).ok().and_then(|text| text.parse().ok());
    let work = |configured, reporter, stop| {
        let backoff = Backoff::default();
        Trader { binary, log, record, open_files, reporter, stop, backoff }.run(configured)
    };
    Ok(service::run(context, axum::Router::new(), work, shutdown).await?)
}

type Configured = watch::Receiver<Option<Configuration>>;

struct Trader {
    binary: PathBuf,
    log: LogFile,
    record: Record,
    /// How many files its algo may have open unless something is declared.
    open_files: Option<u64>,
    reporter: StateReporter,
    stop: CancellationToken,
    backoff: Backoff,
}

/// What follows on a copy's end, or on none having been started.
enum Next {
    Stop,
    /// Another order stands.
    Anew,
    Again(Duration),
    /// Only another order starts one.
    Rest,
}

impl Trader {
    async fn run(mut self, mut configured: Configured) -> Result<(), BoxError> {
        while let Some(order) = self.ordered(&mut configured).await? {
            let next = match self.at_rest(&order) {
                Some(rest) => rest,
                None => self.attend(&order, &mut configured).await?,
            };
            match next {
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
                Next::Rest => {
                    tokio::select! {
                        superseded = superseded(&mut configured, &order) => superseded?,
                        () = self.stop.cancelled() => return Ok(()),
                    }
                    self.backoff = Backoff::default();
                }
            }
        }
        Ok(())
    }

    /// Whether no copy is to be started under `order`.
    fn at_rest(&self, order: &Order) -> Option<Next> {
        if order.wanted.paused {
            self.reporter.give_up(None);
            self.reporter.report(ServiceState::Paused, "paused: its algo does not run");
            return Some(Next::Rest);
        }
        let Ended { state, detail, .. } = self.record.ended(&order.wanted)?;
        self.reporter.report(state, detail);
        Some(Next::Rest)
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
        let found = tokio::select! {
            found = environment::find(&order.wanted.run.environment) => found,
            superseded = superseded(configured, order) => {
                return Ok(if superseded.is_ok() { Next::Anew } else { Next::Stop });
            }
            () = self.stop.cancelled() => return Ok(Next::Stop),
        };
        let started = match found {
            Ok(found) => self.start(order, found).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let mut process = match started {
            Ok(process) => process,
            Err(why) => {
                let failure = Failure::NotStarted;
                return Ok(self.failed(&why, failure, log_from, Duration::ZERO));
            }
        };
        let mut log_look = interval(LOG_LOOK_EVERY);
        log_look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => {
                    self.end(&mut process).await;
                    return Ok(Next::Stop);
                }
                exit = process.exited() => {
                    return Ok(self.ended(order, exit, log_from, since.elapsed()));
                }
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

    fn start(&self, order: &Order, found: Vec<(String, String)>) -> std::io::Result<Process> {
        match order.wanted.run.restart {
            // What this life of the service does not live to see has ended by the time the next one looks.
            RestartPolicy::Never => self.record.put_ended(&Ended {
                wanted: order.wanted.clone(),
                state: ServiceState::Failed,
                detail: "its service ended while the algo ran; it is not run again".to_owned(),
            })?,
            RestartPolicy::Always | RestartPolicy::OnFailure => {}
        }
        let process =
            order.start(&self.binary, &self.log, found, self.open_files).inspect_err(|_| {
                // It has not run.
                self.record.forget_ended();
            })?;
        self.record.put(process.identity());
        tracing::info!(pid = process.pid(), epoch = order.fence().epoch.0, "algo started");
        let detail = format!("running as {} at epoch {}", process.pid(), order.fence().epoch);
        self.reporter.live(detail);
        Ok(process)
    }

    async fn end(&self, process: &mut Process) {
        self.reporter.report(ServiceState::Stopping, "ending the algo");
        let exit = process.end(limits::ALGO_STOPS_WITHIN).await;
        self.record.forget_ended();
        tracing::info!(pid = process.pid(), %exit, "algo ended as asked");
    }

    fn ended(&mut self, order: &Order, exit: Exit, log_from: u64, lived: Duration) -> Next {
        let well = exit.0.is_some_and(|status| status.success());
        match (order.wanted.run.restart, well) {
            (RestartPolicy::OnFailure | RestartPolicy::Never, true) => {
                let detail = "the algo has ended by itself, without an error".to_owned();
                self.rest(order, ServiceState::Completed, detail)
            }
            (RestartPolicy::Never, false) => {
                let words = self.log.tail(log_from, limits::CRASH_LINES);
                let detail = format!("the algo failed: {exit}; its last words: {words}");
                self.rest(order, ServiceState::Failed, detail)
            }
            (RestartPolicy::Always | RestartPolicy::OnFailure, _) => {
                let failure = Failure::Ended { exit: exit.told() };
                self.failed(&exit.to_string(), failure, log_from, lived)
            }
        }
    }

    /// No copy follows under this order, in this life or a later one.
    fn rest(&self, order: &Order, state: ServiceState, detail: String) -> Next {
        tracing::info!(?state, detail, "algo is not run again");
        let ended = Ended { wanted: order.wanted.clone(), state, detail };
        if let Err(error) = self.record.put_ended(&ended) {
            // Only a crash of this service would miss it.
            tracing::error!(%error, "how the algo has ended cannot be put on record");
        }
        self.reporter.give_up(None);
        self.reporter.report(state, ended.detail);
        Next::Rest
    }

    fn failed(&mut self, why: &str, failure: Failure, log_from: u64, lived: Duration) -> Next {
        let wait = self.backoff.crashed(std::time::Instant::now(), lived);
        // Its Manager tells the leader, who may find it another place; until then it is tried again here.
        self.reporter.give_up((wait > Duration::ZERO).then_some(failure));
        let words = self.log.tail(log_from, limits::CRASH_LINES);
        tracing::warn!(why, last_words = words, ?wait, "algo ended");
        let detail = format!("the algo ended, again in {wait:?}: {why}; its last words: {words}");
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
