//! The state of the model, and what must hold of it. Decides what is told from what: the histories that an algo and a
//! venue saw are kept apart from every disk.

use tradewind_domain::{
    ids::{ClusterIncarnation, Epoch, Fence},
    trading::copies::{Holder, Joined, Kept, Session, Successor, View, Writer},
};

/// A node, by number: it is lost as a whole.
pub(crate) type Place = u8;

pub(crate) const PLACES: Place = 3;
pub(crate) const ORDERS: u8 = 2;

/// How far a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Orders that the algo submits, up to `ORDERS`.
    pub orders: u8,
    /// Orders of which the venue tells something.
    pub results: u8,
    /// Kills, connections broken, disks lost. A node that is lost is one at which nothing happens any more.
    pub faults: u8,
    /// Committed entries that give a right or name a copy.
    pub entries: u8,
}

/// How a search begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// A Broker with a copy that has joined.
    Joined,
    /// A Broker whose copy was named a moment ago.
    Named,
}

/// A record of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entry {
    Intent {
        order: u8,
    },
    /// The venue's word about it, which is told under a number.
    Result {
        order: u8,
    },
    Joined {
        since: Fence,
    },
}

impl Entry {
    pub(crate) fn joins(self) -> Option<Fence> {
        match self {
            Self::Joined { since } => Some(since),
            Self::Intent { .. } | Self::Result { .. } => None,
        }
    }
}

/// A Broker's own copy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ledger {
    pub entries: Vec<Entry>,
    pub synced: usize,
    /// The right it was begun or loaded under.
    pub loaded: Fence,
}

impl Ledger {
    pub(crate) fn joined(&self) -> Option<Joined> {
        let numbered = self.entries.iter().zip(1..);
        let joins = numbered
            .filter_map(|(entry, index)| entry.joins().map(|since| Joined { since, index }));
        joins.last()
    }
}

/// The connection of a Broker to a copy holder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Connection {
    pub from: Place,
    pub right: Fence,
    pub session: Session,
    pub sent: usize,
    /// The highest acknowledgement that is under way.
    pub acknowledged: u64,
}

/// A copy holder with its disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Copy {
    pub disk: Vec<(Kept, Option<Entry>)>,
    pub synced: usize,
    pub holder: Holder,
    pub connection: Option<Connection>,
    /// The highest right at which a successor was told that it is sealed.
    pub promised: Fence,
    /// Its disk was lost, and it was not begun since.
    pub wiped: bool,
}

impl Copy {
    /// The ledger's records that it has.
    pub(crate) fn entries(&self, upto: usize) -> Vec<Entry> {
        let disk = &self.disk[..upto];
        let begun = disk.iter().rposition(|(kept, _)| matches!(kept, Kept::Begun { .. }));
        disk[begun.unwrap_or(0)..].iter().filter_map(|(_, entry)| *entry).collect()
    }

    /// A journal says the same without what it has given up and what was overtaken. All of it is synced.
    pub(crate) fn compact(&mut self) {
        let begun = self.disk.iter().rposition(|(kept, _)| matches!(kept, Kept::Begun { .. }));
        let seals = self.disk.iter().filter_map(|(kept, _)| match kept {
            Kept::Sealed { by } => Some(*by),
            Kept::Begun { .. } | Kept::Entry { .. } => None,
        });
        let by = seals.max().unwrap_or_default();
        let of_now = self.disk.split_off(begun.unwrap_or(self.disk.len()));
        let is_seal = |kept: &Kept| matches!(kept, Kept::Sealed { .. });
        self.disk = vec![(Kept::Sealed { by }, None)];
        self.disk.extend(of_now.into_iter().filter(|(kept, _)| !is_seal(kept)));
        self.synced = self.disk.len();
    }

