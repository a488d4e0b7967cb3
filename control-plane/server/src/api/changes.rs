//! Changes that members and Managers ask for. Decides which command a request is; all else is decided when the
//! command is applied.

use super::headers::Keyed;
use crate::service::{Change, Service};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use tradewind_domain::{
    control::{
        Command, Machine,
        fencing::TraderCommand,
        level::{CheckInKnowing, LevelCommand},
    },
    ids::{Epoch, NodeId, NodeName, Revision, TraderId},
};
use tradewind_link::{
    Failure,
    json::{Json, Path},
    rest::Method,
};
use tradewind_protocol::{
    Code,
    attach::AttachTrader,
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

/// Managers of earlier builds do not say which disk they have, nor what they understand.
fn registration(told: &ManagerCheckIn) -> Result<Command, Failure> {
    let ManagerCheckIn { manager, location, address, incarnation, capacity, disk, .. } =
        told.clone();
    if let Some(level) = told.level {
        let node = match (&told.node, disk) {
            (Some(node), _) => Some(node.clone()),
            (None, Some(_)) => Some(named_by(&address)?),
            // Nothing is bound to it.
            (None, None) => None,
        };
        return Ok(Command::Level(LevelCommand::CheckIn(CheckInKnowing {
            manager,
            location,
            address,
            incarnation,
            capacity,
            disk,
            node,
            level,
        })));
    }
    let Some(disk) = disk else {
        return Ok(Command::CheckIn { manager, location, address, incarnation, capacity });
    };
    let node = match &told.node {
        Some(node) => node.clone(),
        None => named_by(&address)?,
    };
    Ok(Command::CheckInFrom { manager, location, address, incarnation, capacity, disk, node })
}

fn named_by(address: &str) -> Result<NodeName, Failure> {
    NodeName::of_address(address)
        .map_err(|wrong| Failure::new(Code::MalformedRequest, wrong.to_string()))
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
        ManagerCheckedIn {
            stand: service.stand(),
            fence: machine.fence(epoch_of(&machine, &told, applied)),
            members: service.member_addresses(),
        }
    });
    Ok(Json(answer.await?))
}

pub(super) async fn attach(
    State(service): State<Service>,
    Path(trader): Path<TraderId>,
    keyed: Keyed,
    Json(asked): Json<AttachTrader>,
) -> Result<Json<Changed>, Failure> {
    let Keyed { key, forwarded } = keyed;
    let path = &format!("/v1/traders/{trader}/attachments");
    let command = Command::Trader(TraderCommand::Attach(asked.clone().of(trader)));
    let change = Change { method: Method::POST, path, body: &asked, key, command, forwarded };
    Ok(Json(service.change(change, changed).await?))
}

/// The epoch of this life. The state may have gone on since its entry, to another life of the same name: that one's epoch
/// is not told to this one, who finds out that it is superseded when it uses its own.
fn epoch_of(machine: &Machine, told: &ManagerCheckIn, applied: Revision) -> Epoch {
    let own = machine.manager(&told.manager).filter(|row| row.incarnation == told.incarnation);
    own.map_or(Epoch(applied.0), |row| row.epoch)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tradewind_domain::{
        control::{IdempotencyKey, Request, Stamped, level::FeatureLevel},
        ids::Incarnation,
        time::UnixNanos,
    };

    fn life(incarnation: u64) -> ManagerCheckIn {
        ManagerCheckIn {
            manager: "a1.broker-manager".parse().unwrap(),
            location: "here".parse().unwrap(),
            address: "127.0.0.1:1".to_owned(),
            incarnation: Incarnation(incarnation),
            capacity: 1,
            services: Vec::new(),
            disk: None,
            node: None,
            level: Some(FeatureLevel::KNOWN),
        }
    }

    #[test]
    fn a_life_is_not_told_the_epoch_of_the_one_that_came_after_it() {
        let mut machine = Machine::default();
        let checks_in = |machine: &mut Machine, n: u64, told: &ManagerCheckIn| {
            let key = IdempotencyKey { client: "m".parse().unwrap(), issued_at: UnixNanos(1), n };
            let request = Request { key, command: registration(told).unwrap() };
            machine.apply(Revision(n), &Stamped { at: UnixNanos(1), request });
        };
        let (first, second) = (life(1_706), life(1_728));
        // given: the first life's entry, and before it is answered the second's
        checks_in(&mut machine, 1, &first);
        checks_in(&mut machine, 2, &second);
        // then
        assert_eq!(epoch_of(&machine, &second, Revision(2)), Epoch(2));
        assert_eq!(epoch_of(&machine, &first, Revision(1)), Epoch(1));
        // and: a life that is told again keeps its epoch
        checks_in(&mut machine, 3, &second);
        assert_eq!(epoch_of(&machine, &second, Revision(3)), Epoch(2));
    }
}
