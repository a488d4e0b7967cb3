//! The rebalance: what it would move, begun, watched and cancelled. Decides which command a request is and how it is
//! told; who would move is `domain::control::placement`'s decision, on what the leader sees when it is begun.

use super::{
    changes::changed,
    explained,
    headers::{Expected, Forwarded, Keyed},
    problems,
};
use crate::{
    leader::observe::View,
    service::{Answerer, Change, Decide, Service},
};
use axum::{
    extract::State,
    http::{StatusCode, header, header::HeaderName},
    response::{AppendHeaders, IntoResponse as _, Response},
};
use std::sync::Arc;
use tradewind_domain::{
    control::{
        Command, Machine, Refusal,
        drain::By,
        placement::{Move, RebalanceCommand, RebalanceRow, rebalance, rebalance_can_be_told},
        resource::Condition,
    },
    ids::{Epoch, ManagerId, Revision},
};
use tradewind_link::{
    Failure,
    json::{Json, Query},
    rest::Method,
};
use tradewind_protocol::{
    Code, Problem,
    control::{Changed, ReadOptions},
    rebalance::{AskRebalance, CustomerMove, REBALANCE, RebalanceTold, RebalanceUnderWay},
    resources::format_etag,
};

pub(super) async fn get(
    State(service): State<Service>,
    Query(options): Query<ReadOptions>,
    Forwarded(forwarded): Forwarded,
) -> Result<Response, Failure> {
    let told: RebalanceTold = match service.read(REBALANCE, options.consistency, forwarded).await? {
        Answerer::There(there) => there,
        Answerer::Here(stand) => {
            let (machine, view) = (service.machine().1, seen(&service));
            let plan = view
                .and_then(|view| planned(&machine, &view))
                .map(|moves| moves.iter().filter_map(|each| told(&machine, each)).collect());
            let under_way = machine.rebalance().map(|row| under_way(&machine, row));
            RebalanceTold { stand, under_way, plan }
        }
    };
    let tag = told.under_way.as_ref().map(|row| (header::ETAG, format_etag(Revision(row.epoch.0))));
    Ok((AppendHeaders(tag), Json(told)).into_response())
}

fn seen(service: &Service) -> Option<Arc<View>> {
    service.parts().view.borrow().clone()
}

/// `None`: the leader has not looked around long enough.
fn planned(machine: &Machine, view: &View) -> Option<Vec<Move>> {
    let View { observed, at, .. } = view;
    let known = rebalance_can_be_told(machine, observed, *at);
    known.then(|| rebalance(machine, observed, *at))
}

fn under_way(machine: &Machine, row: &RebalanceRow) -> RebalanceUnderWay {
    RebalanceUnderWay {
        epoch: row.epoch,
        since: row.since,
        by: row.by.clone(),
        moves: row.moves.len() as u64,
        left: machine.pending_moves().filter_map(|each| told(machine, each)).collect(),
    }
}

fn told(machine: &Machine, each: &Move) -> Option<CustomerMove> {
    let affinity = machine.customer(&each.customer)?.affinity.as_ref()?;
    let from: ManagerId = affinity.manager.clone();
    let (customer, to) = (each.customer.clone(), each.to.clone());
    let weight = machine.weight_of(&customer);
    Some(CustomerMove { customer, from, to, weight })
}

/// Begins what the leader would move at the moment when it proposes it.
struct Begin(By);

impl Decide for Begin {
    fn command(&self, service: &Service) -> Option<Command> {
        let (machine, view) = (service.machine().1, seen(service)?);
        let moves = planned(&machine, &view)?;
        Some(Command::Rebalance(RebalanceCommand::Begin { by: self.0.clone(), moves }))
    }

    fn refused(&self, service: &Service, refusal: &Refusal) -> Result<Revision, Problem> {
        match refusal {
            // The first one goes on, and is the answer.
            Refusal::Rebalancing { epoch } => Ok(Revision(epoch.0)),
            // A customer has moved since it was decided: whoever asks again gets another decision.
            Refusal::Superseded | Refusal::NotFound { .. } => Err(Problem::new(
                Code::Conflict,
                "a customer or Manager has come or gone while it was decided; ask again under a new key",
            )),
            other => Err(match self.command(service) {
                Some(command) => explained::refused(&service.machine().1, &command, other),
                None => problems::refused(other),
            }),
        }
    }
}

/// Begun; where to look is in `Location`.
type Begun = (StatusCode, [(HeaderName, &'static str); 1], Json<Changed>);

pub(super) async fn begin(
    State(service): State<Service>,
    keyed: Keyed,
    on: Expected,
    Json(asked): Json<AskRebalance>,
) -> Result<Begun, Failure> {
    if on.0 != Condition::Always {
        let detail = "If-Match and If-None-Match do not go with beginning a rebalance: the one under way goes on";
        return Err(Failure::new(Code::MalformedRequest, detail));
    }
    let Keyed { key, forwarded } = keyed;
    let (method, command) = (Method::POST, Begin(asked.by()));
    let change = Change { method, path: REBALANCE, body: &asked, key, command, forwarded };
    let begun = service.change(change, changed).await?;
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, REBALANCE)], Json(begun)))
}

pub(super) async fn cancel(
    State(service): State<Service>,
    keyed: Keyed,
    Expected(on): Expected,
    Json(asked): Json<AskRebalance>,
) -> Result<Json<Changed>, Failure> {
    let by = asked.by();
    let command = match on {
        Condition::Always | Condition::Present => RebalanceCommand::Cancel { by },
        Condition::At(Revision(epoch)) => RebalanceCommand::CancelAt { epoch: Epoch(epoch), by },
        Condition::Absent => {
            let detail = "If-None-Match does not go with a rebalance that is to be cancelled";
            return Err(Failure::new(Code::MalformedRequest, detail));
        }
    };
    let (Keyed { key, forwarded }, command) = (keyed, Command::Rebalance(command));
    let method = Method::DELETE;
    let change = Change { method, path: REBALANCE, body: &asked, key, command, forwarded };
    Ok(Json(service.change_on(change, on, changed).await?))
}
