//! How many Traders one account's Broker is told of singly. Decides which declaration is refused since it would make them
//! more: whoever is told so much at once is told nothing, and obeys nobody. What is said of a customer or of the account
//! concerns as many Traders as there are, and is one thing.

use super::of_traders_in;
use crate::{
    control::{
        level::FeatureLevel,
        machine::Machine,
        refusal::{Noun, Refusal},
        row::AccountRow,
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

    /// No account has as many as there may be, since all together have not: mostly so, and soon found.
    fn are_few(self, machine: &Machine) -> bool {
        match self {
            Self::Limits => of_traders_in(machine.tables.risks.iter()).nth(MOST - 1).is_none(),
            Self::State => {
                of_traders_in(machine.tables.trading_states.iter()).nth(MOST - 1).is_none()
            }
        }
    }

    fn count<'a>(
        self,
        machine: &Machine,
        customers: impl IntoIterator<Item = &'a CustomerId>,
    ) -> usize {
        let traders = customers.into_iter().flat_map(|of| machine.tables.index.traders(of));
        traders.filter(|trader| self.is_said(machine, &Scope::Trader((*trader).clone()))).count()
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
        let none = BTreeSet::new();
        let before = self.account(account).map_or(&none, |row| &row.spec.customers);
        let comes = customers.iter().filter(|one| !before.contains(*one));
        if self.level() < FeatureLevel::THIRD || comes.clone().next().is_none() {
            return Ok(());
        }
        let much = |what: &Single| {
            !what.are_few(self)
                && what.count(self, comes.clone()) > 0
                && what.count(self, customers) > MOST.max(what.count(self, before))
        };
        let found = Single::ALL.into_iter().find(much);
        found.map_or(Ok(()), |what| Err(what.too_many(account)))
    }

    fn check_one_more(
        &self,
        customer: &CustomerId,
        from: Option<&CustomerId>,
        what: Single,
    ) -> Result<(), Refusal> {
        if self.level() < FeatureLevel::THIRD || what.are_few(self) {
            return Ok(());
        }
        let comes = |row: &&AccountRow| {
            let held = &row.spec.customers;
            held.contains(customer) && from.is_none_or(|from| !held.contains(from))
        };
        let full = |row: &&AccountRow| what.count(self, &row.spec.customers) >= MOST;
        let found = self.accounts().filter(comes).find(full);
        found.map_or(Ok(()), |row| Err(what.too_many(&row.account)))
    }
}
