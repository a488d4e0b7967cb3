//! Who holds what, kept up to date with every row: with a million Traders nobody may look at all of them to
//! find the few that are to be placed. Derived from rows alone, in whatever order they come; never stored.

use crate::{
    control::row::{Assignment, BrokerRow, CustomerRow, TraderRow, TraderWish},
    ids::{AccountId, CustomerId, ManagerId, TraderId},
};
use imbl::{OrdMap, OrdSet};

/// What one Manager holds, registered or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::control) struct Held {
    pub(in crate::control) brokers: OrdSet<(AccountId, u16)>,
    pub(in crate::control) customers: OrdSet<CustomerId>,
    /// Traders that were given to it, wherever their customers are by now.
    pub(in crate::control) traders: u32,
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
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::control) struct Index {
    pub(in crate::control) held: OrdMap<ManagerId, Held>,
    pub(in crate::control) unplaced_brokers: OrdSet<(AccountId, u16)>,
    pub(in crate::control) homeless: OrdSet<CustomerId>,
    /// Customers with a Trader that was not placed with them, after them.
    pub(in crate::control) unsettled: OrdSet<CustomerId>,
    traders: OrdSet<(CustomerId, TraderId)>,
    followers: OrdMap<CustomerId, Followers>,
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
        let from = (customer.clone(), TraderId::below_all());
        let all = self.traders.range(from..);
        all.take_while(move |(owner, _)| owner == customer).map(|(_, trader)| trader)
    }

    fn change(&mut self, manager: &ManagerId, change: impl FnOnce(&mut Held)) {
        let mut held = self.held.get(manager).cloned().unwrap_or_default();
        change(&mut held);
        if held.is_empty() && held.weight == 0 {
            self.held.remove(manager);
        } else {
            self.held.insert(manager.clone(), held);
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
        traders: &OrdMap<TraderId, TraderRow>,
    ) {
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
        customers: &OrdMap<CustomerId, CustomerRow>,
    ) {
        if let Some(old) = old {
            self.add_trader(old, customers, false);
        }
        self.add_trader(new, customers, true);
    }

    fn add_trader(
        &mut self,
        row: &TraderRow,
        customers: &OrdMap<CustomerId, CustomerRow>,
        add: bool,
    ) {
        let step = |count: &mut u32| {
            *count = if add { count.saturating_add(1) } else { count.saturating_sub(1) };
        };
        let customer = &row.spec.customer;
        let key = (customer.clone(), row.trader.clone());
        let _ = if add { self.traders.insert(key) } else { self.traders.remove(&key) };
        if let Some(assignment) = &row.assignment {
            self.change(&assignment.manager, |held| step(&mut held.traders));
        }
        let affinity = customers.get(customer).and_then(|row| row.affinity.as_ref());
        let follows = affinity.is_some_and(|to| follows(row.assignment.as_ref(), to));
        self.count(customer, affinity, |counts| {
            step(&mut counts.traders);
            match row.spec.state {
                TraderWish::Running => step(&mut counts.running),
                TraderWish::Stopped => {}
            }
            if follows {
                step(&mut counts.following);
            }
        });
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
