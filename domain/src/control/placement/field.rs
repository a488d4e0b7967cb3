//! The open places in the order in which they are taken. Decides which of them is the best for an item; kept
//! sorted by load, so that thousands of items find their places among thousands of Managers at once.

use super::{Counted, Door, Item, Problem};
use crate::ids::{AccountId, LocationId, ManagerId, ManagerKind};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

/// Load by capacity, in millionths: places of different size fill alike.
type Load = u64;

struct Spot<'a> {
    manager: &'a ManagerId,
    location: &'a LocationId,
    passing: bool,
    capacity: u32,
    held: u32,
    moving: u32,
}

impl Spot<'_> {
    fn load(&self) -> Load {
        u64::from(self.held) * 1_000_000 / u64::from(self.capacity.max(1))
    }

    fn room(&self) -> u32 {
        self.capacity.saturating_sub(self.held)
    }
}

/// Spots by load; of equals the first by name, since spots are numbered in that order.
type ByLoad = BTreeSet<(Load, usize)>;

pub(super) struct Field<'a> {
    spots: Vec<Spot<'a>>,
    numbers: BTreeMap<&'a ManagerId, usize>,
    all: BTreeMap<ManagerKind, ByLoad>,
    near: BTreeMap<(ManagerKind, &'a LocationId), ByLoad>,
    /// How many Brokers of an account are at a place, as far as the problem knows.
    groups: BTreeMap<(&'a AccountId, usize), u32>,
    moves_at_once: u32,
    /// What is placed now.
    counted: Counted,
}

impl<'a> Field<'a> {
    pub(super) fn of(problem: &'a Problem) -> Self {
        let open = problem.places.iter().filter(|(_, place)| place.door == Door::Open);
        let spots: Vec<Spot<'a>> = open
            .map(|(manager, place)| Spot {
                manager,
                location: &place.location,
                passing: place.passing,
                capacity: place.capacity,
                held: place.held,
                moving: place.moving,
            })
            .collect();
        let numbers = spots.iter().enumerate().map(|(n, spot)| (spot.manager, n)).collect();
        let mut field = Self {
            spots,
            numbers,
            all: BTreeMap::new(),
            near: BTreeMap::new(),
            groups: BTreeMap::new(),
            moves_at_once: problem.moves_at_once,
            counted: Counted::Move,
        };
        for n in 0..field.spots.len() {
            field.list(n);
        }
        field
    }

    fn list(&mut self, n: usize) {
        let spot = &self.spots[n];
        let may = match self.counted {
            Counted::First => true,
            Counted::Move => spot.moving < self.moves_at_once,
        };
        if spot.room() == 0 || !may {
            return;
        }
        let (kind, entry) = (spot.manager.kind, (spot.load(), n));
        self.all.entry(kind).or_default().insert(entry);
        self.near.entry((kind, spot.location)).or_default().insert(entry);
    }

    fn unlist(&mut self, n: usize) {
        let spot = &self.spots[n];
        let (kind, entry) = (spot.manager.kind, (spot.load(), n));
        if let Some(all) = self.all.get_mut(&kind) {
            all.remove(&entry);
        }
        if let Some(near) = self.near.get_mut(&(kind, spot.location)) {
            near.remove(&entry);
        }
    }

    fn add(&mut self, item: &'a Item, n: usize, weight: u32, moved: u32) {
        self.unlist(n);
        let spot = &mut self.spots[n];
        spot.held = spot.held.saturating_add(weight);
        spot.moving = spot.moving.saturating_add(moved);
        self.list(n);
        if let Some(group) = item.group() {
            *self.groups.entry((group, n)).or_default() += 1;
        }
    }

    /// An item that stays: also where it is too much.
    pub(super) fn keep(&mut self, item: &'a Item, at: &ManagerId, weight: u32) {
        if let Some(n) = self.numbers.get(at).copied() {
            self.add(item, n, weight, 0);
        }
    }

    /// The best place for an item, which it takes: in its location if it comes from one.
    pub(super) fn take(
        &mut self,
        item: &'a Item,
        weight: u32,
        near: Option<&LocationId>,
    ) -> Option<ManagerId> {
        let n = self.best(item, weight, near)?;
        let moved = match self.counted {
            Counted::Move => 1,
            Counted::First => 0,
        };
        self.add(item, n, weight, moved);
        Some(self.spots[n].manager.clone())
    }

    /// Moves are placed: places that took as many as they may take what is new nonetheless.
    pub(super) fn now_first_placements(&mut self) {
        self.counted = Counted::First;
        for n in 0..self.spots.len() {
            self.list(n);
        }
    }

    fn best(&self, item: &Item, weight: u32, near: Option<&LocationId>) -> Option<usize> {
        let kind = item.kind();
        let fits = |n: &usize| self.spots[*n].room() >= weight;
        let here = near.and_then(|location| self.near.get(&(kind, location)));
        let here = here.and_then(|set| self.first(set, item, fits));
        here.or_else(|| self.first(self.all.get(&kind)?, item, fits))
    }

    /// The least loaded that fits; of a group, one that stays and one with fewer of it before.
    fn first(&self, set: &ByLoad, item: &Item, fits: impl Fn(&usize) -> bool) -> Option<usize> {
        let mut fitting = set.iter().map(|(_, n)| *n).filter(fits);
        let Some(group) = item.group() else { return fitting.next() };
        let mut best: Option<((bool, u32), usize)> = None;
        for n in fitting {
            let beside = self.groups.get(&(group, n)).copied().unwrap_or_default();
            let rank = (self.spots[n].passing, beside);
            if best.is_none_or(|(least, _)| rank < least) {
                best = Some((rank, n));
            }
            if rank == (false, 0) {
                break;
            }
        }
        best.map(|(_, n)| n)
    }
}
