//! An operator's days of an exchange, beside its table. Decides nothing.

use super::{
    headers::{Expected, Keyed},
    resources,
    resources::{Items, Tagged},
};
use crate::service::Service;
use axum::extract::State;
use tradewind_domain::{
    calendar::Exchange,
    control::{
        refusal::Noun,
        resource::{Declaration, Resource},
        row::ExchangeRow,
    },
};
use tradewind_link::{
    Failure,
    json::{Json, Path, Query},
};
use tradewind_protocol::{
    control::{Changed, ReadOptions},
    resources::{Declared, ExchangeDaysInfo, ExchangeDaysSpec, One, SelectExchangeDays},
};

fn info(row: &ExchangeRow) -> ExchangeDaysInfo {
    let spec = ExchangeDaysSpec { days: row.days.clone() };
    ExchangeDaysInfo { exchange: row.exchange, revision: row.revision, spec }
}

pub(super) async fn list(
    State(service): State<Service>,
    Query(select): Query<SelectExchangeDays>,
) -> Result<Json<Items>, Failure> {
    let (stand, machine) = resources::look(&service, select.consistency).await?;
    let rows = machine.exchanges().filter(|row| Some(row.exchange) > select.after);
    let shown = |row: &&ExchangeRow| Some(info(row));
    resources::page(stand, select.limit, rows, |row| row.exchange.to_string(), shown)
}

pub(super) async fn get(
    State(service): State<Service>,
    Path(exchange): Path<Exchange>,
    Query(options): Query<ReadOptions>,
) -> Result<Tagged<One<ExchangeDaysInfo>>, Failure> {
    let (stand, machine) = resources::look(&service, options.consistency).await?;
    let item = machine.exchange(exchange).map(|row| (row.revision, info(row)));
    resources::one(stand, Noun::Exchange, &format!("{exchange} with days of its own"), item)
}

pub(super) async fn put(
    State(service): State<Service>,
    Path(exchange): Path<Exchange>,
    keyed: Keyed,
    on: Expected,
    Json(spec): Json<ExchangeDaysSpec>,
) -> Result<Tagged<Declared>, Failure> {
    let path = format!("/v1/exchange-days/{exchange}");
    let what = Declaration::ExchangeDays { exchange, days: spec.days.clone() };
    resources::put(&service, keyed, on, &path, &spec, what).await
}

pub(super) async fn delete(
    State(service): State<Service>,
    Path(exchange): Path<Exchange>,
    keyed: Keyed,
    on: Expected,
) -> Result<Json<Changed>, Failure> {
    let path = format!("/v1/exchange-days/{exchange}");
    resources::delete(&service, keyed, on, &path, Resource::ExchangeDays(exchange), false).await
}
