//! Markets and their routes. Decides which are chosen.

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
        row::{MarketRow, MarketSpec, Route},
    },
    ids::{MarketId, Revision, VenueId},
};
use tradewind_link::{
    Failure,
    json::{Json, Path, Query},
};
use tradewind_protocol::{
    control::{Changed, ReadOptions},
    resources::{Declared, MarketInfo, One, SelectMarkets},
};

fn info(row: &MarketRow) -> MarketInfo {
    let revision = Revision(row.epoch.0);
    MarketInfo { market: row.market.clone(), revision, spec: row.spec.clone() }
}

/// One route has to do with all that is asked for.
fn chosen(row: &MarketRow, select: &SelectMarkets) -> bool {
    let serves = |route: &Route| {
        let names = |venue: &VenueId| route.data_venue == *venue || route.order_venue == *venue;
        select.instrument.as_ref().is_none_or(|instrument| route.instrument == *instrument)
            && select.venue.as_ref().is_none_or(names)
    };
    let all = select.instrument.is_none() && select.venue.is_none();
    all || row.spec.routes.iter().any(serves)
}

pub(super) async fn list(
    State(service): State<Service>,
    Query(select): Query<SelectMarkets>,
) -> Result<Json<Items>, Failure> {
    let (stand, machine) = resources::look(&service, select.consistency).await?;
    let rows = machine.markets_after(select.after.as_ref());
    let shown = |row: &&MarketRow| chosen(row, &select).then(|| info(row));
    resources::page(stand, select.limit, rows, |row| row.market.to_string(), shown)
}

pub(super) async fn get(
    State(service): State<Service>,
    Path(market): Path<MarketId>,
    Query(options): Query<ReadOptions>,
) -> Result<Tagged<One<MarketInfo>>, Failure> {
    let (stand, machine) = resources::look(&service, options.consistency).await?;
    let item = machine.market(&market).map(info).map(|info| (info.revision, info));
    resources::one(stand, Noun::Market, market.as_str(), item)
}

pub(super) async fn put(
    State(service): State<Service>,
    Path(market): Path<MarketId>,
    keyed: Keyed,
    on: Expected,
    Json(spec): Json<MarketSpec>,
) -> Result<Tagged<Declared>, Failure> {
    let path = format!("/v1/markets/{market}");
    let what = Declaration::Market { market, spec: spec.clone() };
    resources::put(&service, keyed, on, &path, &spec, what).await
}

pub(super) async fn delete(
    State(service): State<Service>,
    Path(market): Path<MarketId>,
    keyed: Keyed,
    on: Expected,
) -> Result<Json<Changed>, Failure> {
    let path = format!("/v1/markets/{market}");
    resources::delete(&service, keyed, on, &path, Resource::Market(market), false).await
}
