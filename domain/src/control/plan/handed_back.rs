//! What becomes of services that their Managers give up. Decides when that is put on record and when it is over, and
//! that a customer moves when none of his Traders runs where he is. Where nobody else may take a service, nothing is
//! proposed: its Manager tries it again by itself. A customer who has a Trader that runs does not move: that one would be
//! moved for the sake of one that fails, perhaps everywhere. Where a Broker goes is decided by `copies`: none whose ledger
//! has one copy.

use super::Observed;
use crate::{
    control::{
        Command, Machine,
        handed_back::{HandedBackRow, ServiceCommand},
        placement::{Item, Placed, Problem, gather, solve},
        row::{Assignment, ManagerState, TraderRow, TraderWish},
    },
    ids::{CustomerId, ManagerId, ServiceId},
    limits,
    time::Monotonic,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

pub(super) fn steps(machine: &Machine, observed: &Observed, now: Monotonic) -> Vec<Command> {
    let mut commands = given_up(machine, observed);
    commands.extend(settled(machine, observed));
    commands.truncate(limits::PLACEMENTS_A_ROUND);
    commands.extend(moved(machine, observed, now));
    commands
}

/// What Managers say they give up and that is not on record yet.
fn given_up(machine: &Machine, observed: &Observed) -> Vec<Command> {
    let mut commands = Vec::new();
    for row in machine.managers() {
        let Some(told) = observed.told(row) else { continue };
        for (service, failure) in &told.handed_back {
            let Some(held) = machine.holder(service).filter(|held| held.manager == row.manager)
            else {
                // It moved away, or is of the kind that everybody has.
                continue;
            };
            if machine.handed_back(service).is_some_and(|known| known.epoch == held.epoch) {
                continue;
            }
            let (service, failure) = (service.clone(), *failure);
            let Assignment { manager, epoch } = held.clone();
            let command = ServiceCommand::HandBack { service, manager, epoch, failure };
            commands.push(Command::Service(command));
        }
    }
    commands
}

/// What runs again: whoever has it has long not given it up, and says so to this leader.
fn settled(machine: &Machine, observed: &Observed) -> Vec<Command> {
    let over = machine.all_handed_back().filter(|row| observed.at >= row.over());
    let runs = over.filter(|row| {
        let holder = machine.holder(&row.service).and_then(|held| machine.manager(&held.manager));
        let told = holder.and_then(|holder| observed.told(holder));
        told.is_some_and(|told| !told.handed_back.contains_key(&row.service))
    });
    let settle = |row: &HandedBackRow| {
        let (service, epoch) = (row.service.clone(), row.epoch);
        Command::Service(ServiceCommand::Settle { service, epoch })
    };
    runs.map(settle).collect()
}

/// The first customer that is due to move for it and finds a place: one a round, since the next round knows of it.
fn moved(machine: &Machine, observed: &Observed, now: Monotonic) -> Option<Command> {
    let customers = customers_due(machine, observed);
    if customers.is_empty() {
        return None;
    }
    let gathered = gather(machine, observed, now);
    customers.into_iter().find_map(|(customer, from)| {
        let item = Item::Customer { customer: customer.clone() };
        if gathered.problem.items.contains_key(&item) {
            // He loses his place anyway.
            return None;
        }
        let weight = machine.tables.index.followers(&customer).weight();
        let location = machine.manager(&from.manager).map(|row| row.location.clone());
        let mut problem = Problem {
            items: BTreeMap::from([(item.clone(), weight)]),
            gone: location.map(|location| (from.manager.clone(), location)).into_iter().collect(),
            ..gathered.problem.clone()
        };
        problem.places.remove(&from.manager);
        let previous = Placed::from([(item.clone(), from.manager.clone())]);
        let manager = solve(&problem, &previous).remove(&item)?;
        let (replaces, moves) = (Some(from.epoch), manager != from.manager);
        let command = Command::AssignCustomer { customer, manager, replaces };
        moves.then_some(command)
    })
}

/// Customers none of whose Traders runs where they are, for long enough, and where they are.
fn customers_due(machine: &Machine, observed: &Observed) -> Vec<(CustomerId, Assignment)> {
    let traders = machine.all_handed_back().filter_map(|row| match &row.service {
        ServiceId::Trader { trader } => machine.trader(trader),
        ServiceId::Broker { .. } | ServiceId::Market { .. } => None,
    });
    let customers: BTreeSet<&CustomerId> = traders.map(|row| &row.spec.customer).collect();
    let due = customers.into_iter().filter_map(|customer| {
        let affinity = machine.customer(customer)?.affinity.as_ref()?;
        let may = is_live(machine, &affinity.manager) && !machine.empties(&affinity.manager);
        let traders = machine.tables.index.traders(customer);
        let mut wanted = traders.filter_map(|trader| machine.trader(trader)).filter(|row| {
            match row.spec.state {
                TraderWish::Running => true,
                // One that is paused waits where it is.
                TraderWish::Paused | TraderWish::Stopped => false,
            }
        });
        let all = may && wanted.all(|row| is_given_up(machine, observed, row, affinity));
        all.then(|| (customer.clone(), affinity.clone()))
    });
    due.collect()
}

fn is_live(machine: &Machine, manager: &ManagerId) -> bool {
    machine.manager(manager).is_some_and(|row| row.state == ManagerState::Live)
}

/// Whether a Trader was given up where its customer is.
fn is_given_up(
    machine: &Machine,
    observed: &Observed,
    row: &TraderRow,
    affinity: &Assignment,
) -> bool {
    let held = row.assignment.as_ref().filter(|held| held.manager == affinity.manager);
    let service = ServiceId::Trader { trader: row.trader.clone() };
    held.is_some_and(|held| may_leave(machine, observed, &service, held))
}

/// Whether a service was given up by who has it, long enough ago to go elsewhere.
pub(super) fn may_leave(
    machine: &Machine,
    observed: &Observed,
    service: &ServiceId,
    held: &Assignment,
) -> bool {
    let known = machine.handed_back(service);
    known.is_some_and(|known| {
        known.epoch == held.epoch
            && still_says_so(machine, observed, service, &held.manager)
            && observed.at >= known.due()
    })
}

/// One that has come to itself since is left where it is.
pub(super) fn still_says_so(
    machine: &Machine,
    observed: &Observed,
    service: &ServiceId,
    manager: &ManagerId,
) -> bool {
    let told = machine.manager(manager).and_then(|row| observed.told(row));
    told.is_some_and(|told| told.handed_back.contains_key(service))
}
