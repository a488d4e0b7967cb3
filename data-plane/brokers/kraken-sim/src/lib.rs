//! A venue that speaks Kraken's REST and WebSocket v2, for adapters and for other people's clients: one address,
//! one account, the matching engine and the recorded book of the sim venue, a durable ledger that judges, and
//! faults on demand. Decides how it starts and stops; the parts say what they decide.
//!
//! What of Kraken is not simulated: margin, orders with triggers, icebergs, level 3, earn, funding. Such requests
//! are refused.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod connection;
mod desk;
mod errors;
mod exchange;
mod http;
mod ids;
mod ledger;
mod limits;
mod pair;
mod street;

use core::num::NonZeroU32;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::net::TcpListener;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tradewind_kraken::rate::Tier;
use tradewind_kraken::sign::Secret;
use tradewind_link::listen::{self, BindError};
use tradewind_sim::clock::Clock;

use desk::Desk;
use desk::session::Session;
use exchange::Exchange;
use ledger::Ledger;
use street::{Drawn, Street};

pub use desk::DeskError;
pub use ledger::LedgerError;

/// How to run the simulator.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Where the ledger is kept; made if need be.
    pub state_dir: PathBuf,
    /// The one API key.
    pub api_key: String,
    pub secret: Secret,
    /// How many times faster than recorded the market data comes.
    pub speed: NonZeroU32,
    /// Limits of the account.
    pub tier: Tier,
    /// What the drawn streets are drawn from.
    pub seed: u64,
}

impl Options {
    /// The usual options.
    #[must_use]
    pub fn new(
        listen: SocketAddr,
        state_dir: impl Into<PathBuf>,
        api_key: impl Into<String>,
        secret: Secret,
    ) -> Self {
        Self {
            listen,
            state_dir: state_dir.into(),
            api_key: api_key.into(),
            secret,
            speed: const { NonZeroU32::new(limits::SPEED).expect("a speed above zero") },
            tier: Tier::Pro,
            seed: 1,
        }
    }
}

/// Why the simulator does not start, or has stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The message says what to do.
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("the simulator cannot say where it listens")]
    Announce(#[from] std::io::Error),
    #[error("the simulator has stopped")]
    Desk(#[from] DeskError),
    #[error("a task of the simulator has ended badly")]
    Task(#[from] JoinError),
}

/// Runs until `shutdown`. Says on stdout, in one JSON line, when and where it is ready.
pub async fn run(options: Options, shutdown: CancellationToken) -> Result<(), Error> {
    let bound = bind(options).await?;
    let ready = serde_json::json!({ "ready": true, "address": bound.address()?.to_string() });
    {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{ready}")?;
        stdout.flush()?;
    }
    bound.serve(shutdown).await
}

/// A simulator that has its port and its ledger, and takes no client yet.
pub struct Bound {
    listener: TcpListener,
    desk: Desk,
    task: desk::Task,
}

/// Opens the ledger and takes the port.
pub async fn bind(options: Options) -> Result<Bound, Error> {
    let Options { listen, state_dir, api_key, secret, speed, tier, seed } = options;
    let listener = listen::bind(listen).await?;
    let opening =
        tokio::task::spawn_blocking(move || Ledger::open(&state_dir.join("ledger"), pair::pairs()));
    let (ledger, state) = opening.await?.map_err(DeskError::from)?;
    let mut clock = Clock::from(state.latest());
    let now = clock.now();
    let (exchange, resumed) = Exchange::resume(state, tier, now).map_err(DeskError::from)?;
    let session = Session::new(api_key, secret, tier, now);
    // BTC/USD is recorded; ETH/USD is drawn about 3,000.00.
    let streets = vec![Street::recorded(speed), Street::Drawn(Drawn::new(seed, 300_000))];
    let (desk, task) = desk::Task::new(exchange, resumed, session, ledger, clock, streets)?;
    Ok(Bound { listener, desk, task })
}

impl Bound {
    /// Where it listens.
    pub fn address(&self) -> Result<SocketAddr, Error> {
        Ok(self.listener.local_addr()?)
    }

    /// Serves clients until `shutdown`; what was taken in before is done and told. Dropping this is like a crash:
    /// only what was told is sure to be in the ledger.
    pub async fn serve(self, shutdown: CancellationToken) -> Result<(), Error> {
        let Self { listener, desk, task } = self;
        let mut tasks = JoinSet::new();
        tasks.spawn(task.run());
        let router = http::router(desk, shutdown.clone());
        let serving = listen::serve(listener, router, listen::Limits::default(), shutdown);
        tokio::select! {
            () = serving => {}
            // While somebody serves there are handles, so the task ends only when it cannot go on.
            Some(ended) = tasks.join_next() => return Ok(ended??),
        }
        match timeout(limits::STOP_WITHIN, tasks.join_next()).await {
            Ok(Some(ended)) => Ok(ended??),
            Ok(None) => Ok(()),
            Err(_) => {
                tracing::warn!("the simulator did not come to rest in time");
                Ok(())
            }
        }
    }
}
