//! Trades to all sessions that want them. Decides that a trade is encoded once for all, that a session without room
//! misses some rather than holds up the others, and that it is told so: before the next trade that finds room stands a
//! `gap`, and where no trade follows it is told when there is room.

use super::port::{Port, Stand, encode};
use crate::hop::{ReceiverId, trades::Numbered};
use std::{collections::BTreeMap, sync::Arc};
use tradewind_domain::ids::InstrumentId;
use tradewind_protocol::stream::{Mode, Position, ToAlgo, Topic};

struct Subscriber {
    port: Arc<Port>,
    /// Up to where he has everything, or has been told what he has not.
    told: Option<Position>,
}

#[derive(Default)]
struct Tape {
    subscribers: BTreeMap<ReceiverId, Subscriber>,
    stand: Stand,
}

#[derive(Default)]
pub(crate) struct Tapes {
    tapes: BTreeMap<InstrumentId, Tape>,
}

impl Tapes {
    /// Adds a subscriber, who has seen everything up to `from`. True if the instrument is new here.
    pub(crate) fn subscribe(
        &mut self,
        port: &Arc<Port>,
        instrument: &InstrumentId,
        from: Option<Position>,
    ) -> bool {
        let new = !self.tapes.contains_key(instrument);
        let tape = self.tapes.entry(instrument.clone()).or_default();
        let topic = Topic::Trades { instrument: instrument.clone() };
        let position = tape.stand.get();
        let known = position.clone();
        port.ordered(&ToAlgo::Subscribed { topic: topic.clone(), mode: Mode::Live, position });
        let mut subscriber = Subscriber { port: port.clone(), told: from };
        if let Some(stand) = known {
            subscriber.stands(&topic, &stand);
        }
        tape.subscribers.insert(port.number(), subscriber);
        port.follow(&topic, &tape.stand);
        new
    }

    /// True if nobody wants the instrument any more: it is forgotten here.
    pub(crate) fn unsubscribe(&mut self, who: ReceiverId, instrument: &InstrumentId) -> bool {
        let Some(tape) = self.tapes.get_mut(instrument) else { return false };
        tape.subscribers.remove(&who);
        let over = tape.subscribers.is_empty();
        if over {
            self.tapes.remove(instrument);
        }
        over
    }

    /// Whether a session reads them.
    pub(crate) fn is_read(&self, instrument: &InstrumentId) -> bool {
        self.tapes.contains_key(instrument)
    }

    /// A session is over; gives the instruments that nobody wants any more.
    pub(crate) fn forget(&mut self, who: ReceiverId) -> Vec<InstrumentId> {
        let wanted = self.tapes.iter().filter(|(_, tape)| tape.subscribers.contains_key(&who));
        let wanted: Vec<InstrumentId> = wanted.map(|(instrument, _)| instrument.clone()).collect();
        wanted.into_iter().filter(|instrument| self.unsubscribe(who, instrument)).collect()
    }

    /// Where the stream stands: what comes next follows on that.
    pub(crate) fn stand(&mut self, instrument: &InstrumentId, stand: Position) {
        let Some(tape) = self.tapes.get_mut(instrument) else { return };
        let topic = Topic::Trades { instrument: instrument.clone() };
        for subscriber in tape.subscribers.values_mut() {
            subscriber.stands(&topic, &stand);
        }
        tape.stand.set(Some(stand));
    }

    /// Time has passed: who had no room to be told that something is missing is told now.
    pub(crate) fn tick(&mut self) {
        for (instrument, tape) in &mut self.tapes {
            let Some(stand) = tape.stand.get() else { continue };
            let topic = Topic::Trades { instrument: instrument.clone() };
            tape.subscribers.values_mut().for_each(|subscriber| subscriber.stands(&topic, &stand));
        }
    }

    /// Sends a trade to all subscribers.
    pub(crate) fn publish(&mut self, instrument: &InstrumentId, numbered: Numbered) {
        let Some(tape) = self.tapes.get_mut(instrument) else { return };
        let Numbered { epoch, seq, prev, trade } = numbered;
        let before = Position { epoch: epoch.clone(), seq: prev };
        let position = Position { epoch: epoch.clone(), seq };
        let topic = Topic::Trades { instrument: instrument.clone() };
        let instrument = instrument.clone();
        let frame = encode(&ToAlgo::Trade { instrument, epoch, seq, prev, trade });
        for subscriber in tape.subscribers.values_mut() {
            if !subscriber.port.has_public_room() {
                continue;
            }
            subscriber.stands(&topic, &before);
            subscriber.port.ordered_frame(frame.clone());
            subscriber.told = Some(position.clone());
        }
        // After it was queued: a heartbeat never names what is not queued before it.
        tape.stand.set(Some(position));
    }
}

impl Subscriber {
    /// The stream stands there. Who has seen another place of it is told that something is missing.
    fn stands(&mut self, topic: &Topic, stand: &Position) {
        if self.told.as_ref() == Some(stand) || !self.port.has_public_room() {
            return;
        }
        if let Some(from) = self.told.replace(stand.clone()) {
            let reason = if from.epoch == stand.epoch {
                "trades were left out: the session did not keep up, or was away"
            } else {
                "the source of the trades has changed"
            };
            let reason = reason.to_string();
            self.port.ordered(&ToAlgo::Gap { topic: topic.clone(), from: Some(from), reason });
        }
    }
}

#[cfg(test)]
mod tests;
