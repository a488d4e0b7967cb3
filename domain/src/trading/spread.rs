//! Spread: which instrument comes over which connection to a venue that takes only so many of them on one. Decides where
//! each goes, when there is to be a connection more or one less, and who is heard while an instrument moves; dialling and
//! asking the venue is the shell's work, what a tape tells is decided in [`tape`].
//!
//! SP1 no connection has more than it takes. SP2 what stands stays: only what a lost connection had, or one that is
//! emptied, goes elsewhere. SP3 an instrument is heard over one connection at a time. SP4 one that moves is left at the
//! old connection after the new one has it, and heard there after the old one has said its last. SP5 the main
//! connection, which also carries orders, is neither wanted nor given up here.

pub mod tape;

use crate::{ids::InstrumentId, limits::VENUE_CONNECTIONS};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

/// A place for a connection: dialled again it has the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionNumber(pub u32);

/// The one that orders go over.
pub const MAIN: ConnectionNumber = ConnectionNumber(0);

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    Subscribe {
        at: ConnectionNumber,
        instrument: InstrumentId,
    },
    Unsubscribe {
        at: ConnectionNumber,
        instrument: InstrumentId,
    },
    /// From now on the instrument is heard there, where it is subscribed.
    Hear {
        at: ConnectionNumber,
        instrument: InstrumentId,
    },
}

/// What a connection's word on an instrument is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearing {
    /// It counts.
    Counts,
    /// It will, once the connection before has said its last.
    Waits,
    /// It is late: the instrument has gone elsewhere, or nobody wants it.
    Nothing,
}

/// Where an instrument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// No connection has room.
    Waiting,
    Asked(ConnectionNumber),
    On(ConnectionNumber),
    /// Asked for at the second, heard at the first.
    Moving(ConnectionNumber, ConnectionNumber),
    /// Subscribed at the second, left at the first, which may have something to say yet.
    Leaving(ConnectionNumber, ConnectionNumber),
}

