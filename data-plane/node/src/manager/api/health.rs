//! `/livez` and `/readyz` of a Manager. Decides what makes it not ready: it was never told what to run. That its
//! leader is away, or that services wait, is said with `?verbose`, and it is ready all the same: what runs goes on.

use super::Api;
use crate::health::{Check, answer, check, warn};
use axum::{extract::State, response::Response};
use std::sync::Arc;
use tradewind_link::json::Query;
use tradewind_protocol::supervision::ServiceState;

pub(super) use crate::health::livez;

pub(super) async fn readyz(
    State(api): State<Arc<Api>>,
    Query(options): Query<crate::health::Options>,
) -> Response {
    answer(&options, checks(&api))
}

fn checks(api: &Api) -> Vec<Check> {
    let told = api.handle.desired().borrow().as_ref().map(|desired| desired.revision);
    let standing = api.standing();
    let services = api.supervisor.services().borrow().clone();
    let counted = |state| services.iter().filter(|report| report.state == state).count();
    let (all, live) = (services.len(), counted(ServiceState::Live));
    let no_log_room = api.supervisor.no_log_room();
    let given_up = services.iter().filter(|report| report.handed_back.is_some()).count();
    vec![
        check(
            "told",
            told.is_some(),
            told.map_or_else(
                || "no leader has told it yet what to run".to_owned(),
                |revision| format!("what to run is known as of revision {revision}"),
            ),
        ),
        warn(
            "leader",
            standing.leader.is_some(),
            standing.leader.map_or_else(
                || "no leader's pipe is up".to_owned(),
                |leader| format!("the pipe of {leader} is up"),
            ),
        ),
        warn(
            "lease",
            standing.lease_holds,
            format!("the lease has run out {} times since the start", standing.fences),
        ),
        warn("services", live == all, format!("{live} of {all} services are live")),
        warn(
            "logs",
            no_log_room.is_none(),
            no_log_room.map_or_else(
                || "logs of services can be written".to_owned(),
                |why| format!("logs of services cannot be written, words are lost: {why}"),
            ),
        ),
        warn("handed_back", given_up == 0, format!("{given_up} services are handed back")),
    ]
}
