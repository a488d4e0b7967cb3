//! Carrying frames while a pipe stands. Decides when it is dead and what is said at its end; both
//! directions go on independently, so that one that is full does not stop the other.

use super::{
    Event, Lost, Options,
    socket::{Incoming, Outgoing, PipeSocket},
};
use crate::limits;
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    future::pending,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tradewind_protocol::{Code, Problem};

/// Close codes of ours; below 4000 they are the protocol's.
pub(super) const CLOSE_DONE: u16 = 1000;
pub(super) const CLOSE_BAD_FRAME: u16 = 4400;
pub(super) const CLOSE_REFUSED: u16 = 4403;
pub(super) const CLOSE_SILENT: u16 = 4408;
pub(super) const CLOSE_REPLACED: u16 = 4409;

/// The last frame before a pipe is closed for what came over it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum LastWord {
    Error { problem: Problem },
}

enum End {
    Lost(Lost),
    /// Our owner let go.
    Dropped,
    /// A newer pipe of the same dialler is there.
    Replaced,
}

/// What one side of a pipe is carried with.
pub(super) struct Carried<'a, In> {
    pub(super) outgoing: mpsc::Receiver<String>,
    pub(super) events: &'a mpsc::Sender<Event<In>>,
    pub(super) replaced: CancellationToken,
    /// Whether this side pings when nothing else is said or heard: the dialler does.
    pub(super) pings: bool,
    pub(super) options: &'a Options,
}

/// Carries until the pipe ends; `None` if it ended because its owner let go. May be cancelled.
pub(super) async fn carry<In: DeserializeOwned>(
    socket: PipeSocket,
    mut carried: Carried<'_, In>,
) -> Option<Lost> {
    let (mut sink, mut stream) = socket.split();
    let Carried { events, options, .. } = carried;
    let end = {
        let heard = Heard::now();
        let mut read = std::pin::pin!(read_all(&mut stream, events, &heard, options));
        let quiet = carried.pings.then_some(&heard);
        let write = write_all(&mut sink, &mut carried.outgoing, quiet, options);
        tokio::select! {
            biased;
            () = events.closed() => End::Dropped,
            () = carried.replaced.cancelled() => End::Replaced,
            lost = read.as_mut() => End::Lost(lost),
            lost = write => match lost {
                Lost::Silent => End::Lost(Lost::Silent),
                // What the other side said before it broke off is still to be read.
                broken => End::Lost(timeout(options.dial_within, read).await.unwrap_or(broken)),
            },
        }
    };
    // From here on nobody's message is taken any more.
    drop(carried.outgoing);
    if matches!(end, End::Lost(Lost::Closed)) {
        // The other side's close frame is answered, no more.
        let _ = timeout(options.dial_within, sink.close()).await;
        return Some(Lost::Closed);
    }
    let (code, reason, lost) = match end {
        End::Dropped => (CLOSE_DONE, "done", None),
        End::Replaced => (CLOSE_REPLACED, "replaced by a newer pipe", Some(Lost::Closed)),
        End::Lost(lost) => match lost {
            Lost::BadFrame => (CLOSE_BAD_FRAME, "not a message", Some(lost)),
            Lost::Silent => (CLOSE_SILENT, "silent", Some(lost)),
            _ => (CLOSE_DONE, "", Some(lost)),
        },
    };
    let last_word = (code == CLOSE_BAD_FRAME).then(|| {
        let detail = "A frame on this pipe was not a message; see the protocol's text.";
        LastWord::Error { problem: Problem::new(Code::MalformedRequest, detail) }
    });
    close(&mut sink, last_word.as_ref(), code, reason, options.dial_within).await;
    lost
}

