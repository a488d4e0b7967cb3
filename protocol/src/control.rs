//! The public interface of the InfrastructureManagers (REST). Decides the shapes of answers and the
//! form of an idempotency key in a header; what a command does is decided in `domain::control`.

use crate::{
    drains::DrainView, problem::Problem, resources::TradingStateInfo, scale::ProvisioningInfo,
    supervision::ServiceReport,
};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use tradewind_domain::{
    control::{
        IdempotencyKey, StateHash,
        drain::By,
        handed_back::HandedBackRow,
        level::FeatureLevel,
        row::{ManagerState, RegisterRow},
    },
    ids::{
        ClusterIncarnation, CustomerId, Epoch, Incarnation, LocationId, ManagerId, NodeId,
        Revision, TraderId,
    },
    time::UnixNanos,
};

/// The header that every change carries: `client/issued_at/n`, the time in Unix nanoseconds.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// In every answer: the time the group goes by, in Unix nanoseconds. Keys are issued by it.
pub const GROUP_TIME: &str = "tradewind-time";
/// In every answer, of every build: the term that the member is in.
pub const TERM: &str = "tradewind-term";
/// In every answer, of every build: the revision up to which the member has the state.
pub const REVISION: &str = "tradewind-revision";
/// In every answer: the life of the cluster that the member is in, 0 until the cluster is opened. Whoever belongs to another one
/// takes nothing from it.
pub const CLUSTER: &str = "tradewind-cluster";
/// `GET /v1/probes?managers=a.broker-manager,b.broker-manager`: which of them the asked member reaches.
pub const PROBES: &str = "/v1/probes";
/// Set on a request that one member hands to another: it is not handed on again.
pub const FORWARDED: &str = "tradewind-forwarded";

/// Writes a key as it stands in the header.
#[must_use]
pub fn format_key(key: &IdempotencyKey) -> String {
    format!("{}/{}/{}", key.client, key.issued_at.0, key.n)
}

/// Reads a key from its header.
pub fn parse_key(text: &str) -> Result<IdempotencyKey, Problem> {
    let wrong = || {
        let detail = "Idempotency-Key must read CLIENT/UNIX_NANOSECONDS/NUMBER";
        Problem::new(crate::Code::MalformedRequest, detail)
    };
    let mut parts = text.rsplitn(3, '/');
    let n = parts.next().and_then(|n| n.parse().ok()).ok_or_else(wrong)?;
    let issued_at = parts.next().and_then(|at| at.parse().ok()).ok_or_else(wrong)?;
    let client = parts.next().and_then(|client| client.parse().ok()).ok_or_else(wrong)?;
    Ok(IdempotencyKey { client, issued_at: UnixNanos(issued_at), n })
}

/// How the group stood when an answer was made. In every answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Stand {
    pub term: u64,
    pub revision: Revision,
    pub leader: Option<NodeId>,
    /// Of a read that asked nobody: how long ago the member that answers heard of its leader, or as the leader
    /// of a quorum. `null`: never since it started.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<u64>, required = false))]
    pub age_ms: Option<Option<u64>>,
}

/// A field that is there, be it `null`.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// The answer to an accepted change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Changed {
    #[serde(flatten)]
    pub stand: Stand,
    /// The entry that made the change; of a repeat the first one.
    pub applied: Revision,
}

/// `?consistency=`: how sure a read is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum Consistency {
    /// As if there were one copy; asks the leader, who asks a quorum.
    #[default]
    Linearizable,
    /// What the leader has applied, while a quorum has acknowledged it within its lease: as sure as the
    /// members' clocks run at one speed, and a round trip faster.
    Leader,
    /// What the asked member has applied.
    Stale,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadOptions {
    #[serde(default)]
    pub consistency: Consistency,
}

/// `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Status {
    #[serde(flatten)]
    pub stand: Stand,
    /// The member that answered.
    pub node: NodeId,
    pub cluster: Option<ClusterIncarnation>,
    pub members: Vec<MemberStatus>,
    pub managers: Vec<ManagerStatus>,
    pub services: Vec<ServiceStatus>,
    pub customers: Vec<CustomerStatus>,
    /// An alarm: members whose states differ from that of the member that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub divergence: Option<DivergenceStatus>,
    /// An alarm: nodes that fell silent together, from which the leader moves nothing away for now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub brake: Vec<BrakedNode>,
    /// Services that crashed again and again, and have not run for long since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handed_back: Vec<HandedBackRow>,
    /// What all builds in the cluster understand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<FeatureLevel>,
    /// What is being emptied, or is empty and not dropped yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drains: Vec<DrainView>,
    /// Customers on their way to another TraderManager since an operator asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebalance: Option<RebalanceStatus>,
    /// Implementations that are asked for, taken away, or that were not started: none that is there or gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provisioning: Vec<ProvisioningInfo>,
    /// Who may not trade as he likes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trading_states: Vec<TradingStateInfo>,
}

/// How far the rebalance under way is; `GET /v1/rebalance` tells who moves where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RebalanceStatus {
    pub epoch: Epoch,
    pub by: By,
    pub moves: u64,
    /// That have not moved.
    pub left: u64,
}

/// A node whose Managers the leader does not hear and does not take for down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BrakedNode {
    pub location: LocationId,
    pub host: String,
    pub managers: Vec<ManagerId>,
}

/// The answer to [`PROBES`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Probed {
    /// The member that looked.
    pub node: NodeId,
    /// Those of the Managers asked about that are registered as live.
    pub managers: Vec<ManagerProbed>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ManagerProbed {
    pub manager: ManagerId,
    /// The registered life, which was looked for.
    pub incarnation: Incarnation,
    /// It answered, itself and in time.
    pub reached: bool,
}

/// States that should be the same and are not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DivergenceStatus {
    /// The entry after which they were compared.
    pub index: Revision,
    /// Who has which hash.
    pub hashes: BTreeMap<NodeId, StateHash>,
    /// Those that differ from the member that answered.
    pub nodes: Vec<NodeId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum MemberRole {
    Leader,
    Follower,
    /// The leader has not heard of it for longer than an election takes.
    Unreachable,
    /// Receives the log and does not vote.
    Learner,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MemberStatus {
    pub node: NodeId,
    pub role: MemberRole,
    pub api_address: String,
    pub peer_address: String,
    /// How far its log is known to reach; the leader's knowledge.
    pub matched: Option<Revision>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum Health {
    Well,
    Suspect,
    Down,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ManagerStatus {
    pub manager: ManagerId,
    pub location: LocationId,
    pub address: String,
    pub incarnation: Incarnation,
    pub epoch: Epoch,
    pub state: ManagerState,
    pub health: Health,
    pub sessions: u64,
    pub since: UnixNanos,
}

/// A service, and the Manager that reported it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ServiceStatus {
    pub manager: ManagerId,
    #[serde(flatten)]
    pub report: ServiceReport,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CustomerStatus {
    pub customer: CustomerId,
    pub trader_manager: Option<ManagerId>,
    pub affinity_version: u64,
    pub traders: Vec<TraderId>,
}

/// `PUT /v1/registers/{key}` and `POST /v1/registers/{key}/cas`: the test range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PutRegister {
    pub value: String,
    /// Written only over this value.
    #[serde(default)]
    pub expected: Option<String>,
}

/// `GET /v1/registers/{key}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RegisterAnswer {
    #[serde(flatten)]
    pub stand: Stand,
    pub register: Option<RegisterRow>,
}
