//! A member of the group: the handle that callers hold. Decides how a request becomes an entry, what may be
//! read when, and how a member starts and stops.

mod confirm;
mod disk;
pub(crate) mod diverged;
mod hand_over;
mod known;
mod lease;
mod membership;
mod notice;
mod open;
mod proposer;
mod rebuild;
mod recover;
mod refusal;
mod slow_disk;
mod start;
mod steps;
mod succession;
mod view;

pub(crate) use disk::has_disk;
pub use disk::{Belongs, belongs, disk_of};
pub use membership::{ChangeError, GroupView, Progress};
pub(crate) use open::{Opened, identify, identity_of, open};
pub use steps::{GroupStep, GroupSteps};
pub use view::SnapshotFigures;

use crate::{
    InitializeError, Member, ProposeError, Role, Status,
    contact::Contact,
    group_clock::GroupClock,
    log::LogUse,
    network::{callers::Callers, peers::Peers},
    options::Timing,
    raft::Raft,
    records::MemberRecord,
    snapshot::Shelf,
    state::Published,
};
use confirm::Confirmer;
use openraft::errors::RaftError;
use proposer::Proposer;
use refusal::leader_of;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, OnceLock, atomic::AtomicU64},
    time::Duration,
};
use tokio::{
    sync::{Mutex, watch},
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use tradewind_domain::{
    control::{Machine, Outcome, Request},
    ids::{DiskId, NodeId, Revision},
    time::UnixNanos,
};

/// Reads the time: where the log's time comes from while this member leads.
pub type Clock = Arc<dyn Fn() -> UnixNanos + Send + Sync>;

/// A cheap handle to a running member. The member runs until [`shutdown`](Self::shutdown), whatever handles
/// there are.
#[derive(Clone)]
pub struct Replica {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    node: NodeId,
    disk: DiskId,
    /// Whether its state is another member's, since its own was lost or outvoted.
    given: bool,
    pub(crate) cluster: String,
    pub(crate) raft: Raft,
    log_use: LogUse,
    peers: Peers,
    pub(crate) clock: Arc<GroupClock>,
    contact: Contact,
    callers: Arc<Callers>,
    shelf: Arc<Shelf>,
    timing: Timing,
    published: Arc<Published>,
    status: watch::Receiver<Status>,
    /// The last term in which this member began to hand leadership over: its heir need not wait for the
    /// lease to end, so the lease is worth nothing in that term.
    handed_over: AtomicU64,
    /// Why it stopped by itself, once it has.
    reason: Arc<OnceLock<String>>,
    proposer: Proposer,
    confirmer: Confirmer,
    tasks: Mutex<Tasks>,
}

/// What runs beside openraft.
struct Tasks {
    /// May be cancelled.
    background: JoinSet<()>,
    /// Ends by itself once openraft has stopped and the state is flushed.
    writing: JoinHandle<()>,
}

/// How long a stopping member waits for its files: a flush on a slow disk.
const CLOSE_DEADLINE: Duration = Duration::from_secs(10);

/// Between two looks whether they are closed.
const CLOSE_POLL: Duration = Duration::from_millis(2);

/// A request that was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposed {
    /// Index of the entry that carried it. A repeated request has the first one's outcome.
    pub revision: Revision,
    pub outcome: Outcome,
}

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replica").field("node", &self.shared.node).finish_non_exhaustive()
    }
}

impl Replica {
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.shared.node
    }

    /// Forms the group, once in its life and on one member only, which must be among those named.
    pub async fn initialize(
        &self,
        members: BTreeMap<NodeId, Member>,
    ) -> Result<(), InitializeError> {
        let members: BTreeMap<u64, MemberRecord> =
            members.iter().map(|(id, member)| (id.0, member.into())).collect();
        self.shared.raft.initialize(members).await.map_err(|error| match error {
            RaftError::APIError(openraft::errors::InitializeError::NotAllowed(_)) => {
                InitializeError::AlreadyInitialized
            }
            RaftError::APIError(openraft::errors::InitializeError::NotInMembers(_)) => {
                InitializeError::NotAMember
            }
            RaftError::Fatal(_) => InitializeError::Stopped,
        })
    }

    /// Whether this member has a log, its own or a group's.
    pub async fn is_initialized(&self) -> Result<bool, InitializeError> {
        self.shared.raft.is_initialized().await.map_err(|_| InitializeError::Stopped)
    }

    /// Has the group decide on the request, if this member leads. The outcome is in [`machine`](Self::machine)
    /// when this returns. Dropping the future, or no answer within `Timing::propose`, leaves it unknown.
    pub async fn propose(&self, request: Request) -> Result<Proposed, ProposeError> {
        let proposed = self.shared.proposer.propose(request).await;
        self.shared.published.meters.proposed(&proposed);
        proposed
    }

    /// The machine as this member last published it. Stale on a follower; see
    /// [`read_barrier`](Self::read_barrier).
    #[must_use]
    pub fn machine(&self) -> Machine {
        self.shared.published.machine.borrow().1.clone()
    }

    /// The machine with the index of the last entry in it.
    #[must_use]
    pub fn machine_at(&self) -> (Revision, Machine) {
        self.shared.published.machine.borrow().clone()
    }

    /// Looks at the machine where it is, without a clone: applying waits meanwhile, so be quick and do not
    /// keep one.
    pub fn look<T>(&self, look: impl FnOnce(Revision, &Machine) -> T) -> T {
        let published = self.shared.published.machine.borrow();
        look(published.0, &published.1)
    }

    /// The same, to be told of changes. Publications may be skipped by a slow watcher, never reordered.
    #[must_use]
    pub fn watch_machine(&self) -> watch::Receiver<(Revision, Machine)> {
        self.shared.published.machine.subscribe()
    }

    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status.borrow().clone()
    }

    /// Told of every change of the status, latest first; the last one says [`Role::Stopped`].
    #[must_use]
    pub fn watch_status(&self) -> watch::Receiver<Status> {
        self.shared.status.clone()
    }

    /// Stops the member: no more votes, appends or answers. Returns when its files are closed, so that it
    /// may be started again; handles left over answer that it is stopped.
    pub async fn shutdown(self) {
        let _ = self.shared.raft.shutdown().await;
        self.shared.peers.close();
        let mut status = self.watch_status();
        let told = status.wait_for(|status| status.role == Role::Stopped);
        // It says so as soon as openraft has ended; were it not to, stopping goes on.
        let _ = timeout(CLOSE_DEADLINE, told).await;
        let mut tasks = self.shared.tasks.lock().await;
        tasks.background.shutdown().await;
        let closed = async {
            if !tasks.writing.is_finished() {
                let _ = (&mut tasks.writing).await;
            }
            while !self.shared.log_use.ended() {
                sleep(CLOSE_POLL).await;
            }
        };
        if timeout(CLOSE_DEADLINE, closed).await.is_err() {
            tracing::warn!(
                node = self.shared.node.0,
                "files are still in use after the member stopped"
            );
        }
    }
}
