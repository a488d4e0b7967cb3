//! Quotes on a hop: one subscription upstream an instrument while anyone wants it, the last quote and
//! state kept for whoever comes next. Decides what is asked for and told; which pipe carries an
//! instrument is given.

use super::{Act, ReceiverId};
use std::collections::{BTreeMap, BTreeSet};
use tradewind_domain::{
    ids::{InstrumentId, StreamEpoch},
    trading::Quote,
};
use tradewind_protocol::{
    stream::StreamStatus,
    trade::{TradeDown, TradeUp},
};

/// The latest quote of an instrument and its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Last {
    pub(crate) epoch: StreamEpoch,
    pub(crate) seq: u64,
    pub(crate) quote: Quote,
}

struct Feed<U> {
    carrier: Option<U>,
    wanted_by: BTreeSet<ReceiverId>,
    last: Option<Last>,
    /// `None` until something is known.
    status: Option<StreamStatus>,
}

/// All instruments that someone wants on this hop.
pub(crate) struct Quotes<U> {
    feeds: BTreeMap<InstrumentId, Feed<U>>,
}

impl<U: Clone + Ord> Quotes<U> {
    pub(crate) fn new() -> Self {
        Self { feeds: BTreeMap::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.feeds.len()
    }

    /// `to` wants the instrument, which `carrier` has; `up` are the pipes that stand.
    pub(crate) fn want(
        &mut self,
        to: ReceiverId,
        instrument: &InstrumentId,
        carrier: Option<U>,
        up: &BTreeSet<U>,
    ) -> Vec<Act<U>> {
        let mut acts = Vec::new();
        let feed = self.feeds.entry(instrument.clone()).or_insert_with(|| {
            let standing = carrier.as_ref().filter(|carrier| up.contains(carrier));
            acts.extend(standing.map(|via| subscribe(via, instrument)));
            let status = standing.is_none().then_some(StreamStatus::Reconnecting);
            Feed { carrier, wanted_by: BTreeSet::new(), last: None, status }
        });
        feed.wanted_by.insert(to);
        if let Some(status) = feed.status {
            acts.push(tell_status(to, instrument, status));
        }
        if let Some(last) = &feed.last {
            acts.push(tell_quote(to, instrument, last));
        }
        acts
    }

    /// `to` wants it no more. With the last one the subscription upstream ends.
    pub(crate) fn unwant(
        &mut self,
        to: ReceiverId,
        instrument: &InstrumentId,
        up: &BTreeSet<U>,
    ) -> Vec<Act<U>> {
        let Some(feed) = self.feeds.get_mut(instrument) else { return Vec::new() };
        feed.wanted_by.remove(&to);
        if !feed.wanted_by.is_empty() {
            return Vec::new();
        }
        let carrier = self.feeds.remove(instrument).and_then(|feed| feed.carrier);
        let standing = carrier.filter(|via| up.contains(via));
        standing.map(|via| unsubscribe(via, instrument)).into_iter().collect()
    }

    /// A receiver is gone with all it wanted.
    pub(crate) fn forget(&mut self, to: ReceiverId, up: &BTreeSet<U>) -> Vec<Act<U>> {
        let wanted: Vec<InstrumentId> = self
            .feeds
            .iter()
            .filter(|(_, feed)| feed.wanted_by.contains(&to))
            .map(|(instrument, _)| instrument.clone())
            .collect();
        wanted.iter().flat_map(|instrument| self.unwant(to, instrument, up)).collect()
    }

    /// A pipe stands again: what it carries is asked for again.
    pub(crate) fn up(&mut self, via: &U) -> Vec<Act<U>> {
        let carried = self.feeds.iter().filter(|(_, feed)| feed.carrier.as_ref() == Some(via));
        carried.map(|(instrument, _)| subscribe(via, instrument)).collect()
    }

    /// A pipe is lost: whoever wants what it carried is told.
    pub(crate) fn down(&mut self, via: &U) -> Vec<Act<U>> {
        let carried = self.feeds.iter_mut().filter(|(_, feed)| feed.carrier.as_ref() == Some(via));
        carried
            .flat_map(|(instrument, feed)| {
                feed.become_status(instrument, StreamStatus::Reconnecting)
            })
            .collect()
    }

    /// Routes have changed: where another pipe carries an instrument now, it is asked.
    pub(crate) fn reroute(
        &mut self,
        carrier_of: impl Fn(&InstrumentId) -> Option<U>,
        up: &BTreeSet<U>,
    ) -> Vec<Act<U>> {
        let mut acts = Vec::new();
        for (instrument, feed) in &mut self.feeds {
            let carrier = carrier_of(instrument);
            if carrier == feed.carrier {
                continue;
            }
            let old = std::mem::replace(&mut feed.carrier, carrier);
            acts.extend(old.filter(|old| up.contains(old)).map(|old| unsubscribe(old, instrument)));
            acts.extend(feed.become_status(instrument, StreamStatus::Reconnecting));
            let new = feed.carrier.as_ref().filter(|new| up.contains(new));
            acts.extend(new.map(|via| subscribe(via, instrument)));
        }
        acts
    }

    /// A quote has come. Taken only from the pipe that carries the instrument, and only if it is newer.
    pub(crate) fn quote(&mut self, via: &U, instrument: &InstrumentId, new: Last) -> Vec<Act<U>> {
        let Some(feed) = self.feeds.get_mut(instrument) else { return Vec::new() };
        let newer = match &feed.last {
            Some(last) => last.epoch != new.epoch || last.seq < new.seq,
            None => true,
        };
        if feed.carrier.as_ref() != Some(via) || !newer {
            return Vec::new();
        }
        // After a loss the first quote is the proof of life.
        let mut acts = match feed.status {
            Some(StreamStatus::Live) => Vec::new(),
            Some(StreamStatus::Reconnecting | StreamStatus::Stale) | None => {
                feed.become_status(instrument, StreamStatus::Live)
            }
        };
        acts.extend(feed.wanted_by.iter().map(|to| tell_quote(*to, instrument, &new)));
        feed.last = Some(new);
        acts
    }

    /// The other side tells how the instrument's source is.
    pub(crate) fn told(
        &mut self,
        via: &U,
        instrument: &InstrumentId,
        status: StreamStatus,
    ) -> Vec<Act<U>> {
        match self.feeds.get_mut(instrument) {
            Some(feed) if feed.carrier.as_ref() == Some(via) => {
                feed.become_status(instrument, status)
            }
            Some(_) | None => Vec::new(),
        }
    }
}

impl<U> Feed<U> {
    fn become_status(&mut self, instrument: &InstrumentId, status: StreamStatus) -> Vec<Act<U>> {
        if self.status == Some(status) {
            return Vec::new();
        }
        self.status = Some(status);
        self.wanted_by.iter().map(|to| tell_status(*to, instrument, status)).collect()
    }
}

fn subscribe<U: Clone>(via: &U, instrument: &InstrumentId) -> Act<U> {
    let frame = TradeDown::SubscribeQuotes { instrument: instrument.clone() };
    Act::Up { via: via.clone(), frame }
}

fn unsubscribe<U>(via: U, instrument: &InstrumentId) -> Act<U> {
    Act::Up { via, frame: TradeDown::UnsubscribeQuotes { instrument: instrument.clone() } }
}

fn tell_status<U>(to: ReceiverId, instrument: &InstrumentId, status: StreamStatus) -> Act<U> {
    Act::Down { to, frame: TradeUp::QuoteStatus { instrument: instrument.clone(), status } }
}

fn tell_quote<U>(to: ReceiverId, instrument: &InstrumentId, last: &Last) -> Act<U> {
    let Last { epoch, seq, quote } = last.clone();
    Act::Down { to, frame: TradeUp::Quote { instrument: instrument.clone(), epoch, seq, quote } }
}

#[cfg(test)]
mod tests;
