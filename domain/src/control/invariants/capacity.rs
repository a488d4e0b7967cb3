//! C1: no placement raises a Manager above what it takes. Decides it from two states and what the entry between them
//! gave; counted row by row, and not as the machine counts. A Manager that takes less than it has keeps what it has.

use crate::{
    control::{
        level::FeatureLevel,
        machine::Machine,
        row::{Assignment, TraderRow},
    },
    ids::{ManagerId, Revision},
};
use alloc::{collections::BTreeSet, format, string::String, vec::Vec};

pub(super) fn violations(before: &Machine, after: &Machine, revision: Revision) -> Vec<String> {
    if before.level() < FeatureLevel::SECOND {
        return Vec::new();
    }
    let given: BTreeSet<&ManagerId> = super::assignments(after)
        .filter(|given| given.epoch.0 == revision.0)
        .map(|given| &given.manager)
        .collect();
    let mut found = Vec::new();
    for manager in given {
        let Some(row) = after.manager(manager) else { continue };
        let takes = u64::from(row.capacity);
        let [was, is] = [before, after].map(|machine| loads(machine, manager));
        for (what, was, is) in [
            ("Brokers", was.0, is.0),
            ("customers' Traders", was.1, is.1),
            ("Traders", was.2, is.2),
        ] {
            if is > was && is > takes {
                found.push(format!("C1: {manager} takes {takes} and was given {is} {what}"));
            }
        }
    }
    found
}

/// Brokers, what its customers are to run (one at least, each), and Traders that were given to it and are to run.
fn loads(machine: &Machine, manager: &ManagerId) -> (u64, u64, u64) {
    let is_here = |held: Option<&Assignment>| held.is_some_and(|held| held.manager == *manager);
    let brokers = machine.brokers().filter(|row| is_here(row.assignment.as_ref())).count();
    let runs = |row: &&TraderRow| row.spec.state.takes_a_place();
    let customers = machine.customers().filter(|row| is_here(row.affinity.as_ref())).map(|row| {
        let his = machine.traders().filter(|trader| trader.spec.customer == row.customer);
        his.filter(runs).count().max(1) as u64
    });
    let traders = machine.traders().filter(|row| is_here(row.assignment.as_ref())).filter(runs);
    (brokers as u64, customers.sum(), traders.count() as u64)
}
