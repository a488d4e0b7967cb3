//! Pipes: JSON frames over a WebSocket, two-way, between two processes that said hello. Decides what a
//! pipe's ends look like to their owners; dialling is `pipe/dial.rs`', admitting `pipe/gate.rs`', carrying
//! frames `pipe/carry.rs`' work.
//!
//! P1: messages of one pipe arrive in the order sent, each at most once. P2: a message is carried by the
//! pipe it was sent on or lost with it, which `Down` tells; it never turns up on a later one. P3: nothing
//! waits without bound: a full queue makes the sender wait, and then the other side's.

mod accept;
mod carry;
mod dial;
mod gate;
mod questions;
mod socket;

pub use accept::accept;
pub use dial::{dial, dial_with_secret};
pub use gate::{Accepted, Diallers, Gate};
pub use questions::{Asker, Question, Questions, Unanswered};

use serde::Serialize;
use std::{
    fmt,
    marker::PhantomData,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::mpsc;
use tradewind_domain::{ids::Incarnation, limits as system};
use tradewind_protocol::Problem;

/// Timings and bounds of a pipe; both ends should have the same.
#[derive(Clone, Debug)]
pub struct Options {
    /// How often the dialler pings.
    pub ping_every: Duration,
    /// Without a frame for so long, or unable to write one, the pipe is dead.
    pub silence: Duration,
    /// A connection that takes longer has failed, a handshake likewise.
    pub dial_within: Duration,
    /// First and longest wait before the pipe is dialled again.
    pub redial_first: Duration,
    pub redial_max: Duration,
    /// The largest frame, in bytes.
    pub frame_bytes: usize,
    /// Frames queued in each direction.
    pub queue_frames: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ping_every: system::PIPE_PING_EVERY,
            silence: system::PIPE_SILENCE,
            dial_within: system::DIAL_WITHIN,
            redial_first: system::REDIAL_FIRST,
            redial_max: system::REDIAL_MAX,
            frame_bytes: system::PIPE_FRAME_BYTES,
            queue_frames: system::PIPE_QUEUE_FRAMES,
        }
    }
}

/// What happens on a pipe. A dialler's goes `Up`, `Message`.., `Down` again and again, an attempt that
/// failed being a `Down` alone; an accepted one has `Message`.., one `Down`, and ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<In> {
    /// The other side welcomed us: the version both speak, and the other side's life.
    Up {
        protocol: u32,
        incarnation: Incarnation,
    },
    Message(In),
    /// What was sent and not answered may have arrived or not.
    Down(Lost),
}

/// Why a pipe is down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// The machine answered that nobody listens there: the process is gone.
    #[error("nobody listens at the address")]
    ConnectRefused,
    /// No connection, for another reason: no address known, no way there, no answer.
    #[error("the address cannot be reached")]
    Unreachable,
    /// The connection broke without a word.
    #[error("the connection broke")]
    Reset,
    /// The connection stands and nothing comes, or nothing is taken.
    #[error("the other side fell silent")]
    Silent,
    /// The other side said why it does not want this pipe.
    #[error("refused: {0}")]
    RefusedBy(Problem),
    /// The other side sent what is not a message.
    #[error("the other side sent a frame that is not a message")]
    BadFrame,
    /// The other side closed the pipe in order, or a newer pipe of the same dialler took its place.
    #[error("closed in order")]
    Closed,
}

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Wait for `Event::Up`, then decide anew what there is to say.
    #[error("the pipe is not up")]
    NotUp,
    /// The queue is full (`try_send` only): the other side is slower than this one.
    #[error("the pipe's queue is full")]
    Full,
    /// It will never go: larger than a frame may be, or without a JSON form.
    #[error("the message cannot be sent: {0}")]
    Unsendable(String),
}

/// The sending end. Cheap to clone.
pub struct Sender<Out> {
    line: Arc<Line>,
    frame_bytes: usize,
    messages: PhantomData<fn(Out)>,
}

impl<Out> Clone for Sender<Out> {
    fn clone(&self) -> Self {
        let line = self.line.clone();
        Self { line, frame_bytes: self.frame_bytes, messages: PhantomData }
    }
}

impl<Out> fmt::Debug for Sender<Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("up", &self.is_up()).finish_non_exhaustive()
    }
}

impl<Out> Sender<Out> {
    fn new(line: Arc<Line>, frame_bytes: usize) -> Self {
        Self { line, frame_bytes, messages: PhantomData }
    }

    /// Messages that wait to be carried.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.line.queue().map_or(0, |queue| queue.max_capacity() - queue.capacity())
    }

    /// Whether a message would be taken now.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.line.queue().is_some_and(|queue| !queue.is_closed())
    }
}

impl<Out: Serialize> Sender<Out> {
    /// Queues a message, waiting for room. Taken does not mean arrived: the other side answers for that.
    /// Two owners that both wait here and read nothing hold each other up until `Options::silence`.
    pub async fn send(&self, message: Out) -> Result<(), SendError> {
        let queue = self.line.queue().ok_or(SendError::NotUp)?;
        let text = self.written(&message)?;
        queue.send(text).await.map_err(|_| SendError::NotUp)
    }

    /// Queues a message if there is room.
    pub fn try_send(&self, message: Out) -> Result<(), SendError> {
        let queue = self.line.queue().ok_or(SendError::NotUp)?;
        let text = self.written(&message)?;
        queue.try_send(text).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SendError::Full,
            mpsc::error::TrySendError::Closed(_) => SendError::NotUp,
        })
    }

    fn written(&self, message: &Out) -> Result<String, SendError> {
        let text = serde_json::to_string(message)
            .map_err(|error| SendError::Unsendable(error.to_string()))?;
        if text.len() > self.frame_bytes {
            let (bytes, most) = (text.len(), self.frame_bytes);
            return Err(SendError::Unsendable(format!(
                "{bytes} bytes, at most {most} fit a frame"
            )));
        }
        Ok(text)
    }
}

/// The receiving end, and the pipe's owner: dropping it closes the pipe for good.
#[derive(Debug)]
pub struct Events<In> {
    events: mpsc::Receiver<Event<In>>,
}

impl<In> Events<In> {
    /// The next event; `None` when there will be no more (never for a dialler's). May be cancelled: no
    /// event is lost.
    pub async fn next(&mut self) -> Option<Event<In>> {
        self.events.recv().await
    }
}

/// The queue of the connection that stands at the moment, if one does.
#[derive(Default)]
struct Line(Mutex<Option<mpsc::Sender<String>>>);

impl Line {
    fn queue(&self) -> Option<mpsc::Sender<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes a queue for a fresh connection and gives its reading end.
    fn raise(&self, frames: usize) -> mpsc::Receiver<String> {
        let (queue, outgoing) = mpsc::channel(frames.max(1));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(queue);
        outgoing
    }

    fn lower(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
