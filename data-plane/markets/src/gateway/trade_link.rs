//! The gateway's link to one Market: one pipe to each of its shards, over which all sessions trade. Decides what can be asked;
//! what is done and told is decided in `task`.

mod pipes;
mod private;
mod task;

use super::{
    bars::{Asked, Told},
    fan_out::QuoteReply,
    port::Port,
};
use crate::{
    hop::{ReceiverId, unavailable, unknown},
    limits,
    market::Waits,
};
pub(crate) use pipes::{Ends, MAIN, Shard};
use std::{collections::BTreeSet, sync::Arc};
use task::Task;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::AbortOnDropHandle;
use tradewind_domain::{
    ids::{AccountId, CustomerId, Fence, InstrumentId, MarketId},
    trading::presence::SessionKey,
};
use tradewind_protocol::{
    Problem,
    stream::{Position, Topic},
    trade::{CommandAnswer, OrderCommand, Principal, PrivateChannel, Seen},
};

type Reply = oneshot::Sender<CommandAnswer>;

/// What is asked of a Market.
pub(crate) enum Ask {
    Subscribe {
        port: Arc<Port>,
        wanted: Wanted,
        /// Of a private stream, or of trades.
        from: Option<Position>,
    },
    /// Answered when nothing more will come, with the position from which a private stream goes on.
    Leave {
        session: ReceiverId,
        wanted: Wanted,
        left: oneshot::Sender<Option<Position>>,
    },
    /// The session is over.
    Gone {
        session: ReceiverId,
    },
    Command {
        principal: Principal,
        command: OrderCommand,
        reply: Reply,
    },
    /// Sessions that are connected and may use the account.
    Present {
        account: AccountId,
        sessions: Vec<Seen>,
        reply: Reply,
    },
    LatestQuote {
        instrument: InstrumentId,
        reply: QuoteReply,
    },
    /// From then on the instrument's trades are read, while there is room.
    Bars {
        instrument: InstrumentId,
        asked: Asked,
        reply: oneshot::Sender<Result<Told, Problem>>,
    },
}

/// What is subscribed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Quotes(InstrumentId),
    Trades(InstrumentId),
    Private(PrivateStream),
}

/// A customer's private stream of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PrivateStream {
    pub(crate) account: AccountId,
    pub(crate) customer: CustomerId,
    pub(crate) channel: PrivateChannel,
}

impl PrivateStream {
    pub(crate) fn topic(&self) -> Topic {
        let account = self.account.clone();
        match self.channel {
            PrivateChannel::Orders => Topic::Orders { account },
            PrivateChannel::Fills => Topic::Fills { account },
        }
    }
}

/// Through which a Market is asked. Cheap to clone.
#[derive(Clone)]
pub(crate) struct TradeLink {
    asks: mpsc::Sender<Ask>,
    serves: watch::Sender<BTreeSet<Shard>>,
    used: watch::Receiver<BTreeSet<Shard>>,
    _task: Arc<AbortOnDropHandle<()>>,
}

impl TradeLink {
    /// Starts the link's task over pipes that dial the Market's shards, at first the main one alone. The task ends when all
    /// handles are gone.
    pub(crate) fn start(
        market: MarketId,
        dial: impl Fn(Shard) -> Ends + Send + 'static,
        fence: impl Fn() -> Fence + Send + 'static,
        waits: Waits,
    ) -> Self {
        let (asks, asked) = mpsc::channel(limits::INBOX);
        let main = BTreeSet::from([MAIN]);
        let (serves, served) = watch::channel(main.clone());
        let (using, used) = watch::channel(main);
        let task = Task::new(market, Box::new(dial), Box::new(fence), waits, (served, using));
        // May be cancelled: then sessions get nothing more of this Market.
        let task = Arc::new(AbortOnDropHandle::new(tokio::spawn(task.run(asked))));
        Self { asks, serves, used, _task: task }
    }

    /// These shards serve from now on: what others have is handed over to them.
    pub(crate) fn serve(&self, shards: &BTreeSet<Shard>) {
        self.serves.send_if_modified(|held| {
            let changed = held != shards;
            held.clone_from(shards);
            changed
        });
    }

    /// Shards over which something comes, or may.
    pub(crate) fn used(&self) -> BTreeSet<Shard> {
        self.used.borrow().clone()
    }

    /// Asks; waits while the link is busy. False if it has ended.
    pub(crate) async fn ask(&self, ask: Ask) -> bool {
        self.asks.send(ask).await.is_ok()
    }

    /// Ends a session's subscription; see [`Ask::Leave`].
    pub(crate) async fn leave(&self, session: ReceiverId, wanted: Wanted) -> Option<Position> {
        let (left, position) = oneshot::channel();
        self.ask(Ask::Leave { session, wanted, left }).await;
        // A link that has ended sends nothing more.
        position.await.ok().flatten()
    }

    /// Tells the account's Broker who is connected; gives those of them whose orders depend on it. None if it is not
    /// reached: it is told again.
    pub(crate) async fn present(
        &self,
        account: AccountId,
        sessions: Vec<Seen>,
    ) -> Option<Vec<SessionKey>> {
        let (reply, answer) = oneshot::channel();
        if !self.ask(Ask::Present { account, sessions, reply }).await {
            return None;
        }
        match answer.await {
            Ok(CommandAnswer::Watched { sessions }) => Some(sessions),
            Ok(_) | Err(_) => None,
        }
    }

    /// Sends a command. Waits while the link is busy; what it has taken is carried out, whether anybody waits for the answer or not.
    pub(crate) async fn send(&self, principal: Principal, command: OrderCommand) -> Sent {
        let (reply, answer) = oneshot::channel();
        let taken = self.ask(Ask::Command { principal, command, reply }).await;
        Sent(taken.then_some(answer))
    }
}

/// A command that was sent; `None`: it was not, the link has ended.
pub(crate) struct Sent(Option<oneshot::Receiver<CommandAnswer>>);

impl Sent {
    /// What became of it.
    pub(crate) async fn answer(self) -> CommandAnswer {
        let Some(answer) = self.0 else {
            let problem = unavailable("this MarketManager is stopping");
            return CommandAnswer::Problem { problem };
        };
        answer.await.unwrap_or_else(|_| {
            let problem = unknown("this MarketManager stopped before the Market answered");
            CommandAnswer::Problem { problem }
        })
    }
}
