//! The trading link: MarketManager to Market, Market to Broker. Both hops speak the same frames; each
//! numbers its own requests and subscriptions. Decides shapes; routing and ledger are decided behind.

use crate::{
    orders::{AccountPositions, CancelTimer},
    problem::Problem,
    stream::{Mode, Position, StreamStatus},
    token::TraderClaim,
};
use serde::{Deserialize, Serialize};
use tradewind_domain::{
    control::risk::TradingState,
    ids::{
        AccountId, ClientOrderId, CustomerId, Fence, InstrumentId, MarketId, OrderId, SessionId,
        StreamEpoch,
    },
    trading::{
        Fill, NewOrder, Order, Quote, ReplaceOrder, Trade, presence::SessionKey, risk::word::Word,
    },
};

/// On whose behalf a command is sent. Checked from a token at the edge; grants are checked by the Broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    pub customer: CustomerId,
    pub trader: Option<TraderClaim>,
    /// The algo's, in which it asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
}

/// A session that is connected, and how long ago it was last heard of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    #[serde(flatten)]
    pub session: SessionKey,
    pub silent_ms: u64,
}

/// By which routes a Market sends an order to an account: a Broker that has heard of later ones of the same Market
/// takes no new order by these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routed {
    pub market: MarketId,
    pub fence: Fence,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderCommand {
    /// `account` is filled in by the Market where the customer named none.
    Submit {
        account: Option<AccountId>,
        order: NewOrder,
    },
    Cancel {
        order_id: OrderId,
    },
    Get {
        order_id: OrderId,
    },
    /// Orders of the customer on the account, the newest last.
    List {
        account: AccountId,
        client_order_id: Option<ClientOrderId>,
        open: bool,
    },
    Fills {
        account: AccountId,
    },
    /// Answered with the order as it is then: the replace is durable, and its end comes by the stream.
    Replace {
        order_id: OrderId,
        replace: ReplaceOrder,
    },
    /// The customer's on the account.
    Positions {
        account: AccountId,
    },
    /// All the customer's open orders on the account are canceled unless he asks again before that; `None` stops it.
    CancelAllAfter {
        account: AccountId,
        after_ms: Option<u64>,
    },
    /// Tightens the customer's own trading on the account; nothing here loosens it.
    Tighten {
        account: AccountId,
        state: TradingState,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrivateChannel {
    Orders,
    Fills,
}

/// Towards the venue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TradeDown {
    SubscribeQuotes {
        instrument: InstrumentId,
    },
    UnsubscribeQuotes {
        instrument: InstrumentId,
    },
    SubscribePrivate {
        subscription: u64,
        account: AccountId,
        customer: CustomerId,
        channel: PrivateChannel,
        from: Option<Position>,
    },
    UnsubscribePrivate {
        subscription: u64,
    },
    /// `fence` is the receiver's own assignment as the sender knows it: a lower one than was seen is
    /// refused.
    Command {
        request: u64,
        fence: Fence,
        principal: Principal,
        command: OrderCommand,
        /// From a Market; a MarketManager knows no routes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        routed: Option<Routed>,
    },
    /// Answered by [`TradeUp::TradesStand`], then every trade.
    SubscribeTrades {
        instrument: InstrumentId,
    },
    UnsubscribeTrades {
        instrument: InstrumentId,
    },
    /// Sessions that are connected, of customers who may use the account; a MarketManager tells all of them again and
    /// again. Answered by [`CommandAnswer::Watched`]. It has no fence: who is there is there whoever says so.
    Present {
        request: u64,
        account: AccountId,
        sessions: Vec<Seen>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrivateEvent {
    Order(Box<Order>),
    Fill(Box<Fill>),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandAnswer {
    /// `created` is false for a repeated submit.
    Order {
        order: Box<Order>,
        created: bool,
    },
    Orders {
        orders: Vec<Order>,
    },
    Fills {
        fills: Vec<Fill>,
    },
    Problem {
        problem: Problem,
    },
    Positions {
        positions: AccountPositions,
    },
    CancelTimer {
        timer: CancelTimer,
    },
    /// What holds for the customer on the account from then on.
    TradingState {
        account: AccountId,
        word: Word,
    },
    /// Those of the sessions that were named for which orders stand that are canceled when they are gone.
    Watched {
        sessions: Vec<SessionKey>,
    },
}

/// From the venue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TradeUp {
    Quote {
        instrument: InstrumentId,
        epoch: StreamEpoch,
        seq: u64,
        quote: Quote,
    },
    QuoteStatus {
        instrument: InstrumentId,
        status: StreamStatus,
    },
    PrivateOpened {
        subscription: u64,
        mode: Mode,
        /// Where the stream stands now.
        position: Position,
    },
    Private {
        subscription: u64,
        epoch: StreamEpoch,
        seq: u64,
        /// The number before on the same channel; 0 at its beginning.
        prev: u64,
        event: PrivateEvent,
    },
    /// The source behind a subscription went away or came back; the subscription goes on, and nothing
    /// is left out.
    PrivateStatus {
        subscription: u64,
        status: StreamStatus,
    },
    /// The subscription ended; the receiver subscribes again from its last position.
    PrivateClosed {
        subscription: u64,
        problem: Problem,
    },
    Answer {
        request: u64,
        answer: CommandAnswer,
    },
    /// Where an instrument's trades stand: what follows names this number before it. Told when they are
    /// subscribed, and when the source begins anew.
    TradesStand {
        instrument: InstrumentId,
        epoch: StreamEpoch,
        seq: u64,
    },
    /// A trade. One whose `prev` was not seen tells that some are missing.
    Trade {
        instrument: InstrumentId,
        epoch: StreamEpoch,
        seq: u64,
        prev: u64,
        trade: Trade,
    },
}
