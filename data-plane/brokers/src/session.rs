//! A Market's pipe at the Broker. Decides how one Market is served: its commands in the order they came,
//! its subscriptions each at its own pace; whether it may is decided by the ledger, command by command.
//!
//! S1 a slow pipe makes its own readers wait (quotes are conflated, private events read from the ledger
//! when their turn comes), never the ledger or another Market. All tasks end with the session.

use crate::{
    keeper::{Closed, Command, LedgerHandle, Reply, Subscribe, Subscribed},
    ledger::stream::{Reader, ReplayError, Streams},
    limits::{COMMANDS_UNDER_WAY, LISTED, RETRY_AFTER_MS, SUBSCRIPTIONS_PER_PIPE},
    quotes::{News, QuoteReader, Quotes, TradeReader},
};
use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use std::collections::HashMap;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tradewind_domain::ids::{CustomerId, InstrumentId};
use tradewind_link::pipe::{Accepted, Event, Events, SendError, Sender};
use tradewind_protocol::{
    problem::{Code, Problem},
    stream::StreamStatus,
    trade::{CommandAnswer, PrivateChannel, PrivateEvent, TradeDown, TradeUp},
};

/// Frames on their way out. Reading goes on meanwhile, so that two ends that both have much to say do not
/// wait for each other.
type Pending = FuturesUnordered<BoxFuture<'static, Result<(), SendError>>>;

/// One Market's pipe and what it has asked for.
pub(crate) struct Session {
    sender: Sender<TradeUp>,
    events: Events<TradeDown>,
    ledger: LedgerHandle,
    quotes: Quotes,
    pending: Pending,
    tasks: JoinSet<()>,
    private: HashMap<u64, AbortHandle>,
    public: HashMap<InstrumentId, AbortHandle>,
    tapes: HashMap<InstrumentId, AbortHandle>,
}

/// Why a session ends.
enum Ended {
    Pipe,
    Ledger,
}

impl From<Closed> for Ended {
    fn from(_: Closed) -> Self {
        Self::Ledger
    }
}

impl From<SendError> for Ended {
    fn from(_: SendError) -> Self {
        Self::Pipe
    }
}

impl Session {
    pub(crate) fn new(
        accepted: Accepted<TradeUp, TradeDown>,
        ledger: LedgerHandle,
        quotes: Quotes,
    ) -> Self {
        Self {
            sender: accepted.sender,
            events: accepted.events,
            ledger,
            quotes,
            pending: FuturesUnordered::new(),
            tasks: JoinSet::new(),
            private: HashMap::new(),
            public: HashMap::new(),
            tapes: HashMap::new(),
        }
    }

