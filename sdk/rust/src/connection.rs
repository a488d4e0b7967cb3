//! The task that keeps a session's WebSocket. Decides when a connection is dead and where to go then;
//! what each frame means to a stream is decided in `subscriptions`. Ends when the session is closed.

use crate::{
    edges::Edges,
    history::Recorder,
    requests::{Failed, Requests},
    subscriptions::{Sink, Subscriptions, Verdict},
};
use futures_util::{SinkExt as _, StreamExt as _};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot, watch},
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Error as WsError, Message, client::IntoClientRequest as _, http, protocol},
};
use tradewind_protocol::{
    domain::{ids::StreamEpoch, limits},
    history::OperationType,
    stream::{FromAlgo, ToAlgo, Topic},
};

/// Without a frame for so long the server is gone: it sends a heartbeat every second.
const DEAD_AFTER: Duration = Duration::from_secs(3);

/// What the session asks of the task.
#[derive(Debug)]
pub(crate) enum Ask {
    Subscribe { topic: Topic, sink: Sink, opened: oneshot::Sender<()> },
}

/// The secret that opens connections, shared with the session's requests.
#[derive(Clone, Debug)]
pub(crate) struct Secret(Arc<Mutex<String>>);

impl Secret {
    pub(crate) fn new(token: String) -> Self {
        Self(Arc::new(Mutex::new(token)))
    }

    pub(crate) fn get(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, token: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = token;
    }
}

/// What is known of the connection, for those who wait for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// Connections opened so far.
    pub(crate) connections: u64,
    /// Heartbeats at which nothing private was missing.
    pub(crate) whole_heartbeats: u64,
    /// Why there is no connection at the moment.
    pub(crate) last_failure: String,
}

pub(crate) struct Connection {
    pub(crate) edges: Arc<Edges>,
    pub(crate) secret: Secret,
    pub(crate) requests: Requests,
    pub(crate) infrastructure_managers: Vec<String>,
    pub(crate) api_key: Option<String>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) asks: mpsc::Receiver<Ask>,
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) subscriptions: Subscriptions,
}

type Socket = WebSocketStream<TcpStream>;

/// Why a connection ended.
enum End {
    /// The session was dropped.
    Closed,
    Lost(String),
    /// The server asked us to go; the old socket is kept until the new one stands.
    Goaway(Box<Socket>),
}

impl Connection {
    pub(crate) async fn run(mut self) {
        let mut failures = 0_u32;
        let mut leaving = None;
        loop {
            let address = self.edges.current();
            let dialled = match timeout(limits::DIAL_WITHIN, self.dial(&address)).await {
                Ok(dialled) => dialled,
                Err(_) => Err("no answer to the dial".to_string()),
            };
            drop(leaving.take());
            let failure = match dialled {
                Ok(socket) => {
                    failures = 0;
                    self.recorder.write(OperationType::Info, "connect", address.as_str());
                    match self.serve(socket).await {
                        End::Closed => return,
                        End::Lost(reason) => reason,
                        End::Goaway(socket) => {
                            leaving = Some(socket);
                            continue;
                        }
                    }
                }
                Err(reason) => {
                    failures += 1;
                    reason
                }
            };
            tracing::debug!(%address, %failure, "the connection is lost; trying the next");
            self.recorder.write_error(
                OperationType::Info,
                "disconnect",
                address.as_str(),
                failure.clone(),
            );
            self.progress.send_modify(|progress| progress.last_failure = failure);
            self.edges.leave(&address);
            if failures as usize >= self.edges.len() {
                if self.asks.is_closed() {
                    return;
                }
                self.after_a_round(failures).await;
            }
        }
    }

    /// Nobody on the list answered: waits a little, longer each time, and asks for a new list.
    async fn after_a_round(&mut self, failures: u32) {
        let rounds = failures / u32::try_from(self.edges.len()).unwrap_or(u32::MAX).max(1);
        let wait = limits::REDIAL_FIRST * 2_u32.saturating_pow(rounds.min(6));
        // Jitter, so that the sessions of a dead MarketManager do not return in step.
        let half = u64::try_from(wait.min(limits::REDIAL_MAX).as_millis() / 2).unwrap_or(0);
        let jitter = getrandom::u64().unwrap_or(0) % (half + 1);
        sleep(Duration::from_millis(half + jitter)).await;
        if rounds < 3 {
            return;
        }
        let member = self.infrastructure_managers.first().cloned();
        let Some(member) = member else { return };
        // An API key opens a new session; a token can be renewed while it is good.
        let secret = self.api_key.clone().unwrap_or_else(|| self.secret.get());
        match self.requests.open_session(&member, &secret).await {
            Ok(opened) => {
                self.secret.set(opened.token);
                let edges = opened.market_managers.into_iter().map(|edge| edge.address);
                self.edges.replace(edges.collect());
            }
            Err(Failed::NotSent(_) | Failed::Lost(_) | Failed::Problem(_)) => {
                self.infrastructure_managers.rotate_left(1);
            }
        }
    }

