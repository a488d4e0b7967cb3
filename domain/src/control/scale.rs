//! Scale: implementations are asked for as a location runs out of capacity, and taken away again by drain. Decides
//! what operators may set, which states a request goes through and what leads from one to the next; what a
//! location is short of is found in `load`, what is proposed next in `steps`, and who starts anything is left to
//! the members that the rows name.
//!
//! SC1: a location has at most one request that is open. SC2: a request goes only the ways of its table. SC3: no
//! location gets more implementations than its settings say, nor loses one below the least. A request's id is the
//! entry that asked for it: whoever starts something is told it, and starts it once.

mod audit;
mod decide;
mod load;
mod settings;
mod steps;
mod ways;

pub use audit::Said;
pub use load::{Shortage, Site, sites};
pub use settings::{Marks, Provisioner, ScaleFault, ScaleRow, ScaleSpec};
pub use steps::Offered;
pub(super) use steps::steps;
pub use ways::{ProvisionState, ProvisionStep};
pub(super) use ways::{bounds, violations};

use super::{drain::By, machine::Machine};
#[cfg(feature = "schema")]
#[allow(unused_imports)]
use crate::schema::prelude::*;
use crate::{
    ids::{Epoch, ImplementationId, LocationId, NodeId, Revision},
    time::UnixNanos,
};
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// What the leader, or the member that was asked, has to say. Each is conditional on the row it was decided on.
/// Variants are only appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScaleCommand {
    /// A location needs one implementation more. `settings`: the entry that declared those it was decided by.
    Ask { location: LocationId, settings: Revision, shortage: Shortage },
    /// A member takes it on: to start it, or to take away what is left of it.
    Start { request: Epoch, revision: Revision, node: NodeId },
    /// All three Managers have checked in.
    Arrive { request: Epoch, revision: Revision },
    /// What was to be done was not done, in words.
    Fail { request: Epoch, revision: Revision, why: String },
    /// It is not needed any more, and nothing of it has checked in.
    GiveUp { request: Epoch, revision: Revision },
    /// Too many: it is drained, by the drain that this same entry begins.
    Retire { request: Epoch, revision: Revision, settings: Revision },
    /// Its drain is gone: it stays.
    Keep { request: Epoch, revision: Revision },
    /// Nothing of it is registered: whoever started it takes it away.
    Release { request: Epoch, revision: Revision },
    /// Nothing of it is left.
    Done { request: Epoch, revision: Revision },
    /// A location has begun, or ceased, to need less than it has.
    Quiet { location: LocationId, settings: Revision, quiet: bool },
    /// What an operator has put right, or seen go wrong, in his name.
    Tell { by: By, request: Epoch, revision: Revision, said: Said },
}

/// A request of one implementation, and what has become of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ProvisionRow {
    /// The entry that asked for it: its name for ever.
    pub request: Epoch,
    /// The entry that last changed it: whoever acts on it acts on this.
    pub revision: Revision,
    pub location: LocationId,
    pub implementation: ImplementationId,
    pub provisioner: Provisioner,
    /// Each attempt, from its start until all three Managers are there.
    pub deadline_seconds: u32,
    pub shortage: Shortage,
    pub state: ProvisionState,
    /// Of the state, or of the attempt under way.
    pub since: UnixNanos,
    /// Whose turn it is, or was last.
    pub node: Option<NodeId>,
    /// That failed one after the other.
    pub attempts: u32,
    /// The next attempt comes no sooner, by the log's clock.
    pub not_before: UnixNanos,
    /// Why the last attempt failed.
    pub failure: Option<String>,
    /// The drain by which it goes.
    pub drain: Option<Epoch>,
}

impl Machine {
    #[must_use]
    pub fn scale(&self, location: &LocationId) -> Option<&ScaleRow> {
        self.tables.scales.get(location)
    }

    pub fn scales(&self) -> impl Iterator<Item = &ScaleRow> {
        self.tables.scales.values()
    }

    #[must_use]
    pub fn provision(&self, request: Epoch) -> Option<&ProvisionRow> {
        self.tables.provisions.get(&request)
    }

    /// The member on whose machine it runs, or may run: that one alone starts it again, and takes it away. Started on
    /// another machine it would begin with empty disks, beside what is registered of it.
    pub(super) fn bound_to(&self, row: &ProvisionRow) -> Option<NodeId> {
        let bound = match (&row.provisioner, row.state) {
            (Provisioner::Exec { .. }, _) => false,
            (Provisioner::Process { .. }, ProvisionState::Failed) => {
                self.managers_of(&row.implementation).next().is_some()
            }
            (
                Provisioner::Process { .. },
                ProvisionState::Asked
                | ProvisionState::Starting
                | ProvisionState::There
                | ProvisionState::Retiring
                | ProvisionState::Releasing
                | ProvisionState::Released,
            ) => true,
        };
        row.node.filter(|_| bound)
    }

    /// Whether an implementation was asked for and is taken away, or was.
    #[must_use]
    pub fn is_released(&self, implementation: &ImplementationId) -> bool {
        self.provisions().any(|row| {
            row.implementation == *implementation
                && match row.state {
                    ProvisionState::Releasing | ProvisionState::Released => true,
                    ProvisionState::Asked
                    | ProvisionState::Starting
                    | ProvisionState::There
                    | ProvisionState::Failed
                    | ProvisionState::Retiring => false,
                }
        })
    }

    /// Requests in the order in which they were made.
    pub fn provisions(&self) -> impl DoubleEndedIterator<Item = &ProvisionRow> {
        self.tables.provisions.values()
    }
}

#[cfg(test)]
mod tests;
