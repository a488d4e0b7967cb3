//! Check-in: a child tells its parent that it is there; the parent then opens the pipe. Decides the two
//! REST exchanges: Manager with an InfrastructureManager, service with its Manager.

use crate::{control::Stand, supervision::ServiceReport};
use serde::{Deserialize, Serialize};
use tradewind_domain::{
    control::level::FeatureLevel,
    ids::{DiskId, Fence, Incarnation, LocationId, ManagerId, NodeName, ServiceId},
};

/// `POST /v1/managers/check-in` at any InfrastructureManager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ManagerCheckIn {
    pub manager: ManagerId,
    pub location: LocationId,
    /// Host and port where the Manager takes the leader's pipe.
    pub address: String,
    pub incarnation: Incarnation,
    /// How many services it takes.
    pub capacity: u32,
    /// What it still runs from an earlier life.
    pub services: Vec<ServiceReport>,
    /// The identity of its data directory: its name, and all that is given to it, belongs to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskId>,
    /// The machine it is on, which fails as one; without it the host of its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeName>,
    /// What its build understands. One that says nothing is let in, and the next level waits for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<FeatureLevel>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ManagerCheckedIn {
    #[serde(flatten)]
    pub stand: Stand,
    pub fence: Fence,
    /// API addresses of all InfrastructureManagers, to be kept and tried in turn.
    pub members: Vec<String>,
}

/// `POST /v1/services/check-in` at the Manager that spawned the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceCheckIn {
    pub service: ServiceId,
    /// The secret the Manager gave in the environment at the spawn.
    pub token: String,
    pub incarnation: Incarnation,
    pub pid: u32,
    /// Where the service takes its Manager's pipe.
    pub address: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceCheckedIn {
    /// The Manager's life that took the service.
    pub manager_incarnation: Incarnation,
}
