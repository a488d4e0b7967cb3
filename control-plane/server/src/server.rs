//! One InfrastructureManager from start to stop. Decides the order in which its parts come and go: state,
//! group, door, leadership; at a stop leadership is handed over first, so that it costs no election.

use crate::{
    api,
    clock::{self, Clocks},
    formation::Formation,
    group,
    identity::{self, Identity, IdentityError},
    joining::{self, Own},
    leader, leading,
    limits::{CLOSE_WITHIN, DIAL_MEMBER_WITHIN, HAND_OVER_WITHIN, OUT_OF_TOUCH_AFTER, WATCHERS},
    member, metrics,
    metrics::Metrics,
    options::{InvalidOptions, Options},
    provision,
    service::{Parts, Service},
};
use futures_util::{FutureExt as _, future::BoxFuture};
use leading::Leading;
use std::{
    io::{self, Write as _},
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tradewind_domain::{
    ids::InvalidName,
    limits::{PROBE_SHARED_FOR, PROBES_A_MEMBER},
};
use tradewind_link::{listen, rest::Rest};
use tradewind_protocol::Problem;
use tradewind_replication::{
    Environment, InitializeError, Options as ReplicaOptions, Replica, Role, StartError,
};

/// Where below a member's directory its log, state and snapshots are.
pub const RAFT_DIRECTORY: &str = "raft";

/// Why an InfrastructureManager did not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Start it with other options.
    #[error(transparent)]
    Options(#[from] InvalidOptions),
    /// Free the port or name another.
    #[error(transparent)]
    Listen(#[from] listen::BindError),
    #[error("the listener cannot be used")]
    Listener(#[source] io::Error),
    #[error(transparent)]
    Name(#[from] InvalidName),
    #[error("the member's identity cannot be used")]
    Identity(#[from] IdentityError),
    #[error("the member of the group did not start")]
    Replica(#[from] StartError),
    #[error("the group was not formed")]
    Initialize(#[from] InitializeError),
    /// It would vote and acknowledge anew what it has forgotten. Start it with its own directory; a lost one
    /// is replaced by a new member under a new node id.
    #[error(
        "{address} already belongs to a group, and the directory of this member is empty: start it with its \
         own directory; if that is lost, remove the member and start it with --join as a new one"
    )]
    DiskGone { address: String },
    /// Look at the addresses and at the reason; started again it goes on as the same member.
    #[error("not admitted to the group by {members}: {problem}")]
    Join { members: String, problem: Box<Problem> },
    /// Its disk or its log failed; the others go on. Look at the reason before it is started again.
    #[error("the member stopped by itself: {0}")]
    Failed(String),
}

/// The doors of a member, taken before anything else so that its addresses are known.
#[derive(Debug)]
pub struct Listeners {
    pub api: TcpListener,
    pub peer: std::net::TcpListener,
}

impl Listeners {
    /// Takes both addresses exactly as the options name them: other members have them in their lists.
    pub async fn bind(options: &Options) -> Result<Self, RunError> {
        let api = listen::bind(options.listen).await?;
        let peer = listen::bind(options.peer_listen).await?;
        Ok(Self { api, peer: peer.into_std().map_err(RunError::Listener)? })
    }
}

/// A running InfrastructureManager. Ends with [`stop`](Self::stop): what is only dropped leaves the group
/// without its door, not the group's member.
pub struct Server {
    address: SocketAddr,
    service: Service,
    shutdown: CancellationToken,
    door: JoinSet<()>,
    work: JoinSet<()>,
}

async fn own_identity(options: &Options, clocks: &Clocks) -> Result<Identity, RunError> {
    let (now, directory) = ((clocks.unix)(), options.state_dir.clone());
    let loaded = tokio::task::spawn_blocking(move || identity::load(&directory, now)).await;
    Ok(loaded.map_err(|error| RunError::Failed(error.to_string()))??)
}

impl Server {
    /// Starts a member on listeners that were taken already.
    pub async fn start(options: Options, listeners: Listeners) -> Result<Self, RunError> {
        options.check()?;
        let clocks = Clocks::system();
        let identity = own_identity(&options, &clocks).await?;
        let address = listeners.api.local_addr().map_err(RunError::Listener)?;
        let own = joining::identify(&options, &listeners, &clocks).await?;
        let client = format!("leader-{}", own.node).parse()?;
        let replica = replica(&options, &own, listeners.peer, &clocks).await?;
        let rest = Rest::new(DIAL_MEMBER_WITHIN);
        let formation = match Formation::of(&options, &replica, &rest).await {
            Ok(formation) => formation,
            Err(error) => {
                let error = why_stopped(&replica, error).await;
                replica.shutdown().await;
                return Err(error);
            }
        };
        let (leading_told, leading) = watch::channel(Leading::from(&replica.status()));
        let (view_told, view) = watch::channel(None);
        let (metrics, watched_clocks) = (Metrics::new(replica.clone()), clocks.clone());
        let context = leader::Context {
            node: own.node,
            incarnation: identity.incarnation,
            replica: replica.clone(),
            clocks: clocks.clone(),
            leading: leading.clone(),
            rest: rest.clone(),
            client,
            // Above those of every earlier life, also where the clock was set back in between.
            commands: Arc::new(AtomicU64::new(identity.incarnation.0 << 20)),
            offered: provision::offered(own.node, &options.provisioning),
            knows: options.knows,
            metrics: metrics.clone(),
        };
        let service = Service::new(Parts {
            node: own.node,
            cluster: options.cluster,
            replica: replica.clone(),
            rest,
            clocks,
            identity,
            api_address: own.api_address,
            peer_address: own.peer_address,
            enable_registers: options.enable_registers,
            knows: options.knows,
            leading,
            view,
            backups: Arc::new(Semaphore::new(1)),
            metrics: metrics.clone(),
            probes: api::probes::Looks::new(PROBES_A_MEMBER, PROBE_SHARED_FOR),
            watchers: Arc::new(Semaphore::new(WATCHERS)),
            out_of_touch_after: OUT_OF_TOUCH_AFTER.max(options.timing.election_max * 4),
        });
        let shutdown = CancellationToken::new();
        let (mut door, mut work) = (JoinSet::new(), JoinSet::new());
        work.spawn(leading::follow(replica.watch_status(), leading_told));
        work.spawn(group::keep(context.clone()));
        work.spawn(metrics::follow(replica.watch_status(), metrics));
        work.spawn(leader::run(context, view_told));
        if let Some(formation) = formation {
            work.spawn(formation.run());
        }
        work.spawn(member::tell(service.clone()));
        work.spawn(provision::run(service.clone(), options.provisioning));
        work.spawn(clock::watch::watch(watched_clocks, replica.clone()));
        let (router, limits) = (api::router(service.clone()), listen::Limits::default());
        door.spawn(listen::serve(listeners.api, router, limits, shutdown.clone()));
        Ok(Self { address, service, shutdown, door, work })
    }

    /// Where it serves clients.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it leads, confirmed by a quorum a moment ago.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.service.parts().replica.confirmed_leader()
    }

    /// The feature level of the state that this member has applied.
    #[cfg(test)]
    pub(crate) fn applied_level(&self) -> tradewind_domain::control::level::FeatureLevel {
        self.service.parts().replica.look(|_, machine| machine.level())
    }

    /// Returns when the member has stopped by itself, with the reason.
    pub async fn failed(&self) -> String {
        let mut status = self.service.parts().replica.watch_status();
        match status.wait_for(|status| status.role == Role::Stopped).await {
            Ok(status) => status.failure.clone().unwrap_or_else(|| "no reason given".to_owned()),
            Err(_) => "its status is gone".to_owned(),
        }
    }

    /// Stops in order: leadership handed over, requests under way answered, files closed.
    pub async fn stop(self) {
        let replica = self.service.parts().replica.clone();
        if replica.status().role == Role::Leader {
            match timeout(HAND_OVER_WITHIN, replica.transfer_leadership(None)).await {
                Ok(Ok(to)) => tracing::info!(%to, "leadership handed over"),
                Ok(Err(error)) => tracing::warn!(%error, "leadership not handed over"),
                Err(_) => tracing::warn!("leadership not handed over in time"),
            }
        }
        self.cease().await;
    }

    /// Stops without handing over: what a member that fails does, too.
    pub(crate) async fn cease(mut self) {
        let replica = self.service.parts().replica.clone();
        self.work.shutdown().await;
        self.shutdown.cancel();
        while self.door.join_next().await.is_some() {}
        if timeout(CLOSE_WITHIN, replica.shutdown()).await.is_err() {
            tracing::warn!("the member's files did not close in time; nothing is lost by that");
        }
    }
}

/// A member may be told that it must not go on before it has quite started: that is then the reason.
async fn why_stopped(replica: &Replica, error: RunError) -> RunError {
    if !matches!(error, RunError::Initialize(InitializeError::Stopped)) {
        return error;
    }
    let mut status = replica.watch_status();
    let stopped = status.wait_for(|status| status.role == Role::Stopped);
    let failure = match timeout(CLOSE_WITHIN, stopped).await {
        Ok(Ok(status)) => status.failure.clone(),
        Ok(Err(_)) | Err(_) => None,
    };
    failure.map_or(error, RunError::Failed)
}

async fn replica(
    options: &Options,
    own: &Own,
    peer_listener: std::net::TcpListener,
    clocks: &Clocks,
) -> Result<Replica, StartError> {
    let options = ReplicaOptions {
        node: own.node,
        cluster: options.cluster.clone(),
        state_dir: options.state_dir.join(RAFT_DIRECTORY),
        new_disk: own.new_disk,
        peer_listener: peer_listener.into(),
        timing: options.timing.clone(),
        snapshots: options.snapshots.clone(),
        environment: Environment { knows: options.knows, ..Environment::default() },
    };
    let replica = Replica::start(options, clocks.unix.clone()).await?;
    replica.keep_away_from(clocks.calendar.clone());
    Ok(replica)
}

/// Runs an InfrastructureManager until `shutdown`, or until it fails. Says on standard output, in one
/// line of JSON, that it is there and where.
pub fn run(
    options: Options,
    shutdown: CancellationToken,
) -> BoxFuture<'static, Result<(), RunError>> {
    // Boxed here: a future's code is made where it is awaited, which would be the binary's crate.
    serve(options, shutdown).boxed()
}

async fn serve(options: Options, shutdown: CancellationToken) -> Result<(), RunError> {
    let listeners = Listeners::bind(&options).await?;
    // A member may wait long before it can start: for others to admit it, or to give it its state.
    let server = tokio::select! {
        server = Server::start(options, listeners) => server?,
        () = shutdown.cancelled() => return Ok(()),
    };
    // Nobody may be listening there: the member serves all the same.
    let _ = writeln!(io::stdout(), "{{\"ready\":true,\"address\":\"{}\"}}", server.address());
    tracing::info!(address = %server.address(), "infrastructure manager ready");
    let failed = tokio::select! {
        () = shutdown.cancelled() => None,
        reason = server.failed() => Some(reason),
    };
    match failed {
        None => server.stop().await,
        Some(_) => server.cease().await,
    }
    failed.map_or(Ok(()), |reason| Err(RunError::Failed(reason)))
}