impl Place {
    /// Whether it takes room there. One that was left does not: what is asked for later reaches the venue later.
    fn takes(self, at: ConnectionNumber) -> bool {
        match self {
            Self::Waiting => false,
            Self::Asked(on) | Self::On(on) | Self::Leaving(_, on) => on == at,
            Self::Moving(from, to) => from == at || to == at,
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Connection {
    /// Instruments it takes; none while it does not stand.
    room: Option<usize>,
    /// Nothing is put there any more, and what it has moves away.
    emptied: bool,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Spread {
    /// The venue lets several stand side by side.
    several: bool,
    connections: BTreeMap<ConnectionNumber, Connection>,
    places: BTreeMap<InstrumentId, Place>,
    /// What a connection takes, as the last one said.
    room: Option<usize>,
    last: u32,
}

impl Spread {
    /// With nothing wanted, and no connection yet.
    #[must_use]
    pub fn new(several: bool) -> Self {
        let connections = BTreeMap::from([(MAIN, Connection::default())]);
        Self { several, connections, places: BTreeMap::new(), room: None, last: MAIN.0 }
    }

    /// The connections there are to be besides the main one.
    pub fn wanted(&self) -> impl Iterator<Item = ConnectionNumber> + '_ {
        self.connections.keys().copied().filter(|at| *at != MAIN)
    }

    /// Those of them that stand.
    #[must_use]
    pub fn standing(&self) -> usize {
        let data = self.connections.iter().filter(|(at, _)| **at != MAIN);
        data.filter(|(_, connection)| connection.room.is_some()).count()
    }

    /// Instruments that no connection has room for now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.places.values().filter(|place| **place == Place::Waiting).count()
    }

    #[must_use]
    pub fn hearing(&self, at: ConnectionNumber, instrument: &InstrumentId) -> Hearing {
        match self.places.get(instrument) {
            Some(Place::On(on) | Place::Moving(on, _) | Place::Leaving(on, _)) if *on == at => {
                Hearing::Counts
            }
            Some(Place::Leaving(_, to)) if *to == at => Hearing::Waits,
            Some(
                Place::Waiting
                | Place::Asked(_)
                | Place::On(_)
                | Place::Moving(..)
                | Place::Leaving(..),
            )
            | None => Hearing::Nothing,
        }
    }

    /// Whether the venue's word that an instrument is subscribed there is one that counts, or of a time before.
    #[must_use]
    pub fn awaits(&self, at: ConnectionNumber, instrument: &InstrumentId) -> bool {
        match self.places.get(instrument) {
            Some(Place::Asked(on) | Place::On(on) | Place::Moving(_, on)) => *on == at,
            Some(Place::Waiting | Place::Leaving(..)) | None => false,
        }
    }

    /// A connection has it, and what comes over that counts.
    #[must_use]
    pub fn is_heard(&self, instrument: &InstrumentId) -> bool {
        match self.places.get(instrument) {
            Some(Place::On(_) | Place::Moving(..) | Place::Leaving(..)) => true,
            Some(Place::Waiting | Place::Asked(_)) | None => false,
        }
    }

    /// Over which connection an instrument is heard, or will be.
    #[must_use]
    pub fn heard_at(&self, instrument: &InstrumentId) -> Option<ConnectionNumber> {
        match self.places.get(instrument)? {
            Place::Waiting => None,
            Place::Asked(at) | Place::On(at) | Place::Moving(at, _) | Place::Leaving(at, _) => {
                Some(*at)
            }
        }
    }

    /// Somebody reads it.
    pub fn want(&mut self, instrument: InstrumentId) -> Vec<Act> {
        self.places.entry(instrument).or_insert(Place::Waiting);
        self.settle(Vec::new())
    }

    /// Nobody reads it any more.
    pub fn leave(&mut self, instrument: &InstrumentId) -> Vec<Act> {
        let left = match self.places.remove(instrument) {
            None | Some(Place::Waiting) => Vec::new(),
            Some(Place::Asked(at) | Place::On(at) | Place::Leaving(_, at)) => Vec::from([at]),
            Some(Place::Moving(from, to)) => Vec::from([from, to]),
        };
        let unsubscribe = |at| Act::Unsubscribe { at, instrument: instrument.clone() };
        self.settle(left.into_iter().map(unsubscribe).collect())
    }

    /// A connection stands, with nothing on it, and takes so many; `None` is as many as there are.
    pub fn up(&mut self, at: ConnectionNumber, room: Option<usize>) -> Vec<Act> {
        let acts = self.lost(at);
        let room = room.unwrap_or(usize::MAX);
        self.room = Some(room);
        // One that is not wanted any more is given up by the shell.
        if let Some(connection) = self.connections.get_mut(&at) {
            *connection = Connection { room: Some(room), emptied: false };
        }
        self.settle(acts)
    }

    /// A connection has ended: what it had is looked after elsewhere, everything else stays as it is.
    pub fn down(&mut self, at: ConnectionNumber) -> Vec<Act> {
        let acts = self.lost(at);
        self.settle(acts)
    }

    fn lost(&mut self, at: ConnectionNumber) -> Vec<Act> {
        let Some(connection) = self.connections.get_mut(&at) else { return Vec::new() };
        connection.room = None;
        if connection.emptied {
            self.connections.remove(&at);
        }
        let mut acts = Vec::new();
        for (instrument, place) in &mut self.places {
            *place = match *place {
                Place::Asked(on) | Place::On(on) if on == at => Place::Waiting,
                Place::Moving(from, to) if from == at => Place::Asked(to),
                Place::Moving(from, to) if to == at => Place::On(from),
                Place::Leaving(from, to) if from == at => {
                    acts.push(Act::Hear { at: to, instrument: instrument.clone() });
                    Place::On(to)
                }
                Place::Leaving(_, to) if to == at => Place::Waiting,
                Place::Waiting
                | Place::Asked(_)
                | Place::On(_)
                | Place::Moving(..)
                | Place::Leaving(..) => *place,
            };
        }
        self.keep_what_stays();
        acts
    }

    /// What was on its way out of a connection that is emptied, and could not go, stays there: whether it is emptied is
    /// decided anew.
    fn keep_what_stays(&mut self) {
        for place in self.places.values() {
            if let Place::On(at) = place
                && let Some(connection) = self.connections.get_mut(at)
            {
                connection.emptied = false;
            }
        }
    }

    /// The venue says that all of the instrument comes over that connection from here on.
    pub fn subscribed(&mut self, at: ConnectionNumber, instrument: &InstrumentId) -> Vec<Act> {
        let Some(place) = self.places.get_mut(instrument) else { return Vec::new() };
        let acts = match *place {
            // Once more by itself: the adapter had to begin anew.
            Place::Asked(on) | Place::On(on) if on == at => {
                *place = Place::On(at);
                Vec::from([Act::Hear { at, instrument: instrument.clone() }])
            }
            Place::Moving(from, to) if to == at => {
                *place = Place::Leaving(from, to);
                Vec::from([Act::Unsubscribe { at: from, instrument: instrument.clone() }])
            }
            Place::Waiting
            | Place::Asked(_)
            | Place::On(_)
            | Place::Moving(..)
            | Place::Leaving(..) => Vec::new(),
        };
        self.settle(acts)
    }

    /// The venue says that nothing of the instrument comes over that connection any more.
    pub fn unsubscribed(&mut self, at: ConnectionNumber, instrument: &InstrumentId) -> Vec<Act> {
        let Some(place) = self.places.get_mut(instrument) else { return self.settle(Vec::new()) };
        let acts = match *place {
            Place::Leaving(from, to) if from == at => {
                *place = Place::On(to);
                Vec::from([Act::Hear { at: to, instrument: instrument.clone() }])
            }
            // Of a subscription before the one that counts.
            Place::Waiting
            | Place::Asked(_)
            | Place::On(_)
            | Place::Moving(..)
            | Place::Leaving(..) => Vec::new(),
        };
        self.settle(acts)
    }

    /// Brings everything to where it belongs, as far as that can be done now.
    fn settle(&mut self, mut acts: Vec<Act>) -> Vec<Act> {
        self.place(&mut acts);
        if self.several {
            self.want_as_many_as_it_takes();
            self.give_up_the_empty();
            while self.empty_one(&mut acts) {}
        }
        acts
    }

    fn held(&self, at: ConnectionNumber) -> usize {
        self.places.values().filter(|place| place.takes(at)).count()
    }

    fn free(&self, at: ConnectionNumber) -> usize {
        let room = self.connections.get(&at).and_then(|connection| connection.room).unwrap_or(0);
        room.saturating_sub(self.held(at))
    }

    /// Where there is most room; one that is being emptied only if there is no other.
    fn roomiest(&self, but: Option<ConnectionNumber>) -> Option<ConnectionNumber> {
        let others = self.connections.iter().filter(|(at, _)| Some(**at) != but);
        let free = others.map(|(at, connection)| (!connection.emptied, self.free(*at), *at));
        let most = free
            .filter(|(_, free, _)| *free > 0)
            .max_by_key(|(stays, free, at)| (*stays, *free, core::cmp::Reverse(*at)));
        most.map(|(.., at)| at)
    }

    fn place(&mut self, acts: &mut Vec<Act>) {
        let waiting = self.places.iter().filter(|(_, place)| **place == Place::Waiting);
        let waiting: Vec<InstrumentId> =
            waiting.map(|(instrument, _)| instrument.clone()).collect();
        for instrument in waiting {
            let Some(at) = self.roomiest(None) else { return };
            if let Some(connection) = self.connections.get_mut(&at) {
                connection.emptied = false;
            }
            self.places.insert(instrument.clone(), Place::Asked(at));
            acts.push(Act::Subscribe { at, instrument });
        }
    }

    /// As many are dialled as what waits needs, beyond what the main one will take when it stands again.
    fn want_as_many_as_it_takes(&mut self) {
        let Some(room) = self.room.filter(|room| *room > 0) else { return };
        let away = |at: &ConnectionNumber| {
            self.connections.get(at).is_some_and(|connection| connection.room.is_none())
        };
        let for_main = if away(&MAIN) { room } else { 0 };
        let wanted = self.waiting().saturating_sub(for_main).div_ceil(room);
        let dialled: BTreeSet<_> = self.wanted().filter(away).collect();
        for at in dialled.iter().rev().take(dialled.len().saturating_sub(wanted)) {
            self.connections.remove(at);
        }
        for _ in dialled.len()..wanted {
            if self.connections.len() >= VENUE_CONNECTIONS {
                return;
            }
            self.last += 1;
            self.connections.insert(ConnectionNumber(self.last), Connection::default());
        }
    }

    fn give_up_the_empty(&mut self) {
        let leaves =
            |at| self.places.values().any(|p| matches!(p, Place::Leaving(from, _) if *from == at));
        let emptied = self.connections.iter().filter(|(_, connection)| connection.emptied);
        let empty = emptied.map(|(at, _)| *at).filter(|at| self.held(*at) == 0 && !leaves(*at));
        for at in empty.collect::<Vec<_>>() {
            self.connections.remove(&at);
        }
    }

    /// One is emptied when all is calm and the others have room for what it has, and a quarter of one to spare: what
    /// comes next is not to ask for it again. True if it had nothing: then the next one may go as well.
    fn empty_one(&mut self, acts: &mut Vec<Act>) -> bool {
        let calm = self.places.values().all(|place| matches!(place, Place::On(_)))
            && self.connections.values().all(|c| c.room.is_some() && !c.emptied);
        let Some(room) = self.room.filter(|_| calm) else { return false };
        let fewest = self.wanted().min_by_key(|at| (self.held(*at), core::cmp::Reverse(*at)));
        let Some(fewest) = fewest else { return false };
        let others = self.connections.keys().filter(|at| **at != fewest);
        let free = others.fold(0_usize, |sum, at| sum.saturating_add(self.free(*at)));
        let held = self.held(fewest);
        if free < held.saturating_add((room / 4).max(1)) {
            return false;
        }
        if let Some(connection) = self.connections.get_mut(&fewest) {
            connection.emptied = true;
        }
        let moves = self.places.iter().filter(|(_, place)| **place == Place::On(fewest));
        for instrument in moves.map(|(instrument, _)| instrument.clone()).collect::<Vec<_>>() {
            let Some(to) = self.roomiest(Some(fewest)) else { return false };
            self.places.insert(instrument.clone(), Place::Moving(fewest, to));
            acts.push(Act::Subscribe { at: to, instrument });
        }
        self.give_up_the_empty();
        held == 0
    }
}

#[cfg(test)]
mod tests;
