//! Where Managers run: one host an implementation, with a TraderManager and a BrokerManager. Decides what outlives a
//! Manager's process: its kept orders, the services it spawned, and how often it was started; and since when
//! nothing has disturbed it. What a Manager does is decided in `manager`.

use crate::{chance::Chance, planted::Planted, world::World};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
};
use tradewind_domain::{
    control::{Desired, lease::Lease},
    ids::{CustomerId, Epoch, ImplementationId, LocationId, ManagerId, ManagerKind, ServiceId},
    time::Monotonic,
};

/// Kinds of Managers at a site, and where each listens.
pub(crate) const KINDS: [(ManagerKind, u16); 2] =
    [(ManagerKind::TraderManager, 9001), (ManagerKind::BrokerManager, 9002)];

pub(crate) const SITES: u64 = 3;

pub(crate) struct Site {
    pub(crate) name: String,
    pub(crate) location: LocationId,
    pub(crate) posts: Vec<Post>,
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
    pub(crate) lives: Cell<u64>,
    /// The life that runs, and since when.
    pub(crate) life: Cell<Option<(u64, u64)>>,
    pub(crate) lease: RefCell<Lease>,
    pub(crate) intent: RefCell<Option<Desired>>,
    pub(crate) services: RefCell<BTreeMap<ServiceId, Service>>,
    /// What was ever started here, under which right.
    pub(crate) started: RefCell<BTreeSet<(ServiceId, Epoch)>>,
    pub(crate) sessions: RefCell<BTreeSet<CustomerId>>,
}

/// A process that a Manager has spawned. It goes on without him.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) epoch: Epoch,
    /// At work from then on.
    pub(crate) live_at: u64,
    /// Asked to stop, it is gone by then.
    pub(crate) ends_at: Option<u64>,
}

impl Site {
    /// In half of the runs the last site is a location of its own: as many nodes as there are fail there at once.
    pub(crate) fn new(n: u64, alone: bool, chance: &Chance) -> Option<Self> {
        let name = format!("a{n}");
        let location = if alone && n == SITES { "there" } else { "here" };
        let location = LocationId::new(location).ok()?;
        let implementation = ImplementationId::new(&name).ok()?;
        let post = |(kind, port)| Post {
            manager: ManagerId { implementation: implementation.clone(), kind },
            port,
            lives: Cell::new(0),
            life: Cell::new(None),
            lease: RefCell::default(),
            intent: RefCell::default(),
            services: RefCell::default(),
            started: RefCell::default(),
            sessions: RefCell::default(),
        };
        Some(Self {
            name,
            location,
            posts: KINDS.map(post).into(),
            stalled_until: Cell::new(0),
            sound_since: Cell::new(Some(0)),
            disturbances: Cell::new(0),
            chance: chance.fork(),
        })
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
        for post in &self.posts {
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
            world.overseen.borrow().came(world, self, &format!("a session of {customer}"));
        }
        true
    }
}

/// A moment of the run, on everybody's monotonic clock.
pub(crate) fn at(ms: u64) -> Monotonic {
    Monotonic(ms * 1_000_000)
}
