//! What placement is decided on, from the machine and from what the leader has seen. Decides what has to be
//! looked at: only what waits for a place, and what its place is lost to; all else is a number of its place.

use super::{Door, Item, Place, Placed, Problem};
use crate::{
    control::{
        machine::Machine,
        plan::Observed,
        row::{ManagerRow, ManagerState},
    },
    ids::{AccountId, CustomerId, ImplementationId, ManagerId, ManagerKind},
    limits::MOVES_AT_ONCE,
    time::Monotonic,
};
use alloc::collections::{BTreeMap, BTreeSet};

/// A problem, and where its items are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathered {
    pub problem: Problem,
    pub previous: Placed,
}

#[must_use]
pub fn gather(machine: &Machine, observed: &Observed, now: Monotonic) -> Gathered {
    let problem = Problem {
        places: places(machine, observed, now),
        items: BTreeMap::new(),
        moves_at_once: MOVES_AT_ONCE,
        gone: BTreeMap::new(),
    };
    let mut gathered = Gathered { problem, previous: Placed::new() };
    let index = &machine.tables.index;
    for customer in &index.homeless {
        gathered.add_customer(machine, customer, None);
    }
    for (manager, held) in &index.held {
        if gathered.problem.keeps(manager) {
            continue;
        }
        for customer in &held.customers {
            gathered.add_customer(machine, customer, Some(manager));
        }
    }
    let sealed = observed.sealed.iter().filter(|(account, shard)| {
        let row = machine.tables.brokers.get(&(account.clone(), *shard));
        let holder = row.and_then(|row| row.assignment.as_ref());
        holder.is_some_and(|held| !gathered.problem.keeps(&held.manager))
    });
    let sealed: alloc::vec::Vec<_> = sealed.map(|(account, _)| account.clone()).collect();
    for account in index.unplaced_brokers.iter().map(|(account, _)| account).chain(&sealed) {
        gathered.add_brokers(machine, observed, account);
    }
    gathered.note_gone(machine);
    gathered
}

/// Whether there may be anything to decide: mostly there is not, and the places need not be gathered.
#[must_use]
pub fn anything_waits(machine: &Machine, observed: &Observed) -> bool {
    let index = &machine.tables.index;
    let left = |manager: &ManagerId| {
        let state = machine.manager(manager).map(|row| row.state);
        state != Some(ManagerState::Live) || machine.empties(manager)
    };
    !index.homeless.is_empty()
        || !index.unplaced_brokers.is_empty()
        || !observed.sealed.is_empty()
        || machine.rebalance().is_some()
        || index.held.iter().any(|(manager, held)| !held.customers.is_empty() && left(manager))
}

/// How a Manager is to be treated as a place; `None` if it is gone.
fn door(machine: &Machine, observed: &Observed, now: Monotonic, row: &ManagerRow) -> Option<Door> {
    match row.state {
        ManagerState::Down => return None,
        ManagerState::Live => {}
    }
    if machine.empties(&row.manager) {
        return Some(Door::Leaving);
    }
    // One that died with the leader before is not suspect yet, and one that nobody reaches checks in all the same.
    let open = observed.takes(row, now) && machine.cordon(&row.manager).is_none();
    Some(if open { Door::Open } else { Door::Shut })
}

fn places(machine: &Machine, observed: &Observed, now: Monotonic) -> BTreeMap<ManagerId, Place> {
    let moving = unsettled(machine);
    let passing: BTreeSet<&ImplementationId> =
        machine.provisions().map(|row| &row.implementation).collect();
    let places = machine.managers().filter_map(|row| {
        let door = door(machine, observed, now, row)?;
        let held = machine.tables.index.held(&row.manager);
        let held = match row.manager.kind {
            // Every MarketManager runs its own Markets: nothing is placed there.
            ManagerKind::MarketManager => return None,
            ManagerKind::BrokerManager => {
                held.map_or(0, |held| u32::try_from(held.brokers.len()).unwrap_or(u32::MAX))
            }
            ManagerKind::TraderManager => held.map_or(0, |held| held.weight),
        };
        // What never gets to work there must not keep everything else away.
        let starting = observed.told(row).map_or(0, |told| told.starting.min(MOVES_AT_ONCE - 1));
        let moving = moving.get(&row.manager).copied().unwrap_or_default();
        let place = Place {
            location: row.location.clone(),
            door,
            passing: passing.contains(&row.manager.implementation),
            capacity: row.capacity,
            held,
            moving: moving.max(starting),
        };
        Some((row.manager.clone(), place))
    });
    places.collect()
}

/// Customers on their way to each Manager: given to it, and not all of their Traders.
fn unsettled(machine: &Machine) -> BTreeMap<&ManagerId, u32> {
    let mut found = BTreeMap::new();
    for customer in &machine.tables.index.unsettled {
        let row = machine.customer(customer);
        if let Some(affinity) = row.and_then(|row| row.affinity.as_ref()) {
            *found.entry(&affinity.manager).or_default() += 1;
        }
    }
    found
}

impl Problem {
    /// Whether what a Manager holds stays there.
    fn keeps(&self, manager: &ManagerId) -> bool {
        self.places.get(manager).is_some_and(|place| match place.door {
            Door::Open | Door::Shut => true,
            Door::Leaving => false,
        })
    }
}

impl Gathered {
    fn add(&mut self, item: Item, weight: u32, at: Option<&ManagerId>) {
        if let Some(at) = at {
            if let Some(place) = self.problem.places.get_mut(at) {
                place.held = place.held.saturating_sub(weight);
            }
            self.previous.insert(item.clone(), at.clone());
        }
        self.problem.items.insert(item, weight);
    }

    fn add_customer(&mut self, machine: &Machine, customer: &CustomerId, at: Option<&ManagerId>) {
        let weight = machine.tables.index.followers(customer).weight();
        self.add(Item::Customer { customer: customer.clone() }, weight, at);
    }

    /// All Brokers of an account, since they are spread: those that have a place with it. One whose holder is
    /// gone waits for it, unless its ledger was sealed to be continued elsewhere. One that was given up waits until it has
    /// stopped.
    fn add_brokers(&mut self, machine: &Machine, observed: &Observed, account: &AccountId) {
        let of_account = (account.clone(), 0)..=(account.clone(), u16::MAX);
        for ((_, shard), row) in machine.tables.brokers.range(of_account) {
            let item = Item::Broker { account: account.clone(), shard: *shard };
            let at = row.assignment.as_ref().map(|held| &held.manager);
            let waits = at.is_some_and(|at| !self.problem.keeps(at))
                && !observed.sealed.contains(&(account.clone(), *shard));
            let given_up = machine.abandoned(account, *shard);
            let runs_on = given_up.is_some_and(|row| observed.may_run_on(row, machine));
            if !waits && !runs_on && !self.problem.items.contains_key(&item) {
                self.add(item, 1, at);
            }
        }
    }

    fn note_gone(&mut self, machine: &Machine) {
        let known = self.previous.values().filter(|at| !self.problem.places.contains_key(*at));
        let gone = known.filter_map(|at| Some((at.clone(), machine.manager(at)?.location.clone())));
        self.problem.gone = gone.collect();
    }
}
