//! Traders. Decides which are chosen; of a customer's, only those are looked at.

use super::{
    headers::{Expected, Keyed},
    resources,
    resources::{Items, Tagged},
};
use crate::service::Service;
use axum::extract::State;
use tradewind_domain::{
    control::{
        refusal::Noun,
        resource::{Declaration, Resource},
        row::{TraderRow, TraderSpec},
    },
    ids::TraderId,
};
use tradewind_link::{
    Failure,
    json::{Json, Path, Query},
};
use tradewind_protocol::{
    control::{Changed, ReadOptions},
    resources::{Declared, One, SelectTraders, TraderInfo},
};

fn info(row: &TraderRow) -> TraderInfo {
    TraderInfo {
        trader: row.trader.clone(),
        revision: row.revision,
        spec: row.spec.clone(),
        assignment: row.assignment.clone(),
    }
}

fn chosen(row: &TraderRow, select: &SelectTraders) -> bool {
    let with = row.assignment.as_ref().map(|assignment| &assignment.manager);
    select.customer.as_ref().is_none_or(|customer| row.spec.customer == *customer)
        && select.manager.as_ref().is_none_or(|manager| with == Some(manager))
        && select.state.is_none_or(|state| row.spec.state == state)
}

pub(super) async fn list(
    State(service): State<Service>,
    Query(select): Query<SelectTraders>,
) -> Result<Json<Items>, Failure> {
    let (stand, machine) = resources::look(&service, select.consistency).await?;
    let name = |row: &&TraderRow| row.trader.to_string();
    let shown = |row: &&TraderRow| chosen(row, &select).then(|| info(row));
    match &select.customer {
        Some(customer) => {
            let rows = machine.traders_of(customer, select.after.as_ref());
            resources::page(stand, select.limit, rows, name, shown)
        }
        None => {
            let rows = machine.traders_after(select.after.as_ref());
            resources::page(stand, select.limit, rows, name, shown)
        }
    }
}

pub(super) async fn get(
    State(service): State<Service>,
    Path(trader): Path<TraderId>,
    Query(options): Query<ReadOptions>,
) -> Result<Tagged<One<TraderInfo>>, Failure> {
    let (stand, machine) = resources::look(&service, options.consistency).await?;
    let item = machine.trader(&trader).map(|row| (row.revision, info(row)));
    resources::one(stand, Noun::Trader, trader.as_str(), item)
}

pub(super) async fn put(
    State(service): State<Service>,
    Path(trader): Path<TraderId>,
    keyed: Keyed,
    on: Expected,
    Json(spec): Json<TraderSpec>,
) -> Result<Tagged<Declared>, Failure> {
    let path = format!("/v1/traders/{trader}");
    let what = Declaration::Trader { trader, spec: spec.clone() };
    resources::put(&service, keyed, on, &path, &spec, what).await
}

pub(super) async fn delete(
    State(service): State<Service>,
    Path(trader): Path<TraderId>,
    keyed: Keyed,
    on: Expected,
) -> Result<Json<Changed>, Failure> {
    let path = format!("/v1/traders/{trader}");
    resources::delete(&service, keyed, on, &path, Resource::Trader(trader), false).await
}
