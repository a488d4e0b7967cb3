//! Rebalance: evening out what placement left as it was, since nothing moves without a cause. Decides which
//! customers would move, to be looked at by an operator; what he asks for then stands in the machine and is
//! carried out a few moves at a time. A move whose customer has moved otherwise meanwhile is void.

use super::{Door, Gathered, gather, scales::Scales};
use crate::{
    control::{
        drain::{By, Entry},
        event::EventKind,
        machine::Machine,
        plan::{Health, Observed},
        refusal::{Noun, Refusal},
        row::{ManagerState, Row},
    },
    ids::{CustomerId, Epoch, LocationId, ManagerId, ManagerKind, Revision},
    limits,
    time::{Monotonic, UnixNanos},
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec,
    vec::Vec,
};
use serde::{Deserialize, Serialize};

/// A customer who is to move, if he is still where he was when it was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    pub customer: CustomerId,
    /// Of his affinity.
    pub replaces: Epoch,
    pub to: ManagerId,
}

/// Variants are only appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RebalanceCommand {
    Begin {
        by: By,
        moves: Vec<Move>,
    },
    /// The leader found nothing left of it to do.
    End {
        epoch: Epoch,
    },
    Cancel {
        by: By,
    },
    /// Only the one that was seen.
    CancelAt {
        epoch: Epoch,
        by: By,
    },
}

/// The one rebalance that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RebalanceRow {
    /// The entry that began it.
    pub epoch: Epoch,
    pub since: UnixNanos,
    pub by: By,
    pub moves: Vec<Move>,
}

impl Machine {
    #[must_use]
    pub fn rebalance(&self) -> Option<&RebalanceRow> {
        self.tables.rebalance.as_ref()
    }

    /// Moves that are still to be done: their customers are where they were.
    pub fn pending_moves(&self) -> impl Iterator<Item = &Move> {
        let moves = self.rebalance().map_or(&[][..], |row| &row.moves);
        moves.iter().filter(|each| self.is_current(each))
    }

    /// How much of a TraderManager's capacity a customer takes: his Traders that are to run, at least one.
    #[must_use]
    pub fn weight_of(&self, customer: &CustomerId) -> u32 {
        self.tables.index.followers(customer).weight()
    }

    fn is_current(&self, each: &Move) -> bool {
        let affinity = self.customer(&each.customer).and_then(|row| row.affinity.as_ref());
        affinity.is_some_and(|affinity| affinity.epoch == each.replaces)
    }

    pub(in crate::control) fn decide_rebalance(
        &mut self,
        entry: Entry,
        command: RebalanceCommand,
    ) -> Result<Vec<EventKind>, Refusal> {
        match command {
            RebalanceCommand::Begin { by, moves } => self.begin_rebalance(entry, by, moves),
            RebalanceCommand::End { epoch } => {
                let row = self.rebalance().ok_or(Refusal::NotFound { what: Noun::Rebalance })?;
                if row.epoch != epoch {
                    return Err(Refusal::Superseded);
                }
                self.tables.forget_rebalance();
                Ok(vec![EventKind::Rebalanced { epoch }])
            }
            RebalanceCommand::Cancel { by } => self.cancel_rebalance(None, by),
            RebalanceCommand::CancelAt { epoch, by } => self.cancel_rebalance(Some(epoch), by),
        }
    }

    fn cancel_rebalance(&mut self, seen: Option<Epoch>, by: By) -> Result<Vec<EventKind>, Refusal> {
        by.check()?;
        let held = self.rebalance().map(|row| row.epoch);
        if seen.is_some() && seen != held {
            return Err(Refusal::NotAsExpected { held: held.map(|epoch| Revision(epoch.0)) });
        }
        let epoch = held.ok_or(Refusal::NotFound { what: Noun::Rebalance })?;
        self.tables.forget_rebalance();
        Ok(vec![EventKind::RebalanceCancelled { epoch, by }])
    }

