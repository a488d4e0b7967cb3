//! What is to be done so that the cluster is what the file declares. Decides the steps and their order: what is named
//! comes before what names it; limits and trading states stand before the Traders that they bind. How what is not declared
//! goes stands in `prune`, what counts as a difference in `differences`.

mod differences;
mod limits;
mod prune;

use super::file::Wanted;
use crate::{exit::Usage, resource::Asker};
use prune::Pruned;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tradewind_domain::{
    control::risk::TradingState,
    ids::{Revision, Scope},
};

/// In the order in which they are declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Location,
    Scale,
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
    const LISTS: [(Self, &'static str); 9] = [
        (Self::Location, "location"),
        (Self::Scale, "location"),
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
            Self::Scale => "scale",
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
            Self::Scale => "scale",
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
        match self {
            Self::Scale => format!("/v1/locations/{name}/scale"),
            _ => format!("/v1/{}/{name}", self.list()),
        }
    }

    /// Whether it is set for one Trader.
    fn binds_a_trader(self) -> bool {
        matches!(self, Self::TraderRisk | Self::TraderTradingState)
    }

    /// Whether it is set for something else, which its name tells.
    fn binds(self) -> bool {
        match self {
            Self::Risk | Self::TradingState | Self::TraderRisk | Self::TraderTradingState => true,
            Self::Location
            | Self::Scale
            | Self::ExchangeDays
            | Self::Customer
            | Self::Account
            | Self::Market
            | Self::Trader => false,
        }
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
    /// Trading that was halted or reducing goes on by it, or a limit is wider or gone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) loosens: bool,
    /// What is declared; of one that is deleted, what must be declared before, if anything.
    #[serde(skip)]
    pub(super) spec: Value,
    /// What binds a Trader goes only when he runs no more.
    #[serde(skip)]
    pub(super) until_stopped: bool,
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
                let loosens = match kind {
                    Kind::TradingState => state(&spec) < state(held),
                    Kind::Risk => limits::loosened(held, &spec),
                    _ => false,
                };
                (Step::Change { at: *at }, differences::of(kind, held, &spec), loosens)
            }
        };
        if step != Step::Create && changes.is_empty() {
            plan.unchanged += 1;
            continue;
        }
        let (kind, name) = key;
        let until_stopped = false;
        plan.steps.push(Planned { kind, name, step, changes, loosens, spec, until_stopped });
    }
    plan.steps.sort_by_key(|one| one.kind);
    let gone: Vec<_> = there.iter().rev().filter(|(key, _)| !declared.contains(key)).collect();
    if !prune {
        let name = |((kind, name), _): &(&(Kind, String), &(Revision, Value))| {
            format!("{} {name}", kind.word())
        };
        plan.undeclared.extend(gone.iter().map(name));
        return Ok(plan);
    }
    prune::possible(&gone, &declared, release)?;
    let single = there.keys().filter(|(kind, _)| kind.binds_a_trader()).count();
    let Pruned { before_traders, last } = prune::steps(&gone, &plan.steps, single, release);
    // What is tighter for all does not wait for Traders that stop.
    let traders = plan.steps.partition_point(|one| one.kind < Kind::Trader);
    plan.steps.splice(traders..traders, before_traders);
    plan.steps.extend(last);
    Ok(plan)
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
        .chain(each(Kind::Scale, &wanted.scale))
        .chain(each(Kind::ExchangeDays, &wanted.exchange_days))
        .chain(each(Kind::Customer, &wanted.customers))
        .chain(each(Kind::Account, &wanted.accounts))
        .chain(each::<&Scope, _>(Kind::Risk, &wanted.risk))
        .chain(each(Kind::TradingState, &wanted.trading_states))
        .chain(each(Kind::Market, markets))
        .chain(each(Kind::Trader, &wanted.traders))
        .collect()
}

#[cfg(test)]
mod tests;
