//! Public quotes and trades between the venue and the Markets. Decides a quote's number, what is subscribed at the
//! venue, and whether a source is live, stale or away; each reader gets the latest few when it is ready for them: quotes
//! come in bursts, and a reader who keeps up has all of a burst.
//!
//! Q1 the stream epoch is `{cluster}-{assignment epoch}-{incarnation}-{connection}`: no two sources share
//! one. Q2 within it numbers rise; holes are normal.

mod tape;

pub(crate) use tape::{News, TradeReader};

use crate::{
    limits::{QUOTE_STALE_AFTER, QUOTES_WAITING},
    standing::Subscriptions,
    venue::Link,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use tape::Tape;
use tokio::sync::broadcast::{self, error::RecvError};
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
    known: Known,
    /// What was known, change by change; who falls behind misses the oldest.
    changes: broadcast::Sender<Known>,
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
        for source in inner.sources.values_mut() {
            source.say(StreamStatus::Reconnecting);
        }
    }

    pub(crate) fn put(&self, instrument: &InstrumentId, quote: Quote) {
        let mut inner = self.inner();
        inner.seq += 1;
        let latest = Arc::new(Numbered { epoch: inner.epoch.clone(), seq: inner.seq, quote });
        if let Some(source) = inner.sources.get_mut(instrument) {
            source.heard = Instant::now();
            source.become_known(Known { status: StreamStatus::Live, latest: Some(latest) });
        }
    }

    /// Looks for sources that have fallen silent, each for itself, and says how all are.
    pub(crate) fn judge(&self) -> Subscriptions {
        let mut inner = self.inner();
        let mut stale = Vec::new();
        for (instrument, source) in &mut inner.sources {
            let live = source.known.status == StreamStatus::Live;
            if live && source.heard.elapsed() >= QUOTE_STALE_AFTER {
                source.say(StreamStatus::Stale);
            }
            if source.known.status == StreamStatus::Stale {
                stale.push(instrument.clone());
            }
        }
        Subscriptions { all: inner.sources.len(), stale }
    }

    /// Reads an instrument; subscribes it at the venue if nobody did before.
    pub(crate) fn read(&self, instrument: &InstrumentId) -> QuoteReader {
        let mut inner = self.inner();
        if !inner.sources.contains_key(instrument) {
            let source = Source::after(inner.seq);
            inner.sources.insert(instrument.clone(), source);
            if let Some(link) = &inner.link {
                subscribe(link, instrument);
            }
        }
        let source = inner.sources.get(instrument);
        let first = source.map(|source| source.known.clone());
        let changes =
            source.map_or_else(|| broadcast::channel(1).1, |source| source.changes.subscribe());
        QuoteReader { quotes: self.clone(), instrument: instrument.clone(), first, changes }
    }

    /// The last quote of an instrument that somebody reads, if its source is live.
    pub(crate) fn fresh(&self, instrument: &InstrumentId) -> Option<Quote> {
        let inner = self.inner();
        let known = &inner.sources.get(instrument)?.known;
        let live = known.status == StreamStatus::Live;
        known.latest.as_ref().filter(|_| live).map(|latest| latest.quote.clone())
    }

    fn leave(&self, instrument: &InstrumentId) {
        let mut inner = self.inner();
        // The reader that leaves still counts.
        let last = inner.sources.get(instrument).is_some_and(|s| s.changes.receiver_count() <= 1);
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
    /// One whose tape goes on after this number.
    fn after(last: u64) -> Self {
        Self {
            known: Known { status: StreamStatus::Reconnecting, latest: None },
            changes: broadcast::channel(QUOTES_WAITING).0,
            heard: Instant::now(),
            tape: Tape::after(last),
        }
    }

    fn become_known(&mut self, known: Known) {
        self.known = known;
        // Without a reader nobody has to know.
        let _ = self.changes.send(self.known.clone());
    }

    fn say(&mut self, status: StreamStatus) {
        if self.known.status != status {
            self.become_known(Known { status, latest: self.known.latest.clone() });
        }
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
    first: Option<Known>,
    changes: broadcast::Receiver<Known>,
}

impl QuoteReader {
    /// What became known next: at first what is known now, then every change, of which one who does not keep up has
    /// the newest. May be cancelled.
    pub(crate) async fn next(&mut self) -> Known {
        if let Some(first) = self.first.take() {
            return first;
        }
        loop {
            match self.changes.recv().await {
                Ok(known) => return known,
                Err(RecvError::Lagged(_)) => {}
                // A source outlives its readers.
                Err(RecvError::Closed) => std::future::pending::<()>().await,
            }
        }
    }
}

impl Drop for QuoteReader {
    fn drop(&mut self) {
        self.quotes.leave(&self.instrument);
    }
}

#[cfg(test)]
mod tests;
