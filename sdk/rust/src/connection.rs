//! The task that keeps a session's WebSocket. Decides when a connection is dead and where to go then;
//! what each frame means to a stream is decided in `subscriptions`. Ends when the session is closed.

use crate::{
    access::Access,
    dial::{self, Socket},
    events::SessionEvent,
    history::Recorder,
    home::Homes,
    subscriptions::{Sink, Subscriptions, Verdict},
    tape::TradeEvent,
    tracked::Tracked,
};
use futures_util::{SinkExt as _, StreamExt as _};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_tungstenite::tungstenite::Message;
use tradewind_protocol::{
    domain::{
        ids::{AccountId, StreamEpoch},
        limits,
        trading::Order,
    },
    history::OperationType,
    stream::{FromAlgo, ToAlgo, Topic},
};

/// Without a frame for so long the server is gone: it sends a heartbeat every second.
const DEAD_AFTER: Duration = Duration::from_secs(3);
/// The longest that a server may take to say hello.
const PATIENCE_MAX: Duration = Duration::from_secs(4);
/// A connection that ended sooner was no success: a server that greets and hangs up is not dialled again
/// and again without a wait.
const LIVED: Duration = limits::HEARTBEAT_EVERY;
/// One try to learn new lists while nobody answers: a MarketManager may be back meanwhile.
const ASK_FOR_LISTS: Duration = Duration::from_secs(1);

/// What the session asks of the task.
#[derive(Debug)]
pub(crate) enum Ask {
    Subscribe {
        topic: Topic,
        sink: Sink,
        opened: oneshot::Sender<()>,
    },
    /// An account that is new to the session.
    Follow {
        account: AccountId,
    },
}

/// What is known of the connection, for those who wait for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// Connections opened so far: a MarketManager has said hello.
    pub(crate) connections: u64,
    /// Heartbeats at which nothing private was missing.
    pub(crate) whole_heartbeats: u64,
    /// Why there is no connection at the moment.
    pub(crate) last_failure: String,
}

pub(crate) struct Connection {
    pub(crate) access: Arc<Access>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) asks: mpsc::Receiver<Ask>,
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) homes: Homes,
    pub(crate) tracked: Tracked,
}

/// Why a connection ended.
enum End {
    /// The session was dropped.
    Closed,
    Lost(String),
    /// The server asked us to go, and another one has said hello.
    Moved(String, Box<Socket>),
}

impl Connection {
    /// Runs until the session is dropped. The token is kept fresh beside it.
    pub(crate) async fn run(self) {
        let access = self.access.clone();
        tokio::select! {
            () = self.keep_connected() => {}
            never = access.keep_fresh() => match never {},
        }
    }

    async fn keep_connected(mut self) {
        let mut failures = 0_u32;
        let mut moved = None;
        loop {
            let (address, dialled) = match moved.take() {
                Some((address, socket)) => (address, Ok(socket)),
                None => {
                    let address = self.access.edges.current();
                    let dialled = self.dial(&address, patience(failures)).await;
                    (address, dialled)
                }
            };
            let began = Instant::now();
            let failure = match dialled {
                Ok(socket) => {
                    self.recorder.write(OperationType::Info, "connect", address.as_str());
                    let market_manager = address.clone();
                    self.access.events.tell(SessionEvent::Connected { market_manager });
                    match self.serve(&address, socket).await {
                        End::Closed => return,
                        End::Lost(reason) => reason,
                        End::Moved(to, socket) => {
                            moved = Some((to, *socket));
                            continue;
                        }
                    }
                }
                Err(reason) => reason,
            };
            failures = if began.elapsed() >= LIVED { 0 } else { failures + 1 };
            tracing::debug!(%address, %failure, "the connection is lost; trying the next");
            self.recorder.write_error(
                OperationType::Info,
                "disconnect",
                address.as_str(),
                failure.clone(),
            );
            let (market_manager, why) = (address.clone(), failure.clone());
            self.access.events.tell(SessionEvent::Lost { market_manager, why });
            self.progress.send_modify(|progress| progress.last_failure = failure);
            self.access.edges.leave(&address);
            if failures as usize >= self.access.edges.len() {
                if self.asks.is_closed() {
                    return;
                }
                self.after_a_round(failures).await;
            }
        }
    }

    /// Nobody on the list answered: waits a little, longer each time, and asks for a new list.
    async fn after_a_round(&self, failures: u32) {
        let rounds = failures / u32::try_from(self.access.edges.len()).unwrap_or(u32::MAX).max(1);
        sleep(dial::pause_after(rounds)).await;
        if rounds >= 3 {
            let token = self.access.token();
            // Without an answer the old lists are tried again.
            let _ = timeout(ASK_FOR_LISTS, self.access.renew(&token)).await;
        }
    }

    /// Dials until hello: a server that takes a connection and says nothing is no server.
    async fn dial(&self, address: &str, within: Duration) -> Result<Socket, String> {
        match timeout(within, self.greeted(address)).await {
            Ok(dialled) => dialled,
            Err(_) => Err(format!("{address}: no hello within {within:?}")),
        }
    }

