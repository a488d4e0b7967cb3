//! Placement: who holds what. `solve` decides, for Brokers and customers, from where they are and from what
//! their Managers take: stable, idempotent, and with as few moves as there can be. Nothing moves without a
//! cause, and a cause is a Manager that is gone or is being emptied. What it decides on is gathered beside.
//!
//! Hard: the kind, a Manager that takes something new, its capacity, one holder. Soft, in this order: stay; the
//! same location; Brokers not where scale-in would wait for them, nor beside another of the account; the least loaded. An implementation has one Manager
//! of a kind, so to stay in it is to stay.

mod field;
mod gather;
mod rebalance;
mod scales;

pub use gather::{Gathered, anything_waits, gather};
pub use rebalance::{Move, RebalanceCommand, RebalanceRow, rebalance, rebalance_can_be_told};

use crate::ids::{AccountId, CustomerId, LocationId, ManagerId, ManagerKind};
use alloc::{collections::BTreeMap, vec::Vec};
use field::Field;

/// What is placed as a whole. Traders are not: they are where their customer is (A1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    Broker { account: AccountId, shard: u16 },
    Customer { customer: CustomerId },
}

impl Item {
    #[must_use]
    pub fn kind(&self) -> ManagerKind {
        match self {
            Self::Broker { .. } => ManagerKind::BrokerManager,
            Self::Customer { .. } => ManagerKind::TraderManager,
        }
    }

    /// Items of one group are spread over Managers. A customer's Traders stay together.
    #[must_use]
    fn group(&self) -> Option<&AccountId> {
        match self {
            Self::Broker { account, .. } => Some(account),
            Self::Customer { .. } => None,
        }
    }
}

/// Whether a Manager takes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Takes what is new.
    Open,
    /// Keeps what it has: it is suspect, not heard of yet, or behind a cordon that is not acknowledged.
    Shut,
    /// It is being emptied: what it has moves away as soon as there is a place.
    Leaving,
}

/// A Manager of the problem. One that is not in it is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub location: LocationId,
    pub door: Door,
    /// It was provisioned, and goes again when its location needs less. Not while it has a Broker, which stays where it
    /// is: Brokers come last to it.
    pub passing: bool,
    pub capacity: u32,
    /// The weight of what it has that is not part of the problem.
    pub held: u32,
    /// Moves to it that have not ended.
    pub moving: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub places: BTreeMap<ManagerId, Place>,
    /// What is to be placed, and its weight.
    pub items: BTreeMap<Item, u32>,
    /// How many moves to one place may be under way. First placements are no moves.
    pub moves_at_once: u32,
    /// Where Managers are, or were, that are not among the places: to find what is near.
    pub gone: BTreeMap<ManagerId, LocationId>,
}

/// One holder an item: a map.
pub type Placed = BTreeMap<Item, ManagerId>;

/// Where everything is to be. An item that finds no place stays where it was, or stays without.
#[must_use]
pub fn solve(problem: &Problem, previous: &Placed) -> Placed {
    let mut field = Field::of(problem);
    let mut placed = Placed::new();
    let (mut moving, mut new) = (Vec::new(), Vec::new());
    for (item, weight) in &problem.items {
        let Some(at) = previous.get(item) else {
            new.push((item, *weight));
            continue;
        };
        // Until it has found another, an item is where it was.
        placed.insert(item.clone(), at.clone());
        match problem.places.get(at).map(|place| place.door) {
            Some(Door::Open | Door::Shut) => field.keep(item, at, *weight),
            Some(Door::Leaving) | None => moving.push((item, at, *weight)),
        }
    }
    for (item, from, weight) in moving {
        if let Some(to) = field.take(item, weight, problem.location(from)) {
            placed.insert(item.clone(), to);
        }
    }
    field.now_first_placements();
    for (item, weight) in new {
        if let Some(to) = field.take(item, weight, None) {
            placed.insert(item.clone(), to);
        }
    }
    placed
}

impl Problem {
    fn location(&self, manager: &ManagerId) -> Option<&LocationId> {
        let place = self.places.get(manager).map(|place| &place.location);
        place.or_else(|| self.gone.get(manager))
    }
}

/// Whether placements count against the moves at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    Move,
    First,
}

#[cfg(test)]
mod tests;
