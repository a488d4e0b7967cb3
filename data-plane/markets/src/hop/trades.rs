//! Trades on a hop: one subscription upstream an instrument while anyone wants it, every trade told on in the order in
//! which it came. Decides what is asked for and from which pipe trades are taken; what is missing shows at the edge, by
//! the number before that each trade names.
//!
//! The stream epoch of what is told on names the routes by which the instrument's own source was chosen, as for quotes: one
//! that comes back is another, and what was traded meanwhile is missing. Where another pipe takes over the same stream,
//! nothing is: `hand_over`.

mod hand_over;

use super::{Act, ReceiverId};
use hand_over::Next;
use std::collections::{BTreeMap, BTreeSet};
use tradewind_domain::{
    ids::{Epoch, InstrumentId, StreamEpoch},
    time::Monotonic,
    trading::Trade,
};
use tradewind_protocol::{
    stream::Position,
    trade::{TradeDown, TradeUp},
};

/// A trade and its place in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Numbered {
    pub(crate) epoch: StreamEpoch,
    pub(crate) seq: u64,
    /// The number before.
    pub(crate) prev: u64,
    pub(crate) trade: Trade,
}

struct Tape<U> {
    carrier: Option<U>,
    /// Of the routes by which that was chosen; `None` on a hop that has none.
    routes: Option<Epoch>,
    /// Is to take over.
    next: Option<Next<U>>,
    wanted_by: BTreeSet<ReceiverId>,
    /// Where it stands, as far as it is known here.
    stand: Option<Position>,
}

/// All instruments whose trades someone wants on this hop.
pub(crate) struct Trades<U> {
    tapes: BTreeMap<InstrumentId, Tape<U>>,
    /// Of the routes that count; `None` on a hop that has none.
    routes: Option<Epoch>,
}

impl<U: Clone + Ord> Trades<U> {
    pub(crate) fn new() -> Self {
        Self { tapes: BTreeMap::new(), routes: None }
    }

    /// `to` wants the instrument's trades, which `carrier` has; `up` are the pipes that stand.
    pub(crate) fn want(
        &mut self,
        to: ReceiverId,
        instrument: &InstrumentId,
        carrier: Option<U>,
        up: &BTreeSet<U>,
    ) -> Option<Act<U>> {
        if let Some(tape) = self.tapes.get_mut(instrument) {
            tape.wanted_by.insert(to);
            return tape.stand.as_ref().map(|stand| tell_stand(to, instrument, stand));
        }
        let asked = carrier.clone().filter(|via| up.contains(via));
        let (wanted_by, routes) = (BTreeSet::from([to]), self.routes);
        let tape = Tape { carrier, routes, next: None, wanted_by, stand: None };
        self.tapes.insert(instrument.clone(), tape);
        asked.map(|via| subscribe(via, instrument))
    }

    /// `to` wants it no more. With the last one the subscription upstream ends.
    pub(crate) fn unwant(
        &mut self,
        to: ReceiverId,
        instrument: &InstrumentId,
        up: &BTreeSet<U>,
    ) -> Vec<Act<U>> {
        let Some(tape) = self.tapes.get_mut(instrument) else { return Vec::new() };
        tape.wanted_by.remove(&to);
        if !tape.wanted_by.is_empty() {
            return Vec::new();
        }
        let Some(gone) = self.tapes.remove(instrument) else { return Vec::new() };
        let asked = gone.carrier.into_iter().chain(gone.next.map(|next| next.via));
        asked.filter(|via| up.contains(via)).map(|via| unsubscribe(via, instrument)).collect()
    }

    /// A receiver is gone with all it wanted.
    pub(crate) fn forget(&mut self, to: ReceiverId, up: &BTreeSet<U>) -> Vec<Act<U>> {
        let wanted = self.tapes.iter().filter(|(_, tape)| tape.wanted_by.contains(&to));
        let wanted: Vec<InstrumentId> = wanted.map(|(instrument, _)| instrument.clone()).collect();
        wanted.iter().flat_map(|instrument| self.unwant(to, instrument, up)).collect()
    }

    /// A pipe stands again: what it carries, or is to carry, is asked for again.
    pub(crate) fn up(&self, via: &U) -> Vec<Act<U>> {
        let asked = self.tapes.iter().filter(|(_, tape)| tape.asks(via));
        asked.map(|(instrument, _)| subscribe(via.clone(), instrument)).collect()
    }

