//! How many descriptors this process may have open. Decides that it takes all that its system lets it have, and how many
//! a Manager needs; what is started from here has as many, and who is to have fewer is decided where it is started.

use crate::limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;
use tradewind_link::listen;

/// What this process may have open, as `RLIMIT_NOFILE` counts. `None`: as many as it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// When it was started.
    pub given: Option<u64>,
    /// Since they were raised.
    pub held: Option<u64>,
}

impl Descriptors {
    /// Raises the soft limit to the hard one: it is low, 1,024 on most systems, for programs that ask for `select`.
    pub fn raise() -> io::Result<Self> {
        let Rlimit { current: given, maximum } = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
        Ok(Self { given, held: maximum })
    }

    /// The same for a Manager; what it may not have more of, it goes on with, and says so.
    pub(crate) fn of_manager(capacity: u32, connections: &listen::Limits) -> Self {
        let descriptors = Self::raise().unwrap_or_else(|error| {
            tracing::warn!(%error, "the limit of open files cannot be raised");
            let Rlimit { current, .. } = getrlimit(Resource::Nofile);
            Self { given: current, held: current }
        });
        let needed = needed(capacity, connections);
        if let Some(held) = descriptors.held.filter(|held| *held < needed) {
            tracing::warn!(
                held,
                needed,
                capacity,
                "fewer open files are allowed than its services and connections take: raise the hard limit"
            );
        }
        descriptors
    }
}

/// What a Manager has open at most.
fn needed(capacity: u32, connections: &listen::Limits) -> u64 {
    let connections = u64::try_from(connections.connections).unwrap_or(u64::MAX);
    let services = u64::from(capacity) * limits::DESCRIPTORS_PER_SERVICE;
    connections.saturating_add(services).saturating_add(limits::DESCRIPTORS_BESIDE)
}

#[cfg(test)]
pub(crate) mod tests;
