//! What the leader proposes next. Decides expiry, and in which order expiry, the steps of drains, placement and what
//! was handed back come; the leader's loop only carries it out and may repeat it: a stale decision is refused.
//! A Broker whose ledger has one copy is placed once and then waits for its Manager, since another node would not know
//! what was sent (O1 before availability); one with two copies is continued from the other.

mod brake;
mod copies;
pub mod drains;
mod expiring;
mod fences;
mod handed_back;
mod levels;
mod observations;
mod observed;
mod placements;
mod refusal;
pub mod round;

pub use brake::{Brake, Lapse, Node, Probe};
pub use expiring::Expiring;
pub use observations::{Observations, Proof, Registration};
pub use observed::{Downs, Fenced, Health, Ledgers, Observed, Sighting, Told};

use super::{command::Command, machine::Machine, scale};
use crate::time::Monotonic;
use alloc::vec::Vec;

/// Everything that should be proposed now. Empty when all is as it should be. Commands are decided
/// against one state of the machine; each is conditional, so that a later one that no longer fits is
/// refused and decided anew. Costs a look at each Manager, and at what waits for a place: not more, however
/// much there is that has one.
#[must_use]
pub fn plan(machine: &Machine, observed: &Observed, now: Monotonic) -> Vec<Command> {
    let expiries = brake::judge(machine, observed, now).expiries;
    if !expiries.is_empty() {
        // Placement is decided on a state that knows of these.
        return expiries;
    }
    let mut commands = levels::steps(machine, observed);
    commands.extend(fences::fenced(machine, observed));
    commands.extend(copies::steps(machine, observed, now));
    commands.extend(drains::steps(machine, observed, now));
    let placements = placements::placements(machine, observed, now);
    commands.extend(scale::steps(machine, observed, now, &placements));
    commands.extend(placements);
    commands.extend(handed_back::steps(machine, observed, now));
    commands
}

#[cfg(test)]
mod tests;
