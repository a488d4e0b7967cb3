//! What the leader proposes next. Decides expiry and placement from the machine and from what was
//! observed; the leader's loop only carries it out and may repeat it: a stale decision is refused.
//! A Broker's ledger has one copy so far: a Broker is placed once and then waits for its Manager, since
//! another node would not know what was sent (O1 before availability).

mod settled;

pub use settled::Settled;

use super::{
    command::{Command, DownReason},
    machine::Machine,
    row::{Assignment, BrokerRow, CustomerRow, ManagerRow, ManagerState},
};
use crate::{
    ids::{Incarnation, ManagerId, ManagerKind},
    limits,
    time::Monotonic,
};
use alloc::{collections::BTreeMap, vec::Vec};

/// What the leader knows of a Manager beside the log: soft state, counted from its own election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    pub incarnation: Incarnation,
    /// The last beat or the acceptance of a pipe.
    pub last_proof: Monotonic,
    /// Its pipe was reset and its port refused the next dial: the process is gone.
    pub refused: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// When this member's leadership was confirmed: no age counts from before.
    pub leader_since: Monotonic,
    pub managers: BTreeMap<ManagerId, Sighting>,
}

/// What a Manager's silence says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Well,
    /// Gets nothing new.
    Suspect,
    Lost(DownReason),
}

impl Observed {
    /// Whether this leader has a proof of its own that the Manager lives: one that died with the leader
    /// before is not `Suspect` yet.
    fn has_heard(&self, row: &ManagerRow) -> bool {
        let seen = self.managers.get(&row.manager);
        seen.is_some_and(|sighting| {
            sighting.incarnation == row.incarnation && sighting.last_proof >= self.leader_since
        })
    }

    /// How a registered Manager is doing, as of `now`.
    #[must_use]
    pub fn health(&self, row: &ManagerRow, now: Monotonic) -> Health {
        let seen = self.managers.get(&row.manager);
        let seen = seen.filter(|sighting| sighting.incarnation == row.incarnation);
        if seen.is_some_and(|sighting| sighting.refused) {
            return Health::Lost(DownReason::Refused);
        }
        let proof = seen.map_or(Monotonic(0), |sighting| sighting.last_proof);
        let age = now.since(proof.max(self.leader_since));
        if age >= limits::DOWN_AFTER {
            Health::Lost(DownReason::Silent)
        } else if age >= limits::SUSPECT_AFTER {
            Health::Suspect
        } else {
            Health::Well
        }
    }
}

/// Everything that should be proposed now. Empty when all is as it should be. Commands are decided
/// against one state of the machine; each is conditional, so that a later one that no longer fits is
/// refused and decided anew.
#[must_use]
pub fn plan(machine: &Machine, observed: &Observed, now: Monotonic) -> Vec<Command> {
    let commands = expiries(machine, observed, now);
    if !commands.is_empty() {
        // Placement is decided on a state that knows of these.
        return commands;
    }
    placements(machine, observed, now)
}

fn placements(machine: &Machine, observed: &Observed, now: Monotonic) -> Vec<Command> {
    let mut places = Places::of(machine, observed, now);
    let mut commands = broker_placements(machine, &mut places);
    commands.extend(customer_placements(machine, &mut places));
    commands.extend(trader_placements(machine));
    commands
}

fn live(machine: &Machine) -> impl Iterator<Item = &ManagerRow> {
    machine.managers().filter(|row| row.state == ManagerState::Live)
}

fn expiries(machine: &Machine, observed: &Observed, now: Monotonic) -> Vec<Command> {
    let lost = live(machine).filter_map(|row| match observed.health(row, now) {
        Health::Lost(why) => Some(Command::ExpireManager {
            manager: row.manager.clone(),
            incarnation: row.incarnation,
            epoch: row.epoch,
            why,
        }),
        Health::Well | Health::Suspect => None,
    });
    lost.collect()
}

