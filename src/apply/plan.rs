//! What is to be done so that the cluster is what the file declares. Decides the steps and their order: what is named
//! comes before what names it, and goes after it; limits and trading states stand before the Traders that they bind.

use super::file::Wanted;
use crate::{exit::Usage, resource::Asker};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tradewind_domain::{
    control::{risk::TradingState, row::AccountSpec},
    ids::{KeyHash, Revision, Scope},
};

/// In the order in which they are declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Location,
    ExchangeDays,
    Customer,
    Account,
    Risk,
    TradingState,
    Market,
    Trader,
    /// Of a Trader, who must be there first.
    TraderRisk,
    TraderTradingState,
}

impl Kind {
    /// All that are lists of their own, and the name by which an item is told.
    const LISTS: [(Self, &'static str); 8] = [
        (Self::Location, "location"),
        (Self::ExchangeDays, "exchange"),
        (Self::Customer, "customer"),
        (Self::Account, "account"),
        (Self::Risk, "scope"),
        (Self::TradingState, "scope"),
        (Self::Market, "market"),
        (Self::Trader, "trader"),
    ];

    fn list(self) -> &'static str {
        match self {
            Self::Location => "locations",
            Self::ExchangeDays => "exchange-days",
            Self::Customer => "customers",
            Self::Account => "accounts",
            Self::Risk | Self::TraderRisk => "risk",
            Self::TradingState | Self::TraderTradingState => "trading-states",
            Self::Market => "markets",
            Self::Trader => "traders",
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Location => "location",
            Self::ExchangeDays => "exchange-days",
            Self::Customer => "customer",
            Self::Account => "account",
            Self::Risk | Self::TraderRisk => "risk",
            Self::TradingState | Self::TraderTradingState => "trading-state",
            Self::Market => "market",
            Self::Trader => "trader",
        }
    }

    pub(super) fn path(self, name: &str) -> String {
        format!("/v1/{}/{name}", self.list())
    }

    fn of_scope(self, scope: &str) -> Self {
        match (self, scope.starts_with("trader.")) {
            (Self::Risk, true) => Self::TraderRisk,
            (Self::TradingState, true) => Self::TraderTradingState,
            _ => self,
        }
    }
}

