//! The first frames on every pipe: who dials whom, and by which right. Decides what is checked before
//! anything else is said; the pipe itself is `cluster/link`.

use crate::problem::Problem;
use serde::{Deserialize, Serialize};
use tradewind_domain::ids::{Fence, Incarnation};

/// The protocol spoken by this build. Both sides say what they speak; no overlap, no pipe.
/// 1: as at first. 2: a Manager's beat may say that nothing has changed, and a service may be asked. 3: a Manager is told
/// what it should be in parts. 4: a Broker is told which sessions are connected. 5: a copy holder reads what is external.
pub const PROTOCOL: ProtocolRange = ProtocolRange { min: 1, max: 5 };
/// From here on the other side of a trading link knows of sessions that are connected, and of orders tied to them.
pub const PRESENCE_SINCE: u32 = 4;
/// From here on a copy holder reads records of what is external.
pub const EXTERNAL_SINCE: u32 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtocolRange {
    pub min: u32,
    pub max: u32,
}

impl ProtocolRange {
    /// The highest version both speak.
    #[must_use]
    pub fn common(self, other: Self) -> Option<u32> {
        let highest = self.max.min(other.max);
        (highest >= self.min.max(other.min)).then_some(highest)
    }
}

/// From the one who dialled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    pub protocol: ProtocolRange,
    /// What the pipe is for: `manager`, `service`, `trade`.
    pub purpose: String,
    /// Who dials: `infrastructure-manager.1`, `a1.market-manager`, `market.crypto.0`.
    pub from: String,
    /// Whom it takes the other side for; another one refuses.
    pub to: String,
    /// The dialler's life. Of two pipes of one dialler the newer life's stays.
    pub incarnation: Incarnation,
    /// The dialler's right: a leader's term, a Manager's or a service's epoch. A lower one than was seen
    /// from the same purpose is refused.
    pub fence: Fence,
}

/// The answer to a `Hello`. After a refusal the socket is closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum HelloAnswer {
    Welcome { protocol: u32, incarnation: Incarnation },
    Refused { problem: Problem },
}
