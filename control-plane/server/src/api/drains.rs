//! Drains: begun, watched, changed and cancelled. Decides which command a request is and how a drain is told; what
//! leads from one state to the next is `domain::control::drain`'s decision.

use super::{
    changes::changed,
    headers::{Expected, Forwarded, Keyed},
};
use crate::service::{Answerer, Change, Service};
use axum::{
    extract::State,
    http::{StatusCode, header, header::HeaderName},
    response::IntoResponse,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::time::timeout;
use tradewind_domain::{
    control::{
        Command, Machine,
        drain::{By, DrainCommand, DrainRow, DrainState, DropSchedule, Remains},
        plan::drains::{HoursUnknown, after_hours_known},
        resource::Condition,
    },
    ids::{DrainTarget, ImplementationId, ManagerId, Revision},
};
use tradewind_link::{
    Failure,
    json::{Json, Path, Query},
    rest::Method,
};
use tradewind_protocol::{
    Code, Problem,
    control::{Changed, Consistency, Stand},
    drains::{BeginDrain, ChangeDrain, DRAINS, DrainTold, DrainView, Drains, Remaining, path_of},
    resources::format_etag,
};

/// A watcher of one drain is answered at least so often.
const WATCHED_AT_MOST: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Look {
    #[serde(default)]
    consistency: Consistency,
    /// Answer when the drain has changed after this revision, or is gone; after 20 s in any case.
    #[serde(default)]
    after: Option<Revision>,
}

/// Begun; the drain's address is in `Location`.
type Begun = (StatusCode, [(HeaderName, String); 1], Json<Changed>);

pub(super) async fn begin_for_implementation(
    state: State<Service>,
    Path(implementation): Path<ImplementationId>,
    keyed: Keyed,
    on: Expected,
    begin: Json<BeginDrain>,
) -> Result<Begun, Failure> {
    let path = format!("/v1/implementations/{implementation}/drain");
    begun(state, &path, DrainTarget::Implementation(implementation), keyed, on, begin).await
}

pub(super) async fn begin_for_manager(
    state: State<Service>,
    Path(manager): Path<ManagerId>,
    keyed: Keyed,
    on: Expected,
    begin: Json<BeginDrain>,
) -> Result<Begun, Failure> {
    let path = format!("/v1/managers/{manager}/drain");
    begun(state, &path, DrainTarget::Manager(manager), keyed, on, begin).await
}

async fn begun(
    State(service): State<Service>,
    path: &str,
    target: DrainTarget,
    keyed: Keyed,
    Expected(on): Expected,
    Json(begin): Json<BeginDrain>,
) -> Result<Begun, Failure> {
    let (by, deadline, drop) = (begin.by(), begin.deadline, begin.drop);
    let asked = DrainCommand::BeginOn { target: target.clone(), on, by, deadline, drop };
    let Keyed { key, forwarded } = keyed;
    let (method, command) = (Method::POST, Command::Drain(asked));
    let change = Change { method, path, body: &begin, key, command, forwarded };
    let told = service.change_on(change, on, changed).await?;
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, path_of(&target))], Json(told)))
}

pub(super) async fn list(
    State(service): State<Service>,
    Query(look): Query<Look>,
    Forwarded(forwarded): Forwarded,
) -> Result<Json<Drains>, Failure> {
    Ok(Json(match service.read::<Drains>(DRAINS, look.consistency, forwarded).await? {
        Answerer::There(there) => there,
        Answerer::Here(stand) => {
            let machine = service.machine().1;
            let drains = machine.drains().map(|row| view(&service, &machine, row)).collect();
            Drains { stand, drains }
        }
    }))
}

pub(super) async fn get(
    State(service): State<Service>,
    Path(target): Path<DrainTarget>,
    Query(look): Query<Look>,
    Forwarded(forwarded): Forwarded,
) -> Result<impl IntoResponse, Failure> {
    if let Some(after) = look.after {
        let mut machine = service.parts().replica.watch_machine();
        let news = machine
            .wait_for(|(_, machine)| machine.drain(&target).is_none_or(|row| row.revision > after));
        // Late or stopping: how it is now is the answer.
        let _ = timeout(WATCHED_AT_MOST, news).await;
    }
    let path = path_of(&target);
    let told = match service.read::<DrainTold>(&path, look.consistency, forwarded).await? {
        Answerer::There(there) => there,
        Answerer::Here(stand) => here(&service, stand, &target)?,
    };
    Ok(([(header::ETAG, format_etag(told.drain.row.revision))], Json(told)))
}

/// All but those that are over: dropped, and kept so that it is known.
pub(super) fn under_way(service: &Service, machine: &Machine) -> Vec<DrainView> {
    let rows = machine.drains().filter(|row| row.state.cordons());
    rows.map(|row| view(service, machine, row)).collect()
}

fn here(service: &Service, stand: Stand, target: &DrainTarget) -> Result<DrainTold, Problem> {
    let machine = service.machine().1;
    let row = machine.drain(target).ok_or_else(|| {
        let detail = format!("{target} is not being drained: it is active, or is not registered");
        Problem::new(Code::NotFound, detail)
    })?;
    Ok(DrainTold { stand, drain: view(service, &machine, row) })
}

fn view(service: &Service, machine: &Machine, row: &DrainRow) -> DrainView {
    let seen = service.parts().view.borrow().clone();
    let remains = seen.and_then(|seen| seen.drains.get(&row.target).copied());
    DrainView {
        row: row.clone(),
        // Forced it may have been drained without a word of its Managers.
        acknowledged: row.state.is_acknowledged() && row.forced.is_none(),
        managers: machine.concerned(&row.target).map(|manager| manager.manager.clone()).collect(),
        remaining: remains.map(remaining),
        waits: remains.and_then(|remains| {
            let at = service.group_time();
            let unknown = at.and_then(|at| after_hours_known(machine, at, &row.target).err());
            waits(row, remains, unknown.as_ref())
        }),
    }
}