    /// Until the pipe or the ledger ends, or until `stop`, when what has been answered still goes out. May
    /// be cancelled: the pipe closes.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let turn = tokio::select! {
                () = stop.cancelled() => {
                    while let Some(Ok(())) = self.pending.next().await {}
                    return;
                }
                event = self.events.next(), if self.pending.len() < COMMANDS_UNDER_WAY => {
                    match event {
                        Some(Event::Message(message)) => self.take(message).await,
                        Some(Event::Up { .. }) => Ok(()),
                        Some(Event::Down(_)) | None => Err(Ended::Pipe),
                    }
                }
                Some(sent) = self.pending.next() => sent.map_err(Ended::from),
                // Finished subscriptions are let go of.
                Some(_) = self.tasks.join_next() => Ok(()),
            };
            match turn {
                Ok(()) => {}
                Err(Ended::Pipe) => return,
                Err(Ended::Ledger) => {
                    tracing::debug!("session ends with the ledger");
                    return;
                }
            }
        }
    }

    async fn take(&mut self, message: TradeDown) -> Result<(), Ended> {
        match message {
            TradeDown::Command { request, fence, principal, command, routed } => {
                let command = Command { fence, principal, command, routed };
                let reply = self.ledger.command(command).await?;
                let streams = self.ledger.streams().clone();
                let sender = self.sender.clone();
                self.pending.push(Box::pin(async move {
                    let answer = match reply.await {
                        Ok(Reply::Answer(answer)) => answer,
                        Ok(Reply::FillsOf(customer)) => fills(streams, customer).await,
                        // The keeper ended on the way: only the next life knows what became of it.
                        Err(_) => problem(Problem::new(Code::Unknown, "the Broker is stopping")),
                    };
                    send_answer(&sender, request, answer).await
                }));
                Ok(())
            }
            TradeDown::SubscribeQuotes { instrument } => {
                if self.has_room() && !self.public.contains_key(&instrument) {
                    let reader = self.quotes.read(&instrument);
                    let told = tell_quotes(reader, instrument.clone(), self.sender.clone());
                    self.public.insert(instrument, self.tasks.spawn(told));
                }
                Ok(())
            }
            TradeDown::UnsubscribeQuotes { instrument } => {
                if let Some(task) = self.public.remove(&instrument) {
                    task.abort();
                }
                Ok(())
            }
            TradeDown::SubscribeTrades { instrument } => {
                // Asked for again it begins again: whoever asks wants to know where it stands.
                if let Some(task) = self.tapes.remove(&instrument) {
                    task.abort();
                }
                if self.has_room() {
                    let reader = self.quotes.read_trades(&instrument);
                    let told = tell_trades(reader, instrument.clone(), self.sender.clone());
                    self.tapes.insert(instrument, self.tasks.spawn(told));
                }
                Ok(())
            }
            TradeDown::Present { request, account: _, sessions } => {
                let watched = self.ledger.present(sessions).await?;
                let sender = self.sender.clone();
                self.pending.push(Box::pin(async move {
                    // A keeper that ends watches nobody: whoever asks goes on asking.
                    let sessions = watched.await.unwrap_or_default();
                    send_answer(&sender, request, CommandAnswer::Watched { sessions }).await
                }));
                Ok(())
            }
            TradeDown::UnsubscribeTrades { instrument } => {
                if let Some(task) = self.tapes.remove(&instrument) {
                    task.abort();
                }
                Ok(())
            }
            TradeDown::SubscribePrivate { subscription, account, customer, channel, from } => {
                let subscribe = Subscribe { account, customer, channel, from };
                self.subscribe(subscription, subscribe).await
            }
            TradeDown::UnsubscribePrivate { subscription } => {
                if let Some(task) = self.private.remove(&subscription) {
                    task.abort();
                }
                Ok(())
            }
        }
    }

    fn has_room(&self) -> bool {
        self.private.len() + self.public.len() + self.tapes.len() < SUBSCRIPTIONS_PER_PIPE
    }

    async fn subscribe(&mut self, subscription: u64, wanted: Subscribe) -> Result<(), Ended> {
        // The same number again is a new subscription in the old one's place.
        if let Some(task) = self.private.remove(&subscription) {
            task.abort();
        }
        let (customer, channel) = (wanted.customer.clone(), wanted.channel);
        let opened = if self.has_room() {
            self.ledger.subscribe(wanted).await?
        } else {
            let detail = format!("a pipe has at most {SUBSCRIPTIONS_PER_PIPE} subscriptions");
            Err(Problem::new(Code::TooManyRequests, detail))
        };
        let Subscribed { mode, position, after } = match opened {
            Ok(opened) => opened,
            Err(problem) => {
                let (sender, closed) =
                    (self.sender.clone(), TradeUp::PrivateClosed { subscription, problem });
                self.pending.push(Box::pin(async move { sender.send(closed).await }));
                return Ok(());
            }
        };
        let reader = self.ledger.streams().reader(&customer, channel, after);
        let epoch = self.ledger.streams().epoch().clone();
        let sender = self.sender.clone();
        let told = async move {
            let opened = TradeUp::PrivateOpened { subscription, mode, position };
            if sender.send(opened).await.is_err() {
                return;
            }
            let Err(error) = tell_private(reader, subscription, epoch, &sender).await else {
                return;
            };
            tracing::error!(%customer, ?channel, error = &error as &dyn std::error::Error,
                "private stream cannot be read");
            let problem = Problem::new(Code::InternalError, error.to_string());
            // A pipe that is gone has no need of it.
            let _ = sender.send(TradeUp::PrivateClosed { subscription, problem }).await;
        };
        self.private.insert(subscription, self.tasks.spawn(told));
        Ok(())
    }
}

async fn send_answer(
    sender: &Sender<TradeUp>,
    request: u64,
    answer: CommandAnswer,
) -> Result<(), SendError> {
    match sender.send(TradeUp::Answer { request, answer }).await {
        Err(SendError::Unsendable(why)) => {
            let detail = format!("the answer is too large: {why}");
            let answer = problem(Problem::new(Code::Refused, detail));
            sender.send(TradeUp::Answer { request, answer }).await
        }
        sent => sent,
    }
}

fn problem(problem: Problem) -> CommandAnswer {
    CommandAnswer::Problem { problem }
}

