//! What a Manager answers by HTTP. Parses, asks, renders; who may be let in is decided by the gate and by
//! the services' keepers. The stream of the status, the logs, health and figures stand beside.

mod health;
mod logs;
mod metrics;
mod stream;

use super::{
    options::Options,
    standing::Standing,
    work::{Gauge, Handle},
};
use crate::{limits, supervision::Supervisor};
use axum::{
    Router,
    extract::{State, WebSocketUpgrade},
    response::Response,
    routing::{get, post},
};
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};
use tradewind_domain::ids::ServiceId;
use tradewind_link::{
    Failure,
    json::{Json, Path},
    pipe::{self, Gate},
};
use tradewind_protocol::{
    Code,
    check_in::{ServiceCheckIn, ServiceCheckedIn},
    managers::{OwnStanding, OwnStatus, STATUS_STREAM},
    supervision::{FromManager, ServiceReport, ToManager},
};

pub(super) struct Api {
    pub(super) options: Options,
    pub(super) handle: Handle,
    pub(super) supervisor: Supervisor,
    pub(super) gate: Arc<Gate<FromManager, ToManager>>,
    pub(super) standing: watch::Receiver<Standing>,
    pub(super) seats: Seats,
    pub(super) sessions: Box<dyn Fn() -> u64 + Send + Sync>,
    pub(super) gauges: Box<dyn Fn() -> Vec<Gauge> + Send + Sync>,
}

/// Places for those who stay.
pub(super) struct Seats {
    watchers: Arc<Semaphore>,
    followers: Arc<Semaphore>,
}

impl Default for Seats {
    fn default() -> Self {
        Self {
            watchers: Arc::new(Semaphore::new(limits::WATCHERS)),
            followers: Arc::new(Semaphore::new(limits::FOLLOWERS)),
        }
    }
}

pub(super) fn routes(api: Api) -> Router {
    let api = Arc::new(api);
    Router::new()
        .route("/v1/pipe", get(take_pipe))
        .route("/v1/services/check-in", post(check_in))
        .route("/v1/services", get(services))
        .route("/v1/services/{service}", get(service))
        .route("/v1/services/{service}/logs", get(logs::logs))
        .route("/v1/status", get(status))
        .route(STATUS_STREAM, get(stream::watch))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(metrics::metrics))
        .with_state(api)
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

async fn status(State(api): State<Arc<Api>>) -> Json<OwnStatus> {
    let services = api.supervisor.services().borrow().to_vec();
    Json(api.status(services))
}

impl Api {
    fn standing(&self) -> OwnStanding {
        let Standing { leader, lease_holds, fences, unsendable: _ } =
            self.standing.borrow().clone();
        OwnStanding { leader, lease_holds, fences }
    }

    fn status(&self, services: Vec<ServiceReport>) -> OwnStatus {
        let desired = self.handle.desired().borrow().clone();
        OwnStatus {
            manager: self.options.manager.clone(),
            location: self.options.location.clone(),
            address: self.handle.address().to_string(),
            incarnation: self.handle.incarnation(),
            fence: desired.as_ref().map(|desired| desired.fence),
            revision: desired.as_ref().map(|desired| desired.revision),
            standing: self.standing(),
            sessions: (self.sessions)(),
            services,
        }
    }
}
