//! `/livez`, `/readyz` and `/metrics`: whether the process should live, whether it should be asked, and its
//! figures. Decides what makes a member not ready, and says which of it: a member is ready while it is in
//! touch with a leader and holds, nearly, what that has committed.

use crate::{limits::READY_LAG_ENTRIES, service::Service};
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use tradewind_domain::ids::{DiskId, NodeId};
use tradewind_link::{
    Failure,
    json::{Json, Query},
};
use tradewind_protocol::{Code, control::Stand};
use tradewind_replication::Role;

pub(crate) const LIVEZ: &str = "/livez";

/// What `/livez` and `/readyz` say when all is well.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Well {
    pub(crate) node: NodeId,
    pub(crate) cluster: String,
    pub(crate) disk: DiskId,
    /// Of the program.
    pub(crate) version: String,
    #[serde(flatten)]
    pub(crate) stand: Stand,
}

impl Well {
    fn of(service: &Service) -> Self {
        let parts = service.parts();
        Self {
            node: parts.node,
            cluster: parts.cluster.clone(),
            disk: parts.replica.disk(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            stand: service.stand(),
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HealthOptions {
    /// `?verbose`: every check, also those that are well.
    verbose: Option<String>,
}

/// One thing that is looked at.
#[derive(Clone, Debug, Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    /// Not well, and the member is ready all the same.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    warning: bool,
    detail: String,
}

#[derive(Clone, Debug, Serialize)]
struct Checked {
    node: NodeId,
    #[serde(flatten)]
    stand: Stand,
    ready: bool,
    checks: Vec<Check>,
}

/// The process works: it has not stopped by itself. Restarting one that has lost its leader mends nothing.
pub(super) async fn livez(State(service): State<Service>) -> Result<Json<Well>, Failure> {
    let status = service.parts().replica.status();
    if status.role == Role::Stopped {
        let why = status.failure.unwrap_or_else(|| "it is stopping".to_owned());
        return Err(Failure::new(Code::Unavailable, format!("this member has stopped: {why}")));
    }
    Ok(Json(Well::of(&service)))
}

pub(super) async fn readyz(
    State(service): State<Service>,
    Query(options): Query<HealthOptions>,
) -> Response {
    let checks = checks(&service);
    let wrong: Vec<&str> = checks
        .iter()
        .filter(|check| !check.ok && !check.warning)
        .map(|check| check.detail.as_str())
        .collect();
    let (node, stand) = (service.parts().node, service.stand());
    if options.verbose.is_some() {
        let ready = wrong.is_empty();
        let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        return (status, Json(Checked { node, stand, ready, checks })).into_response();
    }
    if wrong.is_empty() {
        return Json(Well::of(&service)).into_response();
    }
    let problem = Failure::new(Code::Unavailable, wrong.join("; "));
    Failure(problem.0.retry_after_ms(crate::limits::NO_LEADER_RETRY_MS)).into_response()
}

fn checks(service: &Service) -> Vec<Check> {
    let replica = &service.parts().replica;
    let (status, audit) = (replica.status(), replica.audit());
    let check = |name, ok, detail: String| Check { name, ok, warning: false, detail };
    let warn = |name, ok: bool, detail: String| Check { name, ok, warning: !ok, detail };
    let runs = status.role != Role::Stopped;
    let why = status.failure.clone().unwrap_or_else(|| "it runs".to_owned());
    let leader = service.stand().leader;
    let age = replica.leader_age();
    let heard =
        age.map_or("never since the start".to_owned(), |age| format!("{} ms ago", age.as_millis()));
    let (applied, committed) = (status.applied.unwrap_or(0), status.committed.unwrap_or(0));
    let lag = committed.saturating_sub(applied);
    let hash = audit.alarm.as_ref().map_or_else(
        || format!("all states were the same at entry {}", audit.agreed.unwrap_or(0)),
        |alarm| format!("at entry {} other states: nodes {:?}", alarm.index, alarm.others),
    );
    let ahead_ms = replica.clock_ahead_ms();
    let most_ms = tradewind_domain::limits::CLOCK_SKEW.as_millis();
    vec![
        check("member", runs, why),
        check(
            "leader",
            leader.is_some(),
            leader.map_or_else(
                || "this member knows no leader at the moment".to_owned(),
                |node| format!("node {node} leads"),
            ),
        ),
        check("contact", service.in_touch(), format!("the leader was heard of {heard}")),
        check(
            "applied",
            lag <= READY_LAG_ENTRIES,
            format!("{lag} committed entries are not applied yet, at most {READY_LAG_ENTRIES} may"),
        ),
        warn("state_hash", audit.alarm.is_none(), hash),
        warn(
            "clock",
            u128::from(ahead_ms.unsigned_abs()) <= most_ms,
            format!("this clock is {ahead_ms} ms ahead of the group's, at most {most_ms} may be"),
        ),
    ]
}

pub(super) async fn metrics(State(service): State<Service>) -> Result<Response, Failure> {
    let metrics = &service.parts().metrics;
    metrics.braked(service.parts().view.borrow().as_ref().map_or(0, |view| view.brake.held.len()));
    let text = metrics.text();
    let text = text.map_err(|_| Failure::new(Code::InternalError, "the figures were not told"))?;
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
