//! Deleting a resource. Decides what is still needed and by whom, and what goes with it: with an account its
//! Brokers. What runs is stopped by its Manager, which is told of it no longer.

use super::Resource;
use crate::{
    control::{drain::DropSchedule, event::EventKind, machine::Machine, refusal::Refusal},
    ids::{
        AccountId, CustomerId, DrainTarget, Epoch, LocationId, ManagerId, Revision, Scope, TraderId,
    },
};
use alloc::{vec, vec::Vec};
use core::fmt;
use serde::{Deserialize, Serialize};

/// What something is still needed for. Of several, the first by name and how many there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// A customer's.
    Traders { first: TraderId, count: u64 },
    /// That a customer may use.
    Accounts { first: AccountId, count: u64 },
    /// Who may use an account.
    Customers { first: CustomerId, count: u64 },
    /// A Manager has an account's Broker.
    Broker { manager: ManagerId },
    /// It waits until it is after hours in a location.
    Drain { target: DrainTarget },
    /// Of an API key: whose it is.
    Owner { customer: CustomerId },
    /// A risk setting names it.
    Risk { scope: Scope },
    /// A trading state names it.
    TradingState { scope: Scope },
}

/// What to do first.
impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Traders { first, count: 1 } => {
                write!(f, "the Trader {first} belongs to it: delete that first")
            }
            Self::Traders { first, count } => {
                write!(
                    f,
                    "{count} Traders belong to it, {first} the first of them: delete them first"
                )
            }
            Self::Accounts { first, count: 1 } => {
                write!(f, "it may use the account {first}: declare that without it first")
            }
            Self::Accounts { first, count } => write!(
                f,
                "it may use {count} accounts, {first} the first of them: declare them without it first"
            ),
            Self::Customers { first, count: 1 } => {
                write!(f, "{first} may use it: declare it without customers first")
            }
            Self::Customers { first, count } => write!(
                f,
                "{count} customers, {first} the first of them, may use it: declare it without customers first"
            ),
            Self::Broker { manager } => write!(
                f,
                "its Broker is with {manager}: see that no order of it is open, then delete it with \
                 release=true, which stops the Broker and leaves its ledger where it is"
            ),
            Self::Owner { customer } => {
                write!(f, "it is a key of {customer}: draw another one, or remove it there first")
            }
            Self::Risk { scope } => {
                write!(f, "the risk setting {scope} names it: delete that first")
            }
            Self::TradingState { scope } => {
                write!(f, "the trading state {scope} names it: delete that first")
            }
            Self::Drain { target } => write!(
                f,
                "the drain of {target} waits until it is after hours there: cancel it, or have it drop at \
                 another time, first"
            ),
        }
    }
}

impl Machine {
    pub(super) fn remove(
        &mut self,
        revision: Revision,
        what: Resource,
        release: bool,
    ) -> Result<Vec<EventKind>, Refusal> {
        if let Some(by) = self.need(&what, release) {
            return Err(Refusal::InUse { what: what.noun(), by });
        }
        let kind = match what {
            Resource::Account(account) => {
                let brokers: Vec<_> = self.brokers_of(&account).map(|row| row.shard).collect();
                for shard in brokers {
                    self.tables.forget_broker(&(account.clone(), shard));
                }
                self.tables.forget_copies(&account);
                self.tables.forget_account(&account);
                EventKind::AccountDeleted { account }
            }
            Resource::Customer(customer) => {
                self.tables.forget_customer(&customer);
                EventKind::CustomerDeleted { customer }
            }
            Resource::Market(market) => {
                self.tables.forget_market(&market);
                EventKind::MarketDeleted { market }
            }
            Resource::Trader(trader) => {
                if let Some(customer) = self.trader(&trader).map(|row| row.spec.customer.clone()) {
                    self.fence_copy(&trader, customer, Epoch(revision.0));
                }
                self.tables.forget_trader(&trader);
                self.tables.forget_trader_run(&trader);
                EventKind::TraderDeleted { trader }
            }
            Resource::Location(location) => {
                self.tables.forget_location(&location);
                EventKind::LocationDeleted { location }
            }
            Resource::ExchangeDays(exchange) => {
                self.tables.forget_exchange(exchange);
                EventKind::ExchangeDaysDeleted { exchange }
            }
            Resource::Route { market, instrument } => {
                return self.remove_route(market, &instrument, revision);
            }
            Resource::Risk(scope) => {
                self.tables.forget_risk(&scope);
                EventKind::RiskDeleted { scope }
            }
            Resource::TradingState(scope) => return self.remove_trading_state(scope),
            Resource::Scale(location) => {
                self.tables.forget_scale(&location);
                EventKind::ScaleDeleted { location }
            }
        };
        Ok(vec![kind])
    }

    fn need(&self, what: &Resource, release: bool) -> Option<Need> {
        match what {
            Resource::Account(account) => self
                .need_of_account(account, release)
                .or_else(|| self.need_of_scope(Scope::Account(account.clone()))),
            Resource::Customer(customer) => self
                .need_of_customer(customer)
                .or_else(|| self.need_of_scope(Scope::Customer(customer.clone()))),
            Resource::Location(location) => self.need_of_location(location),
            // A Trader is stopped.
            Resource::Trader(trader) => self.need_of_scope(Scope::Trader(trader.clone())),
            // A Market is no longer offered, a day is what the table says of it.
            Resource::Market(_)
            | Resource::ExchangeDays(_)
            | Resource::Route { .. }
            | Resource::Risk(_)
            | Resource::TradingState(_)
            // What was provisioned stays.
            | Resource::Scale(_) => None,
        }
    }

    /// One who comes back under the name is not to be without what was set for it.
    fn need_of_scope(&self, scope: Scope) -> Option<Need> {
        if self.risk(&scope).is_some() {
            return Some(Need::Risk { scope });
        }
        self.trading_state(&scope).is_some().then_some(Need::TradingState { scope })
    }

    fn need_of_account(&self, account: &AccountId, release: bool) -> Option<Need> {
        let customers = self.account(account).map(|row| &row.spec.customers)?;
        if let Some(first) = customers.first().cloned() {
            return Some(Need::Customers { first, count: customers.len() as u64 });
        }
        let mut held = self.brokers_of(account).filter_map(|row| row.assignment.as_ref());
        let held = held.next().filter(|_| !release)?;
        Some(Need::Broker { manager: held.manager.clone() })
    }

    fn need_of_customer(&self, customer: &CustomerId) -> Option<Need> {
        let mut traders = self.traders_of(customer, None);
        if let Some(first) = traders.next().map(|row| row.trader.clone()) {
            return Some(Need::Traders { first, count: traders.count() as u64 + 1 });
        }
        let mut accounts = self.accounts().filter(|row| row.spec.customers.contains(customer));
        let first = accounts.next().map(|row| row.account.clone())?;
        Some(Need::Accounts { first, count: accounts.count() as u64 + 1 })
    }

    /// Nobody is to wait for hours that nobody tells any more.
    pub(in crate::control) fn need_of_location(&self, location: &LocationId) -> Option<Need> {
        let waits = |schedule| match schedule {
            DropSchedule::AfterHours => true,
            DropSchedule::WhenIdle | DropSchedule::At(_) | DropSchedule::Never => false,
        };
        let there = |target: &DrainTarget| {
            self.concerned(target).any(|manager| manager.location == *location)
        };
        let mut drains = self.drains().filter(|row| row.state.cordons() && waits(row.drop));
        let drain = drains.find(|row| there(&row.target))?;
        Some(Need::Drain { target: drain.target.clone() })
    }
}
