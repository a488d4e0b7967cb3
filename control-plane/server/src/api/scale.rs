//! How locations scale: settings of each. Decides nothing; what can work is decided in `domain::control::scale`.

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
        scale::{ScaleRow, ScaleSpec},
    },
    ids::LocationId,
};
use tradewind_link::{
    Failure,
    json::{Json, Path, Query},
};
use tradewind_protocol::{
    control::{Changed, ReadOptions},
    resources::{Declared, One, SelectScales},
    scale::{ScaleInfo, scale_path},
};

fn info(row: &ScaleRow) -> ScaleInfo {
    let ScaleRow { location, spec, revision, acted_at, quiet_since, looked_at: _ } = row.clone();
    ScaleInfo { location, revision, spec, acted_at, quiet_since }
}

pub(super) async fn list(
    State(service): State<Service>,
    Query(select): Query<SelectScales>,
) -> Result<Json<Items>, Failure> {
    let (stand, machine) = resources::look(&service, select.consistency).await?;
    let behind = |row: &&ScaleRow| select.after.as_ref().is_none_or(|after| row.location > *after);
    let rows = machine.scales().filter(behind);
    resources::page(
        stand,
        select.limit,
        rows,
        |row| row.location.to_string(),
        |row| Some(info(row)),
    )
}

pub(super) async fn get(
    State(service): State<Service>,
    Path(location): Path<LocationId>,
    Query(options): Query<ReadOptions>,
) -> Result<Tagged<One<ScaleInfo>>, Failure> {
    let (stand, machine) = resources::look(&service, options.consistency).await?;
    let item = machine.scale(&location).map(|row| (row.revision, info(row)));
    resources::one(stand, Noun::Scale, location.as_str(), item)
}

pub(super) async fn put(
    State(service): State<Service>,
    Path(location): Path<LocationId>,
    keyed: Keyed,
    on: Expected,
    Json(spec): Json<ScaleSpec>,
) -> Result<Tagged<Declared>, Failure> {
    let path = scale_path(&location);
    let what = Declaration::Scale { location, spec: spec.clone() };
    resources::put(&service, keyed, on, &path, &spec, what).await
}

pub(super) async fn delete(
    State(service): State<Service>,
    Path(location): Path<LocationId>,
    keyed: Keyed,
    on: Expected,
) -> Result<Json<Changed>, Failure> {
    let path = scale_path(&location);
    resources::delete(&service, keyed, on, &path, Resource::Scale(location), false).await
}
