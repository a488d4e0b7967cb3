//! Starting a member: what it has on disk, then Raft, then the door for peers, then what runs beside. Decides
//! the order.

use super::{
    Clock, Replica, Shared, Tasks,
    confirm::{Ballot, Confirmer},
    diverged,
    known::KnownMembers,
    notice,
    open::open,
    proposer::{Desk, Proposer},
    rebuild::{Home, Ready, made_whole},
    slow_disk,
    succession::Succession,
};
use crate::{
    Environment, Options, PeerListener, Role, StartError, Status, Timing,
    contact::Contact,
    environment::Accept,
    group_clock::GroupClock,
    log::LogStore,
    network::{
        callers::Callers,
        handshake::Host,
        life::Life,
        peers::Peers,
        server::{self, Service},
        standing::{Notices, Register, Standing},
    },
    raft::{LogId, Raft},
    records::IdentityRecord,
    rounds::Rounds,
    runtime::spawn_blocking,
    snapshot::{Sending, Shelf},
    state::{Published, StateError, StateMachine, StateWriter},
};
use openraft::{Config, async_runtime::watch::WatchReceiver};
use std::{
    path::Path,
    sync::{Arc, OnceLock, atomic::AtomicU64},
    time::Duration,
};
use tokio::{
    sync::{Mutex, Notify, watch},
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};

impl Replica {
    /// Starts the member in the runtime of the caller. It takes part in elections after one lease if its log
    /// knows a group; else it waits for [`initialize`](Self::initialize), here or on another member.
    pub async fn start(options: Options, clock: Clock) -> Result<Self, StartError> {
        let config = options.config()?;
        let config = config.validate().map_err(|error| StartError::Raft(error.to_string()))?;
        let identity = IdentityRecord { cluster: options.cluster.clone(), node: options.node.0 };
        let (directory, environment) = (options.state_dir.clone(), options.environment.clone());
        let new_disk = options.new_disk;
        let opened =
            spawn_blocking(move || open(&environment, &directory, &identity, Some(new_disk)))
                .await
                .map_err(|error| StartError::Raft(error.to_string()))??;
        let ready = made_whole(Home::of(&options), opened).await?;
        if ready.log.took_part() {
            // A leader may rely for one lease on what this member answered before it went down, and openraft
            // does not remember that: whoever is back sooner could help to elect another beside it.
            sleep(options.timing.silent_at_start()).await;
        }
        Self::run(options, config, clock, ready).await
    }

    // One part after the other, in the order that matters.
    #[allow(clippy::too_many_lines)]
    async fn run(
        options: Options,
        config: Config,
        clock: Clock,
        ready: Ready,
    ) -> Result<Self, StartError> {
        let Ready { disk, log, store, loaded, shelf, given } = ready;
        let listener = listen(options.peer_listener, &options.state_dir)?;
        let (node, sending) = (options.node.0, Sending::default());
        let published = Arc::new(Published::new(&loaded, log.meters()));
        // What was read is durable: the store has flushed since.
        let (writer, writing) = StateWriter::start(store, loaded.head.applied, published.clone());
        let flushed = writer.flushed();
        let machine = StateMachine::new(
            loaded,
            writer,
            log.clone(),
            shelf.clone(),
            sending.clone(),
            published.clone(),
            options.environment.knows,
        );
        let lease = options.timing.lease();
        let host = Arc::new(Host { node, cluster: options.cluster.clone(), disk, lease });
        let (notices, heard) = (Arc::<Notices>::default(), Arc::default());
        let network = options.environment.network.clone();
        let seen = published.clone();
        let life = Arc::new(move || Life::of(seen.machine.borrow().1.cluster()));
        let peers = Peers::new(network, &host, notices.clone(), life, &options.timing, sending);
        let raft = Raft::new(node, Arc::new(config), peers.clone(), log.clone(), machine)
            .await
            .map_err(|error| StartError::Raft(error.to_string()))?;
        let first = Status::from(&*raft.metrics().borrow_watched());
        let (told, status) = watch::channel(first);
        let (stamps, log_use) = (log.stamps(), log.usage());
        let mut background = JoinSet::new();
        let callers: Arc<Callers> = Arc::default();
        let lost = succeed(&mut background, &raft, &options.environment, &options.timing);
        let register = Register { raft: raft.clone(), published: published.clone() };
        let standing = Standing { register, notices, heard };
        let reason: Arc<OnceLock<String>> = Arc::default();
        let (clock, audit) = (Arc::new(GroupClock::new(clock)), published.audit.clone());
        let desk =
            Desk { raft: raft.clone(), published: published.clone(), clock: clock.clone(), stamps };
        let (proposer, proposing) = Proposer::new(desk, options.timing.propose);
        background.spawn(proposing);
        let ballot = Ballot {
            node,
            raft: raft.clone(),
            peers: peers.clone(),
            log: log.clone(),
            published: published.clone(),
            within: options.timing.lease(),
        };
        let (confirmer, confirming) = Confirmer::new(ballot);
        background.spawn(confirming);
        let contact = Contact::new();
        let (directory, on) = (options.state_dir, options.environment.disk);
        let known = KnownMembers::of(&on, &directory);
        background.spawn(known.keep(standing.register.clone()));
        background.spawn(notice::watch(notice::Watch {
            node,
            directory: directory.clone(),
            disk: on.clone(),
            standing: standing.clone(),
            peers: peers.clone(),
            reason: Arc::clone(&reason),
        }));
        let service = Service {
            host,
            raft: raft.clone(),
            log: log.clone(),
            shelf: shelf.clone(),
            callers: callers.clone(),
            strangers: Arc::default(),
            idle: options.timing.peer_idle,
            lost,
            standing,
            clock: clock.clone(),
            audit: audit.clone(),
            contact: contact.clone(),
        };
        background.spawn(server::serve(listener, service));
        background.spawn(release_log(log.clone(), flushed, shelf.clone()));
        background.spawn(tell_status(raft.clone(), told, Arc::clone(&reason)));
        let rounds = Rounds::new(options.node, &peers, &status, &clock, audit);
        let stop = diverged::Stop { on, directory, raft: raft.clone(), reason: reason.clone() };
        background.spawn(stop.when_outvoted(rounds));
        let writing = tokio::spawn(watch_writer(writing, raft.clone(), Arc::clone(&reason)));
        let shared = Shared {
            node: options.node,
            cluster: options.cluster,
            disk,
            given,
            raft,
            log_use,
            peers,
            clock,
            contact,
            callers,
            shelf,
            timing: options.timing,
            published,
            status,
            handed_over: AtomicU64::new(0),
            reason,
            proposer,
            confirmer,
            tasks: Mutex::new(Tasks { background, writing }),
        };
        let shared = Arc::new(shared);
        let watching = slow_disk::watch(Arc::downgrade(&shared), log);
        shared.tasks.lock().await.background.spawn(watching);
        Ok(Self { shared })
    }
}

