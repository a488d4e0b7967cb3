//! Who continues a ledger from its copy. Decides what it may continue from and when it has all of it; that it acts is
//! a committed entry's decision. What it finds without a result may have been sent: it is in doubt and is never sent.

use super::Sealed;
use crate::ids::Fence;

/// The copy that was sealed does not hold all of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the copy holds only a part of the ledger: its joining record is not there")]
pub struct NotWhole;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    Sealing,
    Loading { last: u64 },
    Loaded,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Successor {
    right: Fence,
    naming: Fence,
    state: State,
}

impl Successor {
    /// Of the right `right`, from the copy named by `naming`.
    #[must_use]
    pub fn new(right: Fence, naming: Fence) -> Self {
        Self { right, naming, state: State::Sealing }
    }

    #[must_use]
    pub fn right(&self) -> Fence {
        self.right
    }

    /// The copy is sealed for it. Gives up to which record it is to be loaded.
    pub fn sealed(&mut self, sealed: Sealed) -> Result<u64, NotWhole> {
        if sealed.whole != Some(self.naming) {
            return Err(NotWhole);
        }
        self.state = State::Loading { last: sealed.last };
        Ok(sealed.last)
    }

    /// The own disk has the ledger up to this record.
    pub fn synced(&mut self, index: u64) {
        match self.state {
            State::Loading { last } if index >= last => self.state = State::Loaded,
            State::Loading { .. } | State::Sealing | State::Loaded => {}
        }
    }

    /// Whether the leader is to be told: it waits for the entry that makes it live.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        match self.state {
            State::Loaded => true,
            State::Sealing | State::Loading { .. } => false,
        }
    }
}
