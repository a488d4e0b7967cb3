//! Quotes on a hop: one subscription upstream an instrument while anyone wants it, the last quote and
//! state kept for whoever comes next. Decides what is asked for and told, and when a source that routes name
//! takes the place of the one before; which pipe carries an instrument is given.
//!
//! Q3 a switch is made at the new source's first quote, and the old one is let go after it; where both tell one stream, as shards of
//! a Market do, the new one's first word is enough. Q4 the stream epoch
//! of what is told on names the routes by which its source was chosen, so that one that comes back is another.
//! Q5 an instrument is live by its own source's word, or by a quote of a source that has said nothing of itself: liveness is
//! judged for each subscription, where it is made.

mod feed;

use super::{Act, ReceiverId};
use feed::{Feed, Source};
use std::collections::{BTreeMap, BTreeSet};
use tradewind_domain::{
    ids::{Epoch, InstrumentId, StreamEpoch},
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

/// All instruments that someone wants on this hop.
pub(crate) struct Quotes<U> {
    feeds: BTreeMap<InstrumentId, Feed<U>>,
    /// Of the routes that count; `None` on a hop that has none.
    routes: Option<Epoch>,
}

impl<U: Clone + Ord> Quotes<U> {
    pub(crate) fn new() -> Self {
        Self { feeds: BTreeMap::new(), routes: None }
    }

    pub(crate) fn len(&self) -> usize {
        self.feeds.len()
    }

    /// Instruments whose new source has said nothing yet.
    pub(crate) fn moving(&self) -> usize {
        self.feeds.values().filter(|feed| feed.next.is_some()).count()
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
        let routes = self.routes;
        let feed = self.feeds.entry(instrument.clone()).or_insert_with(|| {
            let standing = carrier.as_ref().filter(|carrier| up.contains(carrier));
            acts.extend(standing.map(|via| subscribe(via, instrument)));
            let status = standing.is_none().then_some(StreamStatus::Reconnecting);
            Feed::new(carrier.map(|via| Source::new(via, routes)), status)
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
        let Some(Feed { carrier, next, .. }) = self.feeds.remove(instrument) else {
            return Vec::new();
        };
        let asked = carrier.into_iter().chain(next).map(|source| source.via);
        asked.filter(|via| up.contains(via)).map(|via| unsubscribe(&via, instrument)).collect()
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

    /// A pipe stands again: what it carries, or is to carry, is asked for again.
    pub(crate) fn up(&mut self, via: &U) -> Vec<Act<U>> {
        let asked = self.feeds.iter().filter(|(_, feed)| feed.asks(via));
        asked.map(|(instrument, _)| subscribe(via, instrument)).collect()
    }

    /// A pipe is lost: whoever wants what it carried is told. Where another one was to follow it, that is waited for
    /// alone.
    pub(crate) fn down(&mut self, via: &U) -> Vec<Act<U>> {
        let carried = self.feeds.iter_mut().filter(|(_, feed)| feed.is_carried_by(via));
        carried
            .flat_map(|(instrument, feed)| {
                match (feed.next.take(), &mut feed.carrier) {
                    (Some(next), carrier) => *carrier = Some(next),
                    (None, Some(carrier)) => carrier.status = None,
                    (None, None) => {}
                }
                feed.become_status(instrument, StreamStatus::Reconnecting)
            })
            .collect()
    }

    /// Routes have changed: where another pipe is to carry an instrument now, it is asked, and what carried it goes
    /// on until that has something to tell.
    pub(crate) fn reroute(
        &mut self,
        routes: Epoch,
        carrier_of: impl Fn(&InstrumentId) -> Option<U>,
        up: &BTreeSet<U>,
    ) -> Vec<Act<U>> {
        self.routes = Some(routes);
        self.carry(carrier_of, |via| Source::new(via, Some(routes)), up)
    }

    /// Where another pipe is to carry an instrument now, it is asked for the same stream, and what carried it goes on until
    /// that has something to tell.
    pub(crate) fn hand_over(
        &mut self,
        carrier_of: impl Fn(&InstrumentId) -> U,
        up: &BTreeSet<U>,
    ) -> Vec<Act<U>> {
        self.carry(|instrument| Some(carrier_of(instrument)), Source::of_the_same, up)
    }

    /// Whether anything comes over this pipe, or is to.
    pub(crate) fn carries(&self, via: &U) -> bool {
        self.feeds.values().any(|feed| feed.asks(via))
    }

    fn carry(
        &mut self,
        carrier_of: impl Fn(&InstrumentId) -> Option<U>,
        source: impl Fn(U) -> Source<U>,
        up: &BTreeSet<U>,
    ) -> Vec<Act<U>> {
        let mut acts = Vec::new();
        for (instrument, feed) in &mut self.feeds {
            let wanted = carrier_of(instrument);
            if wanted == feed.destination() {
                continue;
            }
            let waited_for = feed.next.take().map(|source| source.via);
            acts.extend(leave(waited_for, instrument, up));
            if wanted == feed.destination() {
                // Back to what carries it still: nothing was switched.
                continue;
            }
            let carries = feed.carrier.as_ref().is_some_and(|source| up.contains(&source.via));
            acts.extend(wanted.iter().filter(|v| up.contains(v)).map(|v| subscribe(v, instrument)));
            match wanted {
                Some(via) if carries => feed.next = Some(source(via)),
                wanted => {
                    let via = wanted.map(&source);
                    let old = std::mem::replace(&mut feed.carrier, via);
                    acts.extend(leave(old.map(|source| source.via), instrument, up));
                    acts.extend(feed.become_status(instrument, StreamStatus::Reconnecting));
                }
            }
        }
        acts
    }

    /// A quote has come. Taken only from the pipe that carries the instrument, and only if it is newer; or from the
    /// one that is to carry it, which does so from now on.
    pub(crate) fn quote(
        &mut self,
        via: &U,
        instrument: &InstrumentId,
        new: Last,
        up: &BTreeSet<U>,
    ) -> Vec<Act<U>> {
        let Some(feed) = self.feeds.get_mut(instrument) else { return Vec::new() };
        let mut acts = Vec::new();
        if feed.may_switch_to(via) {
            acts.extend(leave(feed.switch(), instrument, up));
            acts.extend(feed.become_status(instrument, feed.word()));
        }
        let Some(new) = feed.newer(via, new) else { return acts };
        // After a loss the first quote is the proof of life, unless its source says that it is an old one.
        acts.extend(feed.become_status(instrument, feed.word()));
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
        up: &BTreeSet<U>,
    ) -> Vec<Act<U>> {
        let Some(feed) = self.feeds.get_mut(instrument) else { return Vec::new() };
        if let Some(carrier) = feed.carrier.as_mut().filter(|carrier| carrier.via == *via) {
            carrier.status = Some(status);
            return feed.become_status(instrument, status);
        }
        let mut same = false;
        if let Some(next) = feed.next.as_mut().filter(|next| next.via == *via) {
            next.status = Some(status);
            same = next.same;
        }
        let mut acts = Vec::new();
        if same && feed.may_switch_to(via) {
            acts.extend(leave(feed.switch(), instrument, up));
            acts.extend(feed.become_status(instrument, feed.word()));
        }
        acts
    }
}

fn subscribe<U: Clone>(via: &U, instrument: &InstrumentId) -> Act<U> {
    let frame = TradeDown::SubscribeQuotes { instrument: instrument.clone() };
    Act::Up { via: via.clone(), frame }
}

fn unsubscribe<U: Clone>(via: &U, instrument: &InstrumentId) -> Act<U> {
    let frame = TradeDown::UnsubscribeQuotes { instrument: instrument.clone() };
    Act::Up { via: via.clone(), frame }
}

/// Of a pipe that does not stand nothing is subscribed.
fn leave<U: Clone + Ord>(
    via: Option<U>,
    instrument: &InstrumentId,
    up: &BTreeSet<U>,
) -> Option<Act<U>> {
    via.filter(|via| up.contains(via)).map(|via| unsubscribe(&via, instrument))
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
