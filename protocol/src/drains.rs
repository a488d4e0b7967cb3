//! Draining an implementation or a Manager, as it is asked for and told (REST). Decides shapes only; the states and
//! what leads from one to the next are `domain::control::drain`'s decision.

use crate::control::Stand;
use serde::{Deserialize, Serialize};
use tradewind_domain::{
    control::drain::{By, DrainRow, DropSchedule},
    ids::{DrainTarget, ManagerId},
    time::UnixNanos,
};

/// Every drain there is: `GET`. One of them is at `/v1/drains/{target}`.
pub const DRAINS: &str = "/v1/drains";

/// Where a drain is.
#[must_use]
pub fn path_of(target: &DrainTarget) -> String {
    format!("{DRAINS}/{target}")
}

/// `POST /v1/implementations/{implementation}/drain`, `POST /v1/managers/{manager}/drain`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BeginDrain {
    pub who: String,
    pub why: String,
    /// RFC 3339. Passed, it raises an alarm and forces nothing.
    #[serde(default)]
    pub deadline: Option<UnixNanos>,
    #[serde(default = "after_hours")]
    pub drop: DropSchedule,
}

fn after_hours() -> DropSchedule {
    DropSchedule::AfterHours
}

impl BeginDrain {
    #[must_use]
    pub fn by(&self) -> By {
        By { who: self.who.clone(), why: self.why.clone() }
    }
}

/// A change of a drain: `DELETE /v1/drains/{target}` cancels it, `POST /v1/drains/{target}/force` counts it as drained
/// whatever is still there, `PUT /v1/drains/{target}/drop` says anew when it is dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ChangeDrain {
    pub who: String,
    pub why: String,
    /// Of `PUT .../drop` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop: Option<DropSchedule>,
}

/// What is still there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Remaining {
    pub brokers: u64,
    pub customers: u64,
    pub traders: u64,
    /// Services and sessions, by the Managers' own word to the leader of now; `null` while one that is live has
    /// not told it yet.
    pub held: Option<u64>,
}

/// A drain and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DrainView {
    #[serde(flatten)]
    pub row: DrainRow,
    /// Every Manager concerned has confirmed that it takes nothing new, or is down. Not said of a forced drain.
    pub acknowledged: bool,
    /// The registered Managers that it covers.
    pub managers: Vec<ManagerId>,
    /// `null`: the member that answers does not lead, or leads since a moment.
    pub remaining: Option<Remaining>,
    /// Why it does not go on by itself, and what would help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DrainTold {
    #[serde(flatten)]
    pub stand: Stand,
    pub drain: DrainView,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Drains {
    #[serde(flatten)]
    pub stand: Stand,
    pub drains: Vec<DrainView>,
}
