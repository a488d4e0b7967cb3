//! Claims about the spread, and a world in which anything happens: a venue that refuses what is too much, connections on
//! which words are on their way, and a reader who counts.

use super::{
    tape::{Mark, Tape, Told},
    *,
};
use alloc::{collections::VecDeque, format};
use proptest::prelude::*;

fn instrument(n: u8) -> InstrumentId {
    InstrumentId::new(&format!("I{n:02}/USD")).expect("legal")
}

fn subscribe(at: u32, n: u8) -> Act {
    Act::Subscribe { at: ConnectionNumber(at), instrument: instrument(n) }
}

/// With this many wanted, on connections that take two, all of them standing and confirmed.
fn standing(count: u8) -> Spread {
    let mut spread = Spread::new(true);
    (0..count).for_each(|n| drop(spread.want(instrument(n))));
    spread.up(MAIN, Some(2));
    for at in spread.wanted().collect::<Vec<_>>() {
        spread.up(at, Some(2));
    }
    for n in 0..count {
        let at = spread.heard_at(&instrument(n)).expect("it has a place");
        spread.subscribed(at, &instrument(n));
    }
    spread
}

#[test]
fn what_one_connection_does_not_take_asks_for_another_and_what_stands_stays() {
    let mut spread = Spread::new(true);
    (0..3).for_each(|n| assert_eq!(spread.want(instrument(n)), []));
    assert_eq!(spread.wanted().count(), 0, "what one takes is not known before the first");
    assert_eq!(spread.up(MAIN, Some(2)), [subscribe(0, 0), subscribe(0, 1)]);
    assert_eq!(spread.wanted().collect::<Vec<_>>(), [ConnectionNumber(1)]);
    assert_eq!((spread.waiting(), spread.standing()), (1, 0));
    assert_eq!(spread.up(ConnectionNumber(1), Some(2)), [subscribe(1, 2)]);
    assert_eq!((spread.waiting(), spread.standing()), (0, 1));
    assert_eq!(spread.want(instrument(3)), [subscribe(1, 3)]);
}

#[test]
fn a_venue_that_takes_one_connection_gets_one() {
    let mut spread = Spread::new(false);
    (0..3).for_each(|n| drop(spread.want(instrument(n))));
    spread.up(MAIN, Some(2));
    assert_eq!((spread.wanted().count(), spread.waiting()), (0, 1));
    assert_eq!(
        spread.leave(&instrument(0)),
        [Act::Unsubscribe { at: MAIN, instrument: instrument(0) }, subscribe(0, 2)],
        "left first, so that there is room"
    );
}

#[test]
fn a_lost_connection_concerns_its_own_instruments_alone() {
    let mut spread = standing(5);
    let lost = ConnectionNumber(1);
    let had: Vec<_> = (0..5).filter(|n| spread.heard_at(&instrument(*n)) == Some(lost)).collect();
    assert_eq!(had.len(), 2);
    // when: the last connection has room for one of the two
    let acts = spread.down(lost);
    assert_eq!(acts, [subscribe(2, had[0])]);
    assert_eq!(spread.wanted().collect::<Vec<_>>(), [lost, ConnectionNumber(2)]);
    assert_eq!(spread.up(lost, Some(2)), [subscribe(1, had[1])]);
}

#[test]
fn one_is_emptied_when_the_others_have_room_to_spare_and_each_is_subscribed_before_it_is_left() {
    let mut spread = standing(5);
    assert_eq!(spread.wanted().count(), 2);
    // Two connections take four: with three there is one to spare.
    spread.leave(&instrument(0));
    assert_eq!(spread.wanted().count(), 2);
    let acts = spread.leave(&instrument(2));
    let [Act::Unsubscribe { .. }, Act::Subscribe { at, instrument }] = &acts[..] else {
        panic!("{acts:?}")
    };
    let from = spread.heard_at(instrument).expect("it has a place");
    assert_ne!(from, *at);
    assert_eq!(spread.hearing(from, instrument), Hearing::Counts);
    // when
    let left = spread.subscribed(*at, instrument);
    assert_eq!(left, [Act::Unsubscribe { at: from, instrument: instrument.clone() }]);
    assert_eq!(spread.hearing(*at, instrument), Hearing::Waits);
    assert_eq!(spread.wanted().count(), 2, "it may have something to say yet");
    let heard = spread.unsubscribed(from, instrument);
    assert_eq!(heard, [Act::Hear { at: *at, instrument: instrument.clone() }]);
    assert_eq!(spread.wanted().count(), 1);
}

/// What a venue says.
#[derive(Clone, Debug)]
enum Word {
    Subscribed(InstrumentId, Mark),
    Unsubscribed(InstrumentId),
    Trade(InstrumentId, u64),
}

