//! What must hold of the replicated machine after every command: R2, L1, A1, T1, D1, D2, N1, V1, SC1, SC2, SC3, HB1, M1,
//! M2, M3, H1, C1, CP1, CP2, CP3, FL1. Written once; property tests, simulation and the fault harness call it.

mod attachments;
mod capacity;
mod drains;
mod epochs;
mod group;
mod manager_disks;
mod references;
pub mod registers;
mod trading_states;

pub use epochs::Epochs;

use super::{
    machine::Machine,
    row::{Assignment, ManagerState},
};
use crate::ids::{ManagerKind, Revision};
use alloc::{format, string::String, vec::Vec};

/// Every sentence that does not hold of `after`, given the state `before` it. Empty when all is well.
#[must_use]
pub fn violations(before: &Machine, after: &Machine, revision: Revision) -> Vec<String> {
    let from = Revision(revision.0.saturating_sub(1));
    let mut found = violations_across(before, after, from, revision);
    found.extend(given_to_nobody(before, after, revision));
    found.extend(manager_disks::violations(before, after));
    found.extend(super::scale::bounds(before, after));
    found.extend(drains::held(before, after));
    found.extend(super::drain::violations(before, after));
    found.extend(super::level::violations(before, after));
    found.extend(super::copies::violations(before, after));
    found.extend(capacity::violations(before, after, revision));
    found
}

/// L1: whoever was given something by this entry was registered as live when it was decided.
fn given_to_nobody(before: &Machine, after: &Machine, revision: Revision) -> Vec<String> {
    let given = assignments(after).filter(|given| given.epoch.0 == revision.0);
    let lost = given.filter(|given| {
        let holder = before.manager(&given.manager);
        holder.is_none_or(|row| row.state != ManagerState::Live)
    });
    lost.map(|given| format!("L1: {} was given something and is not live", given.manager)).collect()
}

pub(super) fn assignments(machine: &Machine) -> impl Iterator<Item = &Assignment> {
    let brokers = machine.brokers().filter_map(|row| row.assignment.as_ref());
    let customers = machine.customers().filter_map(|row| row.affinity.as_ref());
    let traders = machine.traders().filter_map(|row| row.assignment.as_ref());
    brokers.chain(customers).chain(traders)
}

/// The same where several commands lie between: those above revision `from` and up to `to`.
#[must_use]
pub fn violations_across(
    before: &Machine,
    after: &Machine,
    from: Revision,
    to: Revision,
) -> Vec<String> {
    let mut found = Vec::new();
    for row in after.managers() {
        let held = before.manager(&row.manager);
        if held.is_some_and(|old| old.epoch > row.epoch || old.incarnation > row.incarnation) {
            found.push(format!("R2: {} went back to an older life", row.manager));
        }
        let anew = held.is_none_or(|old| old.incarnation != row.incarnation);
        let own = from.0 < row.epoch.0 && row.epoch.0 <= to.0;
        if anew && row.state == ManagerState::Live && !own {
            found.push(format!("R2: {} lives under an epoch not its own", row.manager));
        }
    }
    for row in after.brokers() {
        let key = |b: &&super::row::BrokerRow| b.account == row.account && b.shard == row.shard;
        let old = before.brokers().find(key).and_then(|b| b.assignment.as_ref());
        check_assignment(&mut found, "broker", old, row.assignment.as_ref());
    }
    for row in after.customers() {
        let old = before.customer(&row.customer).and_then(|c| c.affinity.as_ref());
        check_assignment(&mut found, "affinity", old, row.affinity.as_ref());
        if row.affinity.as_ref().is_some_and(|a| a.manager.kind != ManagerKind::TraderManager) {
            found.push(format!("A1: {} is not with a TraderManager", row.customer));
        }
    }
    for row in after.traders() {
        let Some(assignment) = &row.assignment else { continue };
        let old = before.trader(&row.trader).and_then(|t| t.assignment.as_ref());
        check_assignment(&mut found, "trader", old, Some(assignment));
        let affinity = after.customer(&row.spec.customer).and_then(|c| c.affinity.as_ref());
        // A Trader may still stand where its customer was until the planner has moved it; it may never
        // have been placed after its customer and elsewhere.
        let astray =
            affinity.is_none_or(|a| a.manager != assignment.manager && assignment.epoch > a.epoch);
        if astray {
            found.push(format!("A1: {} was placed away from its customer", row.trader));
        }
    }
    found.extend(attachments::violations(before, after));
    found.extend(drains::violations(before, after));
    found.extend(references::violations(after));
    found.extend(trading_states::violations(before, after, to));
    found.extend(super::scale::violations(before, after));
    found.extend(super::handed_back::violations(after));
    found.extend(group::violations(before, after));
    found
}

fn check_assignment(
    found: &mut Vec<String>,
    what: &str,
    old: Option<&Assignment>,
    new: Option<&Assignment>,
) {
    if let (Some(old), Some(new)) = (old, new) {
        let same_epoch = old.epoch == new.epoch;
        if new.epoch < old.epoch || (same_epoch && old.manager != new.manager) {
            found.push(format!("L1: {what} has two holders in epoch {}", old.epoch));
        }
    }
}
