//! How far a drain is. Decides what counts as still there: by the machine, and by what the Managers
//! concerned have told the leader that asks.

use super::DrainRow;
use crate::{
    control::{
        machine::Machine,
        plan::{Health, Observed},
        row::{ManagerRow, ManagerState},
    },
    ids::{DrainTarget, ManagerId},
    time::Monotonic,
};

/// What is still on a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remains {
    pub brokers: usize,
    pub customers: usize,
    /// Traders that were not given to another Manager yet.
    pub traders: usize,
    /// Services and sessions that end with the move, by the Managers' own word; `None` while one that is live
    /// has not told this leader yet.
    pub told: Option<u64>,
}

impl Remains {
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self { told: Some(0), ..Self::default() }
    }
}

/// What is still on a target, as a leader sees it now. Nothing of it outlives a leadership: drained needs a
/// fresh proof.
#[must_use]
pub fn remains(
    machine: &Machine,
    observed: &Observed,
    now: Monotonic,
    target: &DrainTarget,
) -> Remains {
    let mut found = Remains { told: Some(0), ..Remains::default() };
    for row in machine.concerned(target) {
        if let Some(held) = machine.tables.index.held(&row.manager) {
            found.brokers += held.brokers.len();
            found.customers += held.customers.len();
            found.traders += usize::try_from(held.traders).unwrap_or(usize::MAX);
        }
        match row.state {
            // Its lease is over, and what it held was given to others.
            ManagerState::Down => {}
            ManagerState::Live => {
                let told = fresh(observed, row, now);
                found.told = found.told.zip(told).map(|(sum, held)| sum.saturating_add(held));
            }
        }
    }
    found
}

fn fresh(observed: &Observed, row: &ManagerRow, now: Monotonic) -> Option<u64> {
    observed.told(row).filter(|_| observed.health(row, now) == Health::Well)?.held
}

impl Machine {
    #[must_use]
    pub fn drain(&self, target: &DrainTarget) -> Option<&DrainRow> {
        self.tables.drains.get(target)
    }

    pub fn drains(&self) -> impl Iterator<Item = &DrainRow> {
        self.tables.drains.values()
    }

    /// The drains that keep anything new from a Manager.
    pub fn cordons(&self, manager: &ManagerId) -> impl Iterator<Item = &DrainRow> {
        let covering = DrainTarget::of(manager).into_iter();
        let rows = covering.filter_map(|target| self.tables.drains.get(&target));
        rows.filter(|row| row.state.cordons())
    }

    /// One of them; `None` if it takes something new.
    #[must_use]
    pub fn cordon(&self, manager: &ManagerId) -> Option<&DrainRow> {
        // No drain is the rule, and every assignment asks.
        if self.tables.drains.is_empty() { None } else { self.cordons(manager).next() }
    }

    /// Whether what a Manager holds is to move away.
    #[must_use]
    pub fn empties(&self, manager: &ManagerId) -> bool {
        !self.tables.drains.is_empty() && self.cordons(manager).any(|row| row.state.empties())
    }

    /// The registered Managers that a target covers.
    pub fn concerned<'a>(
        &'a self,
        target: &'a DrainTarget,
    ) -> impl Iterator<Item = &'a ManagerRow> + 'a {
        target.managers().filter_map(|manager| self.manager(&manager))
    }

    /// Whether a registered Manager that a target covers has a Broker.
    #[must_use]
    pub fn has_brokers(&self, target: &DrainTarget) -> bool {
        let mut held =
            self.concerned(target).filter_map(|row| self.tables.index.held(&row.manager));
        held.any(|held| !held.brokers.is_empty())
    }

    /// Whether no registered Manager that a target covers holds anything, as far as the machine knows.
    pub(in crate::control) fn is_empty(&self, target: &DrainTarget) -> bool {
        self.concerned(target).all(|row| {
            let held = self.tables.index.held(&row.manager);
            held.is_none_or(|held| held.is_empty())
        })
    }
}
