//! What a Manager says of itself: its status, and the stream of what changes in it. Decides shapes; the text is
//! docs/protocol/managers.md.

use crate::{problem::Problem, supervision::ServiceReport};
use serde::{Deserialize, Serialize};
use tradewind_domain::ids::{Fence, Incarnation, LocationId, ManagerId, Revision, ServiceId};

/// `GET` with an upgrade: the status, then each change of it.
pub const STATUS_STREAM: &str = "/v1/status/stream";

/// `GET /v1/status` at a Manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OwnStatus {
    pub manager: ManagerId,
    pub location: LocationId,
    pub address: String,
    pub incarnation: Incarnation,
    /// Its right and the revision it was told of last; `null` before the first ever.
    pub fence: Option<Fence>,
    pub revision: Option<Revision>,
    #[serde(flatten)]
    pub standing: OwnStanding,
    pub sessions: u64,
    pub services: Vec<ServiceReport>,
}

/// How it stands with the group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OwnStanding {
    /// The leader whose pipe is up.
    pub leader: Option<String>,
    pub lease_holds: bool,
    /// How often the lease has run out since the Manager was started.
    pub fences: u64,
}

/// A frame of the stream. The first is `status`; a change that it holds already may come once more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum StatusFrame {
    Status {
        status: OwnStatus,
    },
    /// A service as it is now: new, or changed.
    Service {
        service: ServiceReport,
    },
    /// It is here no more.
    Gone {
        service: ServiceId,
    },
    Standing {
        standing: OwnStanding,
    },
    /// Every second: all that has changed until now was told.
    Beat {
        n: u64,
        sessions: u64,
    },
    /// The last one.
    End {
        problem: Problem,
    },
}
