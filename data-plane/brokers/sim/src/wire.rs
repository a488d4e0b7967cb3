//! The venue's own wire protocol: JSON text frames over a WebSocket at [`PATH`], one object a frame, and
//! the shape of the judge's page at [`LEDGER_PATH`]. Decides shapes and names; what is done about a frame
//! is decided by `venue`, how it travels by `connection`.
//!
//! W1 on one connection the answer to a submit or cancel comes before the events it causes. W2 nothing is
//! told of a submit, a cancel, a fill or a trade before the ledger has it on disk. W3 [`FromVenue::Answer`] comes
//! exactly once a request, unless the connection ends: then the outcome is unknown.

use serde::{Deserialize, Serialize};
use tradewind_domain::{
    ids::{AccountId, ExecId, InstrumentId, VenueOrderId},
    money::{Notional, Price, Quantity},
    time::UnixNanos,
    trading::{self, Conditions, OrderType, Quote, Side, TimeInForce, Trade},
};
use tradewind_protocol::asks::ConnectsAllowed;

/// Where the WebSocket is.
pub const PATH: &str = "/v1/venue";
/// Where the judge's page is: `GET`, with `?account=` for one account alone.
pub const LEDGER_PATH: &str = "/v1/ledger";
/// How often it may be connected to, and was: [`Connects`].
pub const CONNECTS_PATH: &str = "/v1/connects";
/// Who is connected now: a list of [`Connected`]. `DELETE` with a number behind it ends that connection.
pub const CONNECTIONS_PATH: &str = "/v1/connections";
/// Close code after a frame that is no message; an [`FromVenue::Error`] comes before it.
pub const CLOSE_BAD_FRAME: u16 = 4400;
/// Close code for a client that does not read what it is sent.
pub const CLOSE_SLOW_CONSUMER: u16 = 4408;
/// Close code when the venue stops.
pub const CLOSE_GOING_AWAY: u16 = 1001;

/// From a client to the venue. `request` is the client's own number for the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ToVenue {
    /// Once a connection; before any order. Private events of the account follow.
    Login {
        account: AccountId,
    },
    /// In place of a login: market data alone. Answered by [`FromVenue::Observing`].
    Observe {},
    /// Quotes: the current one at once, then each change; and each trade. Answered by [`FromVenue::Subscribed`], before
    /// them. An instrument the venue does not have is told by an `error` frame, and so is one more than the connection
    /// takes; the connection stays.
    Subscribe {
        instrument: InstrumentId,
    },
    /// Answered by [`FromVenue::Unsubscribed`]: nothing of the instrument comes after it.
    Unsubscribe {
        instrument: InstrumentId,
    },
    Submit {
        request: u64,
        order: Submission,
    },
    Cancel {
        request: u64,
        venue_order_id: VenueOrderId,
    },
    QueryOrder {
        request: u64,
        venue_order_id: VenueOrderId,
    },
    /// Another order in the place of one that is open: it comes with an id of its own, behind all that stands at its
    /// price, and the former one ends as `replaced` in the same moment. Both or neither.
    Replace {
        request: u64,
        venue_order_id: VenueOrderId,
        by: Replacement,
    },
    /// Orders of the account changed, and fills made, at or after `since` by the venue's clock. For the
    /// first page `cursor` is none, for each following one it is the `next` of the page before.
    Sweep {
        request: u64,
        since: UnixNanos,
        #[serde(default)]
        cursor: Option<u64>,
    },
    /// Answered by [`FromVenue::Pong`].
    Ping {},
}

/// An order as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    pub venue_order_id: VenueOrderId,
    pub instrument: InstrumentId,
    pub side: Side,
    #[serde(rename = "type")]
    pub order_type: OrderType,
    pub quantity: Quantity,
    /// Of a limit or stop-limit order; others have none.
    #[serde(default)]
    pub limit_price: Option<Price>,
    pub time_in_force: TimeInForce,
    #[serde(flatten)]
    pub conditions: Conditions,
    /// When it was sent, by the client's clock. Kept for the judge, decides nothing.
    pub sent_at: UnixNanos,
    /// An order that reaches the engine later than this, by the venue's clock, is refused.
    pub deadline: UnixNanos,
}

