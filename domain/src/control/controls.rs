//! Controls: what a Broker has to hold orders to. Decides which risk settings and trading states concern an account, and
//! what is left of a customer's limits where he has several accounts: Brokers do not know of each other, so each gets
//! an equal share of what is counted over orders. What an order comes to by them is decided by the Broker.

mod bound;

pub(in crate::control) use bound::Single;

use super::{
    machine::Machine,
    risk::{OrdersWithin, RiskRow, RiskSpec, TradingStateRow},
    row::AccountRow,
};
use crate::{
    ids::{CustomerId, Scope},
    money::Quantity,
    trading::risk::word::Word,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use serde::{Deserialize, Serialize};

/// By scope, each at most once. Counted is what the account sees: a limit of the `global` scope, too, holds for each
/// account by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Controls {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<Standing>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    pub scope: Scope,
    pub spec: RiskSpec,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    pub scope: Scope,
    pub word: Word,
}

impl Controls {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.limits.is_empty() && self.states.is_empty()
    }
}

impl Machine {
    /// Those of an account.
    pub(super) fn controls_for(&self, account: &AccountRow, counts: &Accounts) -> Controls {
        let customers = &account.spec.customers;
        let own = [Scope::Global, Scope::Account(account.account.clone())];
        let own = own.into_iter().chain(customers.iter().cloned().map(Scope::Customer));
        let own: Vec<Scope> = own.collect();
        let limit = |row: &RiskRow| Limit {
            scope: row.scope.clone(),
            spec: self.share_of(&row.scope, &row.spec, counts),
        };
        let standing = |row: &TradingStateRow| Standing {
            scope: row.scope.clone(),
            word: Word { state: row.state, version: row.version.0 },
        };
        let limits = own.iter().filter_map(|scope| self.risk(scope));
        let theirs = of_traders_in(self.tables.risks.iter());
        let theirs = theirs.filter(|row| self.concerns(&row.scope, customers));
        let states = own.iter().filter_map(|scope| self.trading_state(scope));
        let stand = of_traders_in(self.tables.trading_states.iter());
        let stand = stand.filter(|row| self.concerns(&row.scope, customers));
        Controls {
            limits: limits.chain(theirs).map(limit).collect(),
            states: states.chain(stand).map(standing).collect(),
        }
    }

    /// Whether it is a Trader of one of them.
    fn concerns(&self, scope: &Scope, customers: &BTreeSet<CustomerId>) -> bool {
        match scope {
            Scope::Trader(name) => {
                self.trader(name).is_some_and(|row| customers.contains(&row.spec.customer))
            }
            Scope::Global | Scope::Account(_) | Scope::Customer(_) => false,
        }
    }

    fn share_of(&self, scope: &Scope, spec: &RiskSpec, counts: &Accounts) -> RiskSpec {
        match scope {
            Scope::Customer(name) => share(spec, counts.of(name)),
            Scope::Trader(name) => {
                let customer = self.trader(name).map(|row| &row.spec.customer);
                share(spec, customer.map_or(1, |customer| counts.of(customer)))
            }
            Scope::Global | Scope::Account(_) => spec.clone(),
        }
    }
}

/// The rows of Traders, which stand behind all others.
fn of_traders_in<'a, R: 'a>(
    rows: impl DoubleEndedIterator<Item = (&'a Scope, &'a R)>,
) -> impl Iterator<Item = &'a R> {
    rows.rev().take_while(|(scope, _)| matches!(scope, Scope::Trader(_))).map(|(_, row)| row)
}

/// How many accounts each customer has who is limited.
pub(super) struct Accounts(BTreeMap<CustomerId, u32>);

impl Accounts {
    /// Looks at all accounts only if somebody is limited over his.
    pub(super) fn of_limited(machine: &Machine) -> Self {
        let mut counts = BTreeMap::new();
        let limited = |scope: &Scope| match scope {
            Scope::Customer(_) | Scope::Trader(_) => true,
            Scope::Global | Scope::Account(_) => false,
        };
        if machine.risks_after(None).any(|row| limited(&row.scope)) {
            for customer in machine.accounts().flat_map(|row| &row.spec.customers) {
                *counts.entry(customer.clone()).or_default() += 1;
            }
        }
        Self(counts)
    }

    fn of(&self, customer: &CustomerId) -> u32 {
        self.0.get(customer).copied().unwrap_or(1).max(1)
    }
}

/// An equal part of what is counted over orders; what one order must keep stays whole.
fn share(spec: &RiskSpec, accounts: u32) -> RiskSpec {
    RiskSpec {
        max_position: spec.max_position.map(|most| most.part_of(accounts)),
        max_open_orders: spec.max_open_orders.map(|most| most / accounts),
        order_rate: spec.order_rate.map(|rate| rate_share(rate, accounts)),
        equal_orders: spec.equal_orders,
        max_order_quantity: spec.max_order_quantity,
        max_order_notional: spec.max_order_notional,
        price_band: spec.price_band,
    }
}

fn rate_share(rate: OrdersWithin, accounts: u32) -> OrdersWithin {
    OrdersWithin { orders: rate.orders / accounts, ..rate }
}

impl Quantity {
    /// One of so many equal parts, rounded down.
    fn part_of(self, parts: u32) -> Self {
        const PLACES: u32 = 12;
        let part = self.decimal().checked_div(parts.into()).unwrap_or_default();
        // A part of what is not below zero is not below zero.
        Self::new(part.trunc_with_scale(PLACES)).unwrap_or(Self::ZERO)
    }
}

#[cfg(test)]
mod tests;
