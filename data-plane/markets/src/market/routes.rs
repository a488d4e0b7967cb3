//! A Market's routes: which account's Broker carries an instrument's data, which account an order goes to, and where
//! it may have gone before the routes changed. Decides that alone, from what the Market was told to be; grants are
//! decided by the Broker, here they are only looked at early.

use crate::hop::unavailable;
use std::collections::{BTreeMap, BTreeSet};
use tradewind_domain::{
    control::{
        desired::{AccountAccess, MarketWanted},
        row::Route,
    },
    ids::{AccountId, CustomerId, Fence, InstrumentId, MarketId, VenueId},
    time::UnixNanos,
};
use tradewind_protocol::{
    Code, Problem,
    trade::{OrderCommand, Principal, Routed},
};

/// The routes and the accounts behind them.
#[derive(Clone, Debug)]
pub(crate) struct Routes {
    market: MarketId,
    fence: Fence,
    by_instrument: BTreeMap<InstrumentId, Route>,
    accounts: BTreeMap<AccountId, AccountAccess>,
    /// Venues that they named before.
    former: BTreeSet<VenueId>,
}

/// The way of a submitted order.
#[derive(Debug)]
pub(crate) struct Way {
    /// Where a new one goes.
    pub(crate) to: Result<AccountId, Problem>,
    /// Where it may have gone under earlier routes: it is new only if none of these has it.
    pub(crate) ask: Vec<AccountId>,
}

impl Routes {
    pub(crate) fn new(wanted: &MarketWanted) -> Self {
        let routes = wanted.spec.routes.iter();
        let accounts = wanted.accounts.iter();
        Self {
            market: wanted.market.clone(),
            fence: wanted.fence,
            by_instrument: routes.map(|r| (r.instrument.clone(), r.clone())).collect(),
            accounts: accounts.map(|a| (a.account.clone(), a.clone())).collect(),
            former: wanted.former_venues.clone(),
        }
    }

    /// What these routes are to a Broker.
    pub(crate) fn routed(&self) -> Routed {
        Routed { market: self.market.clone(), fence: self.fence }
    }

    pub(crate) fn accounts(&self) -> impl Iterator<Item = &AccountAccess> {
        self.accounts.values()
    }

    /// Accounts of venues that a route names now: without their Brokers something is not served. The others are there
    /// for what is still open.
    pub(crate) fn needed(&self) -> impl Iterator<Item = &AccountId> {
        let routes = self.by_instrument.values();
        let named: BTreeSet<&VenueId> =
            routes.flat_map(|route| [&route.data_venue, &route.order_venue]).collect();
        let needed = self.accounts.values().filter(move |access| named.contains(&access.venue));
        needed.map(|access| &access.account)
    }

    pub(crate) fn account(&self, account: &AccountId) -> Option<&AccountAccess> {
        self.accounts.get(account)
    }

    pub(crate) fn instruments(&self) -> impl Iterator<Item = &InstrumentId> {
        self.by_instrument.keys()
    }

    pub(crate) fn route(&self, instrument: &InstrumentId) -> Option<&Route> {
        self.by_instrument.get(instrument)
    }

    /// The account whose Broker carries the instrument's data: the first by name at its data venue.
    pub(crate) fn carrier(&self, instrument: &InstrumentId) -> Option<AccountId> {
        let venue = &self.by_instrument.get(instrument)?.data_venue;
        self.accounts.values().find(|a| a.venue == *venue).map(|a| a.account.clone())
    }

    /// The way of an order of `customer` for `instrument`, by the account `named` if he named one.
    pub(crate) fn way(
        &self,
        customer: &CustomerId,
        instrument: &InstrumentId,
        named: Option<&AccountId>,
    ) -> Way {
        let to = self.for_order(customer, instrument, named).map(|access| access.account.clone());
        let former = |access: &&AccountAccess| {
            self.former.contains(&access.venue)
                && access.customers.contains(customer)
                && named.is_none_or(|named| access.account == *named)
                && to.as_ref().ok() != Some(&access.account)
        };
        let ask = self.accounts.values().filter(former).map(|a| a.account.clone()).collect();
        Way { to, ask }
    }

    /// Where a command goes: to the Broker named in what it is about, a new order by the routes.
    pub(crate) fn way_of(
        &self,
        principal: &Principal,
        command: &OrderCommand,
    ) -> Result<Way, Problem> {
        let account = match command {
            OrderCommand::Submit { account, order } => {
                // Whether its end is over the Broker says: it may have been accepted before that.
                let whenever = UnixNanos(0);
                order
                    .check(whenever)
                    .map_err(|why| Problem::new(Code::InvalidOrder, why.to_string()))?;
                return Ok(self.way(&principal.customer, &order.instrument, account.as_ref()));
            }
            OrderCommand::Cancel { order_id }
            | OrderCommand::Get { order_id }
            | OrderCommand::Replace { order_id, .. } => &order_id.account,
            OrderCommand::List { account, .. }
            | OrderCommand::Fills { account }
            | OrderCommand::Positions { account }
            | OrderCommand::CancelAllAfter { account, .. }
            | OrderCommand::Tighten { account, .. } => account,
        };
        self.account(account).ok_or_else(|| unplaced(account))?;
        Ok(Way { to: Ok(account.clone()), ask: Vec::new() })
    }

    /// The account that takes a new order.
    fn for_order(
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

/// An account that the gateway knew and this Market does not is one whose Broker is being placed.
pub(crate) fn unplaced(account: &AccountId) -> Problem {
    unavailable(format!("no Broker of {account} is placed at the moment"))
}

#[cfg(test)]
mod tests;
