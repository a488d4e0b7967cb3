//! Locations: when it is after hours there. Decides which are chosen.

use super::{
    headers::{Expected, Keyed},
    resources,
    resources::{Items, Tagged},
};
use crate::service::Service;
use axum::extract::State;
use tradewind_domain::{
    calendar::Hours,
    control::{
        refusal::Noun,
        resource::{Declaration, Resource},
        row::{LocationRow, LocationSpec},
    },
    ids::LocationId,
};
use tradewind_link::{
    Failure,
    json::{Json, Path, Query},
};
use tradewind_protocol::{
    control::{Changed, ReadOptions},
    resources::{Declared, LocationInfo, One, SelectLocations},
};

fn info(row: &LocationRow) -> LocationInfo {
    LocationInfo { location: row.location.clone(), revision: row.revision, spec: row.spec.clone() }
}

fn chosen(row: &LocationRow, select: &SelectLocations) -> bool {
    select.exchange.is_none_or(|asked| {
        row.spec.after_hours.iter().any(|hours| match hours {
            Hours::AfterClose { exchange, .. } => *exchange == asked,
            Hours::Daily { .. } => false,
        })
    })
}

pub(super) async fn list(
    State(service): State<Service>,
    Query(select): Query<SelectLocations>,
) -> Result<Json<Items>, Failure> {
    let (stand, machine) = resources::look(&service, select.consistency).await?;
    let rows = machine.locations_after(select.after.as_ref());
    let shown = |row: &&LocationRow| chosen(row, &select).then(|| info(row));
    resources::page(stand, select.limit, rows, |row| row.location.to_string(), shown)
}

pub(super) async fn get(
    State(service): State<Service>,
    Path(location): Path<LocationId>,
    Query(options): Query<ReadOptions>,
) -> Result<Tagged<One<LocationInfo>>, Failure> {
    let (stand, machine) = resources::look(&service, options.consistency).await?;
    let item = machine.location(&location).map(|row| (row.revision, info(row)));
    resources::one(stand, Noun::Location, location.as_str(), item)
}

pub(super) async fn put(
    State(service): State<Service>,
    Path(location): Path<LocationId>,
    keyed: Keyed,
    on: Expected,
    Json(spec): Json<LocationSpec>,
) -> Result<Tagged<Declared>, Failure> {
    let path = format!("/v1/locations/{location}");
    let what = Declaration::Location { location, spec: spec.clone() };
    resources::put(&service, keyed, on, &path, &spec, what).await
}

pub(super) async fn delete(
    State(service): State<Service>,
    Path(location): Path<LocationId>,
    keyed: Keyed,
    on: Expected,
) -> Result<Json<Changed>, Failure> {
    let path = format!("/v1/locations/{location}");
    resources::delete(&service, keyed, on, &path, Resource::Location(location), false).await
}