/// Says a last word and closes, as far as the other side still takes it.
pub(super) async fn close<S: Sink<Outgoing, Error = Lost> + Unpin>(
    sink: &mut S,
    last_word: Option<&impl Serialize>,
    code: u16,
    reason: &'static str,
    within: Duration,
) {
    let said = async {
        if let Some(text) = last_word.and_then(|word| serde_json::to_string(word).ok()) {
            sink.feed(Outgoing::Text(text)).await?;
        }
        sink.send(Outgoing::Close { code, reason }).await
    };
    // A pipe that ended may well take nothing more; that is no news.
    let _ = timeout(within, said).await;
}

/// The next frame. Waiting counts as silence only while we are ready to read.
pub(super) async fn next<S>(stream: &mut S, silence: Duration) -> Result<Incoming, Lost>
where
    S: Stream<Item = Result<Incoming, Lost>> + Unpin,
{
    match timeout(silence, stream.next()).await {
        Err(_) => Err(Lost::Silent),
        Ok(None) => Err(Lost::Closed),
        Ok(Some(frame)) => frame,
    }
}

/// When the other side was heard of last.
struct Heard(Mutex<Instant>);

impl Heard {
    fn now() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read_all<In, S>(
    stream: &mut S,
    events: &mpsc::Sender<Event<In>>,
    heard: &Heard,
    options: &Options,
) -> Lost
where
    In: DeserializeOwned,
    S: Stream<Item = Result<Incoming, Lost>> + Unpin,
{
    loop {
        let frame = next(stream, options.silence).await;
        heard.note();
        let text = match frame {
            Ok(Incoming::Text(text)) => text,
            Ok(Incoming::Alive) => continue,
            Ok(Incoming::Close) => return Lost::Closed,
            Ok(Incoming::Binary) => {
                tracing::warn!("binary frame on a pipe");
                return Lost::BadFrame;
            }
            Err(lost) => return lost,
        };
        let message = match serde_json::from_slice(&text) {
            Ok(message) => message,
            Err(error) => {
                if let Ok(LastWord::Error { problem }) = serde_json::from_slice(&text) {
                    return Lost::RefusedBy(problem);
                }
                tracing::warn!(%error, bytes = text.len(), "frame on a pipe is not a message");
                return Lost::BadFrame;
            }
        };
        if events.send(Event::Message(message)).await.is_err() {
            // The owner let go: whoever polls this finds that out by itself.
            return pending().await;
        }
    }
}

/// With `quiet` this side pings: as soon as nothing was said or nothing was heard for `ping_every`. A pipe on which
/// messages go both ways tells both sides that the other lives, without one.
async fn write_all<S: Sink<Outgoing, Error = Lost> + Unpin>(
    sink: &mut S,
    outgoing: &mut mpsc::Receiver<String>,
    quiet: Option<&Heard>,
    options: &Options,
) -> Lost {
    let mut said = Instant::now();
    let mut pinged = said;
    loop {
        // A ping that is not answered yet is not followed by another at once.
        let due = |heard: &Heard| said.min(heard.last()).max(pinged) + options.ping_every;
        let first = match quiet.map(due) {
            Some(due) if due <= Instant::now() => Outgoing::Ping,
            due => tokio::select! {
                biased;
                text = outgoing.recv() => match text {
                    Some(text) => Outgoing::Text(text),
                    None => return pending().await,
                },
                // Something may have been heard meanwhile: looked at anew.
                () = sleep_until(due.unwrap_or(said)), if due.is_some() => continue,
            },
        };
        said = Instant::now();
        if matches!(first, Outgoing::Ping) {
            pinged = said;
        }
        let written = timeout(options.silence, async {
            let mut batch = match &first {
                Outgoing::Text(text) => text.len(),
                Outgoing::Ping | Outgoing::Close { .. } => 0,
            };
            sink.feed(first).await?;
            while batch < limits::BATCH_BYTES
                && let Ok(text) = outgoing.try_recv()
            {
                batch += text.len();
                sink.feed(Outgoing::Text(text)).await?;
            }
            sink.flush().await
        });
        match written.await {
            Ok(Ok(())) => {}
            Ok(Err(lost)) => return lost,
            Err(_) => return Lost::Silent,
        }
    }
}
