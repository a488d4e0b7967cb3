//! Resources: what operators declare, each with a revision. Decides when a change comes too late, since another
//! one was there before; what is legal to declare is decided in `declare`, what may be deleted in `remove`, and
//! what becomes of one API key in `keys`, of one route in `routes`. Who changes it, and why, is told by `audit`.

mod audit;
mod keys;
mod remove;
mod routes;

pub use audit::{Deed, ResourceChange};
pub use remove::Need;

use super::{
    copies::Copies,
    drain::By,
    event::EventKind,
    machine::Machine,
    refusal::{Noun, Refusal},
    risk::{RiskSpec, TradingState},
    row::{AccountSpec, CustomerSpec, LocationSpec, MarketSpec, Route, TraderSpec},
    scale::ScaleSpec,
    trader::TraderRun,
};
use crate::{
    calendar::{Day, Exchange, OperatorDay},
    ids::{
        AccountId, CustomerId, InstrumentId, KeyHash, LocationId, MarketId, Revision, Scope,
        TraderId,
    },
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};
use serde::{Deserialize, Serialize};

/// Which resource. Variants are only appended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    Account(AccountId),
    Customer(CustomerId),
    Market(MarketId),
    Trader(TraderId),
    /// The hours of a location.
    Location(LocationId),
    /// An operator's days of an exchange.
    ExchangeDays(Exchange),
    /// One of a Market's.
    Route {
        market: MarketId,
        instrument: InstrumentId,
    },
    Risk(Scope),
    TradingState(Scope),
    /// How a location scales.
    Scale(LocationId),
}

/// A resource as it is to be. Variants are only appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Declaration {
    Account {
        account: AccountId,
        spec: AccountSpec,
    },
    /// Without `key_hashes` he keeps the keys that he has.
    Customer {
        customer: CustomerId,
        key_hashes: Option<BTreeSet<KeyHash>>,
    },
    Market {
        market: MarketId,
        spec: MarketSpec,
    },
    Trader {
        trader: TraderId,
        spec: TraderSpec,
    },
    Location {
        location: LocationId,
        spec: LocationSpec,
    },
    ExchangeDays {
        exchange: Exchange,
        days: BTreeMap<Day, OperatorDay>,
    },
    /// One route of a Market; the others stay as they are.
    Route {
        market: MarketId,
        route: Route,
    },
    Risk {
        scope: Scope,
        spec: RiskSpec,
    },
    TradingState {
        scope: Scope,
        state: TradingState,
    },
    Scale {
        location: LocationId,
        spec: ScaleSpec,
    },
    /// A Trader, and how it is run; `Trader` stands in older logs.
    TraderRun {
        trader: TraderId,
        spec: TraderSpec,
        run: TraderRun,
    },
    /// A Trader that its customer runs himself: without a command, and with nothing said of how it is run.
    SelfManaged {
        trader: TraderId,
        spec: TraderSpec,
        run: TraderRun,
    },
    /// An account, and how many copies its ledger has; `Account` declares one.
    AccountCopies {
        account: AccountId,
        spec: AccountSpec,
        copies: Copies,
    },
}

/// What has to be so for a change to be made. Variants are only appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    #[default]
    Always,
    /// There is none yet.
    Absent,
    /// There is one, of whatever revision.
    Present,
    /// It is as this entry made it.
    At(Revision),
}

/// Variants are only appended. Those before `Audited` stand in older logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResourceCommand {
    Put {
        what: Declaration,
        on: Condition,
    },
    Delete {
        what: Resource,
        on: Condition,
        /// An account's Broker is stopped by it. Its ledger stays on the disk of its BrokerManager.
        release: bool,
    },
    /// One key more, whatever keys others add at the same time.
    AddKey {
        customer: CustomerId,
        hash: KeyHash,
    },
    RemoveKey {
        customer: CustomerId,
        key_id: String,
    },
    /// With who asks for it, and why.
    Audited {
        by: By,
        change: ResourceChange,
    },
}

impl Resource {
    #[must_use]
    pub fn noun(&self) -> Noun {
        match self {
            Self::Account(_) => Noun::Account,
            Self::Customer(_) => Noun::Customer,
            Self::Market(_) => Noun::Market,
            Self::Trader(_) => Noun::Trader,
            Self::Location(_) => Noun::Location,
            Self::ExchangeDays(_) => Noun::Exchange,
            Self::Route { .. } => Noun::Route,
            Self::Risk(_) => Noun::Risk,
            Self::TradingState(_) => Noun::TradingState,
            Self::Scale(_) => Noun::Scale,
        }
    }
}

