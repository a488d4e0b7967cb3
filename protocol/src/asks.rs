//! What a service asks its Manager over their pipe, and what it is answered. Decides shapes; what may be done is decided by
//! the Manager.

use serde::{Deserialize, Serialize};
use tradewind_domain::ids::VenueId;

/// So many connects from one address in any stretch of so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectsAllowed {
    pub connects: u32,
    pub within_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServiceAsk {
    /// A Broker, before it dials its venue: may it, once?
    Connect {
        venue: VenueId,
        /// Where it is dialled: connects are counted there.
        endpoint: String,
        /// What the venue allows, as the Broker knows it: the tightest word of all counts.
        allowed: ConnectsAllowed,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServiceAnswer {
    /// It may dial once, now; so many connects are left.
    Connect { left: u32 },
    /// Not now: it asks again after so long.
    Wait { wait_ms: u64 },
    /// This Manager has no answer to such a question.
    NotKnown,
}
