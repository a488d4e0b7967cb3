//! Requests of implementations: listed, shown, and told what came of an attempt. Decides which command that is; what
//! follows from it is decided in `domain::control::scale`.

use super::{
    changes::changed,
    headers::{self, Keyed},
    resources,
    resources::{Items, Tagged, tagged},
};
use crate::service::{Change, Decide, Service};
use axum::extract::State;
use tradewind_domain::{
    control::{
        Command, Machine,
        drain::By,
        level::FeatureLevel,
        refusal::Noun,
        resource::Condition,
        scale::{ProvisionRow, ProvisionState, Said, ScaleCommand},
    },
    ids::Epoch,
};
use tradewind_link::{
    Failure,
    json::{Json, Path, Query},
    rest::Method,
};
use tradewind_protocol::{
    Code,
    control::{Changed, ReadOptions},
    resources::{One, SelectProvisioning},
    scale::{ProvisionResult, ProvisioningInfo, TellProvisioning, provisioning_path},
};

fn chosen(row: &ProvisionRow, select: &SelectProvisioning) -> bool {
    select.location.as_ref().is_none_or(|location| *location == row.location)
        && select.state.is_none_or(|state| state == row.state)
}

fn info(row: &ProvisionRow) -> ProvisioningInfo {
    ProvisioningInfo { row: row.clone() }
}

/// Those on which something is still to be done.
pub(super) fn open(machine: &Machine) -> Vec<ProvisioningInfo> {
    let rows = machine.provisions().filter(|row| match row.state {
        ProvisionState::Asked
        | ProvisionState::Starting
        | ProvisionState::Failed
        | ProvisionState::Retiring
        | ProvisionState::Releasing => true,
        ProvisionState::There | ProvisionState::Released => false,
    });
    rows.map(info).collect()
}

pub(super) async fn list(
    State(service): State<Service>,
    Query(select): Query<SelectProvisioning>,
) -> Result<Json<Items>, Failure> {
    let (stand, machine) = resources::look(&service, select.consistency).await?;
    let behind = |row: &&ProvisionRow| select.after.is_none_or(|after| row.request > after);
    let rows = machine.provisions().filter(behind);
    let shown = |row: &&ProvisionRow| chosen(row, &select).then(|| info(row));
    resources::page(stand, &select, rows, |row| row.request.to_string(), shown)
}

pub(super) async fn get(
    State(service): State<Service>,
    Path(request): Path<Epoch>,
    Query(options): Query<ReadOptions>,
) -> Result<Tagged<One<ProvisioningInfo>>, Failure> {
    let (stand, machine) = resources::look(&service, options.consistency).await?;
    let Some(row) = machine.provision(request) else {
        let what = Noun::Provisioning;
        let detail = format!("there is no {what} {request}; see the list for those there are");
        return Err(Failure::new(Code::NotFound, detail));
    };
    Ok(tagged(row.revision, One { stand, item: info(row) }))
}

/// The command that says so.
pub(crate) fn told(request: Epoch, tell: &TellProvisioning) -> Command {
    let revision = tell.revision;
    Command::Scale(match tell.result.clone() {
        ProvisionResult::Released => ScaleCommand::Done { request, revision },
        ProvisionResult::Failed { why } => ScaleCommand::Fail { request, revision, why },
    })
}

/// What is told, and in whose name: the member that made the attempt says nobody's.
struct Tell<'a> {
    request: Epoch,
    tell: &'a TellProvisioning,
    by: Option<By>,
}

impl Decide for Tell<'_> {
    fn command(&self, service: &Service) -> Option<Command> {
        let Self { request, tell, by } = self;
        // Builds before this level cannot read who said it.
        let known = service.machine().1.level() >= FeatureLevel::THIRD;
        let Some(by) = by.clone().filter(|_| known) else { return Some(told(*request, tell)) };
        let said = match tell.result.clone() {
            ProvisionResult::Released => Said::Released,
            ProvisionResult::Failed { why } => Said::Failed { why },
        };
        let (request, revision) = (*request, tell.revision);
        Some(Command::Scale(ScaleCommand::Tell { by, request, revision, said }))
    }
}

pub(super) async fn tell(
    State(service): State<Service>,
    Path(request): Path<Epoch>,
    Keyed { key, forwarded }: Keyed,
    headers::Said(terms): headers::Said,
    Json(tell): Json<TellProvisioning>,
) -> Result<Json<Changed>, Failure> {
    if terms.on != Condition::Always {
        let detail =
            "the revision of the request stands in the body: leave out If-Match and If-None-Match";
        return Err(Failure::new(Code::MalformedRequest, detail));
    }
    let by = (terms.who.is_some() || terms.why.is_some()).then(|| terms.by(&key.client));
    let (path, command) = (provisioning_path(request), Tell { request, tell: &tell, by });
    let (method, path) = (Method::PUT, path.as_str());
    let change = Change { method, path, body: &tell, key, command, forwarded };
    Ok(Json(service.change_on(change, terms, changed).await?))
}