/// What stands in an order's place from then on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    pub venue_order_id: VenueOrderId,
    /// The total, with what was filled of the order and of those before it. The new order is what that leaves.
    pub quantity: Quantity,
    pub limit_price: Price,
    pub sent_at: UnixNanos,
    /// As of a submission.
    pub deadline: UnixNanos,
}

/// From the venue to a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromVenue {
    LoggedIn {
        account: AccountId,
        time: UnixNanos,
        /// Instruments that the connection takes at a time.
        subscriptions: u32,
    },
    /// The best bid and ask, on each change of either. `seq` rises by one with each change and begins
    /// anew when the venue's process does.
    Quote {
        instrument: InstrumentId,
        seq: u64,
        quote: Quote,
    },
    /// An order of the account as it is now.
    OrderUpdate {
        order: VenueOrder,
    },
    Fill {
        fill: VenueFill,
    },
    Answer {
        request: u64,
        time: UnixNanos,
        result: Outcome,
    },
    /// Each second, by the venue's clock.
    Heartbeat {
        time: UnixNanos,
    },
    Pong {
        time: UnixNanos,
    },
    /// Something was wrong with a frame that has no `request`. A bad frame is followed by a close.
    Error {
        code: RefusalCode,
        reason: String,
    },
    /// A trade of an instrument whose quotes are subscribed: also one of others.
    Trade {
        instrument: InstrumentId,
        /// Of the instrument's trades, without holes: from 1 on in each life of the venue's process.
        number: u64,
        trade: Trade,
    },
    Observing {
        time: UnixNanos,
        /// As of a login.
        subscriptions: u32,
    },
    /// All of the instrument comes from here on.
    Subscribed {
        instrument: InstrumentId,
        trades: TradesStand,
    },
    Unsubscribed {
        instrument: InstrumentId,
    },
}

/// How far an instrument's trades have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TradesStand {
    /// The life of the venue's process: numbers of two lives have nothing to do with each other.
    pub life: u64,
    /// Of the last trade; 0 before the first.
    pub number: u64,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A submit, cancel or replace was done: the order right after it (before its fills, for a submit; the new one, for
    /// a replace).
    Done(VenueOrder),
    /// The order asked for.
    Order(VenueOrder),
    Page(Page),
    /// It was not done, and will not be.
    Refused {
        code: RefusalCode,
        reason: String,
    },
}

/// A part of a sweep. Items come in the order of their last change, so an order that changes between two
/// pages is in a later page again: the later state counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    pub orders: Vec<VenueOrder>,
    pub fills: Vec<VenueFill>,
    /// The `cursor` of the next page, or of a later sweep that begins where this one ends.
    pub next: u64,
    /// Nothing is left beyond this page: the listing is whole as of the answer's `time`.
    pub complete: bool,
}

/// Why something was refused. It stands in the venue's ledger too: variants are only appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// This venue order id has arrived before; it was not placed again. Query it.
    Duplicate,
    /// It arrived after its deadline.
    DeadlinePassed,
    UnknownInstrument,
    /// Off the tick or the lot, no quantity, or type and price do not go together.
    InvalidOrder,
    UnknownOrder,
    /// The order has ended.
    TooLate,
    NotLoggedIn,
    AlreadyLoggedIn,
    /// Not a message of this protocol. A close follows.
    BadFrame,
    /// More subscriptions than a connection may have.
    TooMany,
    /// It must not take, and would.
    WouldTake,
    /// It must make the position smaller, and would not.
    WouldNotReduce,
    /// What became of it is not said: it may have been done. Only by a fault on demand, and in no ledger.
    Unavailable,
}

