//! Opening a session (REST at any InfrastructureManager). Decides shapes; who may is decided by the
//! replicated hashes of API keys and, for spawned Traders, by their assignment.

use crate::control::Stand;
use serde::{Deserialize, Serialize};
use tradewind_domain::{
    control::desired::ManagerEndpoint,
    ids::{CustomerId, Epoch, Incarnation, ManagerId, TraderId},
    time::UnixNanos,
};

/// `POST /v1/traders/{trader}/sessions`: a TraderManager asks for the token of a Trader it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OpenTraderSession {
    pub manager: ManagerId,
    pub epoch: Epoch,
    /// The TraderManager's own life: of one that another has taken the place of nothing is opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<Incarnation>,
}

/// The answer to `POST /v1/sessions` and `POST /v1/traders/{trader}/sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SessionOpened {
    #[serde(flatten)]
    pub stand: Stand,
    pub customer: CustomerId,
    pub trader: Option<TraderId>,
    /// To be sent as `Authorization: Bearer ...` to a MarketManager.
    pub token: String,
    pub expires_at: UnixNanos,
    /// To be used in this order.
    pub market_managers: Vec<ManagerEndpoint>,
    pub infrastructure_managers: Vec<String>,
    pub trader_manager: Option<ManagerEndpoint>,
}
