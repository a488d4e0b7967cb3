//! A Market's routes: which account's Broker carries an instrument's data, and which account an order
//! goes to. Decides that alone, from what the Market was told to be; grants are decided by the Broker,
//! here they are only looked at early.

use crate::hop::unavailable;
use std::collections::BTreeMap;
use tradewind_domain::{
    control::{
        desired::{AccountAccess, MarketWanted},
        row::Route,
    },
    ids::{AccountId, CustomerId, InstrumentId},
};
use tradewind_protocol::{Code, Problem};

/// The routes and the accounts behind them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routes {
    by_instrument: BTreeMap<InstrumentId, Route>,
    accounts: BTreeMap<AccountId, AccountAccess>,
}

impl Routes {
    pub(crate) fn new(wanted: &MarketWanted) -> Self {
        let routes = wanted.spec.routes.iter();
        let accounts = wanted.accounts.iter();
        Self {
            by_instrument: routes.map(|r| (r.instrument.clone(), r.clone())).collect(),
            accounts: accounts.map(|a| (a.account.clone(), a.clone())).collect(),
        }
    }

    pub(crate) fn accounts(&self) -> impl Iterator<Item = &AccountAccess> {
        self.accounts.values()
    }

    pub(crate) fn account(&self, account: &AccountId) -> Option<&AccountAccess> {
        self.accounts.get(account)
    }

    pub(crate) fn instruments(&self) -> impl Iterator<Item = &InstrumentId> {
        self.by_instrument.keys()
    }

    /// The account whose Broker carries the instrument's data: the first by name at its data venue.
    pub(crate) fn carrier(&self, instrument: &InstrumentId) -> Option<AccountId> {
        let venue = &self.by_instrument.get(instrument)?.data_venue;
        self.accounts.values().find(|a| a.venue == *venue).map(|a| a.account.clone())
    }

    /// The account an order of `customer` for `instrument` goes to, `named` if he named one.
    pub(crate) fn for_order(
        &self,
        customer: &CustomerId,
        instrument: &InstrumentId,
        named: Option<&AccountId>,
    ) -> Result<&AccountAccess, Problem> {
        let route = self.by_instrument.get(instrument).ok_or_else(|| {
            Problem::new(Code::NotFound, format!("{instrument} is not traded on this market"))
        })?;
        let venue = &route.order_venue;
        let at_venue = || self.accounts.values().filter(|a| a.venue == *venue);
        if at_venue().next().is_none() {
            // Accounts are named only while their Broker is placed: it may be on its way.
            return Err(unavailable(format!("no Broker of venue {venue} is placed at the moment")));
        }
        let mut his = at_venue().filter(|a| a.customers.contains(customer));
        if let Some(named) = named {
            return his.find(|a| a.account == *named).ok_or_else(|| {
                let detail = format!(
                    "{named} is not an account of {customer} at {venue}, where {instrument} goes"
                );
                Problem::new(Code::NoAccount, detail)
            });
        }
        match (his.next(), his.next()) {
            (Some(only), None) => Ok(only),
            (Some(one), Some(other)) => {
                let detail = format!(
                    "{customer} has several accounts at {venue} ({}, {}, ...): name one as `account`",
                    one.account, other.account
                );
                Err(Problem::new(Code::InvalidOrder, detail))
            }
            (None, _) => {
                let detail = format!(
                    "{customer} has no account at {venue}, where {instrument} goes; \
                     the operator grants one"
                );
                Err(Problem::new(Code::NoAccount, detail))
            }
        }
    }
}

#[cfg(test)]
mod tests;
