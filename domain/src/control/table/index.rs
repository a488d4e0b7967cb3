//! Who holds what, kept up to date with every row: with a million Traders nobody may look at all of them to
//! find the few that are to be placed. Derived from rows alone, in whatever order they come; never stored.

use super::single::Singles;
use crate::{
    control::row::{Assignment, BrokerRow, CustomerRow, TraderRow},
    ids::{AccountId, CustomerId, KeyHash, ManagerId, TraderId},
};
use alloc::{sync::Arc, vec::Vec};
use core::ops::Bound::{Excluded, Unbounded};
use imbl::{OrdMap, OrdSet};

/// What one Manager holds, registered or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::control) struct Held {
    pub(in crate::control) brokers: OrdSet<(AccountId, u16)>,
    pub(in crate::control) customers: OrdSet<CustomerId>,
    /// Traders that were given to it, wherever their customers are by now.
    pub(in crate::control) traders: u32,
    /// Those of them that are to run.
    pub(in crate::control) running: u32,
    /// Of its customers; see [`Followers::weight`].
    pub(in crate::control) weight: u32,
}

impl Held {
    pub(in crate::control) fn is_empty(&self) -> bool {
        self.brokers.is_empty() && self.customers.is_empty() && self.traders == 0
    }
}

/// A customer's Traders, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::control) struct Followers {
    traders: u32,
    /// Those that are to run.
    running: u32,
    /// Those that were placed with him, after him.
    following: u32,
}

impl Followers {
    /// How much of a Manager's capacity the customer takes: also without a Trader that is to run, one.
    pub(in crate::control) fn weight(self) -> u32 {
        self.running.max(1)
    }

    fn are_whole(self) -> bool {
        self.following == self.traders
    }

    /// One Trader, counted.
    fn of(row: &TraderRow, affinity: Option<&Assignment>) -> Self {
        let running = u32::from(row.spec.state.takes_a_place());
        let follows = affinity.is_some_and(|to| follows(row.assignment.as_ref(), to));
        Self { traders: 1, running, following: u32::from(follows) }
    }

    fn and(self, more: Self) -> Self {
        Self {
            traders: self.traders.saturating_add(more.traders),
            running: self.running.saturating_add(more.running),
            following: self.following.saturating_add(more.following),
        }
    }

    fn without(self, less: Self) -> Self {
        Self {
            traders: self.traders.saturating_sub(less.traders),
            running: self.running.saturating_sub(less.running),
            following: self.following.saturating_sub(less.following),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::control) struct Index {
    pub(in crate::control) held: OrdMap<ManagerId, Held>,
    pub(in crate::control) unplaced_brokers: OrdSet<(AccountId, u16)>,
    pub(in crate::control) homeless: OrdSet<CustomerId>,
    /// Customers with a Trader that was not placed with them, after them.
    pub(in crate::control) unsettled: OrdSet<CustomerId>,
    traders: OrdSet<(CustomerId, TraderId)>,
    /// Whose keys they are. Commands of earlier builds may have given one key to several.
    keys: OrdSet<(KeyHash, CustomerId)>,
    followers: OrdMap<CustomerId, Followers>,
    pub(in crate::control) singles: Singles,
}

/// A Trader follows its customer only from an entry after his: also when the customer was given to the same
/// Manager anew, since the old copy died with the Manager's old life or is fenced by the new epoch.
pub(in crate::control) fn follows(trader: Option<&Assignment>, affinity: &Assignment) -> bool {
    trader.is_some_and(|held| held.manager == affinity.manager && held.epoch > affinity.epoch)
}

impl Index {
    pub(in crate::control) fn held(&self, manager: &ManagerId) -> Option<&Held> {
        self.held.get(manager)
    }

    pub(in crate::control) fn followers(&self, customer: &CustomerId) -> Followers {
        self.followers.get(customer).copied().unwrap_or_default()
    }

    /// A customer's Traders, in order of their names.
    pub(in crate::control) fn traders<'a>(
        &'a self,
        customer: &'a CustomerId,
    ) -> impl Iterator<Item = &'a TraderId> + 'a {
        self.traders_after(customer, None)
    }

    /// Those behind a name.
    pub(in crate::control) fn traders_after<'a>(
        &'a self,
        customer: &'a CustomerId,
        after: Option<&TraderId>,
    ) -> impl Iterator<Item = &'a TraderId> + use<'a> {
        let after = after.cloned().unwrap_or_else(TraderId::below_all);
        let all = self.traders.range((Excluded((customer.clone(), after)), Unbounded));
        all.take_while(move |(owner, _)| owner == customer).map(|(_, trader)| trader)
    }

