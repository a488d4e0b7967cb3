//! The sim venue: a market place of its own, in a process of its own, that Brokers trade at as they would
//! at any other. Decides how it starts and stops; the parts say what they decide.
//!
//! Recorded market data is its street ([`recording`]), or generated data ([`generated`]). A small matching engine
//! lets orders trade with the street and with each other, and a durable ledger keeps everything that ever
//! arrived: that ledger is the judge of what Brokers did. [`wire`] is its protocol, [`fault`] what it does wrong
//! on demand.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod clock;
mod connection;
mod door;
pub mod engine;
mod exchange;
pub mod fault;
mod fees;
pub mod generated;
mod http;
pub mod instrument;
mod ledger;
pub mod limits;
pub mod recording;
mod venue;
pub mod wire;

use core::num::NonZeroU32;
use core::time::Duration;
use futures_util::{FutureExt as _, future::BoxFuture};
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::net::TcpListener;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tradewind_domain::ids::InstrumentId;
use tradewind_link::listen::{self, BindError};
use tradewind_protocol::asks::ConnectsAllowed;

use door::Door;
use generated::Streets;
use instrument::Instrument;
use ledger::Ledger;
use recording::{Recording, Replay};

pub use fees::Fees;
pub use ledger::LedgerError;
pub use venue::VenueError;

/// How to run the venue.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes any free one, a taken port the next free one.
    pub listen: SocketAddr,
    /// Where the ledger is kept; made if need be.
    pub state_dir: PathBuf,
    /// How many times faster than recorded, or than [`limits::GENERATED_EVERY`], the market data comes.
    pub speed: NonZeroU32,
    /// The longest pause between two of its messages.
    pub pause_max: Duration,
    /// What is played.
    pub recording: Recording,
    /// By this seed a street is generated for each instrument; nothing recorded is played.
    pub generated: Option<u64>,
    /// Connects from one address; more are refused. `None`: as many as come.
    pub connects: Option<ConnectsAllowed>,
    /// Instruments that one connection may subscribe to.
    pub subscriptions: u32,
    /// What is traded beside BTC/USD: on the same recorded street, or each on its own generated one.
    pub instruments: Vec<InstrumentId>,
    /// What trades cost from now on; those before it are in the ledger as they were.
    pub fees: Fees,
}

impl Options {
    /// The usual options: the recording that comes with the program, at [`limits::SPEED`].
    #[must_use]
    pub fn new(listen: SocketAddr, state_dir: impl Into<PathBuf>) -> Self {
        Self {
            listen,
            state_dir: state_dir.into(),
            speed: const { NonZeroU32::new(limits::SPEED).expect("a speed above zero") },
            pause_max: limits::PAUSE_MAX,
            recording: Recording::kraken_btc_usd(),
            generated: None,
            connects: None,
            subscriptions: limits::SUBSCRIPTIONS,
            instruments: Vec::new(),
            fees: Fees::default(),
        }
    }
}

/// Why the venue does not start, or has stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The message says what to do.
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("the venue cannot say where it listens")]
    Announce(#[from] std::io::Error),
    #[error("the venue has stopped")]
    Venue(#[from] VenueError),
    #[error("a task of the venue has ended badly")]
    Task(#[from] JoinError),
}

/// Runs the venue until `shutdown`. Says on stdout, in one JSON line, when and where it is ready.
pub fn run(options: Options, shutdown: CancellationToken) -> BoxFuture<'static, Result<(), Error>> {
    // Boxed here: a future's code is made where it is awaited, which would be the binary's crate.
    serve(options, shutdown).boxed()
}

async fn serve(options: Options, shutdown: CancellationToken) -> Result<(), Error> {
    let bound = bind(options).await?;
    announce(bound.address()?)?;
    bound.serve(shutdown).await
}

/// The one line on stdout that whoever started the venue waits for.
fn announce(address: SocketAddr) -> Result<(), Error> {
    let ready = serde_json::json!({ "ready": true, "address": address.to_string() });
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{ready}")?;
    Ok(stdout.flush()?)
}

/// A venue that has its port and its ledger, and takes no client yet.
pub struct Bound {
    listener: TcpListener,
    venue: venue::Venue,
    task: venue::Task,
    door: Door,
}

/// Opens the ledger and takes the port.
pub async fn bind(options: Options) -> Result<Bound, Error> {
    let Options { listen, state_dir, speed, pause_max, recording, .. } = options;
    let Options { generated, connects, subscriptions, instruments, fees, .. } = options;
    let opening = tokio::task::spawn_blocking(move || Ledger::open(&state_dir.join("ledger")));
    let (ledger, state) = opening.await?.map_err(VenueError::from)?;
    let streets = match generated {
        Some(seed) => {
            let btc_usd = Instrument::btc_usd().id;
            let all = core::iter::once(&btc_usd).chain(&instruments);
            Streets::generated(seed, all, (limits::GENERATED_EVERY / speed.get()).min(pause_max))
        }
        None => Streets::recorded(Replay::new(recording, speed, pause_max)),
    };
    let offer = venue::Offer { instruments, subscriptions, fees };
    let (venue, task) = venue::Task::new(ledger, state, streets, offer)?;
    let listener = listen::bind_or_next(listen).await?;
    Ok(Bound { listener, venue, task, door: Door::new(connects) })
}

impl Bound {
    /// Where it listens.
    pub fn address(&self) -> Result<SocketAddr, Error> {
        Ok(self.listener.local_addr()?)
    }

    /// Serves clients until `shutdown`; what was taken in before is done and told. Dropping this is like
    /// a crash: only what was told is sure to be in the ledger.
    pub async fn serve(self, shutdown: CancellationToken) -> Result<(), Error> {
        let Self { listener, venue, task, door } = self;
        let mut tasks = JoinSet::new();
        tasks.spawn(task.run());
        let router = http::router(venue, door, shutdown.clone());
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
                tracing::warn!("the venue did not come to rest in time");
                Ok(())
            }
        }
    }
}
