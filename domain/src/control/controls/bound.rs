//! How many Traders one account's Broker is told of singly. Decides which declaration is refused since it would make them
//! more: whoever is told so much at once is told nothing, and obeys nobody. What is said of a customer or of the account
//! concerns as many Traders as there are, and is one thing. They are counted as rows change (`table`), so that it costs as
//! little at an account that has many.

use crate::{
    control::{
        level::FeatureLevel,
        machine::Machine,
        refusal::{Noun, Refusal},
        table::Said,
    },
    ids::{AccountId, CustomerId, Scope, TraderId},
    limits::SINGLE_TRADERS_PER_ACCOUNT as MOST,
};
use alloc::collections::BTreeSet;

/// What is said of single Traders.
#[derive(Clone, Copy)]
pub(in crate::control) enum Single {
    Limits,
    State,
}

impl Single {
    const ALL: [Self; 2] = [Self::Limits, Self::State];

    fn noun(self) -> Noun {
        match self {
            Self::Limits => Noun::Risk,
            Self::State => Noun::TradingState,
        }
    }

    fn is_said(self, machine: &Machine, scope: &Scope) -> bool {
        match self {
            Self::Limits => machine.risk(scope).is_some(),
            Self::State => machine.trading_state(scope).is_some(),
        }
    }

    fn of(self, said: Said) -> usize {
        let count = match self {
            Self::Limits => said.limits,
            Self::State => said.states,
        };
        count as usize
    }

    fn too_many(self, account: &AccountId) -> Refusal {
        Refusal::TooManySingly { what: self.noun(), account: account.clone() }
    }
}

impl Machine {
    /// Whether this may be said of a scope of which it was not said before.
    pub(in crate::control) fn check_single(
        &self,
        scope: &Scope,
        what: Single,
    ) -> Result<(), Refusal> {
        let trader = match scope {
            Scope::Trader(trader) => self.trader(trader),
            Scope::Global | Scope::Account(_) | Scope::Customer(_) => None,
        };
        match trader.filter(|_| !what.is_said(self, scope)) {
            Some(row) => self.check_one_more(&row.spec.customer, None, what),
            None => Ok(()),
        }
    }

    /// A Trader of which something is said changes hands.
    pub(in crate::control) fn check_single_moves(
        &self,
        trader: &TraderId,
        from: &CustomerId,
        to: &CustomerId,
    ) -> Result<(), Refusal> {
        let scope = Scope::Trader(trader.clone());
        let mut said = Single::ALL.into_iter().filter(|what| what.is_said(self, &scope));
        said.try_for_each(|what| self.check_one_more(to, Some(from), what))
    }

    /// An account is given to other customers than before.
    pub(in crate::control) fn check_single_of(
        &self,
        account: &AccountId,
        customers: &BTreeSet<CustomerId>,
    ) -> Result<(), Refusal> {
        if self.level() < FeatureLevel::THIRD {
            return Ok(());
        }
        let none = BTreeSet::new();
        let held = self.account(account).map_or(&none, |row| &row.spec.customers);
        let singles = &self.tables.index.singles;
        let sum = |sum: Said, customer| sum.and(singles.of_customer(customer));
        let come = customers.difference(held).fold(Said::default(), sum);
        let go = held.difference(customers).fold(Said::default(), sum);
        let before = singles.of_account(account);
        let after = before.without(go).and(come);
        let much = |what: &Single| what.of(come) > 0 && what.of(after) > MOST.max(what.of(before));
        let found = Single::ALL.into_iter().find(much);
        found.map_or(Ok(()), |what| Err(what.too_many(account)))
    }

    fn check_one_more(
        &self,
        customer: &CustomerId,
        from: Option<&CustomerId>,
        what: Single,
    ) -> Result<(), Refusal> {
        if self.level() < FeatureLevel::THIRD {
            return Ok(());
        }
        let singles = &self.tables.index.singles;
        let comes = |account: &&AccountId| from.is_none_or(|from| !singles.may_use(from, account));
        let full = |account: &&AccountId| what.of(singles.of_account(account)) >= MOST;
        let found = singles.accounts(customer).filter(comes).find(full);
        found.map_or(Ok(()), |account| Err(what.too_many(account)))
    }
}