impl Declaration {
    #[must_use]
    pub fn resource(&self) -> Resource {
        match self {
            Self::Account { account, .. } | Self::AccountCopies { account, .. } => {
                Resource::Account(account.clone())
            }
            Self::Customer { customer, .. } => Resource::Customer(customer.clone()),
            Self::Market { market, .. } => Resource::Market(market.clone()),
            Self::Trader { trader, .. }
            | Self::TraderRun { trader, .. }
            | Self::SelfManaged { trader, .. } => Resource::Trader(trader.clone()),
            Self::Location { location, .. } => Resource::Location(location.clone()),
            Self::ExchangeDays { exchange, .. } => Resource::ExchangeDays(*exchange),
            Self::Route { market, route } => {
                let (market, instrument) = (market.clone(), route.instrument.clone());
                Resource::Route { market, instrument }
            }
            Self::Risk { scope, .. } => Resource::Risk(scope.clone()),
            Self::TradingState { scope, .. } => Resource::TradingState(scope.clone()),
            Self::Scale { location, .. } => Resource::Scale(location.clone()),
        }
    }
}

impl Condition {
    pub(in crate::control) fn check(self, held: Option<Revision>) -> Result<(), Refusal> {
        let holds = match self {
            Self::Always => true,
            Self::Absent => held.is_none(),
            Self::Present => held.is_some(),
            Self::At(revision) => held == Some(revision),
        };
        if holds { Ok(()) } else { Err(Refusal::NotAsExpected { held }) }
    }
}

impl Machine {
    /// The entry that last changed what is declared; `None` if there is no such resource.
    #[must_use]
    pub fn declared_at(&self, what: &Resource) -> Option<Revision> {
        match what {
            Resource::Account(account) => self.account(account).map(|row| row.revision),
            Resource::Customer(customer) => self.customer(customer).map(|row| row.revision),
            Resource::Market(market) => self.market(market).map(|row| Revision(row.epoch.0)),
            Resource::Trader(trader) => self.trader(trader).map(|row| row.revision),
            Resource::Location(location) => self.location(location).map(|row| row.revision),
            Resource::ExchangeDays(exchange) => self.exchange(*exchange).map(|row| row.revision),
            Resource::Route { market, instrument } => {
                self.route(market, instrument)?;
                self.declared_at(&Resource::Market(market.clone()))
            }
            Resource::Risk(scope) => self.risk(scope).map(|row| row.revision),
            Resource::TradingState(scope) => self.trading_state(scope).map(|row| row.revision),
            Resource::Scale(location) => self.scale(location).map(|row| row.revision),
        }
    }

    fn change_resource(
        &mut self,
        revision: Revision,
        by: Option<&By>,
        change: ResourceChange,
    ) -> Result<Vec<EventKind>, Refusal> {
        match change {
            ResourceChange::Put { what, on } => {
                on.check(self.declared_at(&what.resource()))?;
                self.put_resource(revision, by, what)
            }
            ResourceChange::Delete { what, on, release } => {
                // That it is gone says more than that it is not as it was.
                let held = self.declared_at(&what);
                let held = held.ok_or(Refusal::NotFound { what: what.noun() })?;
                on.check(Some(held))?;
                self.remove(revision, what, release)
            }
            ResourceChange::AddKey { customer, hash } => self.add_key(revision, customer, hash),
            ResourceChange::RemoveKey { customer, key_id } => {
                self.remove_key(revision, customer, key_id)
            }
        }
    }

    fn put_resource(
        &mut self,
        revision: Revision,
        by: Option<&By>,
        what: Declaration,
    ) -> Result<Vec<EventKind>, Refusal> {
        match what {
            Declaration::Account { account, spec } => {
                self.put_account_with(account, spec, Copies::One, revision)
            }
            Declaration::AccountCopies { account, spec, copies } => {
                self.put_account_with(account, spec, copies, revision)
            }
            Declaration::Customer { customer, key_hashes } => {
                let held = self.customer(&customer).map(|row| row.spec.key_hashes.clone());
                let key_hashes = key_hashes.or(held).unwrap_or_default();
                self.check_keys(&customer, &key_hashes)?;
                self.put_customer(customer, CustomerSpec { key_hashes }, revision)
            }
            Declaration::Market { market, spec } => self.put_market(market, spec, revision),
            Declaration::Trader { trader, spec } => self.put_trader(trader, spec, revision),
            Declaration::Location { location, spec } => self.put_location(location, spec, revision),
            Declaration::ExchangeDays { exchange, days } => {
                self.put_exchange_days(exchange, days, revision)
            }
            Declaration::Route { market, route } => self.put_route(market, route, revision),
            Declaration::Risk { scope, spec } => self.put_risk(scope, spec, revision),
            Declaration::TradingState { scope, state } => {
                self.put_trading_state(scope, state, by.cloned(), revision)
            }
            Declaration::Scale { location, spec } => self.put_scale(location, spec, revision),
            Declaration::TraderRun { trader, spec, run } => {
                self.put_trader_run(trader, spec, run, revision)
            }
            Declaration::SelfManaged { trader, spec, run } => {
                self.put_self_managed(trader, spec, &run, revision)
            }
        }
    }
}

#[cfg(test)]
mod tests;
