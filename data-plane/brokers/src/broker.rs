//! The Broker: the service of one account. Decides what it is made of and when that is made anew; orders
//! are the ledger's matter, the venue the adapter's, a Market's pipe the session's.

mod copies;

use crate::{
    connection::{self, Asking},
    connects::right::Right,
    copies::{
        durable::{self, Durable},
        stream::Stream,
    },
    keeper::{self, FromVenue, Keeper, LedgerHandle},
    ledger::rules::Assignment,
    limits::{LAST_WORDS_WITHIN, VENUE_EVENTS},
    quotes::Quotes,
    session::{Session, turn_away},
    standing::Standing,
    store::{Opened, StoreError},
    venue::{self, Venue, kraken::settings::Settings},
};
use axum::{
    Router,
    extract::{State, WebSocketUpgrade},
    response::Response,
    routing::get,
};
use futures_util::{FutureExt as _, future::BoxFuture};
use std::{path::PathBuf, sync::Arc};
use tokio::{
    sync::{mpsc, watch},
    task::{JoinError, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tradewind_domain::{
    control::desired::{BrokerWanted, CopiesWanted},
    ids::{AccountId, Fence, Incarnation, InvalidName, ServiceId},
};
use tradewind_journal::{Disk, RealDisk};
use tradewind_link::pipe::{self, Accepted, Diallers, Gate};
use tradewind_node::clock;
use tradewind_node::service::{self, Context, EnvError, StateReporter};
use tradewind_protocol::{
    supervision::Configuration,
    trade::{TradeDown, TradeUp},
};

/// Where Markets open their pipes.
pub const TRADE_PATH: &str = "/v1/trade";

/// Why a Broker ended without being asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Environment(#[from] EnvError),
    #[error("this is the Broker, and {0} is none")]
    OtherService(ServiceId),
    #[error(transparent)]
    Service(#[from] service::Error),
    #[error(transparent)]
    Ledger(#[from] StoreError),
    #[error(transparent)]
    Name(#[from] InvalidName),
    #[error("one of its tasks has ended in a panic")]
    Panicked(#[from] JoinError),
}

pub(crate) type TradeGate = Arc<Gate<TradeUp, TradeDown>>;
pub(crate) type Pipes = mpsc::Receiver<Accepted<TradeUp, TradeDown>>;

/// Runs the Broker that the environment names, until its Manager or `shutdown` says stop.
pub fn broker(shutdown: CancellationToken) -> BoxFuture<'static, Result<(), Error>> {
    // Boxed here: a future's code is made where it is awaited, which would be the binary's crate.
    serve(shutdown).boxed()
}

async fn serve(shutdown: CancellationToken) -> Result<(), Error> {
    let context = Context::from_env()?;
    let ServiceId::Broker { account, .. } = &context.service else {
        return Err(Error::OtherService(context.service));
    };
    let (gate, pipes) = gate(&context.service, context.incarnation);
    let setup = Setup {
        account: account.clone(),
        incarnation: context.incarnation,
        directory: context.state_dir.join("ledger"),
        disk: Arc::new(RealDisk),
    };
    let work = move |configured, reporter, stop| async move {
        let broker = Broker { setup, configured, reporter, pipes, loaded: None };
        broker.run(stop).await.map_err(service::BoxError::from)
    };
    Ok(service::run(context, routes(gate), work, shutdown).await?)
}

/// Markets come side by side, and some know of an older epoch than others: it is compared command by
/// command, by the ledger, and none of them is put off its pipe for it.
pub(crate) fn gate(service: &ServiceId, incarnation: Incarnation) -> (TradeGate, Pipes) {
    let options = pipe::Options::default();
    Gate::new(service.to_string(), "trade", incarnation, Diallers::Many, options)
}

pub(crate) fn routes(gate: TradeGate) -> Router {
    let trade = async |State(gate): State<TradeGate>, upgrade: WebSocketUpgrade| -> Response {
        pipe::accept(upgrade, gate)
    };
    Router::new().route(TRADE_PATH, get(trade)).with_state(gate)
}

/// What stays the same over a Broker's life.
pub(crate) struct Setup {
    pub(crate) account: AccountId,
    pub(crate) incarnation: Incarnation,
    /// The ledger's, kept over restarts.
    pub(crate) directory: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
}

/// The work of the service.
pub(crate) struct Broker {
    pub(crate) setup: Setup,
    pub(crate) configured: watch::Receiver<Option<Configuration>>,
    pub(crate) reporter: StateReporter,
    pub(crate) pipes: Pipes,
    /// The right by which it has loaded the ledger that it is to continue.
    pub(crate) loaded: Option<Fence>,
}

/// What ended one way of working.
enum Ended {
    Stopped,
    /// It is told to be something else.
    Reconfigured,
    /// The copy of its ledger serves another.
    Sealed,
}

impl From<keeper::Ended> for Ended {
    fn from(ended: keeper::Ended) -> Self {
        match ended {
            keeper::Ended::Stopped => Self::Stopped,
            keeper::Ended::Sealed => Self::Sealed,
        }
    }
}

impl Broker {
    /// Until `stop`, or until the ledger fails. Cancelled, it ends like a crash: the ledger holds.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), Error> {
        loop {
            let told = self.configured.borrow_and_update().clone();
            let refused = match told {
                Some(Configuration::Broker { wanted }) => match self.adapter(&wanted) {
                    Ok(venue) => match self.serve(wanted, venue, &stop).await? {
                        Ended::Stopped => return Ok(()),
                        Ended::Reconfigured | Ended::Sealed => continue,
                    },
                    Err(why) => why,
                },
                Some(_) => "told to be something other than a Broker".to_string(),
                None => "not yet told what to be".to_string(),
            };
            tracing::warn!(why = refused, "not serving");
            self.reporter.connecting(refused.clone());
            if let Ended::Stopped = self.refuse(&refused, &stop).await {
                return Ok(());
            }
        }
    }

    fn adapter(&self, wanted: &BrokerWanted) -> Result<Arc<dyn Venue>, String> {
        if wanted.account != self.setup.account {
            return Err(format!("told to be the Broker of another account, {}", wanted.account));
        }
        if wanted.shard != 0 {
            return Err("only shard 0 of an account is offered yet".to_string());
        }
        match wanted.adapter.as_str() {
            "sim" => Ok(Arc::new(venue::sim::Sim::new(&wanted.endpoint, wanted.account.clone()))),
            "kraken" => {
                let settings = wanted.endpoint.parse::<Settings>();
                let settings = settings.map_err(|why| format!("the account's endpoint: {why}"))?;
                let nonces = self.setup.directory.with_file_name("kraken");
                Ok(Arc::new(venue::kraken::Account::new(settings, nonces)))
            }
            other => Err(format!("the adapter `{other}` is not built yet")),
        }
    }

    /// Turns Markets away until something changes.
    async fn refuse(&mut self, why: &str, stop: &CancellationToken) -> Ended {
        let mut sessions = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ended::Stopped,
                changed = self.configured.changed() => {
                    return if changed.is_ok() { Ended::Reconfigured } else { Ended::Stopped };
                }
                Some(accepted) = self.pipes.recv() => {
                    let why = why.to_string();
                    sessions.spawn(async move { turn_away(accepted, &why).await });
                }
                Some(_) = sessions.join_next() => {}
            }
        }
    }

    async fn serve(
        &mut self,
        wanted: BrokerWanted,
        venue: Arc<dyn Venue>,
        stop: &CancellationToken,
    ) -> Result<Ended, Error> {
        if let Some(copies) = wanted.copies.clone().filter(|copies| copies.succeeds) {
            return self.succeed(copies, stop).await;
        }
        let opened = match self.matched(&wanted, stop).await? {
            Ok(opened) => opened,
            Err(ended) => return Ok(ended),
        };
        let several = venue.capabilities().data_connections;
        let quotes = Quotes::new(wanted.fence, self.setup.incarnation, several)?;
        let (to_keeper, from_venue) = mpsc::channel(VENUE_EVENTS);
        let durable = opened.store.copies().clone();
        let journal = opened.store.journal().clone();
        let (keeper, ledger) =
            self.open(&wanted, venue.as_ref(), quotes.clone(), from_venue, opened).await?;
        let (told_copies, copies) = watch::channel(wanted.copies.clone());
        let stream = Stream {
            dialler: self.dialler(),
            durable: durable.clone(),
            journal,
            wanted: copies,
            reporter: self.reporter.clone(),
        };
        let mut streams = JoinSet::from_iter([stream.run()]);
        // The connection ends first, then the ledger, then those who read it.
        let (end_line, end_keeper) = (CancellationToken::new(), CancellationToken::new());
        let end_sessions = CancellationToken::new();
        let mut line = self.connections(&wanted, venue, to_keeper, &quotes, &end_line);
        let mut keepers = JoinSet::new();
        keepers.spawn(keeper.run(end_keeper.clone()));
        let mut sessions = JoinSet::new();
        let ended = loop {
            tokio::select! {
                () = stop.cancelled() => break Ended::Stopped,
                changed = self.configured.changed() => {
                    if changed.is_err() {
                        break Ended::Stopped;
                    }
                    if !self.assign(&wanted, &ledger, &quotes, (&durable, &told_copies)).await {
                        break Ended::Reconfigured;
                    }
                }
                Some(accepted) = self.pipes.recv() => {
                    tracing::info!(from = accepted.hello.from, "market connected");
                    let session = Session::new(accepted, ledger.clone(), quotes.clone());
                    sessions.spawn(session.run(end_sessions.clone()));
                }
                Some(session) = sessions.join_next() => session?,
                Some(keeper) = keepers.join_next() => {
                    break Ended::from(keeper??);
                }
                Some(line) = line.join_next() => line?,
            }
        };
        end_line.cancel();
        while line.join_next().await.is_some() {}
        end_keeper.cancel();
        while let Some(keeper) = keepers.join_next().await {
            keeper??;
        }
        streams.shutdown().await;
        end_sessions.cancel();
        last_words(sessions).await;
        Ok(match (ended, &wanted.copies) {
            (Ended::Sealed, Some(copies)) => self.sealed(copies, stop).await,
            (Ended::Sealed, None) => Ended::Reconfigured,
            (ended @ (Ended::Stopped | Ended::Reconfigured), _) => ended,
        })
    }

    /// To the venue: the main one, and as many besides as its market data takes.
    fn connections(
        &self,
        wanted: &BrokerWanted,
        venue: Arc<dyn Venue>,
        to_keeper: mpsc::Sender<FromVenue>,
        quotes: &Quotes,
        end: &CancellationToken,
    ) -> JoinSet<()> {
        let mut line = JoinSet::new();
        let standing = Arc::new(Standing::new(self.reporter.clone(), clock::now()));
        let (right, keeper) = (self.right(wanted), to_keeper.clone());
        let may = Arc::new(Asking { right, keeper, standing: standing.clone() });
        let (more, told) = (venue.clone(), standing.clone());
        let besides =
            connection::market_data::keep(more, quotes.clone(), may.clone(), told, end.clone());
        line.spawn(besides);
        let told = quotes.clone();
        line.spawn(connection::keep(venue, to_keeper, told, may, standing, end.clone()));
        line
    }

    fn right(&self, wanted: &BrokerWanted) -> Right {
        let service = ServiceId::Broker { account: wanted.account.clone(), shard: wanted.shard };
        Right::new(self.reporter.manager().clone(), service, wanted.venue.clone())
    }

    async fn open(
        &self,
        wanted: &BrokerWanted,
        venue: &dyn Venue,
        quotes: Quotes,
        from_venue: mpsc::Receiver<FromVenue>,
        opened: Opened,
    ) -> Result<(Keeper, LedgerHandle), Error> {
        let setup = keeper::Setup {
            assignment: assignment(wanted),
            fences: wanted.fences.clone(),
            capabilities: venue.capabilities().clone(),
            quotes,
            venue: from_venue,
            reporter: self.reporter.clone(),
        };
        let opened = tokio::task::spawn_blocking(move || Keeper::open(setup, opened));
        Ok(opened.await??)
    }

    /// Takes a new configuration that leaves the venue as it is; `false` if it does not.
    async fn assign(
        &mut self,
        before: &BrokerWanted,
        ledger: &LedgerHandle,
        quotes: &Quotes,
        (durable, copies): (&Durable, &watch::Sender<Option<CopiesWanted>>),
    ) -> bool {
        let told = self.configured.borrow_and_update().clone();
        let Some(Configuration::Broker { wanted }) = told else {
            self.configured.mark_changed();
            return false;
        };
        let place = |wanted: &BrokerWanted| BrokerWanted {
            fence: before.fence,
            customers: before.customers.clone(),
            fences: before.fences.clone(),
            controls: before.controls.clone(),
            copies: before.copies.clone(),
            ..wanted.clone()
        };
        let succeeds = wanted.copies.as_ref().is_some_and(|copies| copies.succeeds);
        if place(&wanted) != *before || succeeds {
            self.configured.mark_changed();
            return false;
        }
        quotes.assigned(wanted.fence);
        copies.send_replace(wanted.copies.clone());
        let (right, naming) = durable::told(&wanted);
        durable.with(|writer| writer.told(right, naming));
        // A keeper that is gone is seen by the caller at once.
        let _ = ledger.assign(assignment(&wanted), wanted.fences).await;
        true
    }
}

fn assignment(wanted: &BrokerWanted) -> Assignment {
    Assignment {
        fence: wanted.fence,
        customers: wanted.customers.clone(),
        venue: wanted.venue.clone(),
        controls: wanted.controls.clone(),
    }
}

/// Answers that are under way are taken by whoever reads them.
async fn last_words(mut sessions: JoinSet<()>) {
    let all = async { while sessions.join_next().await.is_some() {} };
    if timeout(LAST_WORDS_WITHIN, all).await.is_err() {
        tracing::warn!("not all answers were taken");
    }
    sessions.shutdown().await;
}

#[cfg(test)]
pub(crate) mod tests;
