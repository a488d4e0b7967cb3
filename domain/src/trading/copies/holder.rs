//! The copy holder's side of one ledger. Decides whom it serves, what it takes and what it acknowledges; every change
//! of it is a record that its journal holds before it is answered for, so that a restart forgets none.

use crate::ids::Fence;
use serde::{Deserialize, Serialize};

/// What the copy holder's journal keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kept {
    /// Nothing of a right below this one is served any more.
    Sealed { by: Fence },
    /// What was kept before is given up; the ledger's first record follows.
    Begun { since: Fence },
    /// The ledger's next record; its naming if it is a joining one.
    Entry { joins: Option<Fence> },
}

/// A Broker's connection: one at a time, the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Session {
    number: u64,
    right: Fence,
}

/// What a Broker is told first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Greeting {
    /// The naming under which the copy was begun.
    pub begun: Option<Fence>,
    pub last: u64,
    /// Up to which record it is on the disk.
    pub synced: u64,
}

/// What comes of a Broker's greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Greeted {
    pub session: Session,
    /// For the journal.
    pub kept: Option<Kept>,
    pub greeting: Greeting,
}

/// What a successor is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sealed {
    /// The naming whose joining record the copy has, under which it was begun.
    pub whole: Option<Fence>,
    pub last: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("this copy is sealed for the right of entry {}", by.epoch)]
    Sealed { by: Fence },
    #[error("another connection took this one's place")]
    OtherSession,
    #[error("this copy was begun under another naming, or has joined under this one")]
    Begun,
    #[error("record {after} is the last one here")]
    Hole { after: u64 },
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Holder {
    sealed: Fence,
    begun: Option<Fence>,
    last: u64,
    joined: Option<Fence>,
    session: Option<Session>,
    sessions: u64,
}

impl Holder {
    /// Takes what stands in the journal: at a start, record by record.
    pub fn take(&mut self, kept: Kept) {
        match kept {
            Kept::Sealed { by } => self.sealed = by,
            Kept::Begun { since } => {
                self.begun = Some(since);
                self.last = 0;
                self.joined = None;
            }
            Kept::Entry { joins } => {
                self.last += 1;
                self.joined = joins.or(self.joined);
            }
        }
    }

    /// A Broker comes. `synced`: up to which of the ledger's records the journal is durable. Nothing waits for the
    /// record that its right may leave: only a successor relies on a seal.
    pub fn greet(&mut self, right: Fence, synced: u64) -> Result<Greeted, Refused> {
        if right < self.sealed {
            return Err(Refused::Sealed { by: self.sealed });
        }
        self.sessions += 1;
        let session = Session { number: self.sessions, right };
        self.session = Some(session);
        let kept = (right > self.sealed).then_some(Kept::Sealed { by: right });
        if let Some(kept) = kept {
            self.take(kept);
        }
        let greeting = Greeting { begun: self.begun, last: self.last, synced };
        Ok(Greeted { session, kept, greeting })
    }

    /// Begins anew, unless it was begun later, or is already relied upon.
    pub fn begin(&mut self, session: Session, since: Fence) -> Result<Kept, Refused> {
        self.check(session)?;
        if self.begun > Some(since) || self.whole() == Some(since) {
            return Err(Refused::Begun);
        }
        let kept = Kept::Begun { since };
        self.take(kept);
        Ok(kept)
    }

    /// Takes the ledger's next record; its naming if it is a joining one.
    pub fn append(
        &mut self,
        session: Session,
        index: u64,
        joins: Option<Fence>,
    ) -> Result<Kept, Refused> {
        self.check(session)?;
        if index != self.last + 1 {
            return Err(Refused::Hole { after: self.last });
        }
        let kept = Kept::Entry { joins };
        self.take(kept);
        Ok(kept)
    }

    /// Serves nothing below this right from here on. It is answered when the record is durable.
    pub fn seal(&mut self, right: Fence) -> Result<(Kept, Sealed), Refused> {
        if right < self.sealed {
            return Err(Refused::Sealed { by: self.sealed });
        }
        self.session = None;
        let kept = Kept::Sealed { by: right };
        self.take(kept);
        Ok((kept, Sealed { whole: self.whole(), last: self.last }))
    }

    /// The naming under which it was begun.
    #[must_use]
    pub fn begun(&self) -> Option<Fence> {
        self.begun
    }

    /// Whether the Broker of this connection may be told what is durable.
    #[must_use]
    pub fn acknowledges(&self, session: Session) -> bool {
        self.check(session).is_ok()
    }

    fn check(&self, session: Session) -> Result<(), Refused> {
        if session.right < self.sealed {
            return Err(Refused::Sealed { by: self.sealed });
        }
        if self.session != Some(session) {
            return Err(Refused::OtherSession);
        }
        Ok(())
    }

    fn whole(&self) -> Option<Fence> {
        self.begun.filter(|begun| self.joined == Some(*begun))
    }
}
