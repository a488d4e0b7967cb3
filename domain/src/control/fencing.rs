//! Fencing a Trader before its next copy starts (T1). Decides that a Trader that is given a new right waits until the
//! Brokers that its customer may use have that right on record, so that no copy of an earlier one sends beside it.
//! Which Brokers have is seen by the leader (`plan::fences`); starting the copy is the TraderManager's work.

use super::{
    attach::Attach,
    desired::TraderFence,
    event::EventKind,
    machine::Machine,
    refusal::{Noun, Refusal},
    row::{AccountRow, Assignment, ManagerState, Row},
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

    /// The rights that the Brokers of these accounts, all of one BrokerManager, have to put on record: as many as are asked
    /// for at a time. Those come first that wait for nobody who is away, and of each customer one before another one's
    /// second: nobody waits behind what cannot be done. All BrokerManagers are asked in the same order, so that what is
    /// first is asked of all that have to do with it.
    pub(super) fn fences_for(
        &self,
        accounts: &[&AccountRow],
    ) -> BTreeMap<CustomerId, Vec<TraderFence>> {
        let mut fences = BTreeMap::<CustomerId, Vec<TraderFence>>::new();
        if self.tables.fencings.is_empty() {
            return fences;
        }
        // Each Broker of a customer's is told of each of his Traders.
        let mut brokers = BTreeMap::<&CustomerId, usize>::new();
        for customer in accounts.iter().flat_map(|row| &row.spec.customers) {
            *brokers.entry(customer).or_default() += 1;
        }
        let concerned = self.fencings().filter(|row| brokers.contains_key(&row.customer));
        let concerned: Vec<&FencingRow> = concerned.filter(|row| !self.is_outdated(row)).collect();
        let pairs = |row: &FencingRow| brokers.get(&row.customer).copied().unwrap_or_default();
        let all: usize = concerned.iter().map(|row| pairs(row)).sum();
        let asked = if all > limits::FENCES_AT_ONCE { self.fairly(concerned) } else { concerned };
        let mut told = 0;
        for row in asked {
            // One that has more Brokers than that is asked for all the same, alone.
            let more = told + pairs(row);
            if told > 0 && more > limits::FENCES_AT_ONCE {
                break;
            }
            told = more;
            let FencingRow { trader, customer, epoch } = row.clone();
            let fence = TraderFence { trader, customer: customer.clone(), epoch };
            fences.entry(customer).or_default().push(fence);
        }
        fences
    }

    fn fairly<'a>(&self, rows: Vec<&'a FencingRow>) -> Vec<&'a FencingRow> {
        let customers = rows.iter().map(|row| &row.customer).collect();
        let held_up = self.held_up(&customers);
        let mut turns = BTreeMap::<&CustomerId, usize>::new();
        let ranked = rows.into_iter().map(|row| {
            let turn = turns.entry(&row.customer).or_default();
            *turn += 1;
            ((held_up.contains(&row.customer), *turn, &row.customer), row)
        });
        let mut ranked: Vec<_> = ranked.collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        ranked.into_iter().map(|(_, row)| row).collect()
    }

    /// Those whose Traders wait for a ledger that is away.
    fn held_up<'a>(&'a self, customers: &BTreeSet<&CustomerId>) -> BTreeSet<&'a CustomerId> {
        let away = self.accounts().filter(|row| {
            let ledger = self.tables.brokers.get(&(row.account.clone(), 0));
            match ledger.and_then(|ledger| ledger.assignment.as_ref()) {
                Some(held) => self.manager(&held.manager).is_none_or(|row| match row.state {
                    ManagerState::Live => false,
                    ManagerState::Down => true,
                }),
                None => self.abandoned(&row.account, 0).is_some(),
            }
        });
        let customers_of = away.flat_map(|row| &row.spec.customers);
        customers_of.filter(|customer| customers.contains(customer)).collect()
    }
}

#[cfg(test)]
mod tests;
