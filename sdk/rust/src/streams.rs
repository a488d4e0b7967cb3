//! What an algo reads. Decides how each stream is handed over: quotes as the latest state, fills and
//! order changes one by one, none left out. Dropping a stream ends its subscription.

use crate::error::Error;
use tokio::sync::{mpsc, watch};
use tradewind_protocol::domain::trading::{Fill, Order, Quote};

/// Quotes of one instrument: always the latest; one that was overtaken is not shown.
#[derive(Debug)]
pub struct Quotes {
    pub(crate) latest: watch::Receiver<Option<Quote>>,
}

impl Quotes {
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

impl OrderUpdates {
    /// Waits for the next change.
    pub async fn next(&mut self) -> Result<Order, Error> {
        self.orders.recv().await.ok_or(Error::Closed)
    }
}
