//! Public quotes and trades between the venue and the Markets. Decides a quote's number, what is subscribed at the
//! venue, and whether a source is live, stale or away; each reader gets the latest few when it is ready for them: quotes
//! come in bursts, and a reader who keeps up has all of a burst. Over which connection an instrument comes is decided in
//! `domain`, as is where its trades have a hole.
//!
//! Q1 the stream epoch is `{cluster}-{assignment epoch}-{incarnation}-{generation}`: no two sources share one; the
//! generation rises with each loss. Q2 numbers rise, over all connections; holes are normal.

mod connections;
mod tape;

pub(crate) use connections::Wish;
pub(crate) use tape::{News, TradeReader};

use crate::{
    limits::{QUOTE_STALE_AFTER, QUOTES_WAITING, TRADES_KEPT},
    standing::Subscriptions,
    venue::{Link, NotSent},
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use tape::Tape;
use tokio::sync::{
    broadcast::{self, error::RecvError},
    watch,
};
use tradewind_domain::{
    ids::{Fence, Incarnation, InstrumentId, InvalidName, StreamEpoch},
    trading::{
        Quote, Trade,
        spread::{Act, ConnectionNumber, Spread, tape::Tape as Heard},
    },
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
    epoch: StreamEpoch,
    /// What comes from the venue.
    comes: Heard<Trade>,
    /// The last one of a connection that is to be heard next.
    next_quote: Option<Quote>,
    tape: Tape,
}

struct Inner {
    fence: Fence,
    incarnation: Incarnation,
    generations: u64,
    epoch: StreamEpoch,
    /// Of all instruments, quotes and trades together, so that one subscribed again goes on with higher numbers.
    seq: u64,
    spread: Spread,
    links: BTreeMap<ConnectionNumber, Arc<dyn Link>>,
    /// What a full queue did not take; `VENUE_QUEUE` at most.
    unsent: VecDeque<Act>,
    wish: watch::Sender<Wish>,
    /// Those somebody reads.
    sources: BTreeMap<InstrumentId, Source>,
}

/// A cheap handle.
#[derive(Clone)]
pub(crate) struct Quotes(Arc<Mutex<Inner>>);

impl Quotes {
    /// `several`: the venue lets several connections stand side by side.
    pub(crate) fn new(
        fence: Fence,
        incarnation: Incarnation,
        several: bool,
    ) -> Result<Self, InvalidName> {
        Ok(Self(Arc::new(Mutex::new(Inner {
            fence,
            incarnation,
            generations: 0,
            epoch: epoch(fence, incarnation, 0)?,
            seq: 0,
            spread: Spread::new(several),
            links: BTreeMap::new(),
            unsent: VecDeque::new(),
            wish: watch::channel(Wish::default()).0,
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
            let all: Vec<InstrumentId> = inner.sources.keys().cloned().collect();
            all.iter().for_each(|instrument| inner.renew(instrument));
        }
    }

    /// Looks for sources that have fallen silent, each for itself, and says how all are.
    pub(crate) fn judge(&self) -> Subscriptions {
        let mut inner = self.inner();
        inner.send_unsent();
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
        let (data_connections, waiting) = (inner.spread.standing(), inner.spread.waiting());
        Subscriptions { all: inner.sources.len(), stale, data_connections, waiting }
    }

    /// Reads an instrument; subscribes it at the venue if nobody did before.
    pub(crate) fn read(&self, instrument: &InstrumentId) -> QuoteReader {
        let mut inner = self.inner();
        if !inner.sources.contains_key(instrument) {
            // A place where no reader has been: what was traded since the last one left is not known.
            inner.seq += 1;
            let source = Source::after(inner.seq, inner.epoch.clone());
            inner.sources.insert(instrument.clone(), source);
            let acts = inner.spread.want(instrument.clone());
            inner.act(acts);
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
            let acts = inner.spread.leave(instrument);
            inner.act(acts);
        }
    }
}

impl Inner {
    /// From here on it is another source.
    fn renew(&mut self, instrument: &InstrumentId) {
        self.generations += 1;
        match epoch(self.fence, self.incarnation, self.generations) {
            Ok(epoch) => self.epoch = epoch,
            // Numbers of a sane size always fit; if not, the numbers go on rising.
            Err(error) => return tracing::error!(%error, "stream epoch cannot be named"),
        }
        if let Some(source) = self.sources.get_mut(instrument) {
            source.epoch = self.epoch.clone();
            source.tape.renew(&self.epoch, self.seq);
        }
    }

    fn publish(&mut self, instrument: &InstrumentId, quote: Quote) {
        self.seq += 1;
        if let Some(source) = self.sources.get_mut(instrument) {
            source.heard = Instant::now();
            let latest = Numbered { epoch: source.epoch.clone(), seq: self.seq, quote };
            let latest = Some(Arc::new(latest));
            source.become_known(Known { status: StreamStatus::Live, latest });
        }
    }
}

impl Source {
    /// One whose numbers go on after this one.
    fn after(last: u64, epoch: StreamEpoch) -> Self {
        Self {
            known: Known { status: StreamStatus::Reconnecting, latest: None },
            changes: broadcast::channel(QUOTES_WAITING).0,
            heard: Instant::now(),
            epoch,
            comes: Heard::new(TRADES_KEPT),
            next_quote: None,
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

fn epoch(
    fence: Fence,
    incarnation: Incarnation,
    generation: u64,
) -> Result<StreamEpoch, InvalidName> {
    StreamEpoch::new(&format!("{}-{}-{incarnation}-{generation}", fence.cluster, fence.epoch))
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
