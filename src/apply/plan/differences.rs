//! What is declared otherwise than it is there, field by field. Decides that amounts are compared, not their digits: "10"
//! and "10.0" are the same.

use super::Kind;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tradewind_domain::{
    control::{
        copies::AccountDeclaration, risk::RiskSpec, row::LocationSpec, scale::ScaleSpec,
        trader::TraderDeclaration,
    },
    ids::KeyHash,
};
use tradewind_protocol::resources::{ExchangeDaysSpec, TradingStateSpec};

/// None if it is as it should be.
pub(super) fn of(kind: Kind, held: &Value, spec: &Value) -> Vec<String> {
    match kind {
        Kind::Customer => return keys(held, spec).into_iter().collect(),
        Kind::Market => return routes(held, spec),
        _ => {}
    }
    let field = |value: &Value, name: &str| value.get(name).cloned().unwrap_or_default();
    let names = |value: &Value| {
        value.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
    };
    let (mut all, more): (BTreeSet<String>, BTreeSet<String>) = (names(held), names(spec));
    all.extend(more);
    let line = |name: String| {
        let (was, now) = (field(held, &name), field(spec, &name));
        let mut changed = held.clone();
        changed[&name] = now.clone();
        (was != now && !same(kind, held, &changed)).then(|| format!("{name}: {was} -> {now}"))
    };
    all.into_iter().filter_map(line).collect()
}

/// Whether both declare the same.
fn same(kind: Kind, one: &Value, other: &Value) -> bool {
    fn read<T: DeserializeOwned + PartialEq>(one: &Value, other: &Value) -> Option<bool> {
        let read = |value: &Value| serde_json::from_value::<T>(value.clone()).ok();
        Some(read(one)? == read(other)?)
    }
    let same = match kind {
        Kind::Location => read::<LocationSpec>(one, other),
        Kind::Scale => read::<ScaleSpec>(one, other),
        Kind::ExchangeDays => read::<ExchangeDaysSpec>(one, other),
        Kind::Account => read::<AccountDeclaration>(one, other),
        Kind::Risk | Kind::TraderRisk => read::<RiskSpec>(one, other),
        Kind::TradingState | Kind::TraderTradingState => read::<TradingStateSpec>(one, other),
        Kind::Trader => read::<TraderDeclaration>(one, other),
        Kind::Customer | Kind::Market => None,
    };
    same.unwrap_or(one == other)
}

/// A customer without `key_hashes` keeps the keys that he has.
fn keys(held: &Value, spec: &Value) -> Option<String> {
    let hashes = spec.get("key_hashes")?.as_array()?.iter().filter_map(Value::as_str);
    let wanted: BTreeSet<String> = hashes.map(|hash| KeyHash(hash.to_owned()).key_id()).collect();
    let ids = held.get("key_ids")?.as_array()?.iter().filter_map(Value::as_str);
    let held: BTreeSet<String> = ids.map(str::to_owned).collect();
    let told = |ids: &BTreeSet<String>| ids.iter().cloned().collect::<Vec<_>>().join(" ");
    (held != wanted).then(|| format!("keys: {} -> {}", told(&held), told(&wanted)))
}

fn routes(held: &Value, spec: &Value) -> Vec<String> {
    let of = |spec: &Value| -> BTreeMap<String, String> {
        let routes = spec.get("routes").and_then(Value::as_array).cloned().unwrap_or_default();
        let word = |route: &Value, name: &str| route[name].as_str().unwrap_or_default().to_owned();
        let line = |route: &Value| {
            let venues = format!("{} {}", word(route, "data_venue"), word(route, "order_venue"));
            (word(route, "instrument"), venues)
        };
        routes.iter().map(line).collect()
    };
    let (held, spec) = (of(held), of(spec));
    let names: BTreeSet<&String> = held.keys().chain(spec.keys()).collect();
    let line = |name: &String| match (held.get(name), spec.get(name)) {
        (None, Some(now)) => Some(format!("+ route {name}: {now}")),
        (Some(_), None) => Some(format!("- route {name}")),
        (Some(held), Some(now)) => {
            (held != now).then(|| format!("~ route {name}: {held} -> {now}"))
        }
        (None, None) => None,
    };
    names.into_iter().filter_map(line).collect()
}