fn remaining(remains: Remains) -> Remaining {
    let Remains { brokers, customers, traders, told } = remains;
    let [brokers, customers, traders] =
        [brokers, customers, traders].map(|count| u64::try_from(count).unwrap_or(u64::MAX));
    Remaining { brokers, customers, traders, held: told }
}

/// What keeps a drain where it is, in words.
fn waits(row: &DrainRow, remains: Remains, unknown: Option<&HoursUnknown>) -> Option<String> {
    let text = match row.state {
        DrainState::Cordoned => {
            "a Manager has not confirmed the cordon: services given to it before are still starting, or it has \
             not told this leader yet"
        }
        DrainState::Draining | DrainState::Drained if remains.brokers > 0 => {
            "no_target: a Broker's ledger has one copy and stays with its node; cancel, or see that no order of the account \
             is open and give it up (--abandon-accounts): its Broker begins elsewhere with an empty ledger"
        }
        DrainState::Draining if remains.customers + remains.traders > 0 => {
            "customers and their Traders wait for a TraderManager with room: add one, or wait"
        }
        DrainState::Draining if remains.told.is_none() => {
            "a Manager has not told this leader yet what it holds"
        }
        DrainState::Draining => "sessions and services are on their way out",
        DrainState::Drained => match row.drop {
            DropSchedule::AfterHours if unknown.is_some() => {
                return unknown.map(|unknown| {
                    format!("{unknown}: declare that, or reschedule the drop; until then it waits without end")
                });
            }
            DropSchedule::AfterHours => "dropped after hours of all its locations' markets",
            DropSchedule::At(_) => "dropped at the time that was set",
            DropSchedule::Never => "it stays until it is rescheduled or cancelled",
            DropSchedule::WhenIdle => return None,
        },
        DrainState::Dropped => return None,
    };
    Some(text.to_owned())
}

pub(super) async fn cancel(
    State(service): State<Service>,
    Path(target): Path<DrainTarget>,
    keyed: Keyed,
    expected: Expected,
    Json(asked): Json<ChangeDrain>,
) -> Result<Json<Changed>, Failure> {
    let asked = Asked::new(asked, expected, false)?;
    let (by, at) = (asked.by(), asked.at);
    let command = DrainCommand::Cancel { target: target.clone(), at, by };
    asked.change(&service, Method::DELETE, &path_of(&target), keyed, command).await
}

pub(super) async fn force(
    State(service): State<Service>,
    Path(target): Path<DrainTarget>,
    keyed: Keyed,
    expected: Expected,
    Json(asked): Json<ChangeDrain>,
) -> Result<Json<Changed>, Failure> {
    let asked = Asked::new(asked, expected, false)?;
    let path = format!("{}/force", path_of(&target));
    let command = DrainCommand::Force { target, at: asked.at, by: asked.by() };
    asked.change(&service, Method::POST, &path, keyed, command).await
}

/// The accounts whose Brokers are there are given up.
pub(super) async fn abandon(
    State(service): State<Service>,
    Path(target): Path<DrainTarget>,
    keyed: Keyed,
    expected: Expected,
    Json(asked): Json<ChangeDrain>,
) -> Result<Json<Changed>, Failure> {
    let asked = Asked::new(asked, expected, false)?;
    let path = format!("{}/abandon", path_of(&target));
    let command = DrainCommand::Abandon { target, at: asked.at, by: asked.by() };
    asked.change(&service, Method::POST, &path, keyed, command).await
}

pub(super) async fn reschedule(
    State(service): State<Service>,
    Path(target): Path<DrainTarget>,
    keyed: Keyed,
    expected: Expected,
    Json(asked): Json<ChangeDrain>,
) -> Result<Json<Changed>, Failure> {
    let asked = Asked::new(asked, expected, true)?;
    let missing = || Failure::new(Code::MalformedRequest, "`drop` is missing: when it is dropped");
    let drop = asked.body.drop.ok_or_else(missing)?;
    let path = format!("{}/drop", path_of(&target));
    let command = DrainCommand::Reschedule { target, at: asked.at, by: asked.by(), drop };
    asked.change(&service, Method::PUT, &path, keyed, command).await
}

/// What an operator asks for, and on which revision of the drain it depends.
struct Asked {
    body: ChangeDrain,
    on: Condition,
    at: Option<Revision>,
}

impl Asked {
    fn new(body: ChangeDrain, Expected(on): Expected, schedules: bool) -> Result<Self, Failure> {
        if body.drop.is_some() && !schedules {
            let detail = "`drop` is set by PUT /v1/drains/{target}/drop alone";
            return Err(Failure::new(Code::MalformedRequest, detail));
        }
        let at = match on {
            Condition::Always | Condition::Present => None,
            Condition::At(revision) => Some(revision),
            Condition::Absent => {
                let detail = "If-None-Match does not go with a drain that is to be changed";
                return Err(Failure::new(Code::MalformedRequest, detail));
            }
        };
        Ok(Self { body, on, at })
    }

    fn by(&self) -> By {
        By { who: self.body.who.clone(), why: self.body.why.clone() }
    }

    async fn change(
        &self,
        service: &Service,
        method: Method,
        path: &str,
        keyed: Keyed,
        command: DrainCommand,
    ) -> Result<Json<Changed>, Failure> {
        let Keyed { key, forwarded } = keyed;
        let (body, command) = (&self.body, Command::Drain(command));
        let change = Change { method, path, body, key, command, forwarded };
        Ok(Json(service.change_on(change, self.on, changed).await?))
    }
}
