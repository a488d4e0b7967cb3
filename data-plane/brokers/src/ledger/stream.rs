//! The private streams as they are told: one numbering a customer, two channels. Decides what a reader
//! gets next and from where, memory or journal; only durable events are published here, by the keeper.
//!
//! Memory is bounded: the newest events are kept, of the others only where they stand in the journal
//! (16 bytes an event). A reader that is slow or late is served from the journal at its own pace.

use super::record::{Numbered, Record};
use crate::limits::{RECENT_EVENTS, REPLAY_BATCH};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;
use tradewind_domain::ids::{AccountId, CustomerId, StreamEpoch};
use tradewind_journal::{Journal, ReadError, codec::CodecError};
use tradewind_protocol::trade::PrivateChannel;

/// Where an event stands in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    seq: u64,
    index: u64,
}

#[derive(Default)]
struct Inner {
    orders: Vec<Place>,
    fills: Vec<Place>,
    /// Of both channels, contiguous numbers.
    recent: VecDeque<Arc<Numbered>>,
}

impl Inner {
    fn channel(&self, channel: PrivateChannel) -> &Vec<Place> {
        match channel {
            PrivateChannel::Orders => &self.orders,
            PrivateChannel::Fills => &self.fills,
        }
    }
}

/// One customer's stream.
struct Stream {
    inner: Mutex<Inner>,
    /// Woken at each publication.
    published: watch::Sender<()>,
}

impl Stream {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics half-way through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a reader cannot go on. The ledger on disk is damaged or away.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("the ledger's journal cannot be read")]
    Read(#[from] ReadError),
    #[error("ledger record {index} cannot be decoded")]
    Decode {
        index: u64,
        #[source]
        source: CodecError,
    },
    #[error("ledger record {index} does not hold event {seq}")]
    Misplaced { index: u64, seq: u64 },
}

/// The streams of an account. A cheap handle.
#[derive(Clone)]
pub struct Streams {
    account: AccountId,
    epoch: StreamEpoch,
    journal: Journal,
    by_customer: Arc<Mutex<BTreeMap<CustomerId, Arc<Stream>>>>,
}

impl Streams {
    #[must_use]
    pub fn new(account: AccountId, epoch: StreamEpoch, journal: Journal) -> Self {
        Self { account, epoch, journal, by_customer: Arc::default() }
    }

    /// Of the ledger: the same as long as it is kept.
    #[must_use]
    pub fn epoch(&self) -> &StreamEpoch {
        &self.epoch
    }

    fn stream(&self, customer: &CustomerId) -> Arc<Stream> {
        let mut all = self.by_customer.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh =
            || Arc::new(Stream { inner: Mutex::default(), published: watch::channel(()).0 });
        Arc::clone(all.entry(customer.clone()).or_insert_with(fresh))
    }

    /// Makes a durable event visible. In order of the numbers; `index` is its record's.
    pub fn publish(&self, index: u64, event: Numbered) {
        let stream = self.stream(&event.customer);
        {
            let mut inner = stream.inner();
            let place = Place { seq: event.number.seq, index };
            match event.channel() {
                PrivateChannel::Orders => inner.orders.push(place),
                PrivateChannel::Fills => inner.fills.push(place),
            }
            inner.recent.push_back(Arc::new(event));
            if inner.recent.len() > RECENT_EVENTS {
                inner.recent.pop_front();
            }
        }
        stream.published.send_replace(());
    }

    /// The last number published on that channel, 0 if none.
    #[must_use]
    pub fn stand(&self, customer: &CustomerId, channel: PrivateChannel) -> u64 {
        let stream = self.stream(customer);
        let inner = stream.inner();
        inner.channel(channel).last().map_or(0, |place| place.seq)
    }

    /// Whether that number was published, on either channel; 0 always was.
    #[must_use]
    pub fn has_told(&self, customer: &CustomerId, seq: u64) -> bool {
        let highest = |channel| self.stand(customer, channel);
        seq <= highest(PrivateChannel::Orders).max(highest(PrivateChannel::Fills))
    }

    /// The number before the newest `most` events of the channel: a reader from there gets just those.
    #[must_use]
    pub fn before_newest(
        &self,
        customer: &CustomerId,
        channel: PrivateChannel,
        most: usize,
    ) -> u64 {
        let stream = self.stream(customer);
        let inner = stream.inner();
        let places = inner.channel(channel);
        places.len().checked_sub(most + 1).and_then(|at| places.get(at)).map_or(0, |p| p.seq)
    }

    /// Reads a channel from after that number on.
    #[must_use]
    pub fn reader(&self, customer: &CustomerId, channel: PrivateChannel, after: u64) -> Reader {
        let stream = self.stream(customer);
        let published = stream.published.subscribe();
        Reader {
            account: self.account.clone(),
            journal: self.journal.clone(),
            stream,
            published,
            channel,
            after,
        }
    }
}

/// A place in a channel; each call gives what follows.
pub struct Reader {
    account: AccountId,
    journal: Journal,
    stream: Arc<Stream>,
    published: watch::Receiver<()>,
    channel: PrivateChannel,
    after: u64,
}

impl Reader {
    /// The next events, at least one; waits until there is one. Nothing is lost if it is dropped.
    pub async fn next(&mut self) -> Result<Vec<Arc<Numbered>>, ReplayError> {
        loop {
            self.published.borrow_and_update();
            let events = self.ready()?;
            if !events.is_empty() {
                return Ok(events);
            }
            if self.published.changed().await.is_err() {
                // The stream outlives its readers, which hold it.
                std::future::pending::<()>().await;
            }
        }
    }

    /// The next events that are there already, a batch at a time; none at the end.
    pub fn ready(&mut self) -> Result<Vec<Arc<Numbered>>, ReplayError> {
        let events = match self.find() {
            Found::Recent(events) => events,
            Found::Places(places) => {
                places.into_iter().map(|place| self.read(place)).collect::<Result<_, _>>()?
            }
        };
        if let Some(last) = events.last() {
            self.after = last.number.seq;
        }
        Ok(events)
    }

    fn find(&self) -> Found {
        let inner = self.stream.inner();
        let places = inner.channel(self.channel);
        let from = places.partition_point(|place| place.seq <= self.after);
        let places = places.get(from..).unwrap_or_default();
        let Some(first) = places.first() else {
            return Found::Recent(Vec::new());
        };
        let oldest = inner.recent.front().map_or(u64::MAX, |event| event.number.seq);
        let Some(skip) = first.seq.checked_sub(oldest) else {
            return Found::Places(places.iter().take(REPLAY_BATCH).copied().collect());
        };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let recent = inner.recent.iter().skip(skip).filter(|e| e.channel() == self.channel);
        Found::Recent(recent.cloned().collect())
    }

    fn read(&self, place: Place) -> Result<Arc<Numbered>, ReplayError> {
        let Place { seq, index } = place;
        let misplaced = || ReplayError::Misplaced { index, seq };
        let bytes = self.journal.read(index..index + 1, 1)?.pop().ok_or_else(misplaced)?.1;
        let record =
            Record::decode(&bytes).map_err(|source| ReplayError::Decode { index, source })?;
        let mut events = record.events(&self.account).into_iter();
        events.find(|event| event.number.seq == seq).map(Arc::new).ok_or_else(misplaced)
    }
}

enum Found {
    Recent(Vec<Arc<Numbered>>),
    Places(Vec<Place>),
}

#[cfg(test)]
mod tests;
