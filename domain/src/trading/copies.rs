//! The two copies of a ledger: the Broker's own, and one that a copy holder keeps on another node. Decides what each
//! side may say and do, and who may decide what; journals, pipes and waiting are the shells'. The reasons, case by
//! case, stand in decision 83; all interleavings to a bound are searched in `tests/copies`.
//!
//! C1 nothing is answered, told or sent before it is durable at every copy that counts. C2 which copies count is
//! said by a committed entry, never by a Broker that hears nothing. C3 whoever was sealed at a right acknowledges
//! nothing of a lower one. C4 a copy is whole when it holds the joining record of its naming, and a successor
//! continues from nothing else. C5 a successor acts after the entry that makes it live, not before.

mod holder;
mod stage;
mod successor;
mod view;
mod writer;

pub use holder::{Greeted, Greeting, Holder, Kept, Refused, Sealed, Session};
pub use stage::{Change, Stage};
pub use successor::{NotWhole, Successor};
pub use view::{Held, Naming, Unfit, View};
pub use writer::{Next, Standing, Writer};

use crate::ids::Fence;
use serde::{Deserialize, Serialize};

/// A record of the ledger by which a copy joins: from it on everything waits for both. It is on the Broker's disk
/// before the copy sees it; all other records go to both at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Joined {
    /// The naming of the copy.
    pub since: Fence,
    /// Its place in the ledger.
    pub index: u64,
}

#[cfg(test)]
mod tests;
