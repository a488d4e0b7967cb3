//! A connection as a case uses it. Decides how long anything is waited for, and what is tried again; keeps all that was
//! heard, so that nothing is missed whatever is asked for first.

use super::{Stage, permission::Asked};
use crate::venue::{
    ConnectError, Connection, Event, Link, NotSent, Page, Permission, Rest, VenueFill, VenueOrder,
};
use futures_util::future::BoxFuture;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tradewind_domain::{ids::VenueOrderId, limits::INTENT_DEADLINE, time::UnixNanos};

/// Any answer of a simulator on a busy machine.
const WITHIN: Duration = Duration::from_secs(20);
/// What did not go is tried again so often.
const AGAIN: Duration = Duration::from_millis(5);

pub(super) struct Line {
    pub(super) connection: Connection,
    heard: Vec<Event>,
}

impl Line {
    pub(super) async fn connect(stage: &dyn Stage) -> Result<Self, String> {
        Self::connect_by(stage, Arc::<Asked>::default()).await
    }

    pub(super) async fn connect_by(
        stage: &dyn Stage,
        may: Arc<dyn Permission>,
    ) -> Result<Self, String> {
        let venue = stage.venue();
        Self::stands(|| venue.connect(may.clone())).await
    }

    /// One more, for market data alone.
    pub(super) async fn connect_for_data(stage: &dyn Stage) -> Result<Self, String> {
        Self::connect_for_data_by(stage, Arc::<Asked>::default()).await
    }

    pub(super) async fn connect_for_data_by(
        stage: &dyn Stage,
        may: Arc<dyn Permission>,
    ) -> Result<Self, String> {
        let venue = stage.venue();
        Self::stands(|| venue.connect_for_data(may.clone())).await
    }

    /// As a Broker does, again if it fails: an adapter may speak over what was cut before it has seen that.
    async fn stands<'a>(
        dial: impl Fn() -> BoxFuture<'a, Result<Connection, ConnectError>>,
    ) -> Result<Self, String> {
        let deadline = Instant::now() + WITHIN;
        let mut why = "connecting does not end".to_owned();
        loop {
            match timeout_at(deadline, dial()).await {
                Ok(Ok(connection)) => return Ok(Self { connection, heard: Vec::new() }),
                Ok(Err(error)) => why = format!("does not connect: {error}"),
                Err(_) => return Err(why),
            }
            expect(Instant::now() < deadline, || why.clone())?;
            sleep(AGAIN).await;
        }
    }

    /// As a Broker does, again as long as it was surely not sent: a venue may take only so many orders a second.
    pub(super) async fn send(
        &mut self,
        send: impl Fn(&dyn Link) -> Result<(), NotSent>,
    ) -> Result<(), String> {
        let deadline = Instant::now() + INTENT_DEADLINE;
        while send(&*self.connection.link).is_err() {
            let nothing = || format!("within {INTENT_DEADLINE:?} nothing is sent");
            expect(Instant::now() < deadline, nothing)?;
            sleep(AGAIN).await;
        }
        Ok(())
    }

    /// All that was heard so far.
    pub(super) fn heard(&self) -> &[Event] {
        &self.heard
    }

    /// What `find` makes of the first event that it wants, of all that were heard and that come.
    pub(super) async fn until<T>(
        &mut self,
        what: &str,
        find: impl Fn(&Event) -> Option<T>,
    ) -> Result<T, String> {
        if let Some(found) = self.heard.iter().find_map(&find) {
            return Ok(found);
        }
        let search = async {
            while let Some(event) = self.connection.events.recv().await {
                let found = find(&event);
                self.heard.push(event);
                if found.is_some() {
                    return found;
                }
            }
            None
        };
        match timeout(WITHIN, search).await {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(format!("the connection ended before {what}")),
            Err(_) => Err(format!("not within {WITHIN:?}: {what}; heard {:?}", self.heard)),
        }
    }

    /// The end of the connection.
    pub(super) async fn ended(&mut self) -> Result<(), String> {
        let end = async { while self.connection.events.recv().await.is_some() {} };
        timeout(WITHIN, end).await.map_err(|_| "the connection does not end".to_string())
    }

    /// Whether something was heard so far.
    pub(super) fn has_heard(&self, what: impl Fn(&Event) -> bool) -> bool {
        self.heard.iter().any(what)
    }

    /// Every page of a sweep, as one.
    pub(super) async fn sweep(&mut self, since: UnixNanos) -> Result<Listing, String> {
        let mut listing = Listing::default();
        let mut cursor = None;
        loop {
            // A page that was heard before is another sweep's.
            self.heard.retain(|event| !matches!(event, Event::Page(_)));
            sent(self.connection.link.sweep(since, cursor))?;
            let page = |event: &Event| match event {
                Event::Page(page) => Some(page.clone()),
                _ => None,
            };
            let Page { orders, fills, rest, at, .. } = self.until("a page", page).await?;
            listing.orders.extend(orders);
            listing.fills.extend(fills);
            listing.at.get_or_insert(at);
            match rest {
                Rest::More(next) => cursor = Some(next),
                Rest::Nothing { .. } => return Ok(listing),
            }
        }
    }
}

/// A whole sweep.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) orders: Vec<VenueOrder>,
    pub(super) fills: Vec<VenueFill>,
    /// When its first page was made.
    pub(super) at: Option<UnixNanos>,
}

impl Listing {
    /// The last word on an order.
    pub(super) fn order(&self, id: VenueOrderId) -> Option<&VenueOrder> {
        self.orders.iter().rev().find(|order| order.venue_order_id == id)
    }

    pub(super) fn fills_of(&self, id: VenueOrderId) -> Vec<&VenueFill> {
        self.fills.iter().filter(|fill| fill.venue_order_id == id).collect()
    }
}

pub(super) fn sent(sent: Result<(), NotSent>) -> Result<(), String> {
    sent.map_err(|NotSent| "an idle connection sends nothing".to_string())
}

pub(super) fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

impl Line {
    /// What was heard so far answers nothing that is asked from now on.
    pub(super) fn forget(&mut self) {
        self.heard.clear();
    }

    pub(super) fn fills_of(&self, id: VenueOrderId) -> Vec<VenueFill> {
        let own = self.heard.iter().filter_map(|event| match event {
            Event::Fill(fill) if fill.venue_order_id == id => Some(fill.clone()),
            _ => None,
        });
        own.collect()
    }
}
