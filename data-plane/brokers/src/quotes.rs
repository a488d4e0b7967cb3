//! Public quotes and trades between the venue and the Markets. Decides a quote's number, what is subscribed at the
//! venue, and whether a source is live, stale or away; each reader gets the latest when it is ready for it.
//!
//! Q1 the stream epoch is `{cluster}-{assignment epoch}-{incarnation}-{connection}`: no two sources share
//! one. Q2 within it numbers rise; holes are normal.

mod tape;

pub(crate) use tape::{News, TradeReader};

use crate::{limits::QUOTE_STALE_AFTER, standing::Subscriptions, venue::Link};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use tape::Tape;
use tokio::sync::watch;
use tradewind_domain::{
    ids::{Fence, Incarnation, InstrumentId, InvalidName, StreamEpoch},
    trading::Quote,
};
use tradewind_protocol::stream::StreamStatus;

/// A quote with its place in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Numbered {
    pub(crate) epoch: StreamEpoch,
    pub(crate) seq: u64,
    pub(crate) quote: Quote,
}

/// What is known of an instrument now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) status: StreamStatus,
    pub(crate) latest: Option<Arc<Numbered>>,
}

struct Source {
    known: watch::Sender<Known>,
    heard: Instant,
    tape: Tape,
}

struct Inner {
    fence: Fence,
    incarnation: Incarnation,
    connections: u64,
    epoch: StreamEpoch,
    /// Of all instruments, quotes and trades together, so that one subscribed again goes on with higher numbers.
    seq: u64,
    link: Option<Arc<dyn Link>>,
    /// Those somebody reads.
    sources: BTreeMap<InstrumentId, Source>,
}

/// A cheap handle.
#[derive(Clone)]
pub(crate) struct Quotes(Arc<Mutex<Inner>>);

