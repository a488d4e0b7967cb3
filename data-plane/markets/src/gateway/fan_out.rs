//! Quotes to all sessions that want them. Decides that a quote is encoded and kept once for all, what a new
//! subscriber is told first, and how long an instrument nobody wants is kept; the subscription behind it
//! is `trade_link`'s.

use super::port::{Port, Stand, encode};
use crate::{
    hop::{
        ReceiverId,
        quotes::Last,
        ring::{Ring, Tap},
        unavailable,
    },
    limits,
};
use axum::extract::ws::Utf8Bytes;
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::oneshot;
use tradewind_domain::{ids::InstrumentId, time::Monotonic};
use tradewind_protocol::{
    Problem,
    orders::LatestQuote,
    stream::{Mode, Position, StreamStatus, ToAlgo, Topic},
};

pub(crate) type QuoteReply = oneshot::Sender<Result<LatestQuote, Problem>>;

struct Subscriber {
    port: Arc<Port>,
    tap: Arc<Tap<Utf8Bytes>>,
}

impl Drop for Subscriber {
    /// What still waits in the port is not wanted.
    fn drop(&mut self) {
        self.tap.shut();
    }
}

struct Feed {
    subscribers: BTreeMap<ReceiverId, Subscriber>,
    latest: Option<LatestQuote>,
    frames: Arc<Ring<Utf8Bytes>>,
    stand: Stand,
    status: Option<StreamStatus>,
    /// Questions by REST that wait for a first quote, and until when.
    asking: Vec<(Monotonic, QuoteReply)>,
    /// Nobody subscribes: kept until then.
    idle_until: Option<Monotonic>,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            subscribers: BTreeMap::new(),
            latest: None,
            frames: Arc::new(Ring::new(limits::QUOTES_WAITING)),
            stand: Stand::default(),
            status: None,
            asking: Vec::new(),
            idle_until: None,
        }
    }
}

#[derive(Default)]
pub(crate) struct FanOut {
    feeds: BTreeMap<InstrumentId, Feed>,
}

impl FanOut {
    /// Adds a subscriber and tells him where the stream stands. True if the instrument is new here.
    pub(crate) fn subscribe(&mut self, port: &Arc<Port>, instrument: &InstrumentId) -> bool {
        let new = !self.feeds.contains_key(instrument);
        let feed = self.feeds.entry(instrument.clone()).or_default();
        let topic = Topic::Quotes { instrument: instrument.clone() };
        feed.idle_until = None;
        let subscriber = Subscriber { port: port.clone(), tap: feed.frames.tap() };
        let position = feed.stand.get();
        port.ordered(&ToAlgo::Subscribed { topic: topic.clone(), mode: Mode::Live, position });
        match feed.status {
            Some(status @ (StreamStatus::Reconnecting | StreamStatus::Stale)) => {
                port.status(&topic, encode(&ToAlgo::Status { topic: topic.clone(), status }));
            }
            Some(StreamStatus::Live) | None => {}
        }
        if feed.latest.is_some() {
            port.quotes(&subscriber.tap);
        }
        feed.subscribers.insert(port.number(), subscriber);
        port.follow(&topic, &feed.stand);
        new
    }

    pub(crate) fn unsubscribe(
        &mut self,
        who: ReceiverId,
        instrument: &InstrumentId,
        now: Monotonic,
    ) {
        let Some(feed) = self.feeds.get_mut(instrument) else { return };
        feed.subscribers.remove(&who);
        if feed.subscribers.is_empty() {
            feed.idle_until = Some(now + limits::QUOTE_LINGER);
        }
    }

    /// Answers with the latest quote, now or when one comes. True if the instrument is new here.
    pub(crate) fn ask(
        &mut self,
        instrument: &InstrumentId,
        reply: QuoteReply,
        now: Monotonic,
    ) -> bool {
        let new = !self.feeds.contains_key(instrument);
        let feed = self.feeds.entry(instrument.clone()).or_default();
        if feed.subscribers.is_empty() {
            feed.idle_until = Some(now + limits::QUOTE_LINGER);
        }
        match (&feed.latest, feed.status) {
            (Some(latest), Some(StreamStatus::Live | StreamStatus::Stale)) => {
                // Whoever asked may be gone by now.
                let _ = reply.send(Ok(latest.clone()));
            }
            (Some(_) | None, _) => feed.asking.push((now + limits::QUOTE_WITHIN, reply)),
        }
        new
    }

    /// Sends a quote to all subscribers.
    pub(crate) fn publish(&mut self, instrument: &InstrumentId, last: Last) {
        let Some(feed) = self.feeds.get_mut(instrument) else { return };
        let Last { epoch, seq, quote } = last;
        let position = Position { epoch: epoch.clone(), seq };
        let latest = LatestQuote { instrument: instrument.clone(), epoch, seq, quote };
        let LatestQuote { instrument: _, epoch, seq, quote } = latest.clone();
        let instrument_named = instrument.clone();
        let frame = encode(&ToAlgo::Quote { instrument: instrument_named, epoch, seq, quote });
        feed.frames.push(frame);
        for Subscriber { port, tap } in feed.subscribers.values() {
            port.quotes(tap);
        }
        feed.stand.set(Some(position));
        for (_, reply) in feed.asking.drain(..) {
            let _ = reply.send(Ok(latest.clone()));
        }
        feed.latest = Some(latest);
    }

    /// Tells all subscribers how the source is.
    pub(crate) fn status(&mut self, instrument: &InstrumentId, status: StreamStatus) {
        let Some(feed) = self.feeds.get_mut(instrument) else { return };
        feed.status = Some(status);
        let topic = Topic::Quotes { instrument: instrument.clone() };
        let frame = encode(&ToAlgo::Status { topic: topic.clone(), status });
        for Subscriber { port, .. } in feed.subscribers.values() {
            port.status(&topic, frame.clone());
        }
    }

    /// Time has passed: refuses questions that waited too long, and gives the instruments that nobody
    /// has wanted for a while, which are forgotten.
    pub(crate) fn tick(&mut self, now: Monotonic) -> Vec<InstrumentId> {
        for (instrument, feed) in &mut self.feeds {
            for (_, reply) in feed.asking.extract_if(.., |(until, _)| *until <= now) {
                let _ = reply.send(Err(unavailable(format!("no quote of {instrument} has come"))));
            }
        }
        let over = |feed: &Feed| feed.idle_until.is_some_and(|until| until <= now);
        let idle = self.feeds.extract_if(.., |_, feed| over(feed));
        idle.map(|(instrument, _)| instrument).collect()
    }
}

#[cfg(test)]
mod tests;
