//! One member: its disk, its rows, its process. Decides how it boots and what its death leaves behind; when
//! it dies is the plan's decision.

use crate::{
    chance::Chance,
    disk::Hardware,
    forged::Answer,
    grouping, joining, leader,
    network::{Door, Forges, Turmoil},
    planted::Planted,
    rows::Rows,
    scene::Scene,
    world::World,
};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{runtime::Handle, sync::Notify, task::JoinSet, time::sleep};
use tradewind_domain::{
    control::level::FeatureLevel,
    ids::{DiskId, NodeId},
    time::UnixNanos,
};
use tradewind_journal::{Disk, Journal, OpenError};
use tradewind_replication::{
    Environment, Member, OpenJournal, Options, PeerListener, Replica, Snapshots, StartError, Timing,
};

pub(crate) const PORT: u16 = 7000;

/// So small that segments are filled, rolled and purged within a run.
const SEGMENT_BYTES: u64 = 16 * 1024;

/// Of the log's clock at the beginning of a run: any time long after 1970.
const EPOCH_NANOS: u64 = 1_700_000_000_000_000_000;

/// Between two looks whether a member is confirmed as leader: a step, so that all look in the same.
const CONFIRMED_EVERY: Duration = Duration::from_millis(2);

/// How far a member's clock may be off: less than half of the window in which keys are remembered.
const SKEW_NANOS: u64 = 240_000_000_000;

/// Where what follows must follow soon: as far as clocks are off that are kept.
const SKEW_IN_STORIES_NANOS: u64 = 20_000_000;

const DIRECTORY: &str = "/member";

/// What a running member is reached by.
#[derive(Clone)]
pub(crate) struct Running {
    /// How often the member had booted before.
    pub(crate) boot: u64,
    pub(crate) replica: Replica,
    /// Its own runtime: every call runs there, since each runtime has a clock of its own.
    pub(crate) runtime: Handle,
    pub(crate) stop: Rc<Notify>,
}

pub(crate) struct Seat {
    /// The number of its host, from 1.
    pub(crate) place: u64,
    /// Its number in the group. 0: it has none yet, and asks.
    pub(crate) node: Cell<NodeId>,
    /// The identity of its disk.
    pub(crate) disk: Cell<DiskId>,
    pub(crate) hardware: RefCell<Hardware>,
    pub(crate) rows: RefCell<Rows>,
    pub(crate) running: RefCell<Option<Running>>,
    /// Added to every turn of the journal, in microseconds: a slow disk.
    pub(crate) slow: Arc<AtomicU64>,
    /// What it does as a leader stands still until then.
    pub(crate) stalled_until: Cell<u64>,
    /// When it last found itself confirmed as leader, in milliseconds.
    pub(crate) confirmed: Cell<Option<u64>>,
    /// Its syncs fail: it must stop, and is forgiven for it.
    pub(crate) failing: Cell<bool>,
    /// How far its clock is ahead of the one that lags most, in this boot.
    skew: Cell<u64>,
    /// Since when its process runs.
    pub(crate) up_since: Cell<Option<u64>>,
    /// It has found out that the group has removed it, and has ended.
    pub(crate) retired: Cell<bool>,
    /// Since when the group has removed it and it does not know.
    pub(crate) removed_at: Cell<Option<u64>>,
    boots: AtomicU64,
    pub(crate) chance: Chance,
}

impl Seat {
    pub(crate) fn new(place: u64, node: NodeId, planted: Option<Planted>, chance: &Chance) -> Self {
        Self {
            place,
            node: Cell::new(node),
            disk: Cell::new(DiskId(u128::from(place))),
            hardware: RefCell::new(Hardware::new(chance.next(), planted)),
            rows: RefCell::new(Rows::new(planted)),
            running: RefCell::default(),
            slow: Arc::default(),
            stalled_until: Cell::new(0),
            confirmed: Cell::new(None),
            failing: Cell::new(false),
            skew: Cell::new(0),
            up_since: Cell::new(None),
            retired: Cell::new(false),
            removed_at: Cell::new(None),
            boots: AtomicU64::new(0),
            chance: chance.fork(),
        }
    }

