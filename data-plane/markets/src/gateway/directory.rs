//! What the gateway knows of the cluster at the moment: keys and customers to let algos in by, and which
//! Market has an instrument or an account. Decides who is let in and who may ask for what; taken whole
//! from each desired state.

mod verified;

use crate::market::routes::Routes;
use std::collections::BTreeMap;
use tradewind_domain::{
    calendar::hours::OperatorDays,
    control::{
        Desired,
        desired::{CustomerAccess, ManagerEndpoint, MarketWanted, Work},
    },
    ids::{AccountId, CustomerId, Fence, InstrumentId, ManagerId, MarketId},
    time::UnixNanos,
};
pub(crate) use tradewind_protocol::admission::revoked;
use tradewind_protocol::{
    Code, Problem,
    admission::{Admission, NotAdmitted},
    instruments::InstrumentInfo,
    token::Claims,
};
use verified::Verified;

pub(crate) struct Directory {
    fence: Fence,
    admission: Admission,
    markets: BTreeMap<MarketId, Routes>,
    by_instrument: BTreeMap<InstrumentId, MarketId>,
    by_account: BTreeMap<AccountId, MarketId>,
    market_managers: Vec<ManagerEndpoint>,
    exchange_days: OperatorDays,
    verified: Verified,
}

impl Directory {
    /// `None` if the desired state is not a MarketManager's.
    pub(crate) fn new(desired: &Desired) -> Option<Self> {
        let Work::Markets { markets, access, exchange_days } = &desired.work else { return None };
        let mut directory = Self {
            fence: desired.fence,
            admission: Admission::new(access, desired.fence.cluster),
            markets: BTreeMap::new(),
            by_instrument: BTreeMap::new(),
            by_account: BTreeMap::new(),
            market_managers: desired.market_managers.clone(),
            exchange_days: exchange_days.clone(),
            verified: Verified::default(),
        };
        for wanted in markets {
            directory.add(wanted);
        }
        Some(directory)
    }

    /// Of two Markets with the same instrument or account the first by name has it.
    fn add(&mut self, wanted: &MarketWanted) {
        let (market, routes) = (&wanted.market, Routes::new(wanted));
        let first = |held: &mut MarketId| {
            if *market < *held {
                *held = market.clone();
            }
        };
        for instrument in routes.instruments() {
            let entry = self.by_instrument.entry(instrument.clone());
            entry.and_modify(first).or_insert_with(|| market.clone());
        }
        for access in routes.accounts() {
            let entry = self.by_account.entry(access.account.clone());
            entry.and_modify(first).or_insert_with(|| market.clone());
        }
        self.markets.insert(market.clone(), routes);
    }

    pub(crate) fn fence(&self) -> Fence {
        self.fence
    }

    pub(crate) fn markets(&self) -> impl Iterator<Item = &MarketId> {
        self.markets.keys()
    }

    pub(crate) fn customer(&self, customer: &CustomerId) -> Option<&CustomerAccess> {
        self.admission.customer(customer)
    }

    /// Addresses of the other MarketManagers that are live.
    pub(crate) fn others(&self, than: &ManagerId) -> Vec<String> {
        let others = self.market_managers.iter().filter(|endpoint| endpoint.manager != *than);
        others.map(|endpoint| endpoint.address.clone()).collect()
    }

    /// Lets the bearer of a token in, or says why not.
    pub(crate) fn admit(&self, token: &str, now: UnixNanos) -> Result<Claims, Problem> {
        let held = self.verified.claims(token).filter(|claims| claims.expires_at > now);
        let verified = held.map_or_else(
            || {
                let claims = self.admission.verify(token, now)?;
                self.verified.remember(token, &claims);
                Ok(claims)
            },
            Ok::<_, NotAdmitted>,
        );
        let known = verified.and_then(|claims| self.admission.known(claims, now));
        known.map_err(|refused| {
            if let Some(bad) = refused.bad {
                tracing::warn!(%bad, "a token was refused");
            }
            *refused.problem
        })
    }

    /// Whether the customer is still one and the key still his. Expiry does not end a running session.
    pub(crate) fn is_good(&self, claims: &Claims) -> bool {
        self.admission.is_good(claims)
    }

    /// What an operator says of the exchanges' days.
    pub(crate) fn exchange_days(&self) -> &OperatorDays {
        &self.exchange_days
    }

    /// A Market's routes, if there is such a Market.
    pub(crate) fn market(&self, market: &MarketId) -> Result<&Routes, Problem> {
        let none = || Problem::new(Code::NotFound, format!("there is no market {market} here"));
        self.markets.get(market).ok_or_else(none)
    }

    /// The Market that has the instrument.
    pub(crate) fn market_of(&self, instrument: &InstrumentId) -> Result<&MarketId, Problem> {
        self.by_instrument.get(instrument).ok_or_else(|| not_traded(instrument))
    }

    /// What is traded, in order of the names.
    pub(crate) fn instruments(&self) -> impl Iterator<Item = InstrumentInfo> {
        let known = self.by_instrument.iter();
        known.filter_map(move |(instrument, market)| self.info(instrument, market))
    }

    pub(crate) fn instrument(&self, instrument: &InstrumentId) -> Result<InstrumentInfo, Problem> {
        let market = self.market_of(instrument)?;
        self.info(instrument, market).ok_or_else(|| not_traded(instrument))
    }

    fn info(&self, instrument: &InstrumentId, market: &MarketId) -> Option<InstrumentInfo> {
        let route = self.markets.get(market)?.route(instrument)?;
        Some(InstrumentInfo {
            instrument: instrument.clone(),
            market: market.clone(),
            data_venue: route.data_venue.clone(),
            order_venue: route.order_venue.clone(),
        })
    }

    /// The Market behind which the account is, if it is `customer`'s.
    pub(crate) fn market_for(
        &self,
        customer: &CustomerId,
        account: &AccountId,
    ) -> Result<&MarketId, Problem> {
        let none = || Problem::new(Code::NotFound, format!("there is no account {account} here"));
        let market = self.by_account.get(account).ok_or_else(none)?;
        let access = self.markets.get(market).and_then(|routes| routes.account(account));
        if access.ok_or_else(none)?.customers.contains(customer) {
            return Ok(market);
        }
        let detail = format!("{account} is not an account of {customer}");
        Err(Problem::new(Code::Forbidden, detail))
    }

    /// The accounts that the customer may trade on, in order of their names.
    pub(crate) fn accounts(&self, customer: &CustomerId) -> Vec<AccountId> {
        let his = |(account, market): &(&AccountId, &MarketId)| {
            let access = self.markets.get(market).and_then(|routes| routes.account(account));
            access.is_some_and(|access| access.customers.contains(customer))
        };
        self.by_account.iter().filter(his).map(|(account, _)| account.clone()).collect()
    }
}

fn not_traded(instrument: &InstrumentId) -> Problem {
    Problem::new(Code::NotFound, format!("{instrument} is not traded on any market here"))
}

#[cfg(test)]
mod tests;
