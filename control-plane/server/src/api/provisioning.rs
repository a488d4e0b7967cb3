//! Requests of implementations: listed, shown, and told what came of an attempt. Decides which command that is; what
//! follows from it is decided in `domain::control::scale`.

use super::{
    changes,
    headers::Keyed,
    resources,
    resources::{Items, Tagged, tagged},
};
use crate::service::Service;
use axum::extract::State;
use tradewind_domain::{
    control::{
        Command,
        refusal::Noun,
        scale::{ProvisionRow, ScaleCommand},
    },
    ids::Epoch,
};
use tradewind_link::{
    Failure,
    json::{Json, Path, Query},
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

pub(super) async fn tell(
    State(service): State<Service>,
    Path(request): Path<Epoch>,
    keyed: Keyed,
    Json(tell): Json<TellProvisioning>,
) -> Result<Json<Changed>, Failure> {
    let command = told(request, &tell);
    changes::put(&service, keyed, &provisioning_path(request), &tell, command).await
}
