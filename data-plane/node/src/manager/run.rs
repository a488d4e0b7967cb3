//! Starting and stopping a Manager. Decides the order: one life a state directory, then the listener,
//! the services of an earlier life, the leader's pipe; at the end those connected are let go, then the
//! services, then the leader.

use super::{
    Handle, Options, Work,
    api::{self, Api},
    core::{Core, Inboxes, Parts},
    intent::Intent,
    proof::Proof,
    standing::Shown,
};
use crate::{
    clock,
    descriptors::Descriptors,
    disk, incarnation, limits,
    supervision::{Setup, Supervisor},
};
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{self, File},
    io::{self, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tradewind_control_client::{ControlClient, KeySource};
use tradewind_domain::ids::{ClientId, Incarnation, InvalidName, NodeName};
use tradewind_link::{
    listen,
    pipe::{self, Accepted, Diallers, Gate},
    rest::Rest,
};
use tradewind_protocol::supervision::{FromManager, ToManager};

/// Why a Manager cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("another process uses {path}; stop it, or give this one a state directory of its own")]
    InUse { path: PathBuf },
    #[error("the state in {path} cannot be used: {source}")]
    State {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Incarnation(#[from] incarnation::Error),
    #[error(transparent)]
    Bind(#[from] listen::BindError),
    #[error(transparent)]
    Name(#[from] InvalidName),
    #[error(transparent)]
    Disk(#[from] disk::Error),
    #[error("one of its tasks has ended in a panic; started again it goes on where it was")]
    Broken,
}

/// A Manager at work.
pub struct Running<W> {
    address: SocketAddr,
    handle: Handle,
    work: Arc<W>,
    supervisor: Supervisor,
    ends: Ends,
    tasks: JoinSet<()>,
    background: JoinSet<()>,
    /// Held for the Manager's life: no other one uses its state directory.
    _lock: File,
}

/// What ends, each by itself.
#[derive(Clone, Default)]
struct Ends {
    /// The group has no place for this life any more: a drain has dropped it, or another one has its name.
    dropped: CancellationToken,
    /// Everything that must outlive the services.
    all: CancellationToken,
    background: CancellationToken,
}

/// Runs a Manager until `shutdown`, then stops its services. Says on standard output, in one line of
/// JSON, when it is ready and where.
pub async fn run<W: Work>(
    options: Options,
    work: Arc<W>,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let mut running = start(options, work).await?;
    // Nobody may be reading; a Manager runs without being seen.
    let _ = writeln!(
        io::stdout(),
        "{}",
        serde_json::json!({ "ready": true, "address": running.address().to_string() })
    );
    tokio::select! {
        () = shutdown.cancelled() => {
            running.stop().await;
            Ok(())
        }
        () = running.dropped() => {
            tracing::info!("the group has no place for it: stopping for good; started anew it asks for one");
            running.stop().await;
            Ok(())
        }
        // The services go on; the next life finds them.
        () = running.broken() => Err(Error::Broken),
    }
}

/// Starts a Manager; it runs until [`Running::stop`]. Dropped, it ends as if it had crashed: its
/// services go on.
pub async fn start<W: Work>(options: Options, work: Arc<W>) -> Result<Running<W>, Error> {
    let state_dir = options.state_dir.clone();
    let state = |source| Error::State { path: state_dir.clone(), source };
    let lock = lock(&state_dir)?;
    let incarnation = incarnation::next(&state_dir)?;
    let disk = disk::identity(&state_dir)?;
    let listener = listen::bind_or_next(options.listen).await?;
    let address = listener.local_addr().map_err(state)?;
    let told = options.advertise.clone().unwrap_or_else(|| address.to_string());
    let node = options.node.clone().map_or_else(|| NodeName::of_address(&told), Ok)?;
    let (mut tasks, mut background) = (JoinSet::new(), JoinSet::new());
    let (shown, standing, confirmed) = Shown::new();
    let (counting, measuring) = (work.clone(), work.clone());
    // Before anything is taken over, which takes some of them.
    let descriptors = Descriptors::of_manager(options.capacity, &work.listen_limits());
    let setup = Setup {
        open_files: descriptors.given,
        ..setup(&options, incarnation, address, confirmed, &work)
    };
    let supervisor = Supervisor::start(setup, &mut tasks).map_err(state)?;
    let intent = Intent::load(state_dir.join("desired.json")).map_err(state)?;
    let (reconsider, wishes) = mpsc::channel(1);
    let (control, keys) = group(&options)?;
    let handle = Handle {
        manager: options.manager.clone(),
        incarnation,
        address: told.as_str().into(),
        control,
        desired: intent.watch(),
        services: supervisor.services(),
        reconsider,
        keys: keys.clone(),
        supervisor: supervisor.clone(),
    };
    let (gate, pipes) = gate(&options, incarnation);
    let api = Api {
        options: options.clone(),
        handle: handle.clone(),
        supervisor: supervisor.clone(),
        gate,
        standing,
        seats: api::Seats::default(),
        sessions: Box::new(move || counting.sessions()),
        gauges: Box::new(move || measuring.gauges()),
    };
    let router = api::routes(api).merge(work.router(&handle));
    let ends = Ends::default();
    tasks.spawn(listen::serve(listener, router, work.listen_limits(), ends.all.clone()));
    background.spawn(work.clone().background(handle.clone(), ends.background.clone()));
    let core = Core::new(Parts {
        keys,
        proof: Proof::new(supervisor.clone(), &state_dir).map_err(state)?,
        options,
        incarnation,
        disk,
        node,
        address: told,
        work: work.clone(),
        control: handle.control.clone(),
        supervisor: supervisor.clone(),
        intent,
        shown,
        dropped: ends.dropped.clone(),
    });
    tasks.spawn(core.run(Inboxes { pipes, reconsider: wishes }, ends.all.clone()));
    Ok(Running { address, handle, work, supervisor, ends, tasks, background, _lock: lock })
}

impl<W: Work> Running<W> {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Returns when the group has dropped this Manager, or another life has its name: what is left is to stop. May be
    /// cancelled.
    pub fn dropped(&self) -> impl Future<Output = ()> + Send + use<W> {
        self.ends.dropped.clone().cancelled_owned()
    }

    /// Returns when one of its tasks has ended, which only a panic does. May be cancelled.
    pub async fn broken(&mut self) {
        if let Some(Err(error)) = self.tasks.join_next().await {
            tracing::error!(%error, "a task of the manager has failed");
        }
    }

    /// Lets go of those connected, stops all services and then itself: within
    /// `limits::DRAIN_WITHIN` and twice `STOP_WITHIN`, or little more; of Traders, or of services that cannot be ended,
    /// within `limits::ALL_STOP_WITHIN`.
    pub async fn stop(mut self) {
        tracing::info!("stopping");
        if timeout(limits::DRAIN_WITHIN, self.work.drain()).await.is_err() {
            tracing::warn!("not all connections were let go in time");
        }
        // The leader goes on hearing of this Manager until its services are gone: until then nothing of
        // theirs may be given to another.
        if timeout(limits::ALL_STOP_WITHIN, self.supervisor.stop_all()).await.is_err() {
            // As after a crash: the next life finds them.
            tracing::error!("services that could not be ended are left on record");
        }
        self.ends.background.cancel();
        self.ends.all.cancel();
        let ended = async { while self.background.join_next().await.is_some() {} };
        if timeout(limits::DRAIN_WITHIN, ended).await.is_err() {
            tracing::warn!("its background work was cut");
        }
        // The supervisor's task waits for callers; dropping ends it.
        self.tasks.shutdown().await;
    }
}

/// What its services are started with, and where their words go.
fn setup<W: Work>(
    options: &Options,
    incarnation: Incarnation,
    address: SocketAddr,
    confirmed: watch::Receiver<bool>,
    work: &Arc<W>,
) -> Setup {
    let (answering, loading) = (work.clone(), work.clone());
    Setup {
        manager: options.manager.clone(),
        incarnation,
        address: address.to_string(),
        state_dir: options.state_dir.clone(),
        binary: options.binary.clone(),
        open_files: None,
        figures: Arc::default(),
        confirmed,
        answers: Box::new(move |service, ask| answering.asked(service, ask)),
        loads: Box::new(move |service, load| loading.on_load(service, load)),
    }
}

fn lock(state_dir: &Path) -> Result<File, Error> {
    let opened = fs::create_dir_all(state_dir).and_then(|()| File::create(state_dir.join("lock")));
    let file = opened.map_err(|source| Error::State { path: state_dir.to_path_buf(), source })?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| Error::InUse { path: state_dir.to_path_buf() })?;
    Ok(file)
}

type ManagerGate = Gate<FromManager, ToManager>;

fn gate(
    options: &Options,
    incarnation: Incarnation,
) -> (Arc<ManagerGate>, mpsc::Receiver<Accepted<FromManager, ToManager>>) {
    let pipe = pipe::Options::default();
    Gate::new(options.manager.to_string(), "manager", incarnation, Diallers::One, pipe)
}

/// The way to the InfrastructureManagers, and keys for what is asked of them.
fn group(options: &Options) -> Result<(ControlClient, Arc<KeySource>), InvalidName> {
    let control = ControlClient::new(options.members.clone(), Rest::default());
    let keys = KeySource::new(client_of(options)?, Arc::new(clock::now));
    let keys = Arc::new(keys.following(control.time()));
    Ok((control, keys))
}

/// Under which name its changes stand in the idempotency table.
fn client_of(options: &Options) -> Result<ClientId, InvalidName> {
    let name: String = options.manager.to_string().chars().take(64).collect();
    ClientId::new(&name)
}

#[cfg(test)]
mod tests;
