//! What an algo reads. Decides how each stream is handed over: quotes as the latest state, fills and
//! order changes one by one, none left out. Dropping a stream ends its subscription. Each is a [`Stream`] beside its own
//! `next`: the same things in the same order, whichever of them takes one, and it ends where `next` says that the session is
//! closed. Both may be cancelled: nothing is taken that is not handed over.

use crate::error::Error;
use futures_util::Stream;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::sync::{mpsc, watch};
use tradewind_protocol::domain::trading::{Fill, Order, Quote};

/// Quotes of one instrument: always the latest; one that was overtaken is not shown.
#[derive(Debug)]
pub struct Quotes {
    latest: watch::Receiver<Option<Quote>>,
    waiting: Waiting,
}

/// Wakes whoever polls once there may be another quote. What there is stands in `latest` alone.
#[derive(Default)]
struct Waiting(Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>);

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Waiting").field(&self.0.is_some()).finish()
    }
}

impl Stream for Quotes {
    type Item = Quote;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Quote>> {
        let Self { latest: held, waiting } = self.get_mut();
        loop {
            // Before it is looked whether it is closed: one that came before that is handed over, as by `next`.
            let is_closed = held.has_changed().is_err();
            let latest = held.borrow_and_update();
            let quote = if latest.has_changed() { latest.clone() } else { None };
            drop(latest);
            if quote.is_some() || is_closed {
                waiting.0 = None;
                return Poll::Ready(quote);
            }
            let another = waiting.0.get_or_insert_with(|| {
                let mut latest = held.clone();
                Box::pin(async move {
                    // That it is closed is seen by whoever is woken.
                    let _ = latest.changed().await;
                })
            });
            ready!(another.as_mut().poll(context));
            waiting.0 = None;
        }
    }
}

impl Quotes {
    pub(crate) fn of(latest: watch::Receiver<Option<Quote>>) -> Self {
        Self { latest, waiting: Waiting::default() }
    }

    /// Waits for a quote newer than the last one returned.
    pub async fn next(&mut self) -> Result<Quote, Error> {
        loop {
            self.latest.changed().await.map_err(|_| Error::Closed)?;
            if let Some(quote) = self.latest.borrow_and_update().clone() {
                return Ok(quote);
            }
        }
    }
}

/// The customer's fills, each once, in the order of the account's ledger. None is dropped: when some
/// thousands wait here the whole session waits until they are read.
#[derive(Debug)]
pub struct Fills {
    pub(crate) fills: mpsc::Receiver<Fill>,
}

impl Stream for Fills {
    type Item = Fill;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Fill>> {
        self.fills.poll_recv(context)
    }
}

impl Fills {
    /// Waits for the next fill.
    pub async fn next(&mut self) -> Result<Fill, Error> {
        self.fills.recv().await.ok_or(Error::Closed)
    }
}

/// Every change of the customer's orders, in the order of the account's ledger. None is dropped: when
/// some thousands wait here the whole session waits until they are read.
#[derive(Debug)]
pub struct OrderUpdates {
    pub(crate) orders: mpsc::Receiver<Order>,
}

impl Stream for OrderUpdates {
    type Item = Order;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Order>> {
        self.orders.poll_recv(context)
    }
}

impl OrderUpdates {
    /// Waits for the next change.
    pub async fn next(&mut self) -> Result<Order, Error> {
        self.orders.recv().await.ok_or(Error::Closed)
    }
}
