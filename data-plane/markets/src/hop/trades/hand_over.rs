//! Trades of an instrument that come by another pipe from now on, in one stream with what came before. Decides when that is heard in
//! the old one's place: as soon as the old one has told everything up to where the new one begins.
//!
//! TH1 nothing is told twice, and what neither has told shows as a hole in the numbers. TH2 what the new one tells before it is
//! heard is kept, up to a bound; the old one is not waited for for ever. TH3 the old one is left after the new one is heard.

use super::{Act, Numbered, Tape, Trades, is_one_source, subscribe, unsubscribe};
use crate::limits::{HAND_OVER_TRADES, HAND_OVER_WITHIN};
use std::collections::{BTreeSet, VecDeque};
use tradewind_domain::{ids::InstrumentId, time::Monotonic};
use tradewind_protocol::stream::Position;

/// A pipe that is to take over.
pub(super) struct Next<U> {
    pub(super) via: U,
    /// Where it begins, and until when the old one may come up to that.
    begun: Option<(Position, Monotonic)>,
    trades: VecDeque<Numbered>,
}

impl<U> Next<U> {
    fn new(via: U) -> Self {
        Self { via, begun: None, trades: VecDeque::new() }
    }

    /// It begins there, or anew.
    pub(super) fn begins(&mut self, stand: Position, now: Monotonic) {
        let until = self.begun.as_ref().map_or(now + HAND_OVER_WITHIN, |(_, until)| *until);
        self.begun = Some((stand, until));
        self.trades.clear();
    }

    /// Keeps a trade until it is heard; `false` once there is room for no other.
    pub(super) fn waits(&mut self, numbered: Numbered) -> bool {
        if let Some((begun, _)) = &mut self.begun {
            if begun.epoch != numbered.epoch {
                // Its numbers begin anew, and nothing reaches where they began before.
                *begun = Position { epoch: numbered.epoch.clone(), seq: numbered.prev };
                self.trades.clear();
            }
            self.trades.push_back(numbered);
        }
        self.trades.len() < HAND_OVER_TRADES
    }
}

impl<U: Clone + Ord> Trades<U> {
    /// Another pipe is to carry instruments, with the same stream: it is asked, and what carried it goes on until nothing
    /// is missing between the two.
    pub(crate) fn hand_over(
        &mut self,
        carrier_of: impl Fn(&InstrumentId) -> U,
        up: &BTreeSet<U>,
    ) -> Vec<Act<U>> {
        let mut acts = Vec::new();
        for (instrument, tape) in &mut self.tapes {
            let wanted = carrier_of(instrument);
            if tape.destination() == Some(&wanted) {
                continue;
            }
            let stands = |via: &U| up.contains(via);
            let waited_for = tape.next.take().map(|next| next.via).filter(stands);
            acts.extend(waited_for.map(|via| unsubscribe(via, instrument)));
            if tape.destination() == Some(&wanted) {
                continue;
            }
            acts.extend(Some(wanted.clone()).filter(stands).map(|via| subscribe(via, instrument)));
            if tape.carrier.as_ref().is_some_and(stands) {
                tape.next = Some(Next::new(wanted));
            } else {
                tape.carrier = Some(wanted);
            }
        }
        acts
    }

    /// Whether anything comes over this pipe, or is to.
    pub(crate) fn carries(&self, via: &U) -> bool {
        self.tapes.values().any(|tape| tape.asks(via))
    }

    /// A pipe is lost: what it has not told comes from nowhere any more.
    pub(crate) fn down(&mut self, via: &U, up: &BTreeSet<U>) -> Vec<Act<U>> {
        let mut acts = Vec::new();
        for (instrument, tape) in &mut self.tapes {
            if let Some(next) = tape.next_at(via) {
                *next = Next::new(via.clone());
            } else if tape.carrier.as_ref() == Some(via) {
                acts.extend(tape.switch(instrument, up));
            }
        }
        acts
    }

    /// Time has passed: an old one that has not come up to where the new one begins is not waited for.
    pub(crate) fn tick(&mut self, now: Monotonic, up: &BTreeSet<U>) -> Vec<Act<U>> {
        let over = |next: &Next<U>| next.begun.as_ref().is_some_and(|(_, until)| *until <= now);
        let late = self.tapes.iter_mut().filter(|(_, tape)| tape.next.as_ref().is_some_and(over));
        late.flat_map(|(instrument, tape)| tape.switch(instrument, up)).collect()
    }
}

impl<U: Clone + Ord> Tape<U> {
    fn destination(&self) -> Option<&U> {
        self.next.as_ref().map(|next| &next.via).or(self.carrier.as_ref())
    }

    pub(super) fn asks(&self, via: &U) -> bool {
        self.carrier.as_ref() == Some(via) || self.next.as_ref().is_some_and(|n| n.via == *via)
    }

    pub(super) fn next_at(&mut self, via: &U) -> Option<&mut Next<U>> {
        self.next.as_mut().filter(|next| next.via == *via)
    }

    /// Whether everything up to there was told, under that name.
    pub(super) fn reaches(&self, what: &Position) -> bool {
        self.stand.as_ref().is_some_and(|at| at.epoch == what.epoch && at.seq >= what.seq)
    }

    /// The same, by whatever name its source was told on.
    fn has_told(&self, what: &Position) -> bool {
        let told = |at: &Position| is_one_source(&at.epoch, &what.epoch) && at.seq >= what.seq;
        self.stand.as_ref().is_some_and(told)
    }

    pub(super) fn switch_if_whole(
        &mut self,
        instrument: &InstrumentId,
        up: &BTreeSet<U>,
    ) -> Vec<Act<U>> {
        let begun = self.next.as_ref().and_then(|next| next.begun.as_ref());
        if begun.is_some_and(|(begun, _)| self.has_told(begun)) {
            self.switch(instrument, up)
        } else {
            Vec::new()
        }
    }

    /// The next one is heard from now on, and the old one left.
    pub(super) fn switch(&mut self, instrument: &InstrumentId, up: &BTreeSet<U>) -> Vec<Act<U>> {
        let Some(Next { via, begun, trades }) = self.next.take() else { return Vec::new() };
        let left = self.carrier.replace(via).filter(|via| up.contains(via));
        let mut acts: Vec<_> = left.map(|via| unsubscribe(via, instrument)).into_iter().collect();
        if let Some((begun, _)) = begun.filter(|(begun, _)| !self.has_told(begun)) {
            // Between the two something is missing: whoever has not seen it is told by this.
            acts.extend(self.stand_at(instrument, begun));
        }
        for numbered in trades {
            acts.extend(self.tell_once(instrument, numbered));
        }
        acts
    }

    /// Tells a trade unless the one before has told it.
    pub(super) fn tell_once(
        &mut self,
        instrument: &InstrumentId,
        numbered: Numbered,
    ) -> Vec<Act<U>> {
        let at = Position { epoch: numbered.epoch.clone(), seq: numbered.seq };
        if self.has_told(&at) { Vec::new() } else { self.tell(instrument, numbered) }
    }
}

#[cfg(test)]
mod tests;
