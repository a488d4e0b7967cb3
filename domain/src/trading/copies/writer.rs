//! The Broker's side of a ledger's copies. Decides up to which record anything may be told or sent, what goes to the
//! copy and what follows its greeting. It never decides to go on alone: that it reads from the naming.

use super::{Greeting, Joined, view::Naming};
use crate::ids::Fence;

/// What counts for a record to be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Own copy and the copy holder's.
    Two,
    /// The own copy; another is being filled.
    CatchingUp,
    /// The own copy, as the naming says.
    Single,
    /// The ledger knows of a later naming than was told: nothing more becomes durable until that is told.
    Outdated,
}

/// The way to the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Way {
    Down,
    Open {
        acknowledged: u64,
    },
    /// It was sealed at a right above ours.
    Sealed {
        by: Fence,
    },
    /// It does not have what it had: another must be named.
    Lost,
}

/// What follows the copy's greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Whatever it has is to be given up: it is filled from the first record on.
    Begin,
    /// It has records that a former life of this Broker wrote and did not sync here: they are taken into the own
    /// ledger, then it is greeted again. Nobody was told of them, and what may have been sent is in doubt.
    Adopt { after: u64, to: u64 },
    /// Records after this one are sent.
    Stream { after: u64 },
    /// It lost what it had acknowledged: the leader must name another. It is never filled again under this naming.
    Lost,
}

/// See the module. One life of a Broker's process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Writer<P> {
    right: Fence,
    naming: Naming<P>,
    joined: Option<Joined>,
    last: u64,
    synced: u64,
    durable: u64,
    way: Way,
    /// The naming whose copy is known to hold nothing that this ledger does not.
    matched: Option<Fence>,
}

impl<P: PartialEq> Writer<P> {
    /// A ledger as it was found: `last` record, all of them synced, with its last joining record.
    #[must_use]
    pub fn opened(right: Fence, naming: Naming<P>, joined: Option<Joined>, last: u64) -> Self {
        let (way, matched) = (Way::Down, None);
        let mut writer =
            Self { right, naming, joined, last, synced: last, durable: 0, way, matched };
        writer.raise();
        writer
    }

    /// The leader's word, by way of the Manager. What is older than was known is no news.
    pub fn told(&mut self, right: Fence, naming: Naming<P>) {
        if right > self.right {
            self.right = right;
            if let Way::Sealed { by } = self.way
                && right >= by
            {
                self.way = Way::Down;
            }
        }
        if naming.since > self.naming.since {
            self.naming = naming;
            self.way = Way::Down;
            self.matched = None;
        }
        self.raise();
    }

    #[must_use]
    pub fn standing(&self) -> Standing {
        match &self.joined {
            Some(joined) if joined.since > self.naming.since => Standing::Outdated,
            Some(joined) if joined.since == self.naming.since => Standing::Two,
            Some(_) | None if self.naming.holder.is_some() => Standing::CatchingUp,
            Some(_) | None => Standing::Single,
        }
    }

    #[must_use]
    pub fn right(&self) -> Fence {
        self.right
    }

    /// Up to which record the copy has said that it has everything, on the way that stands.
    #[must_use]
    pub fn has(&self) -> u64 {
        match self.way {
            Way::Open { acknowledged } => acknowledged,
            Way::Down | Way::Sealed { .. } | Way::Lost => 0,
        }
    }

    #[must_use]
    pub fn naming(&self) -> &Naming<P> {
        &self.naming
    }