impl Quotes {
    pub(crate) fn new(fence: Fence, incarnation: Incarnation) -> Result<Self, InvalidName> {
        Ok(Self(Arc::new(Mutex::new(Inner {
            fence,
            incarnation,
            connections: 0,
            epoch: epoch(fence, incarnation, 0)?,
            seq: 0,
            link: None,
            sources: BTreeMap::new(),
        }))))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account was assigned anew: under another right it is another source from here on.
    pub(crate) fn assigned(&self, fence: Fence) {
        let mut inner = self.inner();
        if inner.fence != fence {
            inner.fence = fence;
            inner.renew();
        }
    }

    /// A fresh connection: everything that is read is subscribed on it.
    pub(crate) fn connected(&self, link: Arc<dyn Link>) {
        let mut inner = self.inner();
        inner.connections += 1;
        inner.renew();
        for instrument in inner.sources.keys() {
            subscribe(&link, instrument);
        }
        inner.link = Some(link);
    }

    pub(crate) fn lost(&self) {
        let mut inner = self.inner();
        inner.link = None;
        for source in inner.sources.values() {
            source.say(StreamStatus::Reconnecting);
        }
    }

    pub(crate) fn put(&self, instrument: &InstrumentId, quote: Quote) {
        let mut inner = self.inner();
        inner.seq += 1;
        let latest = Arc::new(Numbered { epoch: inner.epoch.clone(), seq: inner.seq, quote });
        if let Some(source) = inner.sources.get_mut(instrument) {
            source.heard = Instant::now();
            let known = Known { status: StreamStatus::Live, latest: Some(latest) };
            source.known.send_replace(known);
        }
    }

    /// Looks for sources that have fallen silent, each for itself, and says how all are.
    pub(crate) fn judge(&self) -> Subscriptions {
        let inner = self.inner();
        let mut stale = Vec::new();
        for (instrument, source) in &inner.sources {
            let live = source.known.borrow().status == StreamStatus::Live;
            if live && source.heard.elapsed() >= QUOTE_STALE_AFTER {
                source.say(StreamStatus::Stale);
            }
            if source.known.borrow().status == StreamStatus::Stale {
                stale.push(instrument.clone());
            }
        }
        Subscriptions { all: inner.sources.len(), stale }
    }

    /// Reads an instrument; subscribes it at the venue if nobody did before.
    pub(crate) fn read(&self, instrument: &InstrumentId) -> QuoteReader {
        let mut inner = self.inner();
        if !inner.sources.contains_key(instrument) {
            let nothing = Known { status: StreamStatus::Reconnecting, latest: None };
            let (known, tape) = (watch::channel(nothing).0, Tape::after(inner.seq));
            let source = Source { known, heard: Instant::now(), tape };
            inner.sources.insert(instrument.clone(), source);
            if let Some(link) = &inner.link {
                subscribe(link, instrument);
            }
        }
        let nothing = || watch::channel(Known { status: StreamStatus::Stale, latest: None }).1;
        let known = inner.sources.get(instrument).map(|source| source.known.subscribe());
        let mut known = known.unwrap_or_else(nothing);
        known.mark_changed();
        QuoteReader { quotes: self.clone(), instrument: instrument.clone(), known }
    }

    /// The last quote of an instrument that somebody reads, if its source is live.
    pub(crate) fn fresh(&self, instrument: &InstrumentId) -> Option<Quote> {
        let inner = self.inner();
        let known = inner.sources.get(instrument)?.known.borrow();
        let live = known.status == StreamStatus::Live;
        known.latest.as_ref().filter(|_| live).map(|latest| latest.quote.clone())
    }

    fn leave(&self, instrument: &InstrumentId) {
        let mut inner = self.inner();
        // The reader that leaves still counts.
        let last = inner.sources.get(instrument).is_some_and(|s| s.known.receiver_count() <= 1);
        if last {
            inner.sources.remove(instrument);
            if let Some(link) = &inner.link {
                // Unsent it costs frames that nobody reads, until the next connection.
                let _ = link.unsubscribe(instrument);
            }
        }
    }
}

impl Inner {
    fn renew(&mut self) {
        match epoch(self.fence, self.incarnation, self.connections) {
            Ok(epoch) => {
                self.epoch = epoch;
                self.seq = 0;
                self.sources.values_mut().for_each(|source| source.tape.renew(&self.epoch));
            }
            // Three numbers of a sane size always fit; if not, the numbers go on rising.
            Err(error) => tracing::error!(%error, "stream epoch cannot be named"),
        }
    }
}

impl Source {
    fn say(&self, status: StreamStatus) {
        self.known.send_if_modified(|known| {
            let changed = known.status != status;
            known.status = status;
            changed
        });
    }
}

fn subscribe(link: &Arc<dyn Link>, instrument: &InstrumentId) {
    if link.subscribe(instrument).is_err() {
        // The connection is ending; the next one subscribes everything again.
        tracing::warn!(%instrument, "not subscribed");
    }
}

fn epoch(
    fence: Fence,
    incarnation: Incarnation,
    connection: u64,
) -> Result<StreamEpoch, InvalidName> {
    StreamEpoch::new(&format!("{}-{}-{incarnation}-{connection}", fence.cluster, fence.epoch))
}

/// Reads one instrument. Dropped, it is unsubscribed if it was the last.
pub(crate) struct QuoteReader {
    quotes: Quotes,
    instrument: InstrumentId,
    known: watch::Receiver<Known>,
}

impl QuoteReader {
    /// What is known once that is news to this reader; at first, what is known now.
    pub(crate) async fn next(&mut self) -> Known {
        if self.known.changed().await.is_err() {
            // A source outlives its readers.
            std::future::pending::<()>().await;
        }
        self.known.borrow_and_update().clone()
    }
}

impl Drop for QuoteReader {
    fn drop(&mut self) {
        self.quotes.leave(&self.instrument);
    }
}

#[cfg(test)]
mod tests;
