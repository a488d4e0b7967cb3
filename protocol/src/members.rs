//! Membership of the InfrastructureManagers' group, as it is asked for and told. Decides the shapes; who
//! may come, stay or go is decided in `domain::control`.

use crate::control::Stand;
use serde::{Deserialize, Serialize};
use tradewind_domain::{
    control::level::FeatureLevel,
    ids::{ClusterIncarnation, DiskId, NodeId, Revision},
};

/// `POST /v1/members`: an InfrastructureManager with an empty directory asks to be a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct JoinMember {
    /// The cluster it means to join: another one refuses.
    pub cluster: String,
    /// The identity of its disk: asked again with the same one it is the same member.
    pub disk: DiskId,
    pub peer_address: String,
    pub api_address: String,
    /// What its build understands: below the level of the state it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<FeatureLevel>,
}

/// The answer: the number it has from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MemberJoined {
    #[serde(flatten)]
    pub stand: Stand,
    pub node: NodeId,
}

/// `PUT /v1/members/{node}/address`: a member tells where it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MemberMoved {
    pub disk: DiskId,
    pub peer_address: String,
    pub api_address: String,
    /// The life of the cluster that the member is in: in another one its number is another's. None before it is opened.
    #[serde(default)]
    pub cluster: Option<ClusterIncarnation>,
}

/// `PUT /v1/members/{node}/level`: a member tells which feature levels its build understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MemberKnows {
    /// This one and all below it.
    pub level: FeatureLevel,
}

/// `PUT /v1/members/voters-wanted`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct VotersWanted {
    /// 3 or 5.
    pub voters: u8,
}

/// `DELETE /v1/members/{node}?force=true`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveOptions {
    /// Also where the voters that remain are too few to decide: the group may stand still then.
    #[serde(default)]
    pub force: bool,
}

/// `POST /v1/leader/transfer`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TransferLeader {
    /// Without one: the voter that has most of the log and answers.
    #[serde(default)]
    pub to: Option<NodeId>,
}

/// The answer, once another member leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct LeaderTransferred {
    #[serde(flatten)]
    pub stand: Stand,
    /// Who leads now.
    pub to: NodeId,
}

/// What a member is to the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum MemberStanding {
    Leader,
    Voter,
    /// Receives the log and does not vote.
    Learner,
    /// Admitted, and not yet sent the log.
    Joining,
    /// On its way out.
    Removing,
}

/// One member, in `GET /v1/members` and `GET /v1/members/{node}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MemberInfo {
    pub node: NodeId,
    pub standing: MemberStanding,
    pub api_address: String,
    pub peer_address: String,
    /// The first eight digits of its disk's identity.
    pub disk: Option<String>,
    /// The last entry it is known to hold durably, as the leader knows.
    pub matched: Option<Revision>,
    /// So many entries behind the leader's last one.
    pub lag: Option<u64>,
    /// How long ago the leader heard of it.
    pub heard_ms: Option<u64>,
    /// The version of its program, if it answered just now.
    pub version: Option<String>,
    /// What its build understands, by its own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<FeatureLevel>,
}

/// `GET /v1/members`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Members {
    #[serde(flatten)]
    pub stand: Stand,
    /// Learners are promoted up to so many voters; `None` before the group is founded.
    pub voters_wanted: Option<u8>,
    /// Whether the voters are being changed at this moment.
    pub changing: bool,
    pub members: Vec<MemberInfo>,
    /// Of the state; see `docs/protocol/levels.md`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<FeatureLevel>,
    /// Where some members know the next one already: who does not, the first of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_level_waits_for: Option<String>,
}
