//! Running a service. Decides the order of its start and of its end: listen, check in and work side by
//! side; at the end the work stops first, then the listener. The work is given
//! `limits::stops_within`, less what the shell needs for itself.

use super::{
    Context, StateReporter,
    door::{self, Door},
    health,
    parent::{Parent, Parted, Words},
    right::Right,
};
use crate::limits;
use axum::Router;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tradewind_link::{
    listen,
    pipe::{Diallers, Gate},
};
use tradewind_protocol::supervision::{Configuration, FromService, ToService};

/// Why a service's work ended.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a service ended without having been asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Bind(#[from] listen::BindError),
    #[error("the address that was bound cannot be told")]
    Address(#[source] std::io::Error),
    #[error("its work failed: {0}")]
    Work(#[source] BoxError),
    #[error("its work ended in a panic")]
    Panicked(#[source] JoinError),
    #[error(
        "the Manager does not know this process: it was started by an earlier life, or by hand"
    )]
    Disowned,
    #[error("no Manager came, and the group says: {0}")]
    Superseded(String),
    #[error("no Manager came for too long; whoever has the Manager back starts this service anew")]
    Abandoned,
}

/// Runs a service: `work` is given what it is told to be (`None` until the Manager has said it; each
/// change as a whole), a way to tell its state, and a token that is cancelled when it should end. It
/// ends the service by returning. `router` holds its own routes; `/v1/pipe`, `/livez`, `/readyz` and `/metrics`
/// are the shell's. Returns `Ok` after a stop that was asked for, by the Manager or by `shutdown`.
pub async fn run<W, F>(
    context: Context,
    router: Router,
    work: W,
    shutdown: CancellationToken,
) -> Result<(), Error>
where
    W: FnOnce(watch::Receiver<Option<Configuration>>, StateReporter, CancellationToken) -> F,
    F: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    let listener = listen::bind(SocketAddr::new(host_of(&context.manager), 0)).await?;
    let address = listener.local_addr().map_err(Error::Address)?.to_string();
    let (configuration, configured) = watch::channel(None);
    let (gate, pipes) = Gate::<FromService, ToService>::new(
        context.service.to_string(),
        "service",
        context.incarnation,
        Diallers::One,
        limits::service_pipe(),
    );
    let (stop, stop_serving) = (shutdown.child_token(), CancellationToken::new());
    let (reporter, said, asked) = StateReporter::with_questions();
    let (right, standing) = Right::new();
    let (gives_up, fenced, venue) = (reporter.gives_up(), reporter.fences(), reporter.venues());
    let ledger = reporter.ledgers();
    let words = Words { said: said.clone(), gives_up, fenced, venue, ledger, asked };
    let door = Door { gate, secret: context.pipe_token.clone(), refused: door::Refused::default() };
    let refused = door.refused.clone();
    let seen = health::Seen { configured: configured.clone(), said, standing, refused };
    let app = router.merge(door::routes(door)).merge(health::routes(seen));
    let mut tasks = JoinSet::new();
    tasks.spawn(listen::serve(listener, app, listen::Limits::default(), stop_serving.clone()));
    let mut work = JoinSet::from_iter([work(configured, reporter, stop.clone())]);
    let work_within = limits::stops_within(&context.service) - limits::SHELL_STOPS_WITHIN;
    let parent = Parent::new(context, address, configuration, words, right);
    let (parted, mut ended) = tokio::select! {
        parted = parent.run(pipes) => (Some(parted), None),
        () = shutdown.cancelled() => (None, None),
        ended = work.join_next() => (None, ended),
    };
    tracing::info!(?parted, "stopping");
    stop.cancel();
    if ended.is_none() {
        // Work that goes on for longer is cut: its Manager would kill it next.
        ended = timeout(work_within, work.join_next()).await.ok().flatten();
    }
    stop_serving.cancel();
    while tasks.join_next().await.is_some() {}
    match (parted, ended) {
        (Some(Parted::Disowned), _) => Err(Error::Disowned),
        (Some(Parted::Abandoned), _) => Err(Error::Abandoned),
        (Some(Parted::Superseded(why)), _) => Err(Error::Superseded(why)),
        (_, Some(Ok(Err(error)))) => Err(Error::Work(error)),
        (_, Some(Err(error))) => Err(Error::Panicked(error)),
        (Some(Parted::Stop) | None, Some(Ok(Ok(()))) | None) => Ok(()),
    }
}

/// A service listens where its Manager does: whoever reaches the one reaches the other.
fn host_of(manager: &str) -> IpAddr {
    let address: Option<SocketAddr> = manager.parse().ok();
    address.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}