    async fn greeted(&self, address: &str) -> Result<Socket, String> {
        let mut socket = self.open(address).await?;
        loop {
            let reason = match socket.next().await {
                Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                    Ok(ToAlgo::Hello { trader_manager, affinity_version, .. }) => {
                        self.homes.heard(trader_manager, affinity_version);
                        return Ok(socket);
                    }
                    Ok(ToAlgo::Error { detail, .. }) => detail,
                    Ok(_) | Err(_) => continue,
                },
                Some(Ok(Message::Close(close))) => format!("closed by the server: {close:?}"),
                Some(Ok(_)) => continue,
                Some(Err(error)) => error.to_string(),
                None => "closed".to_string(),
            };
            return Err(format!("{address}: {reason}"));
        }
    }

    async fn open(&self, address: &str) -> Result<Socket, String> {
        let opened = dial::open(address, "/v1/stream", &self.access.token()).await;
        opened.map_err(|not| not.failed.said(address))
    }

    /// Resumes all streams and reads until the connection ends.
    async fn serve(&mut self, address: &str, mut socket: Socket) -> End {
        for frame in self.subscriptions.resume() {
            if let Err(reason) = send(&mut socket, &frame).await {
                return End::Lost(reason);
            }
        }
        self.progress.send_modify(|progress| progress.connections += 1);
        let mut heard = Instant::now();
        loop {
            let received = tokio::select! {
                ask = self.asks.recv() => {
                    let frames: Vec<FromAlgo> = match ask {
                        Some(Ask::Subscribe { topic, sink, opened }) => {
                            self.subscriptions.add(topic, sink, opened).into_iter().collect()
                        }
                        Some(Ask::Follow { account }) => self.subscriptions.follow(&account),
                        None => {
                            // The server notices by itself if it does not take the close.
                            let _ = timeout(DEAD_AFTER, socket.close(None)).await;
                            return End::Closed;
                        }
                    };
                    for frame in frames {
                        if let Err(reason) = send(&mut socket, &frame).await {
                            return End::Lost(reason);
                        }
                    }
                    continue;
                }
                received = timeout_at(heard + DEAD_AFTER, socket.next()) => received,
            };
            let text = match received {
                Err(_) => return End::Lost(format!("silent for {DEAD_AFTER:?}")),
                Ok(None) => return End::Lost("closed".to_string()),
                Ok(Some(Err(error))) => return End::Lost(error.to_string()),
                Ok(Some(Ok(Message::Close(close)))) => {
                    return End::Lost(format!("closed by the server: {close:?}"));
                }
                Ok(Some(Ok(Message::Text(text)))) => text,
                Ok(Some(Ok(_))) => continue,
            };
            match serde_json::from_str(&text) {
                Ok(ToAlgo::Goaway { reconnect_to, .. }) => {
                    if let Some(end) = self.go(address, reconnect_to).await {
                        return end;
                    }
                }
                Ok(frame) => self.take(frame).await,
                // A newer server may say what this SDK does not know: not an error.
                Err(error) => tracing::debug!(%error, "a frame is not known"),
            }
            heard = Instant::now();
            for frame in self.subscriptions.prune() {
                if let Err(reason) = send(&mut socket, &frame).await {
                    return End::Lost(reason);
                }
            }
        }
    }

    /// Dials those the server named, in turn. `None` if none of them answers: the old connection is used
    /// for as long as it lasts.
    async fn go(&self, from: &str, reconnect_to: Vec<String>) -> Option<End> {
        let (market_manager, to) = (from.to_string(), reconnect_to.clone());
        self.access.events.tell(SessionEvent::Goaway { market_manager, reconnect_to: to });
        for address in reconnect_to.into_iter().filter(|address| address != from) {
            match self.dial(&address, limits::DIAL_WITHIN).await {
                Ok(socket) => {
                    self.access.edges.go_to(&address);
                    return Some(End::Moved(address, Box::new(socket)));
                }
                Err(failure) => tracing::debug!(%failure, "the server named one that is away"),
            }
        }
        None
    }

    async fn take(&mut self, frame: ToAlgo) {
        match frame {
            ToAlgo::Subscribed { topic, mode, position } => {
                let (was, stands) = (self.subscriptions.source(&topic), position.as_ref());
                self.access.events.opened(&topic, was, stands.map(|stands| &stands.epoch));
                if let Some(stands) = stands {
                    self.tracked.heard(&topic, was, &stands.epoch);
                }
                self.subscriptions.opened(&topic, mode, position);
            }
            ToAlgo::Quote { instrument, epoch, seq, quote } => {
                let topic = Topic::Quotes { instrument };
                self.recorder.write(OperationType::Ok, "quote", seq);
                self.access.events.heard(&topic, self.subscriptions.source(&topic), &epoch);
                self.subscriptions.quoted(&topic, epoch, seq);
                for sink in self.subscriptions.sinks(&topic) {
                    if let Sink::Quotes(latest) = sink {
                        latest.send_replace(Some(quote.clone()));
                    }
                }
            }
            ToAlgo::Order { account, epoch, seq, prev, order } => {
                let topic = Topic::Orders { account };
                if self.is_new(&topic, &epoch, seq, prev) {
                    self.take_order(&topic, order).await;
                }
            }
            ToAlgo::Fill { account, epoch, seq, prev, fill } => {
                let topic = Topic::Fills { account: account.clone() };
                if self.is_new(&topic, &epoch, seq, prev)
                    && self.subscriptions.first_time(&account, &fill.exec_id)
                {
                    self.recorder.write(OperationType::Ok, "fill", fill.exec_id.as_str());
                    for sink in self.subscriptions.sinks(&topic) {
                        if let Sink::Fills(fills) = sink {
                            let _ = fills.send(fill.clone()).await;
                        }
                    }
                }
            }
            ToAlgo::Trade { instrument, epoch, seq, prev, trade } => {
                let topic = Topic::Trades { instrument };
                if self.is_new(&topic, &epoch, seq, prev) {
                    self.tell_tape(&topic, &TradeEvent::Trade(trade));
                }
            }
            ToAlgo::Gap { topic, reason, .. } => {
                self.tell_gap(&topic, &reason);
                let value = serde_json::to_value(&topic).unwrap_or_default();
                self.recorder.write_error(OperationType::Info, "gap", value, reason);
                self.subscriptions.gap_told(&topic);
            }
            ToAlgo::Heartbeat { streams, .. } => {
                if self.subscriptions.is_whole(&streams) {
                    self.progress.send_modify(|progress| progress.whole_heartbeats += 1);
                }
            }
            ToAlgo::Error { code, detail } => {
                tracing::warn!(?code, %detail, "the MarketManager refused a frame");
            }
            // Said anew when the customer belongs elsewhere.
            ToAlgo::Hello { trader_manager, affinity_version, .. } => {
                self.homes.heard(trader_manager, affinity_version);
            }
            // An answer is to an operation over the stream: here all are asked by REST.
            ToAlgo::Unsubscribed { .. }
            | ToAlgo::Status { .. }
            | ToAlgo::Goaway { .. }
            | ToAlgo::Answer { .. } => {}
        }
    }

    async fn take_order(&self, topic: &Topic, order: Order) {
        let state = serde_json::to_value(order.state).unwrap_or_default();
        let value = serde_json::json!([order.client_order_id, state]);
        self.recorder.write(OperationType::Ok, "order", value);
        self.tracked.told(&order);
        for sink in self.subscriptions.sinks(topic) {
            if let Sink::Orders(orders) = sink {
                // Waiting here is the backpressure: the server sees a slow reader.
                let _ = orders.send(order.clone()).await;
            }
        }
    }

    /// To those who read an instrument's trades; of another stream there are none.
    fn tell_tape(&self, topic: &Topic, event: &TradeEvent) {
        for sink in self.subscriptions.sinks(topic) {
            if let Sink::Trades(sink) = sink {
                sink.tell(event.clone());
            }
        }
    }

    /// To those who read its trades; whoever follows an order of an account asks for it.
    fn tell_gap(&self, topic: &Topic, reason: &str) {
        self.tell_tape(topic, &TradeEvent::Gap { reason: reason.to_string() });
        if let Topic::Orders { account } = topic {
            self.tracked.doubt(account);
        }
    }

    fn is_new(&mut self, topic: &Topic, epoch: &StreamEpoch, seq: u64, prev: u64) -> bool {
        self.access.events.heard(topic, self.subscriptions.source(topic), epoch);
        self.tracked.heard(topic, self.subscriptions.source(topic), epoch);
        match self.subscriptions.judge(topic, epoch, seq, prev) {
            Verdict::New => true,
            Verdict::Seen => false,
            Verdict::AfterUntoldGap => {
                let value = serde_json::to_value(topic).unwrap_or_default();
                self.recorder.write(OperationType::Fail, "untold-gap", value);
                tracing::error!(?topic, seq, prev, "events are missing and nobody said so");
                self.tell_gap(topic, "trades are missing and nobody said so");
                true
            }
        }
    }
}

/// How long a server may take to say hello. Longer after each failure in a row: one that ten thousand sessions come to at
/// once has too much to do to greet all of them soon, and more when they hang up and come again.
fn patience(failures: u32) -> Duration {
    (limits::DIAL_WITHIN * 2_u32.saturating_pow(failures.min(4))).min(PATIENCE_MAX)
}

async fn send(socket: &mut Socket, frame: &FromAlgo) -> Result<(), String> {
    let text = serde_json::to_string(frame).map_err(|error| error.to_string())?;
    match timeout(DEAD_AFTER, socket.send(Message::text(text))).await {
        Ok(sent) => sent.map_err(|error| error.to_string()),
        Err(_) => Err(format!("took nothing for {DEAD_AFTER:?}")),
    }
}
