//! What goes with a Manager that is dropped by force, and what only an operator may give up. Decides that nothing is left
//! in the hands of a Manager that is not there any more: customers with their Traders lose their place and are given
//! another one; a Broker does not, for its ledger has one copy there. It is given up by name, by whoever says so.
//!
//! What goes with the ledger is made up for. Of whom orders are refused stands in it: so each Trader that may trade on the
//! account waits for the next ledger before it is started anew (T1), and that ledger has the rights of all of them on record. And
//! where the Manager lives, its Broker takes orders until it has stopped: the next one is not placed before.
//!
//! H1: whoever holds something is registered.

use super::{By, DrainRow, DrainState, Entry, Step};
use crate::{
    control::{
        event::EventKind,
        fencing::FencingRow,
        level::FeatureLevel,
        machine::Machine,
        refusal::Refusal,
        row::{Assignment, Row},
    },
    ids::{AccountId, CustomerId, DrainTarget, Epoch, ManagerId, Revision, ServiceId, TraderId},
};
use alloc::{format, string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// A Broker that was given up and has no other place yet, and who had it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbandonedRow {
    pub account: AccountId,
    pub shard: u16,
    pub manager: ManagerId,
    /// The right under which he had it.
    pub epoch: Epoch,
}

impl Machine {
    /// Who had a Broker that was given up, until another one has it.
    #[must_use]
    pub fn abandoned(&self, account: &AccountId, shard: u16) -> Option<&AbandonedRow> {
        self.tables.abandoned.get(&(account.clone(), shard))
    }

    /// All that were given up and have no other place yet.
    pub fn all_abandoned(&self) -> impl Iterator<Item = &AbandonedRow> {
        self.tables.abandoned.values()
    }

    /// Takes the Brokers from whom a target covers, also from one that was dropped by an earlier build. Each begins
    /// elsewhere with an empty ledger, as an account that is deleted with `release` and declared anew.
    pub(in crate::control) fn abandon(
        &mut self,
        entry: Entry,
        target: &DrainTarget,
        at: Option<Revision>,
        by: &By,
    ) -> Result<Vec<EventKind>, Refusal> {
        let (row, next) = self.asked(target, at, by, Step::Abandon)?;
        let mut events = Vec::new();
        let mut registered = false;
        for manager in target.managers() {
            let held = self.tables.index.held(&manager).map(|held| held.brokers.clone());
            if row.state == DrainState::Dropped && self.manager(&manager).is_some() {
                // It came after the drain was over, and nobody is emptying it.
                registered |= held.is_some_and(|held| !held.is_empty());
                continue;
            }
            for key in held.into_iter().flatten() {
                let Some(mut broker) = self.tables.brokers.get(&key).cloned() else { continue };
                let Some(Assignment { manager, epoch }) = broker.assignment.take() else {
                    continue;
                };
                self.tables.put(Row::Broker(broker));
                let (account, shard) = key;
                if shard == 0 {
                    self.ledger_begins(&account, None);
                }
                self.tables.put(Row::Abandoned(AbandonedRow {
                    account: account.clone(),
                    shard,
                    manager: manager.clone(),
                    epoch,
                }));
                self.fence_all(&account);
                let service = ServiceId::Broker { account: account.clone(), shard };
                self.tables.forget_handed_back(&service);
                let by = by.clone();
                events.push(EventKind::BrokerAbandoned { account, shard, manager, epoch, by });
            }
            if self.manager(&manager).is_none() {
                // Its disk was bound for the ledgers' sake.
                self.tables.forget_manager(&manager);
            }
        }
        if events.is_empty() && registered {
            return Err(Refusal::WrongState { state: row.state });
        }
        if !events.is_empty() {
            self.put_drain(entry, row, next);
        }
        Ok(events)
    }

