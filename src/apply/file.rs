//! The file: what a whole cluster declares. Decides its tables, each by the name that its addresses have; what stands
//! in one is what `put --file` takes. What is legal beyond that is decided by the group.

use super::nearest::nearest;
use crate::exit::Usage;
use serde::Deserialize;
use std::collections::BTreeMap;
use tradewind_domain::{
    calendar::Exchange,
    control::{
        copies::AccountDeclaration,
        risk::RiskSpec,
        row::{LocationSpec, MarketSpec, Route},
        scale::ScaleSpec,
        trader::TraderDeclaration,
    },
    ids::{AccountId, CustomerId, InstrumentId, LocationId, MarketId, Scope, TraderId},
};
use tradewind_protocol::resources::{ExchangeDaysSpec, PutCustomer, RouteSpec, TradingStateSpec};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Wanted {
    pub(super) locations: BTreeMap<LocationId, LocationSpec>,
    pub(super) scale: BTreeMap<LocationId, ScaleSpec>,
    pub(super) exchange_days: BTreeMap<Exchange, ExchangeDaysSpec>,
    pub(super) customers: BTreeMap<CustomerId, PutCustomer>,
    pub(super) accounts: BTreeMap<AccountId, AccountDeclaration>,
    pub(super) markets: BTreeMap<MarketId, Market>,
    pub(super) traders: BTreeMap<TraderId, TraderDeclaration>,
    pub(super) risk: BTreeMap<Scope, RiskSpec>,
    pub(super) trading_states: BTreeMap<Scope, TradingStateSpec>,
}

/// All routes of a Market, each under its instrument.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Market {
    routes: BTreeMap<InstrumentId, RouteSpec>,
}

impl Market {
    pub(super) fn spec(&self) -> MarketSpec {
        let route = |(instrument, spec): (&InstrumentId, &RouteSpec)| {
            let RouteSpec { data_venue, order_venue } = spec.clone();
            Route { instrument: instrument.clone(), data_venue, order_venue }
        };
        MarketSpec { routes: self.routes.iter().map(route).collect() }
    }
}

pub(super) fn read(name: &str, text: &str) -> Result<Wanted, Usage> {
    toml::from_str(text).map_err(|error| {
        let said = error.to_string();
        let meant =
            meant(&said).map(|word| format!("did you mean `{word}`?\n")).unwrap_or_default();
        Usage(format!("{name}: {said}{meant}"))
    })
}

/// Of ``unknown field `a`, expected one of `b`, `c` `` the nearest to what was given.
fn meant(said: &str) -> Option<&str> {
    let (_, behind) = said.split_once("unknown field `")?;
    let mut words = behind.split('`').step_by(2);
    let given = words.next()?;
    let known: Vec<&str> = behind.split('`').skip(2).step_by(2).collect();
    nearest(given, known.into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        read("cluster.toml", text).err().map(|usage| usage.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_key_that_is_not_known_is_refused_with_the_one_that_was_meant_and_its_line() {
        let said = refused("[customers.acme]\n[acounts.k]\nvenue = \"sim\"\n");
        assert!(said.contains("cluster.toml") && said.contains("line 2"), "{said}");
        assert!(said.contains("did you mean `accounts`?"), "{said}");
        let said = refused("[risk.global]\nmax_open_order = 5\n");
        assert!(said.contains("did you mean `max_open_orders`?"), "{said}");
        let said = refused("[trading_states.global]\ncolour = \"red\"\n");
        assert!(said.contains("colour") && !said.contains("did you mean"), "{said}");
    }

    #[test]
    fn what_cannot_be_read_is_refused_where_it_stands() {
        for (text, word) in [
            ("[customers.Acme]\n", "legal customer"),
            ("[risk.everybody]\n", "legal scope"),
            ("[risk.global]\nmax_order_quantity = 0.5\n", "string"),
            ("[trading_states.global]\nstate = \"asleep\"\n", "asleep"),
            ("[markets.m.routes.btc]\n", "legal instrument"),
            ("[traders.t]\ncommand = [\"algo\"]\n", "customer"),
        ] {
            let said = refused(text);
            assert!(said.contains(word) && said.contains("line "), "{text}: {said}");
        }
    }
}