    pub(crate) fn keep(&mut self, kept: Kept, entry: Option<Entry>) {
        self.disk.push((kept, entry));
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Writing {
    pub writer: Writer<Place>,
    /// Orders that this life put, which are those it may send.
    pub own: Vec<u8>,
    /// Up to which record it has answered, told and sent.
    pub done: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Process {
    Succeeding(Successor),
    Writing(Writing),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    pub ledger: Ledger,
    pub copy: Copy,
    pub process: Option<Process>,
    /// What its Manager was told last.
    pub known: View<Place>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// The replicated state.
    pub view: View<Place>,
    pub entry: u64,
    pub nodes: Vec<Node>,
    /// A copy was told to have joined; the word is under way to the leader.
    pub told_joined: Fence,
    /// All that anybody was told or sent, in order.
    pub acted: Vec<Entry>,
    /// How often each order came to the venue.
    pub sent: Vec<u8>,
    pub orders: u8,
    pub results: u8,
    pub faults_left: u8,
    pub entries_left: u8,
    pub broken: Option<&'static str>,
}

pub(crate) fn fence(epoch: u64) -> Fence {
    Fence { cluster: ClusterIncarnation(1), epoch: Epoch(epoch) }
}

impl World {
    /// The Broker is on node 0, its copy on node 1.
    pub(crate) fn new(start: Start, bounds: Bounds) -> Self {
        let (right, since) = (fence(1), fence(2));
        let mut view = View::begun(0, right);
        let named = view.name(Some(1), right, since);
        debug_assert!(named.is_ok());
        let mut world = Self {
            view,
            entry: 2,
            nodes: Vec::new(),
            told_joined: Fence::default(),
            acted: Vec::new(),
            sent: vec![0; ORDERS.into()],
            orders: bounds.orders.min(ORDERS),
            results: bounds.results,
            faults_left: bounds.faults,
            entries_left: bounds.entries,
            broken: None,
        };
        if start == Start::Joined {
            world.view.whole = true;
        }
        let node = Node {
            ledger: Ledger::default(),
            copy: Copy::default(),
            process: None,
            known: View { whole: false, ..world.view.clone() },
        };
        world.nodes = vec![node; PLACES.into()];
        world.nodes[0].ledger.loaded = right;
        if start == Start::Joined {
            let joined = Entry::Joined { since };
            world.nodes[0].ledger.entries.push(joined);
            world.nodes[0].ledger.synced = 1;
            let copy = &mut world.nodes[1].copy;
            let begun = Kept::Begun { since };
            let entry = Kept::Entry { joins: Some(since) };
            copy.keep(Kept::Sealed { by: right }, None);
            copy.keep(begun, None);
            copy.keep(entry, Some(joined));
            copy.synced = 3;
            copy.restart();
        }
        world
    }

    pub(crate) fn live_is_whole(&self) -> bool {
        let node = &self.nodes[usize::from(self.view.live.at)];
        let durable = &node.ledger.entries[..node.ledger.synced];
        durable.starts_with(&self.acted)
    }

    pub(crate) fn copy_is_whole(&self) -> bool {
        let Some(holder) = self.view.naming.holder.filter(|_| self.view.whole) else { return true };
        let node = &self.nodes[usize::from(holder)];
        let kept = node.copy.entries(node.copy.synced);
        node.copy.wiped || kept.starts_with(&self.acted)
    }

    pub(crate) fn writing(&self, at: Place) -> Option<&Writing> {
        match &self.nodes[usize::from(at)].process {
            Some(Process::Writing(writing)) => Some(writing),
            Some(Process::Succeeding(_)) | None => None,
        }
    }

    pub(crate) fn continued(&self) -> bool {
        let at = self.view.live.at;
        at != 0
            && self.sent.iter().all(|times| *times == 1)
            && self.writing(at).is_some_and(|writing| writing.own.len() == 1)
    }

    pub(crate) fn replaced(&self) -> bool {
        self.view.whole && self.view.naming.holder == Some(2) && self.sent.contains(&1)
    }

    pub(crate) fn fenced(&self) -> bool {
        self.writing(0).is_some_and(|writing| writing.writer.is_superseded())
    }

    pub(crate) fn given_back(&self) -> bool {
        self.view.live.at == 0 && self.view.live.right > fence(2) && self.sent.contains(&1)
    }
}
