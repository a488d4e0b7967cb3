//! Scaling, as it is set and told (REST), and what an operator's program that starts implementations is told and
//! answers. Decides the shapes; when anything is asked for is decided in `domain::control::scale`, who does it by the
//! members.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tradewind_domain::{
    control::scale::{ProvisionRow, ScaleSpec},
    ids::{ClusterIncarnation, Epoch, ImplementationId, LocationId, Revision},
    time::UnixNanos,
};

/// Every location's settings: `GET`.
pub const SCALE: &str = "/v1/scale";
/// Requests of implementations: `GET`.
pub const PROVISIONING: &str = "/v1/provisioning";

/// `/v1/locations/{location}/scale`: `GET`, `PUT`, `DELETE`.
#[must_use]
pub fn scale_path(location: &LocationId) -> String {
    format!("/v1/locations/{location}/scale")
}

/// `/v1/provisioning/{request}`: `GET`, and `PUT` by who was asked.
#[must_use]
pub fn provisioning_path(request: Epoch) -> String {
    format!("{PROVISIONING}/{request}")
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ScaleInfo {
    pub location: LocationId,
    pub revision: Revision,
    pub spec: ScaleSpec,
    /// When an implementation was last asked for, came, or began to go: the pause runs from then.
    pub acted_at: Option<UnixNanos>,
    /// Since when the location has needed less than it has.
    pub quiet_since: Option<UnixNanos>,
}

/// A request, as it stands in the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ProvisioningInfo {
    #[serde(flatten)]
    pub row: ProvisionRow,
}

/// `PUT /v1/provisioning/{request}`: what came of an attempt, by the member that made it, or by an operator who has
/// put it right by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TellProvisioning {
    /// Of the request, as it was when the attempt began.
    pub revision: Revision,
    pub result: ProvisionResult,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ProvisionResult {
    /// Nothing is left of what was to be taken away.
    Released,
    /// It was not done, and why.
    Failed { why: String },
}

/// The version of the two messages below.
pub const PROGRAM_VERSION: u32 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProvisionOp {
    /// Start the three Managers of an implementation, unless they were started for this request before.
    Provision,
    /// Take away whatever was started for this request.
    Release,
}

/// What an operator's program reads, to its end, on its standard input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramRequest {
    pub version: u32,
    pub op: ProvisionOp,
    /// The idempotency key: it may be told the same request again, also twice at once after a change of leaders.
    pub request: Epoch,
    /// The cluster's name, and its life: requests of another life are others, whatever their numbers.
    pub cluster: String,
    pub incarnation: ClusterIncarnation,
    pub location: LocationId,
    pub implementation: ImplementationId,
    /// API addresses of all members: `--members` of the Managers.
    pub join: Vec<String>,
    pub arguments: BTreeMap<String, String>,
    /// From its start on; then its process group is killed.
    pub deadline_seconds: u32,
}

/// What it writes on its standard output, and nothing else; then it ends with exit code 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramAnswer {
    pub version: u32,
    pub ok: bool,
    /// Of `ok: false`: what the operator is told. No secrets: it is kept in the state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}
