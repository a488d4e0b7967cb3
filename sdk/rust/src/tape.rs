//! Trades on their way to the algo. Decides that an algo which does not keep up misses trades, is told so before the
//! next one, and holds up nothing else of its session.

use crate::error::Error;
use futures_util::Stream;
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};
use tokio::sync::mpsc;
use tradewind_protocol::domain::trading::Trade;

/// Trades that wait for the algo.
const QUEUED: usize = 4_096;

/// What an algo hears of an instrument's trades.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TradeEvent {
    Trade(Trade),
    /// Trades are missing here, and why.
    Gap {
        reason: String,
    },
}

/// The trades of one instrument, in the venue's order. None is missing that no [`TradeEvent::Gap`] tells of.
#[derive(Debug)]
pub struct Trades {
    events: mpsc::Receiver<TradeEvent>,
}

impl Stream for Trades {
    type Item = TradeEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<TradeEvent>> {
        self.events.poll_recv(context)
    }
}

impl Trades {
    /// Waits for the next trade, or gap.
    pub async fn next(&mut self) -> Result<TradeEvent, Error> {
        self.events.recv().await.ok_or(Error::Closed)
    }
}

/// The session's end of it.
#[derive(Clone, Debug)]
pub(crate) struct TapeSink {
    events: mpsc::Sender<TradeEvent>,
    missed: Arc<AtomicBool>,
}

pub(crate) fn tape() -> (TapeSink, Trades) {
    let (sender, events) = mpsc::channel(QUEUED);
    (TapeSink { events: sender, missed: Arc::default() }, Trades { events })
}

impl TapeSink {
    pub(crate) fn tell(&self, event: TradeEvent) {
        if self.missed.load(Ordering::Relaxed) {
            let reason = format!("the algo left {QUEUED} trades unread");
            if self.events.try_send(TradeEvent::Gap { reason }).is_err() {
                return;
            }
            self.missed.store(false, Ordering::Relaxed);
        }
        if self.events.try_send(event).is_err() {
            self.missed.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_the_same(&self, other: &Self) -> bool {
        self.events.same_channel(&other.events)
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.events.is_closed()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tradewind_protocol::domain::{time::UnixNanos, trading::Side};

    fn trade(number: u64) -> TradeEvent {
        TradeEvent::Trade(Trade {
            price: "1".parse().unwrap(),
            quantity: "1".parse().unwrap(),
            taker: Side::Buy,
            at: UnixNanos(number),
        })
    }

    #[tokio::test]
    async fn an_algo_that_reads_late_is_told_of_what_it_missed_before_the_next_trade() {
        let (sink, mut trades) = tape();
        for number in 0..5_000 {
            sink.tell(trade(number));
        }
        for number in 0..4_096 {
            assert_eq!(trades.next().await.unwrap(), trade(number));
        }
        sink.tell(trade(5_000));
        assert!(matches!(trades.next().await.unwrap(), TradeEvent::Gap { .. }));
        assert_eq!(trades.next().await.unwrap(), trade(5_000));
        drop(trades);
        assert!(sink.is_gone());
    }
}