    pub(crate) fn name(&self) -> String {
        format!("m{}", self.place)
    }

    /// What its own clock says.
    pub(crate) fn own_clock(&self) -> UnixNanos {
        clock(self.skew.get())
    }

    /// Whether it found itself confirmed as leader in the step that has just ended: within it, the run's time was still
    /// that of the step before.
    pub(crate) fn is_confirmed(&self, now: u64) -> bool {
        self.confirmed.get().is_some_and(|at| at + CONFIRMED_EVERY.as_millis() as u64 >= now)
    }

    /// Before the process is taken away: from now on nothing it does reaches its disk.
    pub(crate) fn unplug(&self) {
        self.hardware.borrow().stop();
        self.running.replace(None);
        self.up_since.set(None);
    }

    /// From now on no sync of its disk succeeds, until it starts again.
    pub(crate) fn fail_disk(&self) {
        self.failing.set(true);
        self.hardware.borrow().disk.fail_syncs(true);
    }

    /// The machine starts again; what was not durable may be gone. With `power` it had lost that too,
    /// otherwise the process alone had died.
    pub(crate) fn replug(&self, power: bool) {
        self.failing.set(false);
        let hardware = self.hardware.borrow();
        hardware.disk.fail_syncs(false);
        if power {
            hardware.disk.restart()
        } else {
            hardware.disk.restart_process()
        }
        self.rows.borrow().crash(&self.chance);
    }

    /// A new disk under the old name.
    pub(crate) fn wipe(&self, planted: Option<Planted>) {
        self.hardware.borrow_mut().wipe(self.chance.next());
        self.rows.replace(Rows::new(planted));
    }

    /// What was on it is lost, or moved away: it asks for a number as a disk that was never seen.
    pub(crate) fn begin_anew(&self, planted: Option<Planted>) {
        self.wipe(planted);
        self.disk.set(DiskId(u128::from(self.chance.next()) << 64 | u128::from(self.place)));
        self.node.set(NodeId(0));
        self.retired.set(false);
    }

    fn environment(&self, disk: Arc<dyn Disk>) -> Environment {
        let rows = self.rows.borrow().clone();
        let (slow, seed) = (self.slow.clone(), self.chance.next());
        let planted = self.hardware.borrow().planted;
        let what = match planted {
            Some(Planted::AckForged) => Some(Answer::Append),
            Some(Planted::ConsentForged) => Some(Answer::Confirm),
            _ => None,
        };
        let forges = what.map(|what| Forges { what, seeds: AtomicU64::new(self.chance.next()) });
        Environment {
            disk,
            journal: journal(slow, seed),
            rows: Arc::new(move |_| Ok(rows.open())),
            network: Arc::new(Turmoil { forges }),
            knows: FeatureLevel::KNOWN,
        }
    }
}

/// A clock that is so far from the one that lags most.
fn clock(skew: u64) -> UnixNanos {
    let elapsed = turmoil::sim_elapsed().unwrap_or_default();
    UnixNanos(EPOCH_NANOS - SKEW_NANOS + skew + elapsed.as_nanos() as u64)
}

/// The journal's writer as a task: it finds work after a moment, as a disk does.
fn journal(slow: Arc<AtomicU64>, seed: u64) -> OpenJournal {
    Arc::new(move |mut options, disk| {
        options.segment_bytes = SEGMENT_BYTES;
        let (journal, mut writer) = Journal::open_inline(options, disk)?;
        let (slow, chance) = (slow.clone(), seed);
        tokio::spawn(async move {
            let mut state = chance;
            while !writer.ended() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let own = (state >> 33) % 3_000;
                sleep(Duration::from_micros(slow.load(Ordering::Relaxed) + own)).await;
                writer.turn();
            }
        });
        Ok::<_, OpenError>(journal)
    })
}

