//! What a Manager answers by HTTP. Parses, asks, renders; who may be let in is decided by the gate and by
//! the services' keepers.

use super::{core::Standing, options::Options, work::Handle};
use crate::supervision::Supervisor;
use axum::{
    Router,
    extract::{State, WebSocketUpgrade},
    response::Response,
    routing::{get, post},
};
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::watch;
use tradewind_domain::ids::{Fence, Incarnation, LocationId, ManagerId, Revision, ServiceId};
use tradewind_link::{
    Failure,
    json::{Json, Path},
    pipe::{self, Gate},
};
use tradewind_protocol::{
    Code,
    check_in::{ServiceCheckIn, ServiceCheckedIn},
    supervision::{FromManager, ServiceReport, ToManager},
};

pub(super) struct Api {
    pub(super) options: Options,
    pub(super) handle: Handle,
    pub(super) supervisor: Supervisor,
    pub(super) gate: Arc<Gate<FromManager, ToManager>>,
    pub(super) standing: watch::Receiver<Standing>,
    pub(super) sessions: Box<dyn Fn() -> u64 + Send + Sync>,
}

/// `GET /v1/status` at a Manager.
#[derive(Debug, Serialize)]
struct ManagerStatus {
    manager: ManagerId,
    location: LocationId,
    address: String,
    incarnation: Incarnation,
    /// Its right and the revision it was told of last; `None` before the first ever.
    fence: Option<Fence>,
    revision: Option<Revision>,
    /// The leader whose pipe is up.
    leader: Option<String>,
    lease_holds: bool,
    /// How often the lease has run out since it was started.
    fences: u64,
    sessions: u64,
    services: Vec<ServiceReport>,
}

pub(super) fn routes(api: Api) -> Router {
    Router::new()
        .route("/v1/pipe", get(take_pipe))
        .route("/v1/services/check-in", post(check_in))
        .route("/v1/services", get(services))
        .route("/v1/services/{service}", get(service))
        .route("/v1/status", get(status))
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .with_state(Arc::new(api))
}

async fn take_pipe(State(api): State<Arc<Api>>, upgrade: WebSocketUpgrade) -> Response {
    pipe::accept(upgrade, api.gate.clone())
}

async fn check_in(
    State(api): State<Arc<Api>>,
    Json(ask): Json<ServiceCheckIn>,
) -> Result<Json<ServiceCheckedIn>, Failure> {
    Ok(Json(api.supervisor.check_in(ask).await?))
}

async fn services(State(api): State<Arc<Api>>) -> Json<Vec<ServiceReport>> {
    Json(api.supervisor.services().borrow().to_vec())
}

async fn service(
    State(api): State<Arc<Api>>,
    Path(service): Path<ServiceId>,
) -> Result<Json<ServiceReport>, Failure> {
    let report = api.handle.service(&service);
    let none = || Failure::new(Code::NotFound, format!("{service} does not run here"));
    report.map(Json).ok_or_else(none)
}

async fn status(State(api): State<Arc<Api>>) -> Json<ManagerStatus> {
    let desired = api.handle.desired().borrow().clone();
    let Standing { leader, lease_holds, fences } = api.standing.borrow().clone();
    Json(ManagerStatus {
        manager: api.options.manager.clone(),
        location: api.options.location.clone(),
        address: api.handle.address().to_string(),
        incarnation: api.handle.incarnation(),
        fence: desired.as_ref().map(|desired| desired.fence),
        revision: desired.as_ref().map(|desired| desired.revision),
        leader,
        lease_holds,
        fences,
        sessions: (api.sessions)(),
        services: api.supervisor.services().borrow().to_vec(),
    })
}

async fn ready(State(api): State<Arc<Api>>) -> Result<&'static str, Failure> {
    let told = api.handle.desired().borrow().is_some();
    let waiting = || Failure::new(Code::Unavailable, "no leader has told it yet what to run");
    told.then_some("ready\n").ok_or_else(waiting)
}
