//! Where a Trader belongs that is not attached here. Decides nothing: the group is asked.

use crate::limits;
use tradewind_control_client::ControlClient;
use tradewind_domain::{
    control::{desired::ManagerEndpoint, row::TraderWish},
    ids::{CustomerId, TraderId},
};
use tradewind_protocol::{
    Problem,
    placed::ManagerInfo,
    resources::{One, TraderInfo},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    At(ManagerEndpoint),
    /// On its way to a TraderManager.
    Nowhere,
    Stopped,
    /// It is run by its TraderManager.
    Spawned,
}

/// Whose it is and where; `NotFound` if there is no such Trader.
pub(crate) async fn whereabouts(
    control: &ControlClient,
    trader: &TraderId,
) -> Result<(CustomerId, Whereabouts), Problem> {
    let within = limits::WHEREABOUTS_WITHIN;
    let told: One<TraderInfo> = control.read(&format!("/v1/traders/{trader}"), within).await?;
    let TraderInfo { spec, assignment, .. } = told.item;
    let customer = spec.customer.clone();
    if !spec.command.is_empty() {
        return Ok((customer, Whereabouts::Spawned));
    }
    match spec.state {
        TraderWish::Stopped => return Ok((customer, Whereabouts::Stopped)),
        TraderWish::Running | TraderWish::Paused => {}
    }
    let Some(held) = assignment else { return Ok((customer, Whereabouts::Nowhere)) };
    let path = format!("/v1/managers/{}", held.manager);
    let told: One<ManagerInfo> = control.read(&path, within).await?;
    let ManagerInfo { manager, address, .. } = told.item;
    Ok((customer, Whereabouts::At(ManagerEndpoint { manager, address })))
}
