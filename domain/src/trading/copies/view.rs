//! What the replicated state says of a ledger: whose counts, who is to continue it, who keeps the copy. Decides which
//! change is made: `stage` has the table of which may follow which. Every change is a committed entry and is refused when
//! it was decided on something older; when one is due is the planner's decision.

use super::stage::{Change, Stage};
use crate::ids::Fence;
use serde::{Deserialize, Serialize};

/// A place, and the right it is held by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Held<P> {
    pub at: P,
    pub right: Fence,
}

/// Who keeps the copy, and the entry that said so. With nobody named the Broker's own copy is the only one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Naming<P> {
    pub since: Fence,
    pub holder: Option<P>,
}

/// See the module. `P` is a place that can be lost as a whole: a Manager's node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct View<P> {
    /// Whose ledger counts. Nobody else acts for the account.
    pub live: Held<P>,
    /// Who is to continue it. He seals and loads, and does not act.
    pub successor: Option<Held<P>>,
    pub naming: Naming<P>,
    /// The copy was told to have joined: it can be continued from.
    pub whole: bool,
}

/// Why a change does not fit the state it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("it was decided on another state of the ledger")]
    Superseded,
    #[error("the ledger is being continued elsewhere")]
    Succeeding,
    #[error("the copy is not whole")]
    NotWhole,
    #[error("the Broker's own place holds no copy")]
    OwnPlace,
}

impl<P: Clone + PartialEq> View<P> {
    /// A ledger that begins, without a copy.
    #[must_use]
    pub fn begun(at: P, right: Fence) -> Self {
        let naming = Naming { since: right, holder: None };
        Self { live: Held { at, right }, successor: None, naming, whole: false }
    }

    /// Names another copy holder, or nobody, in place of the naming `on`. From this entry on the Broker's own copy
    /// alone counts, until the new one joins: a Broker learns from it alone that it may go on by itself.
    pub fn name(&mut self, holder: Option<P>, on: Fence, entry: Fence) -> Result<(), Unfit> {
        if self.naming.since != on {
            return Err(Unfit::Superseded);
        }
        let next = self.stage().after(match holder {
            Some(_) => Change::Name,
            None => Change::NameNobody,
        })?;
        if holder.as_ref() == Some(&self.live.at) {
            return Err(Unfit::OwnPlace);
        }
        self.naming = Naming { since: entry, holder };
        self.whole = next.is_whole();
        Ok(())
    }

    /// The Broker tells that the copy has joined. True for ever of that naming, whoever tells it.
    pub fn joined(&mut self, since: Fence) -> Result<(), Unfit> {
        if self.naming.since != since {
            return Err(Unfit::Superseded);
        }
        self.whole = self.stage().after(Change::Join)?.is_whole();
        Ok(())
    }

    /// Another place is to continue the ledger from the copy, in place of whoever holds the right `on`.
    pub fn succeed(&mut self, at: P, on: Fence, entry: Fence) -> Result<(), Unfit> {
        if self.highest() != on {
            return Err(Unfit::Superseded);
        }
        self.stage().after(Change::Succeed)?;
        if at == self.live.at {
            return Err(Unfit::OwnPlace);
        }
        self.successor = Some(Held { at, right: entry });
        Ok(())
    }

    /// The successor has loaded the sealed copy: from this entry on it acts. Where it stands beside the copy there is
    /// one copy left.
    pub fn went_live(&mut self, right: Fence, entry: Fence) -> Result<(), Unfit> {
        let held = self.successor.as_ref();
        let beside = held.is_some_and(|held| self.naming.holder.as_ref() == Some(&held.at));
        let change = if beside { Change::GoLiveBesideCopy } else { Change::GoLive };
        let next = self.stage().after(change)?;
        let Some(successor) = self.successor.take_if(|held| held.right == right) else {
            return Err(Unfit::Superseded);
        };
        if beside {
            self.naming = Naming { since: entry, holder: None };
        }
        self.whole = next.is_whole();
        self.live = successor;
        Ok(())
    }

    /// The succession is given up: the Broker that was live goes on, by a right above the successor's, since the copy
    /// may be sealed at that.
    pub fn give_back(&mut self, on: Fence, entry: Fence) -> Result<(), Unfit> {
        self.stage().after(Change::GiveBack)?;
        if self.successor.as_ref().map(|held| held.right) != Some(on) {
            return Err(Unfit::Superseded);
        }
        self.successor = None;
        self.live.right = entry;
        Ok(())
    }

    #[must_use]
    pub fn stage(&self) -> Stage {
        match (&self.successor, &self.naming.holder) {
            (Some(_), _) => Stage::Succeeding,
            (None, Some(_)) if self.whole => Stage::Whole,
            (None, Some(_)) => Stage::Filling,
            (None, None) => Stage::Single,
        }
    }

    /// The highest right that was given.
    #[must_use]
    pub fn highest(&self) -> Fence {
        self.successor.as_ref().map_or(self.live.right, |held| held.right)
    }
}
