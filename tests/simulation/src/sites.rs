//! Where Managers run: one host an implementation, with a Manager of each kind. Decides what outlives a Manager's
//! process: its disk, its kept orders, the services it spawned, and how often it was started; and since when nothing has
//! disturbed it. What a Manager does is decided in `manager`, which machines are asked for in `provided`.

use crate::{chance::Chance, manager::Ledger, planted::Planted, world::World};
use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::{BTreeMap, BTreeSet},
};
use tradewind_domain::{
    control::{Desired, lease::Lease},
    ids::{
        AccountId, CustomerId, DiskId, Epoch, Fence, ImplementationId, LocationId, ManagerId,
        ManagerKind, ServiceId,
    },
    time::Monotonic,
};

/// Kinds of Managers at a site, and where each listens.
pub(crate) const KINDS: [(ManagerKind, u16); 3] = [
    (ManagerKind::TraderManager, 9001),
    (ManagerKind::BrokerManager, 9002),
    (ManagerKind::MarketManager, 9003),
];

/// Sites that are there from the beginning.
pub(crate) const SITES: u64 = 3;

/// Machines that stand idle until an implementation is asked for: more than a run takes.
pub(crate) const IDLE: u64 = 16;

pub(crate) struct Site {
    pub(crate) name: String,
    pub(crate) location: LocationId,
    /// None while nothing was asked for on this machine.
    posts: OnceCell<Vec<Post>>,
    /// The request it was started for, if it was, and the key that the program was told.
    pub(crate) request: Cell<Option<Epoch>>,
    pub(crate) key: Cell<Option<Epoch>>,
    /// It was taken away again.
    pub(crate) gone: Cell<bool>,
    /// Its processes stand still until then.
    pub(crate) stalled_until: Cell<u64>,
    /// Since when it is up, awake and linked to all members. `None`: it is not.
    sound_since: Cell<Option<u64>>,
    /// What disturbs it at the moment.
    disturbances: Cell<u32>,
    pub(crate) chance: Chance,
}

/// One Manager's place, whichever life of it is there.
pub(crate) struct Post {
    pub(crate) manager: ManagerId,
    pub(crate) port: u16,
    /// The disk that each life has, or had.
    pub(crate) disks: RefCell<BTreeMap<u64, DiskId>>,
    pub(crate) disk: Cell<DiskId>,
    /// It was dropped, and nobody starts it again.
    pub(crate) ended: Cell<bool>,
    pub(crate) lives: Cell<u64>,
    /// The life that runs, and since when.
    pub(crate) life: Cell<Option<(u64, u64)>>,
    pub(crate) lease: RefCell<Lease>,
    pub(crate) intent: RefCell<Option<Desired>>,
    pub(crate) services: RefCell<BTreeMap<ServiceId, Service>>,
    /// What was ever started here, under which right.
    pub(crate) started: RefCell<BTreeSet<(ServiceId, Epoch)>>,
    pub(crate) sessions: RefCell<BTreeSet<CustomerId>>,
    /// What ends here as often as it is started.
    pub(crate) broken: RefCell<BTreeSet<ServiceId>>,
    /// The naming under which the copy of a ledger here has joined: a record of that ledger.
    pub(crate) joined: RefCell<BTreeMap<AccountId, Fence>>,
    /// Leaders whose pipe has stood to a life, by their right and the registration's.
    pub(crate) stood: RefCell<BTreeSet<(Epoch, Epoch)>>,
}

/// A process that a Manager has spawned. It goes on without him.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) epoch: Epoch,
    /// At work from then on.
    pub(crate) live_at: u64,
    /// Asked to stop, it is gone by then.
    pub(crate) ends_at: Option<u64>,
    /// Of a Broker whose ledger has, or had, a second copy.
    pub(crate) ledger: Option<Ledger>,
}

impl Service {
    pub(crate) fn is_at_work(&self, now: u64) -> bool {
        self.live_at <= now && self.ends_at.is_none_or(|ends| ends > now)
    }
}

