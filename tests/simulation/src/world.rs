//! What all parts of a run share: the members, the history, the trace. Decides the order of events: one
//! counter numbers them all.

use crate::{
    builds::Builds,
    chance::Chance,
    grouping::Grouping,
    history::History,
    manager::Copies,
    member::Seat,
    overseen::Overseen,
    planted::Planted,
    run::Plan,
    scene::Scene,
    sites::{IDLE, Post, SITES, Site},
    stories::Story,
};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    future::Future,
    hash::{DefaultHasher, Hasher},
};
use tradewind_domain::{
    control::Event,
    ids::{ManagerId, NodeId, Revision},
};
use tradewind_replication::Replica;

pub(crate) struct World {
    pub(crate) seats: Vec<Seat>,
    /// Seats that form the group; the others ask to join.
    pub(crate) founders: u64,
    pub(crate) scene: Scene,
    /// What is known of the group's changes, where there are any.
    pub(crate) grouping: Grouping,
    /// Where Managers run or may be asked for; none in a run without them.
    pub(crate) machines: Vec<Site>,
    /// So many of them were started.
    pub(crate) sites_there: Cell<usize>,
    /// Of the operator's program.
    pub(crate) attempts: Cell<u64>,
    /// What is told in a run of one.
    pub(crate) story: Option<Story>,
    pub(crate) overseen: RefCell<Overseen>,
    /// Links that are cut, one way or both.
    pub(crate) cuts: RefCell<BTreeSet<(String, String)>>,
    /// When a link that was cut last became whole.
    pub(crate) whole_since: RefCell<BTreeMap<(String, String), u64>>,
    /// Until when a site's ports refuse a member, by its seat, although all runs there.
    pub(crate) refusals: RefCell<BTreeMap<(usize, String), u64>>,
    /// Of ledgers, where they are kept.
    pub(crate) copies: RefCell<Copies>,
    /// What is started where, and when it is exchanged.
    pub(crate) builds: Builds,
    pub(crate) planted: Option<Planted>,
    pub(crate) snapshot_every: u64,
    pub(crate) history: RefCell<History>,
    /// Clients begin nothing new and bring to an end what they have begun.
    pub(crate) finishing: Cell<bool>,
    /// Clients that have not finished.
    pub(crate) busy: Cell<u64>,
    /// The last reads are done.
    pub(crate) read_all: Cell<bool>,
    /// Events by revision, as the first watcher saw them: all others must see the same.
    pub(crate) events: RefCell<BTreeMap<Revision, Vec<Event>>>,
    pub(crate) violations: RefCell<Vec<String>>,
    trace: RefCell<DefaultHasher>,
    lines: RefCell<Vec<String>>,
    told: bool,
    events_so_far: Cell<u64>,
    pub(crate) now_ms: Cell<u64>,
}

/// Seats that are there to join, where the group changes.
const SPARES: u64 = 3;

/// Violations kept of one run: the first tell the story.
const VIOLATIONS_MAX: usize = 20;

impl World {
    pub(crate) fn new(members: u64, plan: Plan, snapshot_every: u64, chance: &Chance) -> Self {
        let Plan { planted, told, scene, .. } = plan;
        let (sites, spares) = match scene {
            Scene::Group => (0, 0),
            Scene::Managers | Scene::Stories => (SITES + IDLE, 0),
            Scene::Members => (0, SPARES),
        };
        let alone = scene == Scene::Managers && plan.seed.is_multiple_of(2);
        let there = if sites == 0 { 0 } else { SITES as usize };
        let seat = |n| {
            let node = if n <= members { NodeId(n) } else { NodeId(0) };
            Seat::new(n, node, planted, chance)
        };
        Self {
            seats: (1..=members + spares).map(seat).collect(),
            founders: members,
            scene,
            grouping: Grouping::default(),
            machines: (1..=sites).filter_map(|n| Site::new(n, alone, chance)).collect(),
            sites_there: Cell::new(there),
            attempts: Cell::new(0),
            story: (scene == Scene::Stories).then(|| Story::of(plan.seed)),
            overseen: RefCell::default(),
            cuts: RefCell::default(),
            whole_since: RefCell::default(),
            refusals: RefCell::default(),
            copies: RefCell::default(),
            builds: Builds::of(scene, plan.seed),
            planted,
            snapshot_every,
            history: RefCell::default(),
            finishing: Cell::new(false),
            busy: Cell::new(0),
            read_all: Cell::new(false),
            events: RefCell::default(),
            violations: RefCell::default(),
            trace: RefCell::new(DefaultHasher::new()),
            lines: RefCell::default(),
            told,
            events_so_far: Cell::new(0),
            now_ms: Cell::new(0),
        }
    }

