//! D1: after a cordon nothing new is placed there. D2: dropped only after drained, and in time by its schedule; drained
//! and dropped only when nothing is held, unless it was forced. Decides both from two states; written once for all
//! levels of tests.

use crate::{
    control::{
        drain::{DrainRow, DrainState, DropSchedule},
        machine::Machine,
        plan::drains::after_hours,
        row::Assignment,
    },
    ids::DrainTarget,
};
use alloc::{format, string::String, vec::Vec};

pub(super) fn violations(before: &Machine, after: &Machine) -> Vec<String> {
    let mut found = placed_behind_a_cordon(after);
    for row in after.drains().filter(|row| row.state == DrainState::Dropped) {
        let held = before.drain(&row.target).filter(|held| held.epoch == row.epoch);
        if held.is_none_or(|held| held.state != DrainState::Dropped) {
            found.extend(dropped_too_soon(before, held, row));
        }
    }
    found
}

/// D2, of one entry: what it drained or dropped held nothing.
pub(super) fn held(before: &Machine, after: &Machine) -> Vec<String> {
    let ended = after.drains().filter(|row| {
        let held = before.drain(&row.target).filter(|held| held.epoch == row.epoch);
        let is_over = match row.state {
            DrainState::Drained | DrainState::Dropped => true,
            DrainState::Cordoned | DrainState::Draining => false,
        };
        is_over && row.forced.is_none() && held.map(|held| held.state) != Some(row.state)
    });
    let mut found = Vec::new();
    for row in ended {
        // What a Manager had that is gone for long is no concern of this drain.
        let covered = |given: &&Assignment| {
            row.target.covers(&given.manager) && before.manager(&given.manager).is_some()
        };
        if let Some(given) = super::assignments(after).find(covered) {
            let (target, state) = (&row.target, row.state);
            found.push(format!("D2: {target} is {state} and {} holds something", given.manager));
        }
    }
    found
}

/// D1. It holds from the commit of the cordon on, which is before it is acknowledged.
fn placed_behind_a_cordon(machine: &Machine) -> Vec<String> {
    if machine.drains().next().is_none() {
        return Vec::new();
    }
    let behind = |given: &Assignment| {
        let cordons = DrainTarget::of(&given.manager).into_iter();
        let mut rows = cordons.filter_map(|target| machine.drain(&target));
        let cordon = rows.find(|row| row.state.cordons() && given.epoch > row.epoch)?;
        Some(format!(
            "D1: something was placed on {} in epoch {}, after the cordon of epoch {}",
            given.manager, given.epoch, cordon.epoch
        ))
    };
    super::assignments(machine).filter_map(behind).collect()
}

/// D2. `held`: the drain as it was before, if it had begun then.
fn dropped_too_soon(before: &Machine, held: Option<&DrainRow>, row: &DrainRow) -> Option<String> {
    let (target, at) = (&row.target, row.since);
    if row.drained.is_none_or(|drained| drained > at) {
        return Some(format!("D2: {target} was dropped and had not been drained"));
    }
    let in_time = match row.drop {
        DropSchedule::WhenIdle => true,
        DropSchedule::At(time) => at >= time,
        DropSchedule::Never => false,
        // Where its Managers were is known only as long as they are registered.
        DropSchedule::AfterHours => held.is_none() || after_hours(before, at, target).is_some(),
    };
    (!in_time).then(|| format!("D2: {target} was dropped at {at}, scheduled {:?}", row.drop))
}
