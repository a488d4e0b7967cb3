//! What a Manager is told when it starts. Decides shapes only.

use std::{net::SocketAddr, path::PathBuf};
use tradewind_domain::ids::{LocationId, ManagerId, NodeName};

/// How a Manager is started.
#[derive(Clone, Debug)]
pub struct Options {
    pub manager: ManagerId,
    pub location: LocationId,
    /// Where its API and its pipes are taken; if the port is taken, the next free one.
    pub listen: SocketAddr,
    /// Where the others reach it, host:port, if that is not where it listens.
    pub advertise: Option<String>,
    /// The machine it is on, which fails as one; if none is named, the host of the address it is reached by.
    pub node: Option<NodeName>,
    /// API addresses (host:port) of InfrastructureManagers; one that lives is enough.
    pub members: Vec<String>,
    /// Kept over restarts: the incarnation, the desired state, the services and their logs.
    pub state_dir: PathBuf,
    /// How many services it takes.
    pub capacity: u32,
    /// The binary that services are started from.
    pub binary: PathBuf,
}