    /// T1: whom the ledger refused is not known any more. Copies that run go on; none is started before the rights of all
    /// who may trade there stand in the next ledger.
    fn fence_all(&mut self, account: &AccountId) {
        let Some(row) = self.account(account) else { return };
        let traders = row.spec.customers.iter().flat_map(|customer| {
            let each = self.tables.index.traders(customer);
            each.map(move |trader| (customer, trader))
        });
        let rights = traders.filter_map(|(customer, trader)| {
            let (trader, epoch) = (trader.clone(), self.trader_right(trader)?);
            Some(FencingRow { trader, customer: customer.clone(), epoch })
        });
        let rights: Vec<FencingRow> = rights.collect();
        rights.into_iter().for_each(|row| self.tables.put(Row::Fencing(row)));
    }

    /// Before what a target covers leaves the registry. What is there was given up with a `force`, but for Brokers.
    pub(super) fn leave_nothing(&mut self, drain: &DrainRow) -> Result<Vec<EventKind>, Refusal> {
        if self.level() < FeatureLevel::SECOND {
            return Ok(Vec::new());
        }
        let managers: Vec<ManagerId> =
            self.concerned(&drain.target).map(|row| row.manager.clone()).collect();
        for manager in &managers {
            let held = self.tables.index.held(manager);
            let brokers = held.map(|held| &held.brokers).into_iter().flatten();
            let (mut accounts, count) =
                (brokers.clone().map(|(account, _)| account), brokers.count());
            if let Some(account) = accounts.next().cloned() {
                let (target, manager, count) =
                    (drain.target.clone(), manager.clone(), count as u64);
                return Err(Refusal::BrokersHeld { target, manager, account, count });
            }
        }
        Ok(managers.iter().flat_map(|manager| self.vacate(manager)).collect())
    }

    /// Customers with all their Traders, so that none of these is anywhere without him (A1), and Traders whose customers
    /// have gone before.
    fn vacate(&mut self, manager: &ManagerId) -> Vec<EventKind> {
        let Some(held) = self.tables.index.held(manager).cloned() else { return Vec::new() };
        let mut events = Vec::new();
        for customer in &held.customers {
            let traders: Vec<TraderId> = self.tables.index.traders(customer).cloned().collect();
            traders.iter().for_each(|trader| self.take_place(trader, None));
            events.extend(self.take_home(customer));
        }
        let left: Vec<CustomerId> = self.tables.index.unsettled.iter().cloned().collect();
        if self.tables.index.held(manager).is_some_and(|held| held.traders > 0) {
            for customer in &left {
                let traders: Vec<TraderId> = self.tables.index.traders(customer).cloned().collect();
                traders.iter().for_each(|trader| self.take_place(trader, Some(manager)));
            }
        }
        events
    }

    fn take_home(&mut self, customer: &CustomerId) -> Option<EventKind> {
        let mut row = self.customer(customer).cloned()?;
        let Assignment { manager, epoch } = row.affinity.take()?;
        row.affinity_version += 1;
        self.tables.put(Row::Customer(row));
        Some(EventKind::CustomerUnplaced { customer: customer.clone(), manager, epoch })
    }

    /// `of`: only if this one has it.
    fn take_place(&mut self, trader: &TraderId, of: Option<&ManagerId>) {
        let Some(mut row) = self.trader(trader).cloned() else { return };
        let held = row.assignment.take();
        if held.is_some_and(|held| of.is_none_or(|of| *of == held.manager)) {
            self.tables.put(Row::Trader(row));
            self.tables.forget_handed_back(&ServiceId::Trader { trader: trader.clone() });
        }
    }
}

/// H1, of one entry: whom it took out of the registry has nothing.
pub(in crate::control) fn violations(before: &Machine, after: &Machine) -> Vec<String> {
    if before.level() < FeatureLevel::SECOND {
        return Vec::new();
    }
    let gone = |given: &&Assignment| {
        after.manager(&given.manager).is_none() && before.manager(&given.manager).is_some()
    };
    let held = crate::control::invariants::assignments(after).filter(gone);
    held.map(|given| format!("H1: {} is gone and holds something", given.manager)).collect()
}
