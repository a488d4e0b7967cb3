//! One WebSocket to Kraken. Decides how it is opened, how its frames come and go, and when it is dead: frames may still
//! come (heartbeats do), but a connection that does not answer a ping is not alive. What is said is decided elsewhere.

use super::{
    super::dial::{Address, Dialler, Stream},
    limits::{FRAME_BYTES, PING_EVERY},
};
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use serde::Serialize;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, timeout_at},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::WebSocketConfig},
};
use tradewind_kraken::{
    limits::{SILENT, SUBSCRIBES_PER_SECOND},
    rate::Rule,
    ws::request::Request,
};

type Socket = WebSocketStream<Stream>;

/// How many subscriptions go out in a second.
pub(super) const SUBSCRIBES: Rule =
    Rule { points: SUBSCRIBES_PER_SECOND, decay: SUBSCRIBES_PER_SECOND as u64 * 1_000_000_000 };

/// Why a WebSocket is over, in words for the operator.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Over(pub(super) String);

/// The half that sends.
pub(super) struct Sender(SplitSink<Socket, Message>);

/// The half that receives.
pub(super) struct Receiver {
    stream: SplitStream<Socket>,
    /// When a ping was last answered; at first, when it began.
    lived: Instant,
}

/// Waits as long as the kernel does: callers set a time.
pub(super) async fn open(dialler: &Dialler, address: &Address) -> Result<(Sender, Receiver), Over> {
    let failed = |error: &dyn std::fmt::Display| Over(format!("{address}: {error}"));
    let stream = dialler.open(address).await.map_err(|error| failed(&error))?;
    let config = WebSocketConfig::default()
        .read_buffer_size(16 << 10)
        .max_message_size(Some(FRAME_BYTES))
        .max_frame_size(Some(FRAME_BYTES));
    // The scheme decides nothing here: the stream is encrypted already where it is to be.
    let path = if address.path().is_empty() { "/" } else { address.path() };
    let url = format!("ws://{}{path}", address.authority());
    let made = tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await;
    let (sink, stream) = made.map_err(|error| failed(&error))?.0.split();
    Ok((Sender(sink), Receiver { stream, lived: Instant::now() }))
}

/// A request as a frame.
pub(super) fn frame<P: Serialize>(method: &str, params: Option<P>, req_id: u64) -> String {
    // Requests are strings, numbers and options: they always have a JSON form.
    let request = Request { method, params, req_id: Some(req_id) };
    serde_json::to_string(&request).unwrap_or_default()
}

impl Sender {
    pub(super) async fn send(&mut self, text: String) -> Result<(), Over> {
        self.0.send(Message::text(text)).await.map_err(|error| Over(error.to_string()))
    }

    pub(super) async fn ping(&mut self) -> Result<(), Over> {
        self.send(frame("ping", None::<()>, 0)).await
    }

    /// Sends what is queued until the queue ends, with pings between; what is queued goes out with one flush.
    pub(super) async fn carry(mut self, mut queue: mpsc::Receiver<String>) -> Over {
        let mut pings = interval(PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut frames = Vec::new();
        loop {
            let sent = tokio::select! {
                taken = queue.recv_many(&mut frames, 64) => {
                    if taken == 0 {
                        return Over("nobody speaks any more".to_owned());
                    }
                    self.send_all(&mut frames).await
                }
                _ = pings.tick() => self.ping().await,
            };
            if let Err(over) = sent {
                return over;
            }
        }
    }

    async fn send_all(&mut self, frames: &mut Vec<String>) -> Result<(), Over> {
        let over = |error: tokio_tungstenite::tungstenite::Error| Over(error.to_string());
        for frame in frames.drain(..) {
            self.0.feed(Message::text(frame)).await.map_err(over)?;
        }
        self.0.flush().await.map_err(over)
    }
}

impl Receiver {
    /// A ping was answered.
    pub(super) fn answered(&mut self) {
        self.lived = Instant::now();
    }

    /// The next frame. May be cancelled.
    pub(super) async fn next(&mut self) -> Result<String, Over> {
        loop {
            let dead = self.lived + SILENT;
            let Ok(frame) = timeout_at(dead, self.stream.next()).await else {
                return Err(Over(format!("no ping was answered for {} s", SILENT.as_secs())));
            };
            match frame {
                Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
                Some(Ok(Message::Close(_))) | None => {
                    return Err(Over("the venue ended it".to_owned()));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Over(error.to_string())),
            }
        }
    }
}