/// What is there: of each its revision and what is declared.
pub(super) type There = BTreeMap<(Kind, String), (Revision, Value)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub(super) enum Step {
    Create,
    Change { at: Revision },
    Delete { at: Revision, release: bool },
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Planned {
    pub(super) kind: Kind,
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) step: Step,
    /// Field by field, for people.
    pub(super) changes: Vec<String>,
    /// Trading that was halted or reducing goes on by it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) loosens: bool,
    /// What is declared; of one that is deleted, what must be declared before, if anything.
    #[serde(skip)]
    pub(super) spec: Value,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Plan {
    pub(super) steps: Vec<Planned>,
    pub(super) unchanged: usize,
    /// What is there, not in the file, and stays.
    pub(super) undeclared: Vec<String>,
}

pub(super) async fn there(asker: &Asker) -> anyhow::Result<There> {
    let mut there = There::new();
    for (kind, name) in Kind::LISTS {
        let (_, items) = asker.all(&format!("/v1/{}", kind.list()), &json!({})).await?;
        there.extend(items.iter().filter_map(|item| found(kind, name, item)));
    }
    Ok(there)
}

fn found(kind: Kind, name: &str, item: &Value) -> Option<((Kind, String), (Revision, Value))> {
    let name = item.get(name)?.as_str()?.to_owned();
    let revision = Revision(item.get("revision")?.as_u64()?);
    let spec = match kind {
        // Of his keys only ids are told.
        Kind::Customer => json!({ "key_ids": item.get("key_ids")? }),
        Kind::Market => market(item.get("spec")?.clone()),
        _ => item.get("spec")?.clone(),
    };
    Some(((kind.of_scope(&name), name), (revision, spec)))
}

/// Its routes in the order of their instruments, whatever order they were declared in.
fn market(mut spec: Value) -> Value {
    if let Some(routes) = spec.get_mut("routes").and_then(Value::as_array_mut) {
        routes.sort_by_key(|route| route["instrument"].as_str().unwrap_or_default().to_owned());
    }
    spec
}

pub(super) fn plan(
    wanted: &Wanted,
    there: &There,
    prune: bool,
    release: bool,
) -> Result<Plan, Usage> {
    let mut plan = Plan::default();
    let mut declared = BTreeSet::new();
    for (kind, name, spec) in declarations(wanted).map_err(|error| Usage(error.to_string()))? {
        let key = (kind.of_scope(&name), name);
        declared.insert(key.clone());
        let (step, changes, loosens) = match there.get(&key) {
            None => (Step::Create, Vec::new(), false),
            Some((at, held)) => {
                let loosens = kind == Kind::TradingState && state(&spec) < state(held);
                (Step::Change { at: *at }, differences(kind, held, &spec), loosens)
            }
        };
        if step != Step::Create && changes.is_empty() {
            plan.unchanged += 1;
            continue;
        }
        let (kind, name) = key;
        plan.steps.push(Planned { kind, name, step, changes, loosens, spec });
    }
    plan.steps.sort_by_key(|one| one.kind);
    let gone = there.iter().rev().filter(|(key, _)| !declared.contains(key));
    for ((kind, name), (at, held)) in gone {
        if prune && *kind == Kind::Account && !release {
            // Its Broker holds it: emptied and not deleted, nobody could use it any more.
            let usage =
                format!("account {name} is not in the file: say --release as well, or declare it");
            return Err(Usage(usage));
        }
        if prune {
            plan.steps.push(deletion(*kind, name, *at, held, release));
        } else {
            plan.undeclared.push(format!("{} {name}", kind.word()));
        }
    }
    Ok(plan)
}

fn deletion(kind: Kind, name: &str, at: Revision, held: &Value, release: bool) -> Planned {
    let spec = match kind {
        // Nobody may use it any more before it goes.
        Kind::Account => serde_json::from_value::<AccountSpec>(held.clone())
            .ok()
            .filter(|spec| !spec.customers.is_empty())
            .and_then(|spec| {
                serde_json::to_value(AccountSpec { customers: BTreeSet::new(), ..spec }).ok()
            }),
        _ => None,
    };
    let release = release && kind == Kind::Account;
    let changes = if spec.is_some() { vec!["customers: -> []".to_owned()] } else { Vec::new() };
    let (spec, name) = (spec.unwrap_or_default(), name.to_owned());
    Planned { kind, name, step: Step::Delete { at, release }, changes, loosens: false, spec }
}

/// How tight a trading state is; one that is not known counts as the tightest.
fn state(spec: &Value) -> TradingState {
    serde_json::from_value(spec["state"].clone()).unwrap_or(TradingState::Halted)
}

fn declarations(wanted: &Wanted) -> serde_json::Result<Vec<(Kind, String, Value)>> {
    fn each<K: ToString, S: Serialize>(
        kind: Kind,
        specs: impl IntoIterator<Item = (K, S)>,
    ) -> impl Iterator<Item = serde_json::Result<(Kind, String, Value)>> {
        let one =
            move |(name, spec): (K, S)| Ok((kind, name.to_string(), serde_json::to_value(spec)?));
        specs.into_iter().map(one)
    }
    let markets = wanted.markets.iter().map(|(name, market)| (name, market.spec()));
    each(Kind::Location, &wanted.locations)
        .chain(each(Kind::ExchangeDays, &wanted.exchange_days))
        .chain(each(Kind::Customer, &wanted.customers))
        .chain(each(Kind::Account, &wanted.accounts))
        .chain(each::<&Scope, _>(Kind::Risk, &wanted.risk))
        .chain(each(Kind::TradingState, &wanted.trading_states))
        .chain(each(Kind::Market, markets))
        .chain(each(Kind::Trader, &wanted.traders))
        .collect()
}

/// What is declared otherwise than it is there, field by field; none if it is as it should be.
fn differences(kind: Kind, held: &Value, spec: &Value) -> Vec<String> {
    if kind == Kind::Customer {
        return keys(held, spec).into_iter().collect();
    }
    if kind == Kind::Market {
        return routes(held, spec);
    }
    let fields = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let (held, spec) = (fields(held), fields(spec));
    let names: BTreeSet<&String> = held.keys().chain(spec.keys()).collect();
    let of = |fields: &serde_json::Map<String, Value>, name: &str| {
        fields.get(name).cloned().unwrap_or_default()
    };
    let pairs = names.into_iter().map(|name| (name, of(&held, name), of(&spec, name)));
    let differ = pairs.filter(|(_, held, spec)| held != spec);
    differ.map(|(name, held, spec)| format!("{name}: {held} -> {spec}")).collect()
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

#[cfg(test)]
mod tests;