    /// Whose key it is, in order of their names.
    pub(in crate::control) fn key_owners(
        &self,
        hash: &KeyHash,
    ) -> impl Iterator<Item = &CustomerId> + use<'_> {
        let hash = hash.clone();
        let all = self.keys.range((hash.clone(), CustomerId::below_all())..);
        all.take_while(move |(held, _)| *held == hash).map(|(_, customer)| customer)
    }

    fn keys_changed(&mut self, old: Option<&CustomerRow>, new: Option<&CustomerRow>) {
        let (old, new) = (old.into_iter(), new.into_iter());
        let each = |row: &CustomerRow| {
            let owned = |hash: &KeyHash| (hash.clone(), row.customer.clone());
            row.spec.key_hashes.iter().map(owned).collect::<Vec<_>>()
        };
        old.flat_map(each).for_each(|key| drop(self.keys.remove(&key)));
        new.flat_map(each).for_each(|key| drop(self.keys.insert(key)));
    }

    fn change(&mut self, manager: &ManagerId, change: impl FnOnce(&mut Held)) {
        let held = self.held.entry(manager.clone()).or_default();
        change(held);
        if held.is_empty() && held.weight == 0 {
            self.held.remove(manager);
        }
    }

    pub(super) fn broker(&mut self, old: Option<&BrokerRow>, new: &BrokerRow) {
        let key = (new.account.clone(), new.shard);
        match old.and_then(|row| row.assignment.as_ref()) {
            Some(before) => self.change(&before.manager, |held| drop(held.brokers.remove(&key))),
            None => drop(self.unplaced_brokers.remove(&key)),
        }
        match &new.assignment {
            Some(now) => self.change(&now.manager, |held| drop(held.brokers.insert(key))),
            None => drop(self.unplaced_brokers.insert(key)),
        }
    }

    pub(super) fn customer(
        &mut self,
        old: Option<&CustomerRow>,
        new: &CustomerRow,
        traders: &OrdMap<TraderId, Arc<TraderRow>>,
    ) {
        if old.is_none_or(|old| old.spec != new.spec) {
            self.keys_changed(old, Some(new));
        }
        if old.is_some_and(|old| old.affinity == new.affinity) {
            return;
        }
        let (customer, weight) = (&new.customer, self.followers(&new.customer).weight());
        match old.and_then(|row| row.affinity.as_ref()) {
            Some(before) => self.change(&before.manager, |held| {
                held.customers.remove(customer);
                held.weight = held.weight.saturating_sub(weight);
            }),
            None => drop(self.homeless.remove(customer)),
        }
        match &new.affinity {
            Some(now) => self.change(&now.manager, |held| {
                held.customers.insert(customer.clone());
                held.weight = held.weight.saturating_add(weight);
            }),
            None => drop(self.homeless.insert(customer.clone())),
        }
        let following = new.affinity.as_ref().map_or(0, |affinity| {
            let rows = self.traders(customer).filter_map(|trader| traders.get(trader));
            rows.filter(|row| follows(row.assignment.as_ref(), affinity)).count()
        });
        let following = u32::try_from(following).unwrap_or(u32::MAX);
        self.count(customer, new.affinity.as_ref(), |counts| counts.following = following);
    }

    pub(super) fn trader(
        &mut self,
        old: Option<&TraderRow>,
        new: &TraderRow,
        customers: &OrdMap<CustomerId, Arc<CustomerRow>>,
    ) {
        match old.filter(|old| old.spec.customer == new.spec.customer) {
            Some(old) => self.follow(old, new, customers),
            None => {
                if let Some(old) = old {
                    self.add_trader(old, customers, false);
                }
                self.add_trader(new, customers, true);
            }
        }
    }

    /// A Trader that stays with its customer: most changes of one change nothing here.
    fn follow(
        &mut self,
        old: &TraderRow,
        new: &TraderRow,
        customers: &OrdMap<CustomerId, Arc<CustomerRow>>,
    ) {
        if old.assignment == new.assignment && old.spec.state == new.spec.state {
            return;
        }
        self.hold(Some(old), Some(new));
        let customer = &new.spec.customer;
        let affinity = customers.get(customer).and_then(|row| row.affinity.as_ref());
        let (before, after) = (Followers::of(old, affinity), Followers::of(new, affinity));
        self.count(customer, affinity, |counts| *counts = counts.without(before).and(after));
    }

    /// A Trader was with one Manager and is with another, or is to run there now.
    fn hold(&mut self, old: Option<&TraderRow>, new: Option<&TraderRow>) {
        fn place(row: &TraderRow) -> Option<(&ManagerId, u32)> {
            let runs = u32::from(row.spec.state.takes_a_place());
            row.assignment.as_ref().map(|held| (&held.manager, runs))
        }
        let (old, new) = (old.and_then(place), new.and_then(place));
        if old == new {
            return;
        }
        if let Some((old, runs)) = old {
            self.change(old, |held| {
                held.traders = held.traders.saturating_sub(1);
                held.running = held.running.saturating_sub(runs);
            });
        }
        if let Some((new, runs)) = new {
            self.change(new, |held| {
                held.traders = held.traders.saturating_add(1);
                held.running = held.running.saturating_add(runs);
            });
        }
    }

    fn add_trader(
        &mut self,
        row: &TraderRow,
        customers: &OrdMap<CustomerId, Arc<CustomerRow>>,
        add: bool,
    ) {
        let customer = &row.spec.customer;
        let key = (customer.clone(), row.trader.clone());
        let affinity = customers.get(customer).and_then(|row| row.affinity.as_ref());
        let one = Followers::of(row, affinity);
        if add {
            self.traders.insert(key);
            self.hold(None, Some(row));
            self.count(customer, affinity, |counts| *counts = counts.and(one));
        } else {
            self.traders.remove(&key);
            self.hold(Some(row), None);
            self.count(customer, affinity, |counts| *counts = counts.without(one));
        }
    }

    pub(super) fn forget_broker(&mut self, old: &BrokerRow) {
        let key = (old.account.clone(), old.shard);
        match &old.assignment {
            Some(held) => self.change(&held.manager, |held| drop(held.brokers.remove(&key))),
            None => drop(self.unplaced_brokers.remove(&key)),
        }
    }

    /// One who has no Traders any more.
    pub(super) fn forget_customer(&mut self, old: &CustomerRow) {
        self.keys_changed(Some(old), None);
        let (customer, weight) = (&old.customer, self.followers(&old.customer).weight());
        match &old.affinity {
            Some(held) => self.change(&held.manager, |held| {
                held.customers.remove(customer);
                held.weight = held.weight.saturating_sub(weight);
            }),
            None => drop(self.homeless.remove(customer)),
        }
    }

    pub(super) fn forget_trader(
        &mut self,
        old: &TraderRow,
        customers: &OrdMap<CustomerId, Arc<CustomerRow>>,
    ) {
        self.add_trader(old, customers, false);
    }

    fn count(
        &mut self,
        customer: &CustomerId,
        affinity: Option<&Assignment>,
        change: impl FnOnce(&mut Followers),
    ) {
        let before = self.followers(customer);
        let mut after = before;
        change(&mut after);
        if after == before {
            return;
        }
        if after == Followers::default() {
            self.followers.remove(customer);
        } else {
            self.followers.insert(customer.clone(), after);
        }
        if let Some(affinity) = affinity.filter(|_| after.weight() != before.weight()) {
            self.change(&affinity.manager, |held| {
                held.weight = held.weight.saturating_sub(before.weight()) + after.weight();
            });
        }
        if after.are_whole() == before.are_whole() {
            return;
        }
        let _ = if after.are_whole() {
            self.unsettled.remove(customer)
        } else {
            self.unsettled.insert(customer.clone())
        };
    }
}
