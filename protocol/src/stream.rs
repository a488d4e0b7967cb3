//! The algos' WebSocket, `/v1/stream` at a MarketManager. Decides every frame in both directions. A
//! stream's position is `{epoch, seq}`; `prev` names the number before on the same channel, so that an
//! untold hole shows at the next frame.

use crate::{
    orders::SubmitOrder,
    problem::{Code, Problem},
};
use serde::{Deserialize, Serialize};
use tradewind_domain::{
    control::{desired::ManagerEndpoint, risk::TradingState},
    ids::{AccountId, ClientOrderId, InstrumentId, OrderId, StreamEpoch},
    time::UnixNanos,
    trading::{Fill, Order, Quote, ReplaceOrder, Trade},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Public: latest state, holes are normal.
    Quotes,
    /// Private, from the ledger: at least once, in order, none left out.
    Orders,
    Fills,
    /// Public: every trade, and every hole told by a `gap`.
    Trades,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    pub epoch: StreamEpoch,
    pub seq: u64,
}

/// Which stream: a channel of an instrument or of an account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    Quotes { instrument: InstrumentId },
    Orders { account: AccountId },
    Fills { account: AccountId },
    Trades { instrument: InstrumentId },
}

/// From the algo. What has a `request` is an operation as REST has it: that number is the algo's choice and stands in the
/// answer, until which it is no other operation's of this connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum FromAlgo {
    Subscribe {
        channel: Channel,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instrument: Option<InstrumentId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<AccountId>,
        /// The last position seen: of a private channel what came after it is replayed, of `trades` it is told
        /// whether anything did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Position>,
    },
    Unsubscribe {
        channel: Channel,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instrument: Option<InstrumentId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<AccountId>,
    },
    /// `POST /v1/orders`.
    Submit { request: u64, order: Box<SubmitOrder> },
    /// `GET /v1/orders/{order_id}`.
    Get { request: u64, order_id: OrderId },
    /// `PATCH /v1/orders/{order_id}`.
    Replace { request: u64, order_id: OrderId, replace: ReplaceOrder },
    /// `DELETE /v1/orders/{order_id}`.
    Cancel { request: u64, order_id: OrderId },
    /// `GET /v1/orders`.
    List {
        request: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<AccountId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_order_id: Option<ClientOrderId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        open: Option<bool>,
    },
    /// `GET /v1/fills`.
    Fills {
        request: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<AccountId>,
    },
    /// `GET /v1/positions`.
    Positions {
        request: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<AccountId>,
    },
    /// `POST /v1/cancel_all_after`.
    CancelAllAfter {
        request: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<AccountId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after_ms: Option<u64>,
    },
    /// `PUT /v1/accounts/{account}/trading_state`.
    Tighten { request: u64, account: AccountId, state: TradingState },
}

/// How a subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// All that came after `from`, then live.
    Replay,
    /// `from` is of another epoch, so everything kept follows from the start: deduplicate by id.
    Snapshot,
    Live,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamStatus {
    Live,
    /// The source is connected and silent.
    Stale,
    /// The source is away; it is being looked for.
    Reconnecting,
}

/// To the algo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToAlgo {
    Hello {
        session: String,
        time: UnixNanos,
        heartbeat_ms: u64,
        trader_manager: Option<ManagerEndpoint>,
        affinity_version: u64,
        /// So many operations may be under way over this connection; a build before them does not say, and takes none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        operations: Option<u64>,
    },
    Subscribed {
        topic: Topic,
        mode: Mode,
        /// Where the stream stands; `None` for a public stream nothing has come on yet.
        position: Option<Position>,
    },
    Unsubscribed {
        topic: Topic,
    },
    Quote {
        instrument: InstrumentId,
        epoch: StreamEpoch,
        seq: u64,
        #[serde(flatten)]
        quote: Quote,
    },
    Order {
        account: AccountId,
        epoch: StreamEpoch,
        seq: u64,
        prev: u64,
        order: Order,
    },
    Fill {
        account: AccountId,
        epoch: StreamEpoch,
        seq: u64,
        prev: u64,
        fill: Fill,
    },
    /// Something is missing after `from`, and why.
    Gap {
        topic: Topic,
        from: Option<Position>,
        reason: String,
    },
    Status {
        topic: Topic,
        status: StreamStatus,
    },
    /// This MarketManager is about to leave: dial one of these first, then close this one.
    Goaway {
        reconnect_to: Vec<String>,
        within_ms: u64,
    },
    /// Every `limits::HEARTBEAT_EVERY`. Names where each of the session's streams stands: of a private one
    /// the last number there is, also while a replay of it is under way; one whose source is away is
    /// not named.
    Heartbeat {
        time: UnixNanos,
        streams: Vec<StreamStand>,
    },
    Error {
        code: Code,
        detail: String,
    },
    /// A trade of an instrument. `prev` is the number of the one before; if that was not seen, a `gap` was.
    Trade {
        instrument: InstrumentId,
        epoch: StreamEpoch,
        seq: u64,
        prev: u64,
        #[serde(flatten)]
        trade: Trade,
    },
    /// To an operation: what REST answers to it, the one that is asked for or the problem. Answers come in any order.
    Answer {
        request: u64,
        /// HTTP's.
        status: u16,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<serde_json::Value>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<Problem>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamStand {
    pub topic: Topic,
    pub position: Position,
}

/// Close codes of the stream beside the WebSocket's own.
pub mod close {
    /// A frame that is no message.
    pub const BAD_FRAME: u16 = 4400;
    pub const UNAUTHORIZED: u16 = 4401;
    /// The reader did not keep up with a private stream; it resumes by number.
    pub const SLOW_CONSUMER: u16 = 4408;
    /// The server stops.
    pub const GOING_AWAY: u16 = 1001;
}
