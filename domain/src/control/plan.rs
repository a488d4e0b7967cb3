//! What the leader proposes next. Decides expiry, and in which order expiry, the steps of drains and placement
//! come; the leader's loop only carries it out and may repeat it: a stale decision is refused.
//! A Broker's ledger has one copy so far: a Broker is placed once and then waits for its Manager, since
//! another node would not know what was sent (O1 before availability).

pub mod drains;
mod observations;
mod observed;
mod placements;

pub use observations::{Observations, Proof, Registration};
pub use observed::{Health, Observed, Sighting, Told};

use super::{command::Command, machine::Machine, row::ManagerState};
use crate::time::Monotonic;
use alloc::vec::Vec;

/// Everything that should be proposed now. Empty when all is as it should be. Commands are decided
/// against one state of the machine; each is conditional, so that a later one that no longer fits is
/// refused and decided anew. Costs a look at each Manager, and at what waits for a place: not more, however
/// much there is that has one.
#[must_use]
pub fn plan(machine: &Machine, observed: &Observed, now: Monotonic) -> Vec<Command> {
    let commands = expiries(machine, observed, now);
    if !commands.is_empty() {
        // Placement is decided on a state that knows of these.
        return commands;
    }
    let mut commands = drains::steps(machine, observed, now);
    commands.extend(placements::placements(machine, observed, now));
    commands
}

fn expiries(machine: &Machine, observed: &Observed, now: Monotonic) -> Vec<Command> {
    let live = machine.managers().filter(|row| row.state == ManagerState::Live);
    let lost = live.filter_map(|row| match observed.health(row, now) {
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

#[cfg(test)]
mod tests;
