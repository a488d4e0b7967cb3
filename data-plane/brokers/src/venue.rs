//! Venues: what every adapter can do and what it says. Decides the seam between a Broker and any venue;
//! keeping a connection up is `connection`'s work, what its words mean for orders the ledger's.

#[cfg(test)]
pub(crate) mod conformance;
pub mod dial;
pub mod external;
pub mod kraken;
pub mod sim;

use external::{Externals, Terms};
use futures_util::{FutureExt as _, future::BoxFuture};
use std::{collections::BTreeSet, sync::Arc};
use tokio::{sync::mpsc, task::JoinSet};
use tradewind_domain::{
    ids::{AccountId, ExecId, InstrumentId, VenueOrderId},
    money::{Price, Quantity},
    time::UnixNanos,
    trading::{
        Conditions, NewOrder, OrderState, OrderType, Quote, Side, TimeInForce, Trade,
        spread::tape::Mark,
    },
};
use tradewind_protocol::asks::ConnectsAllowed;

/// What a venue offers. What it does not is refused before anything is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    pub order_types: Vec<OrderType>,
    pub times_in_force: Vec<TimeInForce>,
    /// It takes orders that never take.
    pub post_only: bool,
    /// It sees to it that an order never turns the account's position.
    pub reduce_only: bool,
    /// `None`: whatever it has; it says itself what it does not.
    pub instruments: Option<BTreeSet<InstrumentId>>,
    /// It refuses an order that reaches it after a given time: what is absent after that stays absent.
    pub order_deadline: bool,
    /// One order can be asked for by our id.
    pub query_by_our_id: bool,
    /// An open order can be given other terms, under another id.
    pub replace: bool,
    /// It lets several connections of one account stand side by side, those beyond the first for market data alone.
    pub data_connections: bool,
}

impl Capabilities {
    /// Whether the venue takes such an order, or what it does not offer.
    pub fn check(&self, new: &NewOrder) -> Result<(), String> {
        if !self.order_types.contains(&new.order_type) {
            return Err(format!("the venue has no {} orders", new.order_type.as_str()));
        }
        if !self.times_in_force.contains(&new.time_in_force) {
            let force = new.time_in_force.as_str();
            return Err(format!("the venue has no time in force {force}"));
        }
        if new.conditions.post_only && !self.post_only {
            return Err("the venue has no post_only orders".to_owned());
        }
        if new.conditions.reduce_only && !self.reduce_only {
            return Err("the venue has no reduce_only orders".to_owned());
        }
        match &self.instruments {
            Some(known) if !known.contains(&new.instrument) => {
                Err(format!("the venue does not trade {}", new.instrument))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// An adapter: how a Broker gets to one kind of venue.
pub trait Venue: Send + Sync + 'static {
    fn capabilities(&self) -> &Capabilities;

    /// One connection, logged in. Cancelling it leaves nothing behind. `may` is asked before each dial that the venue counts,
    /// by whatever the adapter dials again by itself, too.
    fn connect(&self, may: Arc<dyn Permission>) -> BoxFuture<'_, Result<Connection, ConnectError>>;

    /// One more, for market data alone: no word on orders comes over it. Asked for only where it is among the capabilities.
    fn connect_for_data(
        &self,
        _may: Arc<dyn Permission>,
    ) -> BoxFuture<'_, Result<Connection, ConnectError>> {
        let none = ConnectError("this venue takes one connection of an account".to_owned());
        std::future::ready(Err(none)).boxed()
    }
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Orders go over it, or what becomes of them is told there.
    Orders,
    MarketData,
}

/// Dials that an adapter is about to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dials {
    /// Where, as the venue counts: what it counts as one address has one name here.
    pub at: String,
    /// How often it lets itself be connected to from one address.
    pub allowed: ConnectsAllowed,
    /// So many at once: one is of no use without the others.
    pub dials: u32,
    pub purpose: Purpose,
}

/// The right to connect, of all that come from one address (see `connects`).
pub trait Permission: Send + Sync + 'static {
    /// Waits until these dials may be made: now, and once each. May be cancelled.
    fn granted(&self, dials: Dials) -> BoxFuture<'_, ()>;
}

/// Why there is no connection, in words for the operator.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConnectError(pub String);

/// A connection. It ends when `events` does, and when it is dropped.
pub struct Connection {
    /// The venue's clock as it took us in.
    pub time: UnixNanos,
    /// Instruments it takes at a time; `None`: as many as there are.
    pub room: Option<usize>,
    pub link: Arc<dyn Link>,
    /// In the venue's order. Its end is the connection's.
    pub events: mpsc::Receiver<Event>,
    /// The tasks that carry it.
    pub tasks: JoinSet<()>,
}

/// The message was surely not sent: the queue is full or the connection gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it was not sent to the venue")]
pub struct NotSent;

