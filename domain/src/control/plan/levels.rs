//! When the feature level is raised: as soon as everybody knows the next one, by one. Decides that a leader raises none
//! that its own build does not know, whatever it said of itself when it was another build.

use super::Observed;
use crate::control::{Command, Machine, level::LevelCommand};
use alloc::vec::Vec;

pub(super) fn steps(machine: &Machine, observed: &Observed) -> Vec<Command> {
    let to = machine.level().next();
    let due =
        observed.knows >= to && machine.group().is_some() && machine.not_knowing(to).is_none();
    due.then_some(Command::Level(LevelCommand::Raise { to })).into_iter().collect()
}