    async fn dial(&self, address: &str) -> Result<Socket, String> {
        let text = |error: &dyn std::fmt::Display| format!("{address}: {error}");
        let mut request = format!("ws://{address}/v1/stream")
            .into_client_request()
            .map_err(|error| text(&error))?;
        let bearer = http::HeaderValue::from_str(&format!("Bearer {}", self.secret.get()))
            .map_err(|error| text(&error))?;
        request.headers_mut().insert(http::header::AUTHORIZATION, bearer);
        let stream = TcpStream::connect(address).await.map_err(|error| text(&error))?;
        stream.set_nodelay(true).map_err(|error| text(&error))?;
        let config = protocol::WebSocketConfig::default().read_buffer_size(8 << 10);
        let dialled = client_async_with_config(request, stream, Some(config)).await;
        dialled.map(|(socket, _)| socket).map_err(|error| match error {
            WsError::Http(answer) => {
                let body = answer.body().as_deref().unwrap_or_default();
                text(&format!("{} {}", answer.status(), String::from_utf8_lossy(body)))
            }
            other => text(&other),
        })
    }

    /// Resumes all streams and reads until the connection ends.
    async fn serve(&mut self, mut socket: Socket) -> End {
        for frame in self.subscriptions.resume() {
            if let Err(reason) = send(&mut socket, &frame).await {
                return End::Lost(reason);
            }
        }
        self.progress.send_modify(|progress| progress.connections += 1);
        loop {
            tokio::select! {
                ask = self.asks.recv() => {
                    let Some(Ask::Subscribe { topic, sink, opened }) = ask else {
                        let _ = socket.close(None).await;
                        return End::Closed;
                    };
                    if let Some(frame) = self.subscriptions.add(topic, sink, opened)
                        && let Err(reason) = send(&mut socket, &frame).await
                    {
                        return End::Lost(reason);
                    }
                }
                frame = timeout(DEAD_AFTER, socket.next()) => {
                    match frame {
                        Err(_) => return End::Lost("silent for 3 s".to_string()),
                        Ok(None) => return End::Lost("closed".to_string()),
                        Ok(Some(Err(error))) => return End::Lost(error.to_string()),
                        Ok(Some(Ok(Message::Text(text)))) => match serde_json::from_str(&text) {
                            Ok(ToAlgo::Goaway { reconnect_to, .. }) if !reconnect_to.is_empty() => {
                                self.edges.prefer(&reconnect_to);
                                return End::Goaway(Box::new(socket));
                            }
                            Ok(frame) => self.take(frame).await,
                            // A newer server may say what this SDK does not know: not an error.
                            Err(error) => tracing::debug!(%error, "a frame is not known"),
                        },
                        Ok(Some(Ok(Message::Close(close)))) => {
                            return End::Lost(format!("closed by the server: {close:?}"));
                        }
                        Ok(Some(Ok(_))) => {}
                    }
                    for frame in self.subscriptions.prune() {
                        if let Err(reason) = send(&mut socket, &frame).await {
                            return End::Lost(reason);
                        }
                    }
                }
            }
        }
    }

    async fn take(&mut self, frame: ToAlgo) {
        match frame {
            ToAlgo::Subscribed { topic, mode, position } => {
                self.subscriptions.opened(&topic, mode, position);
            }
            ToAlgo::Quote { instrument, epoch, seq, quote } => {
                let topic = Topic::Quotes { instrument };
                self.recorder.write(OperationType::Ok, "quote", seq);
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
                    let state = serde_json::to_value(order.state).unwrap_or_default();
                    let value = serde_json::json!([order.client_order_id, state]);
                    self.recorder.write(OperationType::Ok, "order", value);
                    for sink in self.subscriptions.sinks(&topic) {
                        if let Sink::Orders(orders) = sink {
                            // Waiting here is the backpressure: the server sees a slow reader.
                            let _ = orders.send(order.clone()).await;
                        }
                    }
                }
            }
            ToAlgo::Fill { account, epoch, seq, prev, fill } => {
                let topic = Topic::Fills { account };
                if self.is_new(&topic, &epoch, seq, prev)
                    && self.subscriptions.first_time(&fill.exec_id)
                {
                    self.recorder.write(OperationType::Ok, "fill", fill.exec_id.as_str());
                    for sink in self.subscriptions.sinks(&topic) {
                        if let Sink::Fills(fills) = sink {
                            let _ = fills.send(fill.clone()).await;
                        }
                    }
                }
            }
            ToAlgo::Gap { topic, reason, .. } => {
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
            ToAlgo::Hello { .. }
            | ToAlgo::Unsubscribed { .. }
            | ToAlgo::Status { .. }
            | ToAlgo::Goaway { .. } => {}
        }
    }

    fn is_new(&mut self, topic: &Topic, epoch: &StreamEpoch, seq: u64, prev: u64) -> bool {
        match self.subscriptions.judge(topic, epoch, seq, prev) {
            Verdict::New => true,
            Verdict::Seen => false,
            Verdict::AfterUntoldGap => {
                let value = serde_json::to_value(topic).unwrap_or_default();
                self.recorder.write(OperationType::Fail, "untold-gap", value);
                tracing::error!(?topic, seq, prev, "events are missing and nobody said so");
                true
            }
        }
    }
}

async fn send(socket: &mut Socket, frame: &FromAlgo) -> Result<(), String> {
    let text = serde_json::to_string(frame).map_err(|error| error.to_string())?;
    socket.send(Message::text(text)).await.map_err(|error| error.to_string())
}