    /// The seat that has this number now.
    pub(crate) fn seat_of(&self, node: NodeId) -> Option<usize> {
        self.seats.iter().position(|seat| seat.node.get() == node)
    }

    /// Sites that are there, or were.
    pub(crate) fn sites(&self) -> &[Site] {
        &self.machines[..self.sites_there.get()]
    }

    /// Whether a site's ports refuse a member now, or did within so many milliseconds.
    pub(crate) fn refuses(&self, seat: usize, site: &Site, within_ms: u64) -> bool {
        let until = self.refusals.borrow().get(&(seat, site.name.clone())).copied();
        until.is_some_and(|until| self.elapsed_ms() < until + within_ms)
    }

    /// Where a Manager's place is.
    pub(crate) fn post(&self, manager: &ManagerId) -> Option<(&Site, &Post)> {
        let sites = self.sites().iter().filter(|site| !site.gone.get());
        let mut all = sites.flat_map(|site| site.posts().iter().map(move |post| (site, post)));
        all.find(|(_, post)| post.manager == *manager)
    }

    /// Whether a link carries nothing, in one direction at least.
    pub(crate) fn is_cut(&self, one: &str, other: &str) -> bool {
        let cuts = self.cuts.borrow();
        let either = [(one, other), (other, one)];
        either.iter().any(|(a, b)| cuts.contains(&((*a).to_owned(), (*b).to_owned())))
    }

    /// Other links are cut from now on.
    pub(crate) fn cut(&self, cuts: BTreeSet<(String, String)>) {
        let before = self.cuts.replace(cuts);
        let now = self.now_ms.get();
        self.whole_since.borrow_mut().extend(before.into_iter().map(|link| (link, now)));
    }

    /// For how long a link has carried both ways.
    pub(crate) fn whole_for(&self, one: &str, other: &str) -> u64 {
        if self.is_cut(one, other) {
            return 0;
        }
        let whole = self.whole_since.borrow();
        let either = [(one, other), (other, one)];
        let since =
            either.iter().filter_map(|(a, b)| whole.get(&((*a).to_owned(), (*b).to_owned())));
        self.now_ms.get() - since.max().copied().unwrap_or_default()
    }

    /// The run's own time, as a host sees it.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        turmoil::sim_elapsed().map_or(self.now_ms.get(), |elapsed| elapsed.as_millis() as u64)
    }

    /// The number of the next event.
    pub(crate) fn tick(&self) -> u64 {
        self.events_so_far.set(self.events_so_far.get() + 1);
        self.events_so_far.get()
    }

    /// Notes what happened: part of the trace that two runs of a seed have in common.
    pub(crate) fn note(&self, what: &str) {
        let mut trace = self.trace.borrow_mut();
        trace.write(what.as_bytes());
        trace.write_u64(self.now_ms.get());
        if self.told {
            self.lines.borrow_mut().push(format!("{:>6} ms {what}", self.now_ms.get()));
        }
    }

    pub(crate) fn violation(&self, what: String) {
        self.note(&what);
        let mut violations = self.violations.borrow_mut();
        if violations.len() < VIOLATIONS_MAX {
            violations.push(format!("{} ms: {what}", self.now_ms.get()));
        }
    }

    pub(crate) fn trace_hash(&self) -> u64 {
        self.trace.borrow().finish()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.take()
    }

    /// Has a member do something, in its own runtime. None: it is not there, or died over it.
    pub(crate) async fn ask<T, F>(&self, at: usize, what: impl FnOnce(Replica) -> F) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let running = self.seats[at].running.borrow().clone()?;
        let answer = running.runtime.spawn(what(running.replica));
        drop(running.stop);
        answer.await.ok()
    }
}