/// Until the pipe is gone: status when it changes, quotes as fast as the pipe takes them.
async fn tell_quotes(mut reader: QuoteReader, instrument: InstrumentId, sender: Sender<TradeUp>) {
    let mut said: Option<StreamStatus> = None;
    let mut sent = None;
    loop {
        let known = reader.next().await;
        if said != Some(known.status) {
            said = Some(known.status);
            let (instrument, status) = (instrument.clone(), known.status);
            if sender.send(TradeUp::QuoteStatus { instrument, status }).await.is_err() {
                return;
            }
        }
        let Some(latest) = known.latest.filter(|latest| sent.as_ref() != Some(latest)) else {
            continue;
        };
        let frame = TradeUp::Quote {
            instrument: instrument.clone(),
            epoch: latest.epoch.clone(),
            seq: latest.seq,
            quote: latest.quote.clone(),
        };
        sent = Some(latest);
        if sender.send(frame).await.is_err() {
            return;
        }
    }
}

/// Until the pipe is gone: where the tape stands, then every trade. A slow pipe misses some.
async fn tell_trades(mut reader: TradeReader, instrument: InstrumentId, sender: Sender<TradeUp>) {
    loop {
        let instrument = instrument.clone();
        let frame = match (*reader.next().await).clone() {
            News::Stand { epoch, seq } => TradeUp::TradesStand { instrument, epoch, seq },
            News::Trade { epoch, seq, prev, trade } => {
                TradeUp::Trade { instrument, epoch, seq, prev, trade }
            }
        };
        if sender.send(frame).await.is_err() {
            return;
        }
    }
}

/// Until the pipe is gone: every event, in order, as fast as the pipe takes them.
async fn tell_private(
    mut reader: Reader,
    subscription: u64,
    epoch: tradewind_domain::ids::StreamEpoch,
    sender: &Sender<TradeUp>,
) -> Result<(), ReplayError> {
    loop {
        for event in reader.next().await? {
            let frame = TradeUp::Private {
                subscription,
                epoch: epoch.clone(),
                seq: event.number.seq,
                prev: event.number.prev,
                event: event.event.clone(),
            };
            if sender.send(frame).await.is_err() {
                return Ok(());
            }
        }
    }
}

/// The customer's newest fills, read away from the ledger's task.
async fn fills(streams: Streams, customer: CustomerId) -> CommandAnswer {
    let read = tokio::task::spawn_blocking(move || newest_fills(&streams, &customer)).await;
    let failed = |why: String| problem(Problem::new(Code::InternalError, why));
    match read {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => failed(error.to_string()),
        Err(error) => failed(error.to_string()),
    }
}

fn newest_fills(streams: &Streams, customer: &CustomerId) -> Result<CommandAnswer, ReplayError> {
    let channel = PrivateChannel::Fills;
    let after = streams.before_newest(customer, channel, LISTED);
    let mut reader = streams.reader(customer, channel, after);
    let mut fills = Vec::new();
    while fills.len() < LISTED {
        let events = reader.ready()?;
        if events.is_empty() {
            break;
        }
        fills.extend(events.iter().filter_map(|event| match &event.event {
            PrivateEvent::Fill(fill) => Some((**fill).clone()),
            PrivateEvent::Order(_) => None,
        }));
    }
    Ok(CommandAnswer::Fills { fills })
}

/// What a Market hears to every message while there is no ledger behind the pipe.
pub(crate) async fn turn_away(mut accepted: Accepted<TradeUp, TradeDown>, why: &str) {
    let away = || Problem::new(Code::Unavailable, why).retry_after_ms(RETRY_AFTER_MS);
    while let Some(Event::Message(message)) = accepted.events.next().await {
        let frame = match message {
            TradeDown::Command { request, .. } | TradeDown::Present { request, .. } => {
                TradeUp::Answer { request, answer: problem(away()) }
            }
            TradeDown::SubscribePrivate { subscription, .. } => {
                TradeUp::PrivateClosed { subscription, problem: away() }
            }
            TradeDown::SubscribeQuotes { instrument } => {
                TradeUp::QuoteStatus { instrument, status: StreamStatus::Reconnecting }
            }
            TradeDown::UnsubscribeQuotes { .. }
            | TradeDown::UnsubscribePrivate { .. }
            | TradeDown::SubscribeTrades { .. }
            | TradeDown::UnsubscribeTrades { .. } => continue,
        };
        if accepted.sender.send(frame).await.is_err() {
            return;
        }
    }
}