    /// Routes have changed: what another pipe is to carry is asked of that one from now on.
    pub(crate) fn reroute(
        &mut self,
        routes: Epoch,
        carrier_of: impl Fn(&InstrumentId) -> Option<U>,
        up: &BTreeSet<U>,
    ) -> Vec<Act<U>> {
        self.routes = Some(routes);
        let mut acts = Vec::new();
        for (instrument, tape) in &mut self.tapes {
            let wanted = carrier_of(instrument);
            if wanted == tape.carrier {
                continue;
            }
            tape.routes = Some(routes);
            let stands = |via: &U| up.contains(via);
            // What the new one says first is where it stands.
            tape.stand = None;
            let left = std::mem::replace(&mut tape.carrier, wanted.clone()).filter(stands);
            acts.extend(left.map(|via| unsubscribe(via, instrument)));
            acts.extend(wanted.filter(stands).map(|via| subscribe(via, instrument)));
        }
        acts
    }

    /// Where the stream stands: its source has said so, or begins anew.
    pub(crate) fn stands(
        &mut self,
        via: &U,
        instrument: &InstrumentId,
        stand: Position,
        (up, now): (&BTreeSet<U>, Monotonic),
    ) -> Vec<Act<U>> {
        let Some(tape) = self.tapes.get_mut(instrument) else { return Vec::new() };
        let stand = Position { epoch: tape.name(&stand.epoch), seq: stand.seq };
        let mut acts = Vec::new();
        if tape.carrier.as_ref() == Some(via) {
            // One that took over may say where it had begun after more was told.
            if !tape.reaches(&stand) {
                acts = tape.stand_at(instrument, stand);
            }
        } else if let Some(next) = tape.next_at(via) {
            next.begins(stand, now);
        }
        acts.extend(tape.switch_if_whole(instrument, up));
        acts
    }

    /// A trade has come. Taken only from the pipe that carries the instrument.
    pub(crate) fn trade(
        &mut self,
        via: &U,
        instrument: &InstrumentId,
        numbered: Numbered,
        up: &BTreeSet<U>,
    ) -> Vec<Act<U>> {
        let Some(tape) = self.tapes.get_mut(instrument) else { return Vec::new() };
        let numbered = Numbered { epoch: tape.name(&numbered.epoch), ..numbered };
        if tape.carrier.as_ref() == Some(via) {
            let mut acts = tape.tell_once(instrument, numbered);
            acts.extend(tape.switch_if_whole(instrument, up));
            return acts;
        }
        match tape.next_at(via).map(|next| next.waits(numbered)) {
            // There is no room for more of them.
            Some(false) => tape.switch(instrument, up),
            Some(true) | None => Vec::new(),
        }
    }
}

/// Whether two epochs are of one source: shards of a Market tell it on by the revisions of the routes that each of them knew.
fn is_one_source(one: &StreamEpoch, other: &StreamEpoch) -> bool {
    let own = |epoch: &StreamEpoch| epoch.as_str().rsplit_once('-').map(|(own, _)| own.to_owned());
    one == other || own(one).is_some_and(|named| Some(named) == own(other))
}

impl<U: Clone + Ord> Tape<U> {
    /// The epoch under which what comes is told on: see [`is_one_source`].
    fn name(&self, own: &StreamEpoch) -> StreamEpoch {
        let named = self.routes.map(|routes| StreamEpoch::new(&format!("{own}-{routes}")));
        // Too long by its own name, it is told on under that.
        named.and_then(Result::ok).unwrap_or_else(|| own.clone())
    }

    fn stand_at(&mut self, instrument: &InstrumentId, stand: Position) -> Vec<Act<U>> {
        let acts = self.wanted_by.iter().map(|to| tell_stand(*to, instrument, &stand)).collect();
        self.stand = Some(stand);
        acts
    }

    fn tell(&mut self, instrument: &InstrumentId, numbered: Numbered) -> Vec<Act<U>> {
        let Numbered { epoch, seq, prev, trade } = numbered;
        let frame = |to: &ReceiverId| Act::Down {
            to: *to,
            frame: TradeUp::Trade {
                instrument: instrument.clone(),
                epoch: epoch.clone(),
                seq,
                prev,
                trade: trade.clone(),
            },
        };
        let acts = self.wanted_by.iter().map(frame).collect();
        self.stand = Some(Position { epoch, seq });
        acts
    }
}

fn tell_stand<U>(to: ReceiverId, instrument: &InstrumentId, stand: &Position) -> Act<U> {
    let Position { epoch, seq } = stand.clone();
    Act::Down { to, frame: TradeUp::TradesStand { instrument: instrument.clone(), epoch, seq } }
}

fn subscribe<U>(via: U, instrument: &InstrumentId) -> Act<U> {
    Act::Up { via, frame: TradeDown::SubscribeTrades { instrument: instrument.clone() } }
}

fn unsubscribe<U>(via: U, instrument: &InstrumentId) -> Act<U> {
    Act::Up { via, frame: TradeDown::UnsubscribeTrades { instrument: instrument.clone() } }
}

#[cfg(test)]
mod tests;