#[derive(Default)]
struct Wire {
    asked: VecDeque<Act>,
    said: VecDeque<Word>,
    subscribed: BTreeSet<InstrumentId>,
}

impl Wire {
    /// It has the instrument, or something of it is on its way.
    fn knows(&self, instrument: &InstrumentId) -> bool {
        let asked = |act: &Act| match act {
            Act::Subscribe { instrument: of, .. }
            | Act::Unsubscribe { instrument: of, .. }
            | Act::Hear { instrument: of, .. } => of == instrument,
        };
        let said = |word: &Word| match word {
            Word::Subscribed(of, _) | Word::Unsubscribed(of) | Word::Trade(of, _) => {
                of == instrument
            }
        };
        self.subscribed.contains(instrument)
            || self.asked.iter().any(asked)
            || self.said.iter().any(said)
    }
}

/// Somebody who reads an instrument.
struct Reader {
    tape: Tape<u64>,
    /// The number that was told last, or where it began.
    last: Option<u64>,
    hole: bool,
    /// A connection that mattered to it was cut, or it began with one that was ending.
    cut: bool,
}

struct World {
    spread: Spread,
    room: usize,
    wires: BTreeMap<ConnectionNumber, Wire>,
    traded: BTreeMap<InstrumentId, u64>,
    readers: BTreeMap<InstrumentId, Reader>,
}

impl World {
    fn new(room: usize) -> Self {
        let spread = Spread::new(true);
        let (wires, traded, readers) = Default::default();
        Self { spread, room, wires, traded, readers }
    }

    fn mark(&self, instrument: &InstrumentId) -> Mark {
        Mark { life: 1, number: self.traded.get(instrument).copied().unwrap_or(0) }
    }

    fn act(&mut self, acts: Vec<Act>) {
        for act in acts {
            match &act {
                Act::Subscribe { at, .. } | Act::Unsubscribe { at, .. } => {
                    self.wires.get_mut(at).expect("it stands").asked.push_back(act);
                }
                Act::Hear { instrument, .. } => {
                    let told = self.reader(instrument).tape.hears();
                    self.told(instrument, told);
                }
            }
        }
        let wanted: BTreeSet<_> = self.spread.wanted().chain([MAIN]).collect();
        self.wires.retain(|at, _| wanted.contains(at));
    }

    fn reader(&mut self, instrument: &InstrumentId) -> &mut Reader {
        self.readers.get_mut(instrument).expect("it is read")
    }

    /// Every hole is told, and none that is not there.
    fn told(&mut self, instrument: &InstrumentId, told: Vec<Told<u64>>) {
        let traded = self.mark(instrument).number;
        let reader = self.reader(instrument);
        for told in told {
            match told {
                Told::Hole => {
                    assert!(reader.cut, "{instrument}: a hole, and no connection of its was cut");
                    assert!(reader.last.is_some_and(|last| last < traded), "{instrument}: no hole");
                    reader.hole = true;
                }
                Told::Trade(number) => {
                    let last = reader.last.expect("it has begun");
                    assert!(number > last, "{instrument}: {number} after {last}");
                    let whole = number == last + 1;
                    assert!(whole || reader.hole, "{instrument}: {number} after {last}, untold");
                    (reader.last, reader.hole) = (Some(number), false);
                }
            }
        }
    }

    fn want(&mut self, instrument: InstrumentId) {
        // Who comes back while a subscription before his is on its way may be begun by that, and miss what is between.
        let cut = self.wires.values().any(|wire| wire.knows(&instrument));
        let fresh = Reader { tape: Tape::new(1_000), last: None, hole: false, cut };
        self.readers.entry(instrument.clone()).or_insert(fresh);
        let acts = self.spread.want(instrument);
        self.act(acts);
    }

    fn leave(&mut self, instrument: &InstrumentId) {
        self.readers.remove(instrument);
        let acts = self.spread.leave(instrument);
        self.act(acts);
    }

    fn trade(&mut self, instrument: &InstrumentId) {
        let number = self.traded.entry(instrument.clone()).or_default();
        *number += 1;
        for wire in self.wires.values_mut().filter(|wire| wire.subscribed.contains(instrument)) {
            wire.said.push_back(Word::Trade(instrument.clone(), *number));
        }
    }

    /// One that is wanted and does not stand.
    fn connect(&mut self, nth: usize) -> bool {
        let wanted = [MAIN].into_iter().chain(self.spread.wanted());
        let away: Vec<_> = wanted.filter(|at| !self.wires.contains_key(at)).collect();
        let Some(at) = away.get(nth % away.len().max(1)).copied() else { return false };
        self.wires.insert(at, Wire::default());
        let acts = self.spread.up(at, Some(self.room));
        self.act(acts);
        true
    }

