//! What a Broker asks of Kraken over one connection. Decides which task gets what; it waits for nothing.

use super::{
    Kraken,
    feed::Want,
    placing::{Ask, Placing},
    socket,
};
use crate::venue::{Link, NotSent, Replace, Submission};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tradewind_domain::{
    ids::{InstrumentId, VenueOrderId},
    time::UnixNanos,
};

pub(super) struct KrakenLink {
    pub(super) kraken: Arc<Kraken>,
    pub(super) placing: Placing,
    /// The listing that is wanted, from when on: always the latest.
    pub(super) sweeps: watch::Sender<Option<UnixNanos>>,
    pub(super) feeds: mpsc::Sender<Want>,
}

impl Link for KrakenLink {
    fn submit(&self, order: Submission) -> Result<(), NotSent> {
        let Kraken { clock, .. } = &*self.kraken;
        // The place in the queue first: only what will be sent is counted and remembered.
        match &self.placing {
            Placing::WebSocket(frames) => {
                let permit = frames.try_reserve().map_err(|_| NotSent)?;
                let (request, add) = self.kraken.desk().submit(&order, clock.now())?;
                permit.send(socket::frame("add_order", Some(add), request));
            }
            Placing::Rest(asks) => {
                let permit = asks.try_reserve().map_err(|_| NotSent)?;
                let (_, add) = self.kraken.desk().submit(&order, clock.now())?;
                permit.send(Ask::Submit(order.venue_order_id, Box::new(add)));
            }
            Placing::Nothing => return Err(NotSent),
        }
        Ok(())
    }

    fn cancel(&self, order: VenueOrderId) -> Result<(), NotSent> {
        let Kraken { clock, .. } = &*self.kraken;
        match &self.placing {
            Placing::WebSocket(frames) => {
                let permit = frames.try_reserve().map_err(|_| NotSent)?;
                let (request, cancel) = self.kraken.desk().cancel(order, clock.now())?;
                permit.send(socket::frame("cancel_order", Some(cancel), request));
            }
            Placing::Rest(asks) => {
                let permit = asks.try_reserve().map_err(|_| NotSent)?;
                self.kraken.desk().cancel(order, clock.now())?;
                permit.send(Ask::Cancel(order));
            }
            Placing::Nothing => return Err(NotSent),
        }
        Ok(())
    }

    /// Not among its capabilities: nobody asks.
    fn replace(&self, _: Replace) -> Result<(), NotSent> {
        Err(NotSent)
    }

    /// Kraken's listings answer for all orders at once, and count against the same limit.
    fn query(&self, _: VenueOrderId) -> Result<(), NotSent> {
        Err(NotSent)
    }

    /// The pages are Kraken's and turned here: one page answers, without a cursor.
    fn sweep(&self, since: UnixNanos, _: Option<u64>) -> Result<(), NotSent> {
        self.sweeps.send(Some(since)).map_err(|_| NotSent)
    }

    fn subscribe(&self, instrument: &InstrumentId) -> Result<(), NotSent> {
        self.feeds.try_send(Want::Subscribe(instrument.clone())).map_err(|_| NotSent)
    }

    fn unsubscribe(&self, instrument: &InstrumentId) -> Result<(), NotSent> {
        self.feeds.try_send(Want::Unsubscribe(instrument.clone())).map_err(|_| NotSent)
    }
}
