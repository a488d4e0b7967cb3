//! `tradewind provisioning`: requests of implementations, listed, shown, and told what became of them by hand. Decides that
//! a word is said of the revision that was read a moment ago, unless another one is named.

use super::{Asker, WITHIN, show_all, show_one, table};
use crate::cli::resource::{
    ListProvisioning, ProvisioningAction, ProvisioningArgs, Show, ToldProvisioning,
};
use tokio_util::sync::CancellationToken;
use tradewind_domain::{
    control::resource::Condition,
    ids::{Epoch, Revision},
};
use tradewind_link::rest::Method;
use tradewind_protocol::{
    control::Changed,
    resources::One,
    scale::{PROVISIONING, ProvisionResult, ProvisioningInfo, TellProvisioning, provisioning_path},
    terms::Terms,
};

pub(super) async fn run(args: &ProvisioningArgs, stop: &CancellationToken) -> anyhow::Result<()> {
    match &args.action {
        None => list(&args.list, stop).await,
        Some(ProvisioningAction::Ls(args)) => list(args, stop).await,
        Some(ProvisioningAction::Get { request, show: Show { watch }, whom }) => {
            let path = provisioning_path(Epoch(*request));
            show_one(&Asker::new(whom), &path, table::PROVISIONING, *watch, stop).await
        }
        Some(ProvisioningAction::Released(told)) => {
            tell(told, ProvisionResult::Released, "nothing is left of it").await
        }
        Some(ProvisioningAction::Failed { what, told }) => {
            tell(told, ProvisionResult::Failed { why: what.clone() }, "it is tried again").await
        }
    }
}

async fn list(args: &ListProvisioning, stop: &CancellationToken) -> anyhow::Result<()> {
    let ListProvisioning { select, show: Show { watch }, whom } = args;
    show_all(&Asker::new(whom), PROVISIONING, select, table::PROVISIONING, *watch, stop).await
}

async fn tell(told: &ToldProvisioning, result: ProvisionResult, done: &str) -> anyhow::Result<()> {
    let ToldProvisioning { request, if_match, why, who, whom } = told;
    let (asker, path) = (Asker::new(whom), provisioning_path(Epoch(*request)));
    let revision = match if_match {
        Some(revision) => Revision(*revision),
        None => asker.control.read::<One<ProvisioningInfo>>(&path, WITHIN).await?.item.row.revision,
    };
    let (who, why) = (Some(who.who.clone()), Some(why.clone()));
    let terms = Terms { on: Condition::Always, who, why };
    let tell = TellProvisioning { revision, result };
    let changed: Changed = asker.change(Method::PUT, &path, &tell, terms).await?;
    asker.told(&changed, || format!("request {request}: {done}, revision {}\n", changed.applied))
}
