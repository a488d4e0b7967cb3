//! The replicated machine as openraft's state machine: in memory, written behind to sled. Decides the order
//! of applying, publishing and answering; what an entry does is `domain`'s decision.
//!
//! An answer is sent only after the machine that contains it can be read. Sled may lag: the journal is the
//! truth, and is kept until sled has flushed (`writer`).

mod answers;
mod builder;
mod kv;
mod machine;
mod sled_rows;
mod store;
mod sync_hook;
#[cfg(test)]
mod tests;
mod writer;

pub use kv::{Batch, Kv, Visit};
pub(crate) use machine::{Published, StateMachine};
pub(crate) use sled_rows::open_sled;
pub use store::StateError;
pub(crate) use store::{Chain, Loaded, StateStore};
pub(crate) use writer::StateWriter;

use crate::{
    raft::{Entry, LogId, Payload, StoredMembership},
    records::{HeadRecord, LogIdRecord, RecordError},
};
use tradewind_domain::{
    control::{Applied, Machine},
    ids::Revision,
    time::UnixNanos,
};

/// How far a state has come, in openraft's terms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) applied: Option<LogId>,
    pub(crate) membership: StoredMembership,
    pub(crate) stamped: UnixNanos,
}

impl Head {
    /// The index of the last entry applied; 0 before the first.
    pub(crate) fn revision(&self) -> Revision {
        Revision(self.applied.map_or(0, |applied| applied.index))
    }
}

impl Head {
    /// Applies one entry to the machine that this is the head of; what came of it, if it asked for anything.
    pub(crate) fn take(&mut self, machine: &mut Machine, entry: Entry) -> Option<Applied> {
        let applied = match entry.payload {
            Payload::Blank => None,
            Payload::Membership(membership) => {
                self.membership = StoredMembership::new(Some(entry.log_id), membership);
                None
            }
            Payload::Normal(proposal) => {
                let stamped = proposal.stamped();
                self.stamped = self.stamped.max(stamped.at);
                Some(machine.apply(Revision(entry.log_id.index), stamped))
            }
        };
        self.applied = Some(entry.log_id);
        applied
    }
}

impl From<&Head> for HeadRecord {
    fn from(head: &Head) -> Self {
        Self {
            applied: head.applied.map(LogIdRecord::from),
            membership: (&head.membership).into(),
            stamped: head.stamped,
        }
    }
}

impl TryFrom<HeadRecord> for Head {
    type Error = RecordError;
    fn try_from(record: HeadRecord) -> Result<Self, RecordError> {
        Ok(Self {
            applied: record.applied.map(LogId::from),
            membership: record.membership.try_into()?,
            stamped: record.stamped,
        })
    }
}
