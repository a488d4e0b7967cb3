//! Whether this member reaches Managers: asked by a leader that does not. Decides what counts as reached: an
//! answer of the registered life within the time, over HTTP and so by the process itself. Only registered
//! Managers are dialled.

use crate::service::Service;
use axum::extract::State;
use futures_util::future::join_all;
use serde::Deserialize;
use std::collections::BTreeSet;
use tradewind_domain::{
    control::row::{ManagerRow, ManagerState},
    ids::{Incarnation, ManagerId},
    limits::{PROBE_WITHIN, PROBES_AT_ONCE},
};
use tradewind_link::{
    Failure,
    json::{Json, Query},
    rest::{Method, Rest},
};
use tradewind_protocol::{
    Code,
    control::{ManagerProbed, Probed},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Names, with commas between them.
    managers: String,
}

/// What is taken of a Manager's own status.
#[derive(Debug, Deserialize)]
struct Itself {
    manager: ManagerId,
    incarnation: Incarnation,
}

pub(super) async fn probe(
    State(service): State<Service>,
    Query(asked): Query<Asked>,
) -> Result<Json<Probed>, Failure> {
    let names: BTreeSet<&str> = asked.managers.split(',').collect();
    if names.len() > PROBES_AT_ONCE {
        let detail = format!("at most {PROBES_AT_ONCE} Managers at a time");
        return Err(Failure::new(Code::MalformedRequest, detail));
    }
    let mut rows = Vec::new();
    let (_, machine) = service.machine();
    for name in names {
        let manager: ManagerId = name.parse().map_err(|wrong| {
            Failure::new(Code::MalformedRequest, format!("{name:?} names no Manager: {wrong}"))
        })?;
        let row = machine.manager(&manager).filter(|row| row.state == ManagerState::Live);
        rows.extend(row.cloned());
    }
    let seats = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    let busy = |_| {
        Failure::new(Code::Unavailable, "this member looks for as many Managers as it may already")
    };
    let _seats = service.parts().probes.try_acquire_many(seats).map_err(busy)?;
    let rest = &service.parts().rest;
    let managers = join_all(rows.iter().map(|row| reach(rest, row))).await;
    Ok(Json(Probed { node: service.parts().node, managers }))
}

async fn reach(rest: &Rest, row: &ManagerRow) -> ManagerProbed {
    let within = PROBE_WITHIN;
    let asked =
        rest.request::<(), Itself>(Method::GET, &row.address, "/v1/status", &[], None, within);
    let itself = asked.await.ok().map(|(_, itself)| itself);
    let reached = itself.is_some_and(|itself| {
        itself.manager == row.manager && itself.incarnation == row.incarnation
    });
    ManagerProbed { manager: row.manager.clone(), incarnation: row.incarnation, reached }
}
