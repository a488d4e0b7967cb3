//! How much is said of the single Traders that trade on an account, counted: a customer may have a hundred thousand Traders, and
//! nobody is to look at each of them for one more limit. Derived from rows alone, in whatever order they come; never
//! stored. How many there may be is decided in `controls`.

use super::Tables;
use crate::{
    control::{
        risk::{RiskRow, TradingStateRow},
        row::AccountRow,
    },
    ids::{AccountId, CustomerId, Scope, TraderId},
};
use alloc::collections::BTreeSet;
use imbl::{OrdMap, OrdSet};

/// Traders of which it is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::control) struct Said {
    pub(in crate::control) limits: u32,
    pub(in crate::control) states: u32,
}

impl Said {
    const LIMITS: Self = Self { limits: 1, states: 0 };
    const STATE: Self = Self { limits: 0, states: 1 };

    #[must_use]
    pub(in crate::control) fn and(self, more: Self) -> Self {
        Self {
            limits: self.limits.saturating_add(more.limits),
            states: self.states.saturating_add(more.states),
        }
    }

    #[must_use]
    pub(in crate::control) fn without(self, less: Self) -> Self {
        Self {
            limits: self.limits.saturating_sub(less.limits),
            states: self.states.saturating_sub(less.states),
        }
    }
}

#[derive(Clone, Copy)]
enum Change {
    Comes,
    Goes,
}

impl Change {
    fn of<K: Ord + Clone>(self, counts: &mut OrdMap<K, Said>, key: &K, by: Said) {
        let before = counts.get(key).copied().unwrap_or_default();
        let after = match self {
            Self::Comes => before.and(by),
            Self::Goes => before.without(by),
        };
        if after == Said::default() {
            counts.remove(key);
        } else {
            counts.insert(key.clone(), after);
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::control) struct Singles {
    /// Which accounts a customer may use.
    grants: OrdSet<(CustomerId, AccountId)>,
    /// Of a customer's Traders.
    of_customers: OrdMap<CustomerId, Said>,
    /// Of the Traders of all customers who may use it.
    of_accounts: OrdMap<AccountId, Said>,
}

impl Singles {
    pub(in crate::control) fn of_customer(&self, customer: &CustomerId) -> Said {
        self.of_customers.get(customer).copied().unwrap_or_default()
    }

    pub(in crate::control) fn of_account(&self, account: &AccountId) -> Said {
        self.of_accounts.get(account).copied().unwrap_or_default()
    }

    pub(in crate::control) fn may_use(&self, customer: &CustomerId, account: &AccountId) -> bool {
        self.grants.contains(&(customer.clone(), account.clone()))
    }

    /// The accounts that a customer may use, in order of their names.
    pub(in crate::control) fn accounts<'a>(
        &'a self,
        customer: &'a CustomerId,
    ) -> impl Iterator<Item = &'a AccountId> + 'a {
        granted(&self.grants, customer)
    }

    /// An account is there, is given to others, or goes.
    pub(super) fn account(&mut self, old: Option<&AccountRow>, new: Option<&AccountRow>) {
        let none = BTreeSet::new();
        let before = old.map_or(&none, |row| &row.spec.customers);
        let after = new.map_or(&none, |row| &row.spec.customers);
        let Some(account) = new.or(old).map(|row| &row.account) else { return };
        for customer in before.difference(after) {
            self.grants.remove(&(customer.clone(), account.clone()));
            let said = self.of_customer(customer);
            Change::Goes.of(&mut self.of_accounts, account, said);
        }
        for customer in after.difference(before) {
            self.grants.insert((customer.clone(), account.clone()));
            let said = self.of_customer(customer);
            Change::Comes.of(&mut self.of_accounts, account, said);
        }
    }

    fn change(&mut self, customer: &CustomerId, by: Said, change: Change) {
        change.of(&mut self.of_customers, customer, by);
        for account in granted(&self.grants, customer) {
            change.of(&mut self.of_accounts, account, by);
        }
    }
}

fn granted<'a>(
    grants: &'a OrdSet<(CustomerId, AccountId)>,
    customer: &'a CustomerId,
) -> impl Iterator<Item = &'a AccountId> + 'a {
    let from = (customer.clone(), AccountId::below_all());
    let all = grants.range(from..).take_while(move |(held, _)| held == customer);
    all.map(|(_, account)| account)
}

impl Tables {
    pub(super) fn replace_risk(&mut self, row: RiskRow) -> Option<RiskRow> {
        let scope = row.scope.clone();
        let old = self.risks.insert(scope.clone(), row);
        if old.is_none() {
            self.said(&scope, Said::LIMITS, Change::Comes);
        }
        old
    }

    pub(super) fn replace_trading_state(
        &mut self,
        row: TradingStateRow,
    ) -> Option<TradingStateRow> {
        let scope = row.scope.clone();
        let old = self.trading_states.insert(scope.clone(), row);
        if old.is_none() {
            self.said(&scope, Said::STATE, Change::Comes);
        }
        old
    }

    pub(super) fn limits_are_gone(&mut self, scope: &Scope) {
        self.said(scope, Said::LIMITS, Change::Goes);
    }

    pub(super) fn state_is_gone(&mut self, scope: &Scope) {
        self.said(scope, Said::STATE, Change::Goes);
    }

    /// Of a Trader that is not there yet it counts when he comes.
    fn said(&mut self, scope: &Scope, what: Said, change: Change) {
        let owner = match scope {
            Scope::Trader(trader) => self.traders.get(trader).map(|row| &row.spec.customer),
            Scope::Global | Scope::Account(_) | Scope::Customer(_) => None,
        };
        if let Some(customer) = owner {
            self.index.singles.change(customer, what, change);
        }
    }

    /// A Trader comes, changes hands, or goes; most changes of one are none of these.
    pub(super) fn changes_hands(
        &mut self,
        trader: &TraderId,
        old: Option<&CustomerId>,
        new: Option<&CustomerId>,
    ) {
        if old == new {
            return;
        }
        let said = self.said_of(trader);
        if said == Said::default() {
            return;
        }
        if let Some(old) = old {
            self.index.singles.change(old, said, Change::Goes);
        }
        if let Some(new) = new {
            self.index.singles.change(new, said, Change::Comes);
        }
    }

    /// Of one Trader.
    fn said_of(&self, trader: &TraderId) -> Said {
        let scope = Scope::Trader(trader.clone());
        Said {
            limits: u32::from(self.risks.contains_key(&scope)),
            states: u32::from(self.trading_states.contains_key(&scope)),
        }
    }
}
