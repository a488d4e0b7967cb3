//! The pipes that MarketManagers open to a Market. Decides how a slow one is spared: quotes are thinned
//! to the latest, everything else waits, and beyond a mark the Market takes nothing more in.

use crate::{
    hop::{ReceiverId, outbox::Outbox},
    limits,
};
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::{Notify, mpsc};
use tokio_util::task::AbortOnDropHandle;
use tradewind_domain::ids::InstrumentId;
use tradewind_link::pipe::{Accepted, Event, Events, SendError, Sender};
use tradewind_protocol::trade::{TradeDown, TradeUp};

/// What is thinned to its latest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Quote(InstrumentId),
    Status(InstrumentId),
}

/// `None` says that the pipe is gone.
pub(crate) struct FromReceiver {
    pub(crate) from: ReceiverId,
    pub(crate) frame: Option<TradeDown>,
}

struct Downstream {
    outbox: Arc<Outbox<Key, TradeUp>>,
    _reading: AbortOnDropHandle<()>,
    _writing: AbortOnDropHandle<()>,
}

/// All pipes of MarketManagers. Dropped, they are closed.
pub(crate) struct Downstreams {
    numbers: u64,
    by_number: BTreeMap<ReceiverId, Downstream>,
    inbox: mpsc::Sender<FromReceiver>,
    room: Arc<Notify>,
}

impl Downstreams {
    pub(crate) fn new() -> (Self, mpsc::Receiver<FromReceiver>) {
        let (inbox, frames) = mpsc::channel(limits::INBOX);
        let by_number = BTreeMap::new();
        (Self { numbers: 0, by_number, inbox, room: Arc::default() }, frames)
    }

    /// Takes a pipe that was admitted; one too many is closed at once.
    pub(crate) fn accept(&mut self, accepted: Accepted<TradeUp, TradeDown>) {
        if self.by_number.len() >= limits::PIPES_PER_MARKET {
            tracing::warn!(from = accepted.hello.from, "too many pipes, one closed");
            return;
        }
        self.numbers += 1;
        let from = ReceiverId(self.numbers);
        tracing::info!(from = accepted.hello.from, pipe = from.0, "trading pipe accepted");
        let outbox = Arc::new(Outbox::new(limits::PIPE_OUTBOX_FRAMES, self.room.clone()));
        let reading = tokio::spawn(read(from, accepted.events, self.inbox.clone()));
        let writing = tokio::spawn(write(outbox.clone(), accepted.sender));
        let downstream = Downstream {
            outbox,
            _reading: AbortOnDropHandle::new(reading),
            _writing: AbortOnDropHandle::new(writing),
        };
        self.by_number.insert(from, downstream);
    }

    pub(crate) fn remove(&mut self, gone: ReceiverId) {
        self.by_number.remove(&gone);
    }

    /// Queues a frame; false if the pipe is so far behind that it has to be given up.
    pub(crate) fn send(&self, to: ReceiverId, frame: TradeUp) -> bool {
        let Some(downstream) = self.by_number.get(&to) else { return true };
        match &frame {
            TradeUp::Quote { instrument, .. } => {
                let key = Key::Quote(instrument.clone());
                downstream.outbox.push_recent(key, frame, limits::QUOTES_WAITING);
                true
            }
            TradeUp::QuoteStatus { instrument, .. } => {
                downstream.outbox.push_latest(Key::Status(instrument.clone()), frame);
                true
            }
            TradeUp::TradesStand { .. }
            | TradeUp::Trade { .. }
            | TradeUp::PrivateOpened { .. }
            | TradeUp::Private { .. }
            | TradeUp::PrivateStatus { .. }
            | TradeUp::PrivateClosed { .. }
            | TradeUp::Answer { .. } => downstream.outbox.push_ordered(frame).is_ok(),
        }
    }

    /// Whether every pipe is near enough to its sender that more may be taken in.
    pub(crate) fn have_room(&self) -> bool {
        let mark = limits::PIPE_OUTBOX_MARK;
        self.by_number.values().all(|downstream| downstream.outbox.ordered() < mark)
    }

    /// Told when `have_room` may have changed.
    pub(crate) fn room(&self) -> Arc<Notify> {
        self.room.clone()
    }
}

/// May be cancelled: the pipe ends with it.
async fn read(from: ReceiverId, mut events: Events<TradeDown>, inbox: mpsc::Sender<FromReceiver>) {
    while let Some(event) = events.next().await {
        let frame = match event {
            Event::Up { .. } => continue,
            Event::Message(frame) => frame,
            Event::Down(lost) => {
                tracing::info!(pipe = from.0, %lost, "trading pipe lost");
                break;
            }
        };
        if inbox.send(FromReceiver { from, frame: Some(frame) }).await.is_err() {
            return;
        }
    }
    // Nobody to tell when the Market ends.
    let _ = inbox.send(FromReceiver { from, frame: None }).await;
}

/// May be cancelled: what waits is lost with the pipe.
async fn write(outbox: Arc<Outbox<Key, TradeUp>>, sender: Sender<TradeUp>) {
    let mut frames = Vec::new();
    loop {
        outbox.take(limits::COALESCE, &mut frames).await;
        for frame in frames.drain(..) {
            match sender.send(frame).await {
                Ok(()) => {}
                // Left out alone: a missing answer is unknown in time, a missing event a hole that is seen.
                Err(error @ SendError::Unsendable(_)) => {
                    tracing::error!(%error, "a frame cannot be sent");
                }
                Err(error @ (SendError::NotUp | SendError::Full)) => {
                    tracing::debug!(%error, "trading pipe not written");
                    break;
                }
            }
        }
        if !sender.is_up() {
            // What waits can go nowhere, and must not hold the Market up until the loss is told.
            outbox.clear();
        }
    }
}