/// The venue's states of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VenueOrderState {
    New,
    PartiallyFilled,
    Filled,
    Canceled,
    /// Refused on arrival, kept as evidence.
    Rejected,
    /// Another order stands in its place.
    Replaced,
    /// Its time is over.
    Expired,
}

impl VenueOrderState {
    /// Nothing will happen to the order any more.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Filled | Self::Canceled | Self::Rejected | Self::Replaced | Self::Expired => true,
            Self::New | Self::PartiallyFilled => false,
        }
    }
}

/// As whom it concerns that asks for the order alone: what was replaced has ended.
impl From<VenueOrderState> for trading::OrderState {
    fn from(state: VenueOrderState) -> Self {
        match state {
            VenueOrderState::New => Self::New,
            VenueOrderState::PartiallyFilled => Self::PartiallyFilled,
            VenueOrderState::Filled => Self::Filled,
            VenueOrderState::Canceled | VenueOrderState::Replaced => Self::Canceled,
            VenueOrderState::Rejected => Self::Rejected,
            VenueOrderState::Expired => Self::Expired,
        }
    }
}

/// An order as the venue has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VenueOrder {
    pub venue_order_id: VenueOrderId,
    pub instrument: InstrumentId,
    pub side: Side,
    #[serde(rename = "type")]
    pub order_type: OrderType,
    pub quantity: Quantity,
    pub limit_price: Option<Price>,
    pub time_in_force: TimeInForce,
    /// With the end of the trading day, of an order that ends with it.
    #[serde(flatten)]
    pub conditions: Conditions,
    pub state: VenueOrderState,
    /// Filled so far.
    pub filled: Quantity,
    /// Why it was rejected or canceled.
    pub reason: Option<String>,
    /// Of the last change.
    pub time: UnixNanos,
    /// The order in whose place it came, if it did. Its quantity is what that one and those before it left of the total.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<VenueOrderId>,
    /// When the market reached its stop price: before that, one that has one waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub triggered_at: Option<UnixNanos>,
}

impl VenueOrder {
    /// It waits for its stop price.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.order_type.waits() && self.triggered_at.is_none()
    }
}

/// One execution. `exec_id` is unique for the life of the venue's ledger, restarts included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VenueFill {
    pub exec_id: ExecId,
    pub venue_order_id: VenueOrderId,
    pub instrument: InstrumentId,
    pub side: Side,
    pub quantity: Quantity,
    pub price: Price,
    pub time: UnixNanos,
    /// What it has cost, in the quote currency; none if that is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<Notional>,
}

/// What became of a submit or a replace that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArrivalOutcome {
    Placed,
    /// It had arrived before, whatever had become of it then.
    Duplicate,
    Refused(RefusalCode),
}

/// One submit or replace that reached the venue, whatever became of it; a replace under its new order's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    pub account: AccountId,
    pub venue_order_id: VenueOrderId,
    /// By the client's clock.
    pub sent_at: UnixNanos,
    /// By the venue's clock.
    pub arrived_at: UnixNanos,
    pub outcome: ArrivalOutcome,
}

/// Connects since the process began. Asking for it is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connects {
    /// From one address; `None`: as many as come.
    pub allowed: Option<ConnectsAllowed>,
    pub let_in: u64,
    pub refused: u64,
}

/// A connection, as the judge sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connected {
    pub number: u64,
    /// Whom it is logged in for; `None` if it has market data alone.
    pub account: Option<AccountId>,
    pub subscriptions: Vec<InstrumentId>,
    /// The most it had at a time.
    pub subscriptions_max: usize,
    /// Subscriptions that it asked for beyond what it may have.
    pub refused: u64,
}

/// The judge's page: everything that ever happened, in order, of one account or of all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerPage {
    pub time: UnixNanos,
    /// Every submit and replace in order of arrival, repeated ones included.
    pub arrivals: Vec<Arrival>,
    /// Orders in order of their first arrival.
    pub orders: Vec<VenueOrder>,
    pub fills: Vec<VenueFill>,
}

#[cfg(test)]
mod tests;
