//! Fencing a Trader before its next copy starts (T1). Decides that a Trader that is given a new right waits until the
//! Brokers that its customer may use have that right on record, so that no copy of an earlier one sends beside it.
//! Which Brokers have is seen by the leader (`plan::fences`); starting the copy is the TraderManager's work.

use super::{
    attach::Attach,
    desired::TraderFence,
    event::EventKind,
    machine::Machine,
    refusal::{Noun, Refusal},
    row::{AccountRow, Assignment, Row},
};
use crate::{
    ids::{CustomerId, Epoch, ManagerId, TraderId},
    limits,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec,
    vec::Vec,
};
use serde::{Deserialize, Serialize};

/// Variants are only appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TraderCommand {
    /// Gives a Trader to the TraderManager its customer belongs to, and fences all that had it before; `replaces` is the
    /// epoch it was decided on.
    Move { trader: TraderId, manager: ManagerId, replaces: Option<Epoch> },
    /// No copy of an earlier right is accepted any more.
    Fenced { trader: TraderId, epoch: Epoch },
    /// A copy that its customer runs himself asks for the right.
    Attach(Attach),
}

/// A Trader whose earlier copies may still be accepted somewhere: none is started under this epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FencingRow {
    pub trader: TraderId,
    pub customer: CustomerId,
    pub epoch: Epoch,
}

impl Machine {
    pub(super) fn decide_trader(
        &mut self,
        epoch: Epoch,
        command: TraderCommand,
    ) -> Result<Vec<EventKind>, Refusal> {
        match command {
            TraderCommand::Move { trader, manager, replaces } => {
                let to = Assignment { manager, epoch };
                let events = self.assign_trader(trader.clone(), to, replaces)?;
                if let Some(customer) = self.trader(&trader).map(|row| row.spec.customer.clone()) {
                    self.tables.put(Row::Fencing(FencingRow { trader, customer, epoch }));
                }
                Ok(events)
            }
            TraderCommand::Fenced { trader, epoch } => {
                let held = self.tables.fencings.get(&trader);
                let held = held.ok_or(Refusal::NotFound { what: Noun::Trader })?;
                if held.epoch != epoch {
                    return Err(Refusal::Superseded);
                }
                self.tables.forget_fencing(&trader);
                if self.trader(&trader).is_none() {
                    self.tables.forget_attachment(&trader);
                }
                Ok(vec![EventKind::TraderFenced { trader, epoch }])
            }
            TraderCommand::Attach(ask) => self.attach(epoch, ask),
        }
    }

    /// Traders that wait for Brokers, in the order of their names.
    pub fn fencings(&self) -> impl Iterator<Item = &FencingRow> {
        self.tables.fencings.values()
    }

    /// Whether the right that a Trader has is not on record with all Brokers yet.
    #[must_use]
    pub fn is_fencing(&self, trader: &TraderId, epoch: Epoch) -> bool {
        self.tables.fencings.get(trader).is_some_and(|row| row.epoch == epoch)
    }

    /// What is asked for is the right that stands: another one has come since, or the Trader is gone.
    pub(super) fn is_outdated(&self, row: &FencingRow) -> bool {
        self.trader_right(&row.trader) != Some(row.epoch)
    }

    /// The rights that the Brokers of these accounts have to put on record, as many as are asked for at a time.
    pub(super) fn fences_for(
        &self,
        accounts: &[&AccountRow],
    ) -> BTreeMap<CustomerId, Vec<TraderFence>> {
        let mut fences = BTreeMap::<CustomerId, Vec<TraderFence>>::new();
        if self.tables.fencings.is_empty() {
            return fences;
        }
        let customers: BTreeSet<&CustomerId> =
            accounts.iter().flat_map(|row| &row.spec.customers).collect();
        let concerned = self.fencings().filter(|row| customers.contains(&row.customer));
        let asked = concerned.filter(|row| !self.is_outdated(row)).take(limits::FENCES_AT_ONCE);
        for FencingRow { trader, customer, epoch } in asked {
            let (trader, epoch) = (trader.clone(), *epoch);
            let fence = TraderFence { trader, customer: customer.clone(), epoch };
            fences.entry(customer.clone()).or_default().push(fence);
        }
        fences
    }
}

#[cfg(test)]
mod tests;
