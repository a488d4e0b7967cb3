//! Members talking to each other: length-framed TCP, three connections a pair and direction, so that
//! neither entries nor a snapshot delay a vote or a heartbeat. Decides framing, greeting, deadlines and
//! what a lost connection means; what is said is Raft's.

mod acks;
pub(crate) mod callers;
pub(crate) mod client;
mod commits;
pub(crate) mod fetch;
pub(crate) mod frame;
pub(crate) mod handshake;
pub(crate) mod leases;
pub(crate) mod life;
pub(crate) mod link;
pub(crate) mod peers;
pub(crate) mod server;
mod snapshot;
pub(crate) mod standing;
mod told;
pub(crate) mod wire;

use std::io;

/// What a connection carries. Each has its own, so that none waits behind another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    Append,
    Control,
    Snapshot,
}

impl Lane {
    pub(crate) const ALL: [Self; 3] = [Self::Append, Self::Control, Self::Snapshot];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Control => "control",
            Self::Snapshot => "snapshot",
        }
    }
}

/// Why a call to a peer got no answer. Except after `Dial` and `Greeting` it may have been carried out.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("cannot connect to {address}: {source}")]
    Dial { address: String, source: std::sync::Arc<io::Error> },
    #[error("peer {address} refused the connection: {reason}")]
    Greeting { address: String, reason: String },
    #[error("the connection to {address} broke: {reason}")]
    Broken { address: String, reason: String },
    #[error("no answer from {address} in time")]
    Late { address: String },
}
