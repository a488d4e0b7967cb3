//! The tape: trades of an instrument between the venue and the Markets. Decides a trade's number, and that a reader who
//! does not keep up misses trades rather than holds up the others: the number before, which each trade names, shows it.
//!
//! Q5 whoever reads is told first where the stream stands, and again when it begins anew.

use super::{Inner, QuoteReader, Quotes};
use std::sync::Arc;
use tokio::sync::broadcast::{self, error::RecvError};
use tradewind_domain::{
    ids::{InstrumentId, StreamEpoch},
    trading::{Trade, spread::tape::Told},
};

/// Trades that wait for one reader: a second of a busy market.
const WAITING: usize = 1_024;

/// What a reader is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Nothing after this number has been told yet, or what there was is lost.
    Stand {
        epoch: StreamEpoch,
        seq: u64,
    },
    Trade {
        epoch: StreamEpoch,
        seq: u64,
        prev: u64,
        trade: Trade,
    },
}

/// Of one instrument, for all its readers.
pub(super) struct Tape {
    publish: broadcast::Sender<Arc<News>>,
    last: u64,
}

impl Tape {
    /// One that goes on after this number.
    pub(super) fn after(last: u64) -> Self {
        Self { publish: broadcast::channel(WAITING).0, last }
    }

    /// Another source from here on, whose numbers go on after this one.
    pub(super) fn renew(&mut self, epoch: &StreamEpoch, last: u64) {
        self.last = last;
        // Without a reader nobody has to know.
        let _ = self.publish.send(Arc::new(News::Stand { epoch: epoch.clone(), seq: last }));
    }
}

impl Inner {
    /// What came from the venue of an instrument's trades.
    pub(super) fn tell(&mut self, instrument: &InstrumentId, told: Vec<Told<Trade>>) {
        for told in told {
            match told {
                Told::Hole => self.renew(instrument),
                Told::Trade(trade) => self.tell_trade(instrument, trade),
            }
        }
    }

    fn tell_trade(&mut self, instrument: &InstrumentId, trade: Trade) {
        self.seq += 1;
        let seq = self.seq;
        if let Some(source) = self.sources.get_mut(instrument) {
            let (tape, epoch) = (&mut source.tape, source.epoch.clone());
            let prev = std::mem::replace(&mut tape.last, seq);
            let _ = tape.publish.send(Arc::new(News::Trade { epoch, seq, prev, trade }));
        }
    }
}

impl Quotes {
    /// Reads an instrument's trades; with its quotes it is subscribed at the venue if nobody did before.
    pub(crate) fn read_trades(&self, instrument: &InstrumentId) -> TradeReader {
        let subscribed = self.read(instrument);
        let inner = self.inner();
        let source = inner.sources.get(instrument);
        let tape = source.map(|source| &source.tape);
        let epoch = source.map_or(&inner.epoch, |source| &source.epoch).clone();
        let stand = News::Stand { epoch, seq: tape.map_or(0, |t| t.last) };
        let news = tape.map_or_else(|| broadcast::channel(1).1, |tape| tape.publish.subscribe());
        TradeReader { first: Some(Arc::new(stand)), news, _subscribed: subscribed }
    }
}

/// Reads the trades of one instrument. Dropped, it is unsubscribed if nobody else reads it.
pub(crate) struct TradeReader {
    first: Option<Arc<News>>,
    news: broadcast::Receiver<Arc<News>>,
    _subscribed: QuoteReader,
}

impl TradeReader {
    /// May be cancelled.
    pub(crate) async fn next(&mut self) -> Arc<News> {
        if let Some(first) = self.first.take() {
            return first;
        }
        loop {
            match self.news.recv().await {
                Ok(news) => return news,
                // The next one names a number before that this reader has not seen.
                Err(RecvError::Lagged(_)) => {}
                // A tape outlives its readers.
                Err(RecvError::Closed) => std::future::pending::<()>().await,
            }
        }
    }
}