impl Site {
    /// In half of the runs the last site is a location of its own: as many nodes as there are fail there at once.
    pub(crate) fn new(n: u64, alone: bool, chance: &Chance) -> Option<Self> {
        let location = if alone && n == SITES { "there" } else { "here" };
        let chance = chance.fork();
        let site = Self {
            name: if n <= SITES { format!("a{n}") } else { format!("s{}", n - SITES) },
            location: LocationId::new(location).ok()?,
            posts: OnceCell::new(),
            request: Cell::new(None),
            key: Cell::new(None),
            gone: Cell::new(false),
            stalled_until: Cell::new(0),
            sound_since: Cell::new(Some(0)),
            disturbances: Cell::new(0),
            chance,
        };
        if n <= SITES {
            site.start(&ImplementationId::new(&site.name).ok()?, 0);
        }
        Some(site)
    }

    /// From now on an implementation is there. Once a site.
    pub(crate) fn start(&self, implementation: &ImplementationId, now: u64) {
        let post = |(kind, port)| Post {
            manager: ManagerId { implementation: implementation.clone(), kind },
            port,
            disks: RefCell::default(),
            disk: Cell::new(self.new_disk()),
            ended: Cell::new(false),
            lives: Cell::new(0),
            life: Cell::new(None),
            lease: RefCell::default(),
            intent: RefCell::default(),
            services: RefCell::default(),
            started: RefCell::default(),
            sessions: RefCell::default(),
            broken: RefCell::default(),
            joined: RefCell::default(),
            stood: RefCell::default(),
        };
        self.posts.get_or_init(|| KINDS.map(post).into());
        self.sound_since.set(Some(now));
    }

    /// Its machine is given to others: nothing of it is left.
    pub(crate) fn take_away(&self) {
        self.gone.set(true);
        self.crash(true);
    }

    pub(crate) fn posts(&self) -> &[Post] {
        self.posts.get().map_or(&[], Vec::as_slice)
    }

    pub(crate) fn new_disk(&self) -> DiskId {
        DiskId(self.chance.next().into())
    }

    pub(crate) fn disturb(&self) {
        self.disturbances.set(self.disturbances.get() + 1);
        self.sound_since.set(None);
    }

    pub(crate) fn calm(&self, now: u64) {
        let left = self.disturbances.get().saturating_sub(1);
        self.disturbances.set(left);
        if left == 0 {
            self.sound_since.set(Some(now));
        }
    }

    /// How long this life of a Manager has been undisturbed.
    pub(crate) fn sound_for(&self, post: &Post, life: u64, now: u64) -> u64 {
        match (self.sound_since.get(), post.life.get()) {
            (Some(sound), Some((running, begun))) if running == life => {
                now.saturating_sub(sound.max(begun))
            }
            _ => 0,
        }
    }

    /// Its Managers are gone; with the machine also what they have spawned.
    pub(crate) fn crash(&self, machine: bool) {
        for post in self.posts() {
            post.life.set(None);
            post.lease.replace(Lease::default());
            post.sessions.borrow_mut().clear();
            if machine {
                post.services.borrow_mut().clear();
            }
        }
    }
}

impl Post {
    /// Services whose time to end has come are gone.
    pub(crate) fn reap(&self, now: u64) {
        self.services.borrow_mut().retain(|_, held| held.ends_at.is_none_or(|at| at > now));
    }

    /// A customer comes for the first time. The door is shut without a lease and behind a cordon.
    pub(crate) fn attach(&self, world: &World, site: &Site, customer: &CustomerId) -> bool {
        let now = world.now_ms.get();
        let awake = self.life.get().is_some() && site.stalled_until.get() <= now;
        let holds = self.lease.borrow().holds(at(now));
        let open = self.intent.borrow().as_ref().is_some_and(|desired| desired.cordons.is_empty())
            || world.planted == Some(Planted::DoorLeftOpen);
        if !(awake && holds && open) {
            return false;
        }
        if self.sessions.borrow_mut().insert(customer.clone()) {
            world.overseen.borrow().came(world, self, &format!("a session of {customer}"), None);
        }
        true
    }
}

/// A moment of the run, on everybody's monotonic clock.
pub(crate) fn at(ms: u64) -> Monotonic {
    Monotonic(ms * 1_000_000)
}