/// What can be asked over a connection. No call waits; each is sent at most once, and `Ok` means no more
/// than that it may have been.
pub trait Link: Send + Sync + 'static {
    /// Answered by [`Event::Submitted`], unless the connection ends.
    fn submit(&self, order: Submission) -> Result<(), NotSent>;
    /// Answered by [`Event::Canceled`].
    fn cancel(&self, order: VenueOrderId) -> Result<(), NotSent>;
    /// Answered by [`Event::Replaced`].
    fn replace(&self, replace: Replace) -> Result<(), NotSent>;
    /// Answered by [`Event::Order`] if the venue has the order, otherwise not at all.
    fn query(&self, order: VenueOrderId) -> Result<(), NotSent>;
    /// One page of what changed at or after `since`; answered by [`Event::Page`].
    fn sweep(&self, since: UnixNanos, cursor: Option<u64>) -> Result<(), NotSent>;
    /// All that the account ever had can be listed: a ledger that knows nothing yet begins there. Otherwise a listing shows
    /// what is open, whenever that came.
    fn lists_from_the_beginning(&self) -> bool {
        false
    }
    /// Its quotes and, where the venue tells them, its trades. Answered by [`Event::Subscribed`].
    fn subscribe(&self, instrument: &InstrumentId) -> Result<(), NotSent>;
    /// Answered by [`Event::Unsubscribed`].
    fn unsubscribe(&self, instrument: &InstrumentId) -> Result<(), NotSent>;
}

/// An order as it goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    pub venue_order_id: VenueOrderId,
    pub account: AccountId,
    pub instrument: InstrumentId,
    pub side: Side,
    pub order_type: OrderType,
    pub quantity: Quantity,
    pub limit_price: Option<Price>,
    pub time_in_force: TimeInForce,
    pub conditions: Conditions,
    pub sent_at: UnixNanos,
    pub deadline: UnixNanos,
}

/// Other terms for an order as they go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replace {
    /// The id the venue has for it.
    pub venue_order_id: VenueOrderId,
    /// The one it gets.
    pub by: VenueOrderId,
    /// The total, with what is filled in it.
    pub quantity: Quantity,
    pub limit_price: Option<Price>,
    pub sent_at: UnixNanos,
    pub deadline: UnixNanos,
}

/// What the venue says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Quote {
        instrument: InstrumentId,
        quote: Quote,
    },
    /// Of anybody, of an instrument that is subscribed.
    Trade {
        instrument: InstrumentId,
        /// Where the venue numbers the instrument's trades: rising by one, whatever connection they come over.
        number: Option<u64>,
        trade: Trade,
    },
    /// All of the instrument comes from here on; before its first quote. Once more if the adapter had to begin anew.
    Subscribed {
        instrument: InstrumentId,
        /// How far its trades had come, where the venue numbers them.
        stands: Option<Mark>,
    },
    /// Nothing of the instrument comes from here on.
    Unsubscribed {
        instrument: InstrumentId,
    },
    Submitted {
        order: VenueOrderId,
        result: Result<VenueOrder, Refusal>,
    },
    Canceled {
        order: VenueOrderId,
        result: Result<VenueOrder, Refusal>,
    },
    /// Of a replace that would give the order the id `by`: the order under it.
    Replaced {
        by: VenueOrderId,
        result: Result<VenueOrder, Refusal>,
    },
    /// An order as it is now.
    Order(VenueOrder),
    Fill(VenueFill),
    Page(Page),
    /// It takes no orders for now, and why; or it takes them.
    Halted(Option<String>),
}

/// A part of a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// As it was asked for.
    pub since: UnixNanos,
    pub cursor: Option<u64>,
    pub orders: Vec<VenueOrder>,
    pub fills: Vec<VenueFill>,
    pub external: Externals,
    /// By the venue's clock, when the page was made.
    pub at: UnixNanos,
    pub rest: Rest,
}

/// What is left beyond a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// More: to be asked for with this cursor.
    More(u64),
    /// Nothing. With the cursor, if there is one, a later sweep lists only what changed since.
    Nothing { resume: Option<u64> },
}

/// The venue's word on an order. Of the states it may be one the venue knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueOrder {
    pub venue_order_id: VenueOrderId,
    pub state: OrderState,
    pub reason: Option<String>,
    /// Ended, and another one stands in its place.
    pub replaced: bool,
    /// What it is, where the venue tells: of orders from here that is known.
    pub terms: Option<Terms>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueFill {
    pub exec_id: ExecId,
    pub venue_order_id: VenueOrderId,
    pub quantity: Quantity,
    pub price: Price,
    pub at: UnixNanos,
    /// Of what and on which side, where the venue tells: of orders from here that is known.
    pub traded: Option<(InstrumentId, Side)>,
}

/// The venue did not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What that says about a submitted order, or the one a replace would have placed.
    pub placed: Placed,
    pub reason: String,
}

/// Where an order is after its submit was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// Not at the venue, and this submit will not put it there.
    No,
    /// Perhaps: the venue has seen the id before, or speaks of something else.
    Perhaps,
}