/// Begins to wait for the end of a leader's process; gives where ended connections are told.
fn succeed(
    background: &mut JoinSet<()>,
    raft: &Raft,
    environment: &Environment,
    timing: &Timing,
) -> Arc<Notify> {
    let lost = Arc::new(Notify::new());
    let succession = Succession {
        raft: raft.clone(),
        network: environment.network.clone(),
        lost: lost.clone(),
        dial: timing.dial,
        lease: timing.lease(),
    };
    background.spawn(succession.run());
    lost
}

fn listen(listener: PeerListener, directory: &Path) -> Result<Box<dyn Accept>, StartError> {
    listener.listen().map_err(|source| StartError::Io {
        what: "the listener for peers cannot be used",
        path: directory.to_owned(),
        source,
    })
}

/// Between two looks whether the journal may go further.
const RELEASE_EVERY: Duration = Duration::from_millis(500);

/// Lets the journal go as far as the state on disk has come and the snapshot before the newest reaches: were
/// state and newest snapshot damaged, that one and the journal still hold everything. May be cancelled: it
/// is taken up later.
async fn release_log(
    log: LogStore,
    mut flushed: watch::Receiver<Option<LogId>>,
    shelf: Arc<Shelf>,
) {
    let mut released = None;
    // Snapshots come, and openraft purges, also when nothing is flushed any more.
    while !matches!(timeout(RELEASE_EVERY, flushed.changed()).await, Ok(Err(_))) {
        let flushed = *flushed.borrow_and_update();
        let covered = flushed.min(shelf.fallback().map(LogId::from)).min(log.purged());
        if covered <= released {
            continue;
        }
        released = covered;
        let Some(covered) = covered else { continue };
        let log = log.clone();
        match spawn_blocking(move || log.release(covered)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "journal not purged"),
            Err(error) => tracing::error!(%error, "journal not purged"),
        }
    }
}

/// Openraft's metrics change with every append; what they say of the log is told at most so often. Who
/// leads is told at once.
const STATUS_PAUSE: Duration = Duration::from_millis(10);

/// Tells openraft's metrics in our words, as long as anybody may listen. May be cancelled.
async fn tell_status(raft: Raft, told: watch::Sender<Status>, reason: Arc<OnceLock<String>>) {
    let (mut metrics, mut server) = (raft.metrics(), raft.server_metrics());
    let mut ended = false;
    loop {
        // Marked first: a change that comes after it is seen, here or in the next round.
        let _ = server.borrow_and_update();
        let mut status = Status::from(&*metrics.borrow_and_update());
        if ended {
            status.role = Role::Stopped;
        }
        if status.role == Role::Stopped {
            status.failure = status.failure.or_else(|| reason.get().cloned());
        }
        told.send_if_modified(|held| {
            let changed = *held != status;
            *held = status;
            changed
        });
        if ended {
            return;
        }
        // Who leads is told in the server's metrics first, and a moment later in all of them.
        tokio::select! {
            _ = server.changed() => {}
            () = sleep(STATUS_PAUSE) => {}
        }
        ended = metrics.changed().await.is_err();
    }
}

/// A member whose state cannot be written must not go on: its journal would never be let go.
async fn watch_writer(
    writing: JoinHandle<Result<(), StateError>>,
    raft: Raft,
    reason: Arc<OnceLock<String>>,
) {
    let why = match writing.await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => crate::state::Chain(&error).to_string(),
        Err(error) => error.to_string(),
    };
    tracing::error!(why, "state not written, the member stops");
    reason.get_or_init(|| format!("the state cannot be written: {why}"));
    let _ = raft.shutdown().await;
}