    fn cut(&mut self, nth: usize) {
        let Some(at) = self.nth_wire(nth) else { return };
        self.wires.remove(&at);
        for (instrument, place) in &self.spread.places {
            let touched = place.takes(at) || self.spread.heard_at(instrument) == Some(at);
            self.readers.get_mut(instrument).expect("it is read").cut |= touched;
        }
        let acts = self.spread.down(at);
        self.act(acts);
    }

    fn nth_wire(&self, nth: usize) -> Option<ConnectionNumber> {
        self.wires.keys().nth(nth % self.wires.len().max(1)).copied()
    }

    /// The venue takes what comes next over a connection.
    fn take(&mut self, nth: usize) -> bool {
        let Some(at) = self.nth_wire(nth) else { return false };
        let wire = self.wires.get_mut(&at).expect("it stands");
        let word = match wire.asked.pop_front() {
            None => return false,
            Some(Act::Subscribe { instrument, .. }) => {
                wire.subscribed.insert(instrument.clone());
                assert!(wire.subscribed.len() <= self.room, "{at:?} has more than it takes");
                let mark = self.mark(&instrument);
                Word::Subscribed(instrument, mark)
            }
            Some(Act::Unsubscribe { instrument, .. }) => {
                wire.subscribed.remove(&instrument);
                Word::Unsubscribed(instrument)
            }
            Some(Act::Hear { .. }) => unreachable!("nothing the venue is asked for"),
        };
        self.wires.get_mut(&at).expect("it stands").said.push_back(word);
        true
    }

    /// We hear what comes next over a connection.
    fn hear(&mut self, nth: usize) -> bool {
        let Some(at) = self.nth_wire(nth) else { return false };
        let word = self.wires.get_mut(&at).and_then(|wire| wire.said.pop_front());
        match word {
            None => return false,
            Some(Word::Trade(instrument, number)) => match self.spread.hearing(at, &instrument) {
                Hearing::Counts => {
                    let told = self.reader(&instrument).tape.trade(Some(number), number);
                    self.told(&instrument, told);
                }
                Hearing::Waits => self.reader(&instrument).tape.waits(Some(number), number),
                Hearing::Nothing => {}
            },
            Some(Word::Subscribed(instrument, mark)) => {
                if self.spread.awaits(at, &instrument) {
                    let reader = self.reader(&instrument);
                    reader.tape.begins(Some(mark));
                    reader.last.get_or_insert(mark.number);
                }
                let acts = self.spread.subscribed(at, &instrument);
                self.act(acts);
            }
            Some(Word::Unsubscribed(instrument)) => {
                let acts = self.spread.unsubscribed(at, &instrument);
                self.act(acts);
            }
        }
        true
    }

    /// Whatever is to happen by itself has happened.
    fn heal(&mut self) {
        for _ in 0..100_000 {
            let wires = self.wires.len().max(1);
            let took = (0..wires).any(|nth| self.take(nth));
            let heard = (0..wires).any(|nth| self.hear(nth));
            if !self.connect(0) && !took && !heard {
                return;
            }
        }
        panic!("it never settles");
    }
}

proptest! {
    #[test]
    fn whatever_happens_no_connection_has_too_much_and_holes_are_told_where_they_are_and_nowhere_else(
        room in 1_usize..5,
        happens in prop::collection::vec((0_u8..16, 0_u8..12), 1..400),
    ) {
        let mut world = World::new(room);
        for (what, which) in happens {
            let nth = usize::from(which);
            match what {
                0 | 1 => world.want(instrument(which)),
                2 => world.leave(&instrument(which)),
                3 => drop(world.connect(nth)),
                4 => world.cut(nth),
                5..8 => world.trade(&instrument(which)),
                8..12 => drop(world.take(nth)),
                12..15 => drop(world.hear(nth)),
                // Only from rest is one emptied.
                _ => world.heal(),
            }
        }
        // when: all is well again
        world.heal();
        // then: everything has a place, on no more connections than it takes
        let spread = &world.spread;
        let count = spread.places.len();
        prop_assert!(spread.places.values().all(|p| matches!(p, Place::On(_))), "{:?}", spread);
        let besides = spread.wanted().count();
        prop_assert_eq!(besides, spread.standing());
        prop_assert!(besides == 0 || besides * room < count + (room / 4).max(1), "{:?}", spread);
        // and every trade arrives
        let read: Vec<_> = world.readers.keys().cloned().collect();
        for instrument in read {
            world.trade(&instrument);
            world.heal();
            let number = world.mark(&instrument).number;
            prop_assert_eq!(world.reader(&instrument).last, Some(number));
        }
    }
}