fn members(world: &World) -> BTreeMap<NodeId, Member> {
    let of = |seat: &Seat| {
        let address: IpAddr = turmoil::lookup(seat.name());
        let peer_address = SocketAddr::new(address, PORT);
        // Without its disk's identity a wiped member is welcome: that is what a planted bug is about.
        let disk = (world.scene == Scene::Members).then_some(seat.disk.get());
        (seat.node.get(), Member { peer_address, api_address: seat.name(), disk })
    };
    world.seats.iter().take(world.founders as usize).map(of).collect()
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// What it starts with: its number, its disk as this boot sees it, its place in the network.
fn options(world: &World, seat: &Seat, boot: u64, listener: turmoil::net::TcpListener) -> Options {
    let disk = seat.hardware.borrow().boot();
    if world.planted == Some(Planted::ReplayBeyondCommitted) && boot > 0 {
        crate::forgery::commit_all(&disk, Path::new(DIRECTORY));
    }
    Options {
        node: seat.node.get(),
        cluster: "simulated".to_owned(),
        state_dir: PathBuf::from(DIRECTORY),
        new_disk: seat.disk.get(),
        peer_listener: PeerListener::Other(Box::new(Door(listener))),
        timing: Timing { propose: Duration::from_millis(700), ..Timing::default() },
        snapshots: Snapshots {
            every: world.snapshot_every,
            keep_entries: world.snapshot_every / 2,
        },
        environment: seat.environment(disk),
    }
}

/// The process of a member, from boot to an orderly stop.
pub(crate) async fn process(world: Rc<World>, at: usize) -> turmoil::Result {
    let seat = &world.seats[at];
    if seat.node.get() == NodeId(0) {
        joining::ask(&world, at).await;
    }
    let node = seat.node.get();
    let boot = seat.boots.fetch_add(1, Ordering::Relaxed);
    let listener = turmoil::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    let vote = Path::new(DIRECTORY).join("log/vote");
    if let Some(back) = seat.hardware.borrow().vote_went_back(&vote) {
        world.violation(format!("S1: member {node} promised more: {back}"));
    }
    let options = options(&world, seat, boot, listener);
    // Each boot finds its clock somewhere else, forwards or back.
    let most = if world.story.is_some() { SKEW_IN_STORIES_NANOS } else { SKEW_NANOS };
    let skew = seat.chance.below(2 * most);
    seat.skew.set(skew);
    let clock = move || clock(skew);
    let replica = match Replica::start(options, Arc::new(clock)).await {
        Ok(replica) => replica,
        Err(_) if seat.failing.get() => return std::future::pending().await,
        Err(StartError::Removed { .. }) if world.scene == Scene::Members => {
            seat.retired.set(true);
            return Ok(());
        }
        Err(error) => {
            world.violation(format!("S1: member {node} does not start: {}", chain(&error)));
            return std::future::pending().await;
        }
    };
    if replica.was_given_its_state() {
        // It goes on, and nothing is lost as long as another has it; but nothing here damages a state.
        world.violation(format!("S1: member {node} had lost its state"));
    }
    // An earlier attempt may have been cut short; one that was not is refused.
    if node == NodeId(1) && replica.is_initialized().await.is_ok_and(|formed| !formed) {
        drop(replica.initialize(members(&world)).await);
    }
    let stop = Rc::new(Notify::new());
    let running =
        Running { boot, replica: replica.clone(), runtime: Handle::current(), stop: stop.clone() };
    seat.running.replace(Some(running));
    seat.up_since.set(Some(world.now_ms.get()));
    let mut leading = JoinSet::new();
    if world.scene == Scene::Members {
        leading.spawn_local(grouping::keep(world.clone(), at, boot, replica.clone()));
    }
    if !world.sites().is_empty() {
        leading.spawn_local(leader::run(world.clone(), at, boot, replica.clone()));
    }
    while tokio::time::timeout(CONFIRMED_EVERY, stop.notified()).await.is_err() {
        if replica.confirmed_leader() {
            seat.confirmed.set(Some(world.now_ms.get()));
        }
        if world.scene == Scene::Members && grouping::is_removed(&world, &replica) {
            seat.retired.set(true);
            break;
        }
    }
    seat.running.replace(None);
    seat.up_since.set(None);
    leading.shutdown().await;
    replica.shutdown().await;
    Ok(())
}
