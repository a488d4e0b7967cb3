//! Changes that members and Managers ask for. Decides which command a request is; all else is decided when the
//! command is applied.

use super::headers::Keyed;
use crate::service::{Change, Service};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use tradewind_domain::{
    control::Command,
    ids::{NodeId, NodeName, Revision},
};
use tradewind_link::{
    Failure,
    json::{Json, Path},
    rest::Method,
};
use tradewind_protocol::{
    Code,
    check_in::{ManagerCheckIn, ManagerCheckedIn},
    control::Changed,
};

/// What a member tells of itself: `PUT /v1/members/{node}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TellMember {
    pub(crate) api_address: String,
    /// Ed25519, 64 hexadecimal digits.
    pub(crate) public_key: String,
}

/// The answer to most changes.
pub(crate) fn changed(service: &Service, applied: Revision) -> Changed {
    Changed { stand: service.stand(), applied }
}

pub(super) async fn put<B: Serialize + Sync>(
    service: &Service,
    keyed: Keyed,
    path: &str,
    body: &B,
    command: Command,
) -> Result<Json<Changed>, Failure> {
    let Keyed { key, forwarded } = keyed;
    let change = Change { method: Method::PUT, path, body, key, command, forwarded };
    Ok(Json(service.change(change, changed).await?))
}

pub(super) async fn put_member(
    State(service): State<Service>,
    Path(node): Path<NodeId>,
    keyed: Keyed,
    Json(told): Json<TellMember>,
) -> Result<Json<Changed>, Failure> {
    service.check_member(node, &told)?;
    let path = format!("/v1/members/{node}");
    let TellMember { api_address, public_key } = told.clone();
    let command = Command::PutMember { node, api_address, public_key };
    put(&service, keyed, &path, &told, command).await
}

/// Managers of earlier builds do not say which disk they have.
fn registration(told: &ManagerCheckIn) -> Result<Command, Failure> {
    let ManagerCheckIn { manager, location, address, incarnation, capacity, .. } = told.clone();
    let Some(disk) = told.disk else {
        return Ok(Command::CheckIn { manager, location, address, incarnation, capacity });
    };
    let node = match &told.node {
        Some(node) => node.clone(),
        None => NodeName::of_address(&address)
            .map_err(|wrong| Failure::new(Code::MalformedRequest, wrong.to_string()))?,
    };
    Ok(Command::CheckInFrom { manager, location, address, incarnation, capacity, disk, node })
}

pub(super) async fn check_in(
    State(service): State<Service>,
    keyed: Keyed,
    Json(told): Json<ManagerCheckIn>,
) -> Result<Json<ManagerCheckedIn>, Failure> {
    let Keyed { key, forwarded } = keyed;
    let command = registration(&told)?;
    let path = "/v1/managers/check-in";
    let change = Change { method: Method::POST, path, body: &told, key, command, forwarded };
    let answer = service.change(change, |service, applied| {
        let machine = service.machine().1;
        // The entry of the answer: what a later one made of it is told on the pipe.
        let epoch = machine.manager(&told.manager).map_or(applied.0, |row| row.epoch.0);
        ManagerCheckedIn {
            stand: service.stand(),
            fence: machine.fence(tradewind_domain::ids::Epoch(epoch)),
            members: service.member_addresses(),
        }
    });
    Ok(Json(answer.await?))
}
