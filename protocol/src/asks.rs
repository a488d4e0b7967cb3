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
    /// A Broker, before it dials its venue: may it, once for each dial?
    Connect {
        venue: VenueId,
        /// Where it is dialled, as the venue counts: all that name the same have one budget, whatever they call the venue.
        endpoint: String,
        /// What the venue allows, as the Broker knows it: the tightest word of all counts.
        allowed: ConnectsAllowed,
        /// So many at once, or none: connections that are of no use without each other.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        dials: u32,
        /// For market data alone: a part of the Broker's share is kept for what orders go over.
        #[serde(default, skip_serializing_if = "is_false")]
        for_data: bool,
    },
}

const fn one() -> u32 {
    1
}

fn is_one(dials: &u32) -> bool {
    *dials == one()
}

fn is_false(for_data: &bool) -> bool {
    !for_data
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServiceAnswer {
    /// It may make the dials it asked for, now; so many connects are left.
    Connect { left: u32 },
    /// Not now: it asks again after so long.
    Wait { wait_ms: u64 },
    /// This Manager has no answer to such a question.
    NotKnown,
}
