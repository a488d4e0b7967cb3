//! What is registered and placed, as it is told (REST): Managers, implementations, Brokers, and how services are. Decides
//! shapes only; nothing here is declared, and nothing here can be changed by its address.

use crate::{
    copies::LedgerStatus,
    supervision::{ServiceReport, ServiceState},
    venue::VenueStatus,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use tradewind_domain::{
    control::{drain::DrainState, level::FeatureLevel, row::Assignment},
    ids::{
        AccountId, BrokerId, DrainTarget, Epoch, ImplementationId, Incarnation, LocationId,
        ManagerId, ManagerKind, Revision, VenueId,
    },
    time::UnixNanos,
};

/// How a Manager stands. What is registered is `live` or `down`; what is between them is what the leader sees, which a
/// member that was asked for what it knows itself does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum ManagerStanding {
    Live,
    /// Not heard for a while: nothing new is placed there.
    Suspect,
    /// Not heard for too long: it is taken for down in a moment.
    Lost,
    /// The same, and the brake holds it: nothing is moved away from it for now.
    Held,
    Down,
}

/// `GET /v1/managers/{manager}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ManagerInfo {
    pub manager: ManagerId,
    pub implementation: ImplementationId,
    pub kind: ManagerKind,
    pub location: LocationId,
    /// Host and port of its API.
    pub address: String,
    pub state: ManagerStanding,
    /// It is registered so since.
    pub since: UnixNanos,
    pub incarnation: Incarnation,
    /// Of its registration.
    pub epoch: Epoch,
    /// How many services it takes.
    pub capacity: u32,
    pub placed: Placed,
    /// Drains that cover it, its own and its implementation's.
    pub drains: Vec<DrainOf>,
    /// Its own word, as of its last beat; `null`: nobody who answers has heard it.
    pub told: Option<ManagerTold>,
    /// The feature level that its build understands, if it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<FeatureLevel>,
}

/// What the state gives a Manager, or all of an implementation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Placed {
    pub brokers: u64,
    pub customers: u64,
    pub traders: u64,
}

/// What a Manager says that it has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ManagerTold {
    pub sessions: u64,
    pub services: Vec<ServiceReport>,
}

/// A drain, as far as it concerns what it covers. More of it: `GET /v1/drains/{target}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DrainOf {
    pub target: DrainTarget,
    pub state: DrainState,
    pub revision: Revision,
}

/// `GET /v1/implementations/{implementation}`. It is there as long as a Manager of it is registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ImplementationInfo {
    pub implementation: ImplementationId,
    /// Of its Managers: one, as it should be.
    pub locations: BTreeSet<LocationId>,
    pub managers: Vec<ManagerPart>,
    /// Kinds of Managers of which none is registered.
    pub missing: Vec<ManagerKind>,
    pub placed: Placed,
    /// By the word of its MarketManager; `null`: nobody who answers has heard it.
    pub sessions: Option<u64>,
    /// Drains of it, and of single Managers of it.
    pub drains: Vec<DrainOf>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ManagerPart {
    pub manager: ManagerId,
    pub state: ManagerStanding,
}

/// `GET /v1/brokers/{broker}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BrokerTold {
    pub broker: BrokerId,
    pub account: AccountId,
    pub shard: u16,
    pub venue: VenueId,
    /// Who has it, and the epoch under which its orders are accepted.
    pub assignment: Option<Assignment>,
    /// `null`: the member that answers was asked for what it knows itself.
    pub now: Option<ServiceNow>,
}

/// A shard of a Market at one MarketManager: one of its processes. Shard 0 is always there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MarketAt {
    pub manager: ManagerId,
    #[serde(default)]
    pub shard: u16,
    #[serde(flatten)]
    pub now: ServiceNow,
}

/// How a service stands, by the word of the Manager that it was given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum ServiceStanding {
    /// No Manager has it.
    Unplaced,
    /// Its Manager has not told of it: it was given it a moment ago, or is not heard.
    Unreported,
    /// It is not to run, and does not.
    Stopped,
    Starting,
    Connecting,
    Live,
    Waiting,
    Stopping,
    /// A Trader whose algo is not to run for now.
    Paused,
    /// A Trader whose algo has ended well, for good.
    Completed,
    /// A Trader whose algo has failed, for good.
    Failed,
    /// A Trader that its customer runs himself, and that is not attached.
    Away,
}

impl From<ServiceState> for ServiceStanding {
    fn from(state: ServiceState) -> Self {
        match state {
            ServiceState::Starting => Self::Starting,
            ServiceState::Connecting => Self::Connecting,
            ServiceState::Live => Self::Live,
            ServiceState::Waiting => Self::Waiting,
            ServiceState::Stopping => Self::Stopping,
            ServiceState::Paused => Self::Paused,
            ServiceState::Completed => Self::Completed,
            ServiceState::Failed => Self::Failed,
            ServiceState::Away => Self::Away,
        }
    }
}

/// How a service is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ServiceNow {
    pub state: ServiceStanding,
    /// In its own words.
    pub detail: String,
    pub incarnation: Option<Incarnation>,
    pub pid: Option<u32>,
    pub address: Option<String>,
    /// Crashes since its Manager started it first.
    pub crashes: u32,
    /// Of a Broker: how it stands with its venue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub venue: Option<VenueStatus>,
    /// Of a Broker whose account has, or had, a second copy of its ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerStatus>,
}

impl ServiceNow {
    /// Of which nobody has reported anything.
    #[must_use]
    pub fn silent(state: ServiceStanding) -> Self {
        Self {
            state,
            detail: String::new(),
            incarnation: None,
            pid: None,
            address: None,
            crashes: 0,
            venue: None,
            ledger: None,
        }
    }
}

impl From<&ServiceReport> for ServiceNow {
    fn from(report: &ServiceReport) -> Self {
        Self {
            state: report.state.into(),
            detail: report.detail.clone(),
            incarnation: report.incarnation,
            pid: report.pid,
            address: report.address.clone(),
            crashes: report.crashes,
            venue: report.venue.clone(),
            ledger: report.ledger.clone(),
        }
    }
}
