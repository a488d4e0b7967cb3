//! What the leader proposes for drains: the next step of each, as soon as what it has heard allows it.
//! Decides steps only; who moves where is placement's decision. Nothing is asked twice of one drain in a
//! round, and a step that no longer fits is refused by the machine.

use super::Observed;
use crate::{
    calendar::{OutsideTable, Span, hours::after_all},
    control::{
        Command, Machine,
        drain::{DrainCommand, DrainRow, DrainState, DropSchedule, remains},
        level::FeatureLevel,
        row::ManagerState,
    },
    ids::{DrainTarget, Incarnation, LocationId, ManagerId},
    time::{Monotonic, UnixNanos},
};
use alloc::{collections::BTreeMap, string::ToString, vec::Vec};

pub(super) fn steps(machine: &Machine, observed: &Observed, now: Monotonic) -> Vec<Command> {
    let steps = machine.drains().filter_map(|row| {
        let step = step(machine, observed, now, row).or_else(|| overdue(observed, row));
        step.or_else(|| hours_unknown(machine, observed, row)).map(Command::Drain)
    });
    steps.collect()
}

fn step(
    machine: &Machine,
    observed: &Observed,
    now: Monotonic,
    row: &DrainRow,
) -> Option<DrainCommand> {
    let (target, epoch) = (row.target.clone(), row.epoch);
    match row.state {
        DrainState::Cordoned => {
            let confirmed = confirmations(machine, observed, row)?;
            Some(DrainCommand::Acknowledge { target, epoch, confirmed })
        }
        DrainState::Draining => {
            is_empty(machine, observed, now, row).then_some(DrainCommand::Emptied { target, epoch })
        }
        DrainState::Drained => {
            // Whatever is there was accepted as lost by whoever forced it.
            let idle = row.forced.is_some() || is_empty(machine, observed, now, row);
            if machine.level() >= FeatureLevel::SECOND && machine.has_brokers(&target) {
                // An operator gives them up, or cancels.
                return None;
            }
            let within = match due(machine, observed.at, row).filter(|_| idle)? {
                Due::Now => None,
                Due::AfterHours(span) => Some(span),
            };
            if machine.level() < FeatureLevel::THIRD {
                return Some(DrainCommand::Drop { target, epoch, within });
            }
            let confirmed = confirmations(machine, observed, row).unwrap_or_default();
            Some(DrainCommand::DropConfirmed { target, epoch, within, confirmed })
        }
        DrainState::Dropped => None,
    }
}

/// Nothing is left, and by the same word nothing is on its way: a life that has not confirmed the cordon may be about to
/// start what it was given before.
fn is_empty(machine: &Machine, observed: &Observed, now: Monotonic, row: &DrainRow) -> bool {
    remains(machine, observed, now, &row.target).is_nothing()
        && confirmations(machine, observed, row).is_some()
}

/// The lives that have confirmed the cordon, once none is missing. A Manager that is down counts as one
/// whose lease is over.
fn confirmations(
    machine: &Machine,
    observed: &Observed,
    row: &DrainRow,
) -> Option<BTreeMap<ManagerId, Incarnation>> {
    let live = machine.concerned(&row.target).filter(|row| row.state == ManagerState::Live);
    let each = live.map(|manager| {
        let told = observed.told(manager)?;
        let confirmed = told.cordons.contains(&row.epoch);
        confirmed.then(|| (manager.manager.clone(), manager.incarnation))
    });
    each.collect()
}

fn overdue(observed: &Observed, row: &DrainRow) -> Option<DrainCommand> {
    let passed = row.deadline.is_some_and(|deadline| observed.at >= deadline);
    let waits = match row.state {
        DrainState::Cordoned | DrainState::Draining => true,
        DrainState::Drained | DrainState::Dropped => false,
    };
    let alarm = passed && waits && row.overdue.is_none();
    alarm.then(|| DrainCommand::Overdue { target: row.target.clone(), epoch: row.epoch })
}

/// It waits without end, and that is told, once for each reason.
fn hours_unknown(machine: &Machine, observed: &Observed, row: &DrainRow) -> Option<DrainCommand> {
    let waits = row.drop == DropSchedule::AfterHours && row.state == DrainState::Drained;
    if !waits || machine.level() < FeatureLevel::SECOND {
        return None;
    }
    let (target, epoch) = (row.target.clone(), row.epoch);
    let why = after_hours_known(machine, observed.at, &target).err()?.to_string();
    let told = machine.knows_hours_unknown(&target, epoch, &why);
    (!told).then_some(DrainCommand::HoursUnknown { target, epoch, why })
}

/// What a schedule says that has come.
enum Due {
    Now,
    AfterHours(Span),
}

fn due(machine: &Machine, at: UnixNanos, row: &DrainRow) -> Option<Due> {
    match row.drop {
        DropSchedule::WhenIdle => Some(Due::Now),
        DropSchedule::At(time) => (at >= time).then_some(Due::Now),
        DropSchedule::Never => None,
        DropSchedule::AfterHours => after_hours(machine, at, &row.target).map(Due::AfterHours),
    }
}

/// Why it is not known when it is after hours: a drain that waits for that waits without end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoursUnknown {
    #[error("nobody has said when it is after hours in {location}")]
    Undeclared { location: LocationId },
    /// Without the day: each would be a reason of its own.
    #[error("the table of {} has {} to {} and no later day", .0.exchange, .0.first, .0.last)]
    Outside(#[from] OutsideTable),
}

/// The time after hours around a moment, at all locations of a target's Managers. `None` as well where that is not
/// known: the drain waits.
#[must_use]
pub fn after_hours(machine: &Machine, at: UnixNanos, target: &DrainTarget) -> Option<Span> {
    after_hours_known(machine, at, target).ok().flatten()
}

/// The same, with why it is not known.
pub fn after_hours_known(
    machine: &Machine,
    at: UnixNanos,
    target: &DrainTarget,
) -> Result<Option<Span>, HoursUnknown> {
    let mut hours = Vec::new();
    let mut concerned = machine.concerned(target).peekable();
    if concerned.peek().is_none() {
        // Nobody is there any more who could trade.
        return Ok(Some(Span { from: UnixNanos(0), until: UnixNanos(u64::MAX) }));
    }
    for manager in concerned {
        let said = machine.hours(&manager.location);
        if said.is_empty() {
            return Err(HoursUnknown::Undeclared { location: manager.location.clone() });
        }
        hours.extend(said);
    }
    Ok(after_all(hours, at, &machine.operator_days())?)
}