    /// Whether there is a way to the copy.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self.way {
            Way::Open { .. } => true,
            Way::Down | Way::Sealed { .. } | Way::Lost => false,
        }
    }

    /// Whether records may be put. A new life first takes from its copy what it may have missed: otherwise it would
    /// give the same numbers to other records.
    #[must_use]
    pub fn may_put(&self) -> bool {
        match self.standing() {
            Standing::Two => self.matched == Some(self.naming.since),
            Standing::CatchingUp | Standing::Single => true,
            Standing::Outdated => false,
        }
    }

    /// Who is to be greeted, by which right and under which naming.
    #[must_use]
    pub fn greets(&self) -> Option<(&P, Fence, Fence)> {
        match self.way {
            Way::Down => self.naming.holder.as_ref().map(|to| (to, self.right, self.naming.since)),
            Way::Open { .. } | Way::Sealed { .. } | Way::Lost => None,
        }
    }

    pub fn greeted(&mut self, greeting: Greeting) -> Next {
        let since = self.naming.since;
        let is_ours = greeting.begun == Some(since);
        match self.standing() {
            Standing::Two if !is_ours => {
                self.way = Way::Lost;
                Next::Lost
            }
            Standing::Two if greeting.last > self.last => {
                Next::Adopt { after: self.last, to: greeting.last }
            }
            Standing::CatchingUp if !is_ours || self.matched != Some(since) => Next::Begin,
            Standing::Two | Standing::CatchingUp | Standing::Single | Standing::Outdated => {
                self.matched = Some(since);
                self.way = Way::Open { acknowledged: greeting.synced };
                self.raise();
                Next::Stream { after: greeting.last }
            }
        }
    }

    /// The copy has begun anew.
    pub fn begun(&mut self) {
        self.matched = Some(self.naming.since);
        self.way = Way::Open { acknowledged: 0 };
    }

    /// The copy's records up to this one are put into the own ledger.
    pub fn adopted(&mut self, to: u64) {
        self.last = self.last.max(to);
    }

    /// The index of the record that is put now.
    pub fn put(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Whether the joining record may be put: the copy is being filled, and what it lacks is at most `within` records.
    #[must_use]
    pub fn may_join(&self, within: u64) -> bool {
        match (self.standing(), self.way) {
            (Standing::CatchingUp, Way::Open { acknowledged }) => {
                self.last.saturating_sub(acknowledged) <= within
            }
            (Standing::CatchingUp, Way::Down | Way::Sealed { .. } | Way::Lost)
            | (Standing::Two | Standing::Single | Standing::Outdated, _) => false,
        }
    }

    /// The index of the joining record, which is put now. There is no way back from it but another naming.
    pub fn put_joining(&mut self) -> u64 {
        let index = self.put();
        self.joined = Some(Joined { since: self.naming.since, index });
        index
    }

    /// Up to which record the copy may be sent what is here.
    #[must_use]
    pub fn streams_to(&self) -> u64 {
        match &self.joined {
            Some(joined) if joined.index > self.synced => joined.index - 1,
            Some(_) | None => self.last,
        }
    }

    /// The own disk has everything up to this record.
    pub fn synced(&mut self, index: u64) {
        self.synced = self.synced.max(index);
        self.raise();
    }

    /// The copy's disk has everything up to this record.
    pub fn acknowledged(&mut self, index: u64) {
        if let Way::Open { acknowledged } = &mut self.way {
            *acknowledged = index.max(*acknowledged);
        }
        self.raise();
    }

    /// The connection is gone.
    pub fn broken(&mut self) {
        if let Way::Open { .. } = self.way {
            self.way = Way::Down;
        }
    }

    /// The copy takes nothing of our right: it promised to serve this one.
    pub fn refused(&mut self, by: Fence) {
        self.way = Way::Sealed { by };
    }

    /// Up to which record anything may be answered, told or sent.
    #[must_use]
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// Whether the copy that everything waits for was sealed for another: this Broker stops.
    #[must_use]
    pub fn is_superseded(&self) -> bool {
        self.standing() == Standing::Two && matches!(self.way, Way::Sealed { .. })
    }

    /// Whether the copy has joined and said so: the leader is to be told.
    #[must_use]
    pub fn has_joined(&self) -> Option<Fence> {
        let joined = self.joined.filter(|joined| joined.since == self.naming.since)?;
        match self.way {
            Way::Open { acknowledged } if acknowledged >= joined.index => Some(joined.since),
            Way::Open { .. } | Way::Down | Way::Sealed { .. } | Way::Lost => None,
        }
    }

    fn raise(&mut self) {
        let to = match (self.standing(), self.way) {
            (Standing::Two, Way::Open { acknowledged }) => self.synced.min(acknowledged),
            (Standing::Two, Way::Down | Way::Sealed { .. } | Way::Lost)
            | (Standing::Outdated, _) => 0,
            (Standing::CatchingUp | Standing::Single, _) => self.synced,
        };
        self.durable = self.durable.max(to);
    }
}