/// Managers that take something new, with what they hold already.
struct Places {
    load: BTreeMap<ManagerId, u32>,
    capacity: BTreeMap<ManagerId, u32>,
}

impl Places {
    fn of(machine: &Machine, observed: &Observed, now: Monotonic) -> Self {
        let well = live(machine)
            .filter(|row| observed.has_heard(row) && observed.health(row, now) == Health::Well);
        let capacity: BTreeMap<_, _> =
            well.map(|row| (row.manager.clone(), row.capacity)).collect();
        let mut load: BTreeMap<_, _> = capacity.keys().map(|id| (id.clone(), 0)).collect();
        let brokers = machine.brokers().filter_map(|row| row.assignment.as_ref());
        let customers = machine.customers().filter_map(|row| row.affinity.as_ref());
        for assignment in brokers.chain(customers) {
            load.entry(assignment.manager.clone()).and_modify(|held| *held += 1);
        }
        Self { load, capacity }
    }

    /// The least loaded Manager of a kind that has room; of equals the first by name.
    fn take(&mut self, kind: ManagerKind) -> Option<ManagerId> {
        let capacity = &self.capacity;
        let room = |id: &ManagerId, held: u32| capacity.get(id).is_some_and(|most| held < *most);
        let open = self.load.iter().filter(|(id, held)| id.kind == kind && room(id, **held));
        let chosen = open.min_by_key(|(id, held)| (**held, *id)).map(|(id, _)| id.clone())?;
        self.load.entry(chosen.clone()).and_modify(|held| *held += 1);
        Some(chosen)
    }
}

fn unplaced(machine: &Machine) -> impl Iterator<Item = &BrokerRow> {
    machine.brokers().filter(|row| row.assignment.is_none())
}

fn broker_placements(machine: &Machine, places: &mut Places) -> Vec<Command> {
    let placed = unplaced(machine).filter_map(|row| {
        let manager = places.take(ManagerKind::BrokerManager)?;
        let (account, shard) = (row.account.clone(), row.shard);
        Some(Command::AssignBroker { account, shard, manager, replaces: None })
    });
    placed.collect()
}

fn is_down(machine: &Machine, assignment: &Assignment) -> bool {
    let row = machine.manager(&assignment.manager);
    row.is_none_or(|row| row.state == ManagerState::Down)
}

fn homeless(machine: &Machine) -> impl Iterator<Item = &CustomerRow> {
    let away = |affinity: &Assignment| is_down(machine, affinity);
    machine.customers().filter(move |row| row.affinity.as_ref().is_none_or(away))
}

/// A1: a customer moves whole, and only when his TraderManager is down.
fn customer_placements(machine: &Machine, places: &mut Places) -> Vec<Command> {
    let placed = homeless(machine).filter_map(|row| {
        let manager = places.take(ManagerKind::TraderManager)?;
        let replaces = row.affinity.as_ref().map(|affinity| affinity.epoch);
        Some(Command::AssignCustomer { customer: row.customer.clone(), manager, replaces })
    });
    placed.collect()
}

/// A Trader follows its customer: also when the customer was given to the same Manager anew, since the
/// old copy died with the Manager's old life or is fenced by the new epoch.
fn trader_placements(machine: &Machine) -> Vec<Command> {
    let misplaced = machine.traders().filter_map(|row| {
        let affinity = machine.customer(&row.spec.customer)?.affinity.as_ref()?;
        let follows =
            |held: &Assignment| held.manager == affinity.manager && held.epoch > affinity.epoch;
        if is_down(machine, affinity) || row.assignment.as_ref().is_some_and(follows) {
            return None;
        }
        let replaces = row.assignment.as_ref().map(|held| held.epoch);
        let (trader, manager) = (row.trader.clone(), affinity.manager.clone());
        Some(Command::AssignTrader { trader, manager, replaces })
    });
    misplaced.collect()
}

#[cfg(test)]
mod tests;
