//! How a Broker stands with its venue, as it is told upward: with its beats, in its Manager's status, in `/v1/brokers`.
//! Decides shapes only.

use serde::{Deserialize, Serialize};
use tradewind_domain::{ids::InstrumentId, time::UnixNanos};

/// Names of stale subscriptions that are told; more are counted.
pub const STALE_TOLD: usize = 16;
/// Bytes of the last error that are told.
pub const ERROR_BYTES: usize = 300;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum VenueState {
    /// Not connected yet in this life.
    #[default]
    Connecting,
    /// It waits until it may connect: the Brokers of its address have made the connects that the venue allows.
    Waiting,
    Live,
    /// It was connected, and is dialled again.
    Reconnecting,
}

/// A Broker's connections to its venue. State, time and count are those of the one that orders go over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct VenueStatus {
    pub state: VenueState,
    /// It is so since then; while it is `waiting` or `reconnecting`, since the connection was lost.
    pub since: UnixNanos,
    /// Connections in this life of the Broker.
    pub connections: u64,
    /// Instruments that are subscribed, or will be once it is connected.
    pub subscriptions: u32,
    /// Of them those on which nothing has come for too long, each judged for itself.
    pub stale: u32,
    /// The first of their names, `STALE_TOLD` at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stale_instruments: Vec<InstrumentId>,
    /// Connections that stand now besides the one that orders go over: for instruments beyond what that takes.
    #[serde(default)]
    pub data_connections: u32,
    /// Instruments that no connection has room for now.
    #[serde(default)]
    pub waiting: u32,
    /// What went wrong last, in words; it stays when that is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}