    fn begin_rebalance(
        &mut self,
        entry: Entry,
        by: By,
        moves: Vec<Move>,
    ) -> Result<Vec<EventKind>, Refusal> {
        by.check()?;
        if let Some(row) = self.rebalance() {
            return Err(Refusal::Rebalancing { epoch: row.epoch });
        }
        if moves.len() > limits::REBALANCE_MOVES {
            return Err(Refusal::TooLarge { what: Noun::Rebalance });
        }
        for each in &moves {
            if self.manager(&each.to).is_none() {
                return Err(Refusal::NotFound { what: Noun::Manager });
            }
            if each.to.kind != ManagerKind::TraderManager {
                return Err(Refusal::NotEligible);
            }
            if !self.is_current(each) {
                return Err(Refusal::Superseded);
            }
        }
        let (epoch, count) = (Epoch(entry.revision.0), moves.len() as u64);
        self.tables.put(Row::Rebalance(RebalanceRow {
            epoch,
            since: entry.at,
            by: by.clone(),
            moves,
        }));
        Ok(vec![EventKind::RebalanceBegun { epoch, by, moves: count }])
    }
}

/// Whether this leader knows enough to decide it: each TraderManager has beaten and is well, or is lost. Before, one that
/// was added a moment ago, or is just late with a beat, would be left out, and there would seem to be nothing to move.
#[must_use]
pub fn rebalance_can_be_told(machine: &Machine, observed: &Observed, now: Monotonic) -> bool {
    let mut traders = machine.managers().filter(|row| {
        row.manager.kind == ManagerKind::TraderManager && row.state == ManagerState::Live
    });
    traders.all(|row| match observed.health(row, now) {
        Health::Lost(_) => true,
        Health::Well => observed.told(row).is_some(),
        Health::Suspect => false,
    })
}

/// The moves that even out the load of TraderManagers that take something new: each from the fullest to the
/// emptiest of one location, as long as that leaves the fuller of both less full: placement keeps to locations, and
/// who is moved to another would be far from his Markets. At most `REBALANCE_MOVES`.
#[must_use]
pub fn rebalance(machine: &Machine, observed: &Observed, now: Monotonic) -> Vec<Move> {
    let Gathered { problem, .. } = gather(machine, observed, now);
    let open = problem.places.iter().filter(|(manager, place)| {
        manager.kind == ManagerKind::TraderManager && place.door == Door::Open
    });
    let mut locations: BTreeMap<&LocationId, Scales<'_>> = BTreeMap::new();
    for (manager, place) in open {
        let scales = locations.entry(&place.location).or_default();
        scales.put(manager, place.held, place.capacity.max(1));
    }
    let mut moves = Vec::new();
    for scales in locations.into_values() {
        even_out(machine, scales, &mut moves);
    }
    moves
}

/// Within one location.
fn even_out<'a>(machine: &'a Machine, mut scales: Scales<'a>, moves: &mut Vec<Move>) {
    let mut moved: BTreeSet<&CustomerId> = BTreeSet::new();
    // Places from which nothing more would help.
    let mut done: BTreeSet<&ManagerId> = BTreeSet::new();
    while moves.len() < limits::REBALANCE_MOVES {
        let Some((from, to)) = scales.ends(&done) else { break };
        let held = machine.tables.index.held(from);
        let mut customers = held.into_iter().flat_map(|held| held.customers.iter());
        let found = customers.find_map(|customer| {
            let weight = machine.tables.index.followers(customer).weight();
            let affinity = machine.customer(customer)?.affinity.as_ref()?;
            let helps = !moved.contains(customer) && scales.helps(from, to, weight);
            helps.then_some((customer, affinity.epoch, weight))
        });
        let Some((customer, replaces, weight)) = found else {
            done.insert(from);
            continue;
        };
        scales.shift(from, to, weight);
        moved.insert(customer);
        moves.push(Move { customer: customer.clone(), replaces, to: to.clone() });
    }
}
