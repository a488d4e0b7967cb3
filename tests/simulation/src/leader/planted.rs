//! Bugs planted in the leader's work: what a leader forgets of what was begun before it, and what it proposes on its own
//! account. Decides nothing while none is planted.

use super::Context;
use crate::planted::Planted;
use tradewind_domain::{
    control::{
        Command, Desired, Machine, Observed, Row,
        command::DownReason,
        desired,
        drain::By,
        placement::{RebalanceCommand, rebalance},
        plan::Health,
        row::{ManagerRow, ManagerState},
        scale::ProvisionState,
    },
    ids::{Epoch, ManagerId},
    time::Monotonic,
};

impl Context {
    /// What the leader works on: the machine, or what a planted bug leaves of it.
    pub(super) fn seen(&self, machine: Machine, right: Epoch) -> Machine {
        let Some(bug) = self.world.planted.filter(|bug| bug.forgets()) else { return machine };
        let before = self.before.borrow();
        let down = |manager: &ManagerId| {
            before.manager(manager).is_some_and(|row| row.state == ManagerState::Down)
        };
        Machine::from_rows(machine.rows().filter(|row| match (bug, row) {
            (Planted::DrainForgotten, Row::Drain(row)) => row.epoch > right,
            (Planted::DeathForgotten, Row::Customer(row)) => {
                !row.affinity.as_ref().is_some_and(|held| down(&held.manager))
            }
            (Planted::RequestForgotten, Row::Provision(row)) => {
                before.provision(row.request).is_none_or(|row| row.state == ProvisionState::There)
            }
            (Planted::HandedBackForgotten, Row::HandedBack(row)) => {
                before.handed_back(&row.service).is_none()
            }
            (Planted::RebalanceForgotten, Row::Rebalance(_)) => before.rebalance().is_none(),
            (Planted::SuccessionForgotten, Row::Copies(row)) => {
                let view = before.copies(&row.account).and_then(|row| row.view.as_ref());
                view.is_none_or(|view| view.successor.is_none())
            }
            _ => true,
        }))
    }

    /// What is taken for told to a Manager although nobody has.
    pub(super) fn taken_for_told(&self, manager: &ManagerId) -> Option<Desired> {
        let forgets = self.world.planted == Some(Planted::RoutesForgotten);
        desired(&self.before.borrow(), Default::default(), manager).filter(|_| forgets)
    }
}

/// Proposed when there is nothing to propose.
pub(super) fn also(
    bug: Planted,
    observed: &Observed,
    machine: &Machine,
    now: Monotonic,
) -> Vec<Command> {
    match bug {
        Planted::BrakeIgnored => lost(observed, machine, now),
        Planted::RefusalIsDeath => {
            let refuses = |row: &&ManagerRow| observed.refusals.contains_key(&row.manager);
            live(machine).filter(refuses).map(|row| expiry(row, DownReason::Refused)).collect()
        }
        Planted::EvensOut => {
            let moves = rebalance(machine, observed, now);
            let by = By { who: "leader".to_owned(), why: "evens out".to_owned() };
            let begin = Command::Rebalance(RebalanceCommand::Begin { by, moves: moves.clone() });
            if moves.is_empty() { Vec::new() } else { vec![begin] }
        }
        _ => Vec::new(),
    }
}

/// Everybody who is lost, whoever else is.
pub(super) fn lost(observed: &Observed, machine: &Machine, now: Monotonic) -> Vec<Command> {
    let lost = live(machine).filter_map(|row| match observed.health(row, now) {
        Health::Lost(why) => Some(expiry(row, why)),
        Health::Well | Health::Suspect => None,
    });
    lost.collect()
}

fn live(machine: &Machine) -> impl Iterator<Item = &ManagerRow> {
    machine.managers().filter(|row| row.state == ManagerState::Live)
}

fn expiry(row: &ManagerRow, why: DownReason) -> Command {
    let (manager, incarnation) = (row.manager.clone(), row.incarnation);
    Command::ExpireManager { manager, incarnation, epoch: row.epoch, why }
}
