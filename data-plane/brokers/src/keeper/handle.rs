//! What others say to the keeper and hear from it. Decides shapes only.

use crate::{
    ledger::{rules::Assignment, stream::Streams},
    venue::{Event, Link},
};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tradewind_domain::{
    control::desired::TraderFence,
    ids::{AccountId, CustomerId, Fence},
    trading::presence::SessionKey,
};
use tradewind_protocol::{
    problem::Problem,
    stream::{Mode, Position},
    trade::{CommandAnswer, OrderCommand, Principal, PrivateChannel, Routed, Seen},
};

/// A command as it came from a Market.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) fence: Fence,
    pub(crate) principal: Principal,
    pub(crate) command: OrderCommand,
    pub(crate) routed: Option<Routed>,
}

/// What a command is answered with.
#[derive(Debug)]
pub(crate) enum Reply {
    Answer(CommandAnswer),
    /// The newest fills of the customer: to be read from the streams, away from this task.
    FillsOf(CustomerId),
}

/// A private subscription as it begins.
pub(crate) struct Subscribed {
    pub(crate) mode: Mode,
    /// Where the channel stands.
    pub(crate) position: Position,
    /// The number after which events are to be told.
    pub(crate) after: u64,
}

/// Who wants which private channel, from where.
#[derive(Debug)]
pub(crate) struct Subscribe {
    pub(crate) account: AccountId,
    pub(crate) customer: CustomerId,
    pub(crate) channel: PrivateChannel,
    pub(crate) from: Option<Position>,
}

pub(super) enum Ask {
    Command(Box<Command>, oneshot::Sender<Reply>),
    Subscribe(Subscribe, oneshot::Sender<Result<Subscribed, Problem>>),
    Present(Vec<Seen>, oneshot::Sender<Vec<SessionKey>>),
    Assign(Box<Assignment>, Vec<TraderFence>),
}

/// What the connection tells the keeper.
pub(crate) enum FromVenue {
    Up(Arc<dyn Link>),
    Event(Event),
    /// There is none, and why.
    Down(String),
}

/// The keeper is gone: the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger is closed")]
pub(crate) struct Closed;

/// A cheap handle to the keeper.
#[derive(Clone)]
pub(crate) struct LedgerHandle {
    pub(super) asks: mpsc::Sender<Ask>,
    pub(super) streams: Streams,
}

impl LedgerHandle {
    /// Hands a command over, waiting for room; the answer comes later, or not at all if the keeper ends.
    pub(crate) async fn command(
        &self,
        command: Command,
    ) -> Result<oneshot::Receiver<Reply>, Closed> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(Ask::Command(Box::new(command), reply)).await.map_err(|_| Closed)?;
        Ok(answer)
    }

    pub(crate) async fn subscribe(
        &self,
        subscribe: Subscribe,
    ) -> Result<Result<Subscribed, Problem>, Closed> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(Ask::Subscribe(subscribe, reply)).await.map_err(|_| Closed)?;
        answer.await.map_err(|_| Closed)
    }

    /// These sessions are connected; gives those of them that orders are tied to.
    pub(crate) async fn present(
        &self,
        sessions: Vec<Seen>,
    ) -> Result<oneshot::Receiver<Vec<SessionKey>>, Closed> {
        let (reply, watched) = oneshot::channel();
        self.asks.send(Ask::Present(sessions, reply)).await.map_err(|_| Closed)?;
        Ok(watched)
    }

    /// With the rights of Traders that are to be put on record.
    pub(crate) async fn assign(
        &self,
        assignment: Assignment,
        fences: Vec<TraderFence>,
    ) -> Result<(), Closed> {
        let ask = Ask::Assign(Box::new(assignment), fences);
        self.asks.send(ask).await.map_err(|_| Closed)
    }

    pub(crate) fn streams(&self) -> &Streams {
        &self.streams
    }
}
