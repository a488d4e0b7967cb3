//! What others see of a session: where its frames are queued and by which they end it. Decides what may
//! be thinned for a slow reader (quotes to the latest few, states to the latest), whether a private stream may go on, and
//! when its reader is too slow. Writing is `session`'s work.

use crate::{
    hop::{
        ReceiverId,
        outbox::{Full, Outbox},
        ring::Tap,
    },
    limits,
};
use axum::extract::ws::Utf8Bytes;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use tradewind_domain::{
    ids::StreamEpoch,
    time::{Monotonic, UnixNanos},
};
use tradewind_protocol::{
    Code,
    stream::{Position, StreamStand, ToAlgo, Topic, close},
};

/// Writes a frame, once for all who get it.
pub(crate) fn encode(frame: &ToAlgo) -> Utf8Bytes {
    // Frames are strings, numbers and lists of them: they always have a JSON form.
    serde_json::to_string(frame).unwrap_or_default().into()
}

/// Where a stream stands for those who read it. That of quotes is set after they were queued, so that a
/// heartbeat never names what is not queued before it; that of a private stream names its last number as
/// far as it is known here, so that who waits to have all of it does not stop in the middle; while its
/// source is away it is not named.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stand(Arc<Mutex<Option<Position>>>);

impl Stand {
    pub(crate) fn set(&self, position: Option<Position>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = position;
    }

    /// The number `seq` has been seen; the stand never goes back within an epoch.
    pub(crate) fn reach(&self, epoch: &StreamEpoch, seq: u64) {
        let mut stand = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *stand {
            Some(last) if last.epoch == *epoch => last.seq = last.seq.max(seq),
            Some(_) | None => *stand = Some(Position { epoch: epoch.clone(), seq }),
        }
    }

    pub(crate) fn get(&self) -> Option<Position> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Why a session ends, as its algo is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Close {
    /// Of the WebSocket.
    pub(crate) code: u16,
    /// The last frame before it.
    pub(crate) error: Option<(Code, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Status(Topic),
    Heartbeat,
}

/// What was heard of an algo.
struct Heard {
    last: Instant,
    /// Since when nothing of what it says is read.
    unread: Option<Instant>,
}

impl Heard {
    /// How long nothing was read: that is not its silence, but for so long at most, since who is gone must be noticed.
    fn unread(&self) -> Duration {
        let since = self.unread.map(|since| since.elapsed());
        since.unwrap_or_default().min(limits::EDGE_SILENCE)
    }
}

/// One session as the rest of the gateway sees it.
pub(crate) struct Port {
    number: ReceiverId,
    outbox: Outbox<Key, Utf8Bytes>,
    room: Arc<Notify>,
    limit: usize,
    topics: Mutex<BTreeMap<Topic, Stand>>,
    /// Since when nothing was taken while a private stream found no room, and how much had been by then.
    stuck: Mutex<Option<(Monotonic, u64)>>,
    slow_after: Duration,
    heard: Mutex<Heard>,
    /// Since when something is being written, and how many bytes.
    writing: Mutex<Option<(Instant, usize)>>,
    /// A sign of the algo is wanted.
    sign: Notify,
    why: OnceLock<Close>,
    closing: CancellationToken,
    ended: AtomicBool,
}

impl Port {
    /// A port with at most `limit` frames queued that must not be left out; a private stream leaves some
    /// of them for everything else. A reader who takes nothing for `slow_after` then is disconnected.
    pub(crate) fn new(number: ReceiverId, limit: usize, slow_after: Duration) -> Self {
        let room = Arc::<Notify>::default();
        Self {
            number,
            outbox: Outbox::new(limit, room.clone()),
            room,
            limit,
            topics: Mutex::default(),
            stuck: Mutex::default(),
            slow_after,
            heard: Mutex::new(Heard { last: Instant::now(), unread: None }),
            writing: Mutex::default(),
            sign: Notify::new(),
            why: OnceLock::new(),
            closing: CancellationToken::new(),
            ended: AtomicBool::new(false),
        }
    }

    pub(crate) fn number(&self) -> ReceiverId {
        self.number
    }

    /// Something has come from the algo.
    pub(crate) fn heard(&self) {
        self.heard_of().last = Instant::now();
    }

    fn heard_of(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the algo says is not read for now, since something is done for it.
    pub(crate) fn reading_pauses(&self) {
        self.heard_of().unread = Some(Instant::now());
    }

    /// It is read again.
    pub(crate) fn reading_goes_on(&self) {
        let mut heard = self.heard_of();
        let unread = heard.unread();
        heard.last += unread;
        heard.unread = None;
    }

    /// So many bytes are being written; none: it is over.
    pub(crate) fn writes(&self, bytes: Option<usize>) {
        let writing = bytes.map(|bytes| (Instant::now(), bytes));
        *self.writing.lock().unwrap_or_else(PoisonError::into_inner) = writing;
    }

    /// Since when something is being written, and how many bytes.
    pub(crate) fn writing(&self) -> Option<(Instant, usize)> {
        *self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long nothing has come from it, but for the time in which nothing was read.
    pub(crate) fn silent(&self) -> Duration {
        let heard = self.heard_of();
        heard.last.elapsed().saturating_sub(heard.unread())
    }

    /// Has the algo show that it is there.
    pub(crate) fn want_sign(&self) {
        self.sign.notify_one();
    }

    pub(crate) async fn sign_wanted(&self) {
        self.sign.notified().await;
    }

    fn topics(&self) -> MutexGuard<'_, BTreeMap<Topic, Stand>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a topic as subscribed; false if that would be more than `most`.
    pub(crate) fn reserve(&self, topic: &Topic, most: usize) -> bool {
        let mut topics = self.topics();
        if !topics.contains_key(topic) && topics.len() >= most {
            return false;
        }
        topics.entry(topic.clone()).or_default();
        true
    }

    /// From where heartbeats read the position of a topic that is subscribed.
    pub(crate) fn follow(&self, topic: &Topic, stand: &Stand) {
        if let Some(followed) = self.topics().get_mut(topic) {
            *followed = stand.clone();
        }
    }

    pub(crate) fn release(&self, topic: &Topic) {
        self.topics().remove(topic);
        self.outbox.forget(&Key::Status(topic.clone()));
    }

    /// Quotes have come to where this session reads them.
    pub(crate) fn quotes(&self, tap: &Arc<Tap<Utf8Bytes>>) {
        self.outbox.push_tap(tap);
    }

    /// Queues the state of a stream in place of an older one.
    pub(crate) fn status(&self, topic: &Topic, frame: Utf8Bytes) {
        self.outbox.push_latest(Key::Status(topic.clone()), frame);
    }

    /// Queues a frame that must not be left out; a reader whose port is full to the last is
    /// disconnected and resumes by number.
    pub(crate) fn ordered(&self, frame: &ToAlgo) {
        self.ordered_frame(encode(frame));
    }

    /// The same of a frame that others get too.
    pub(crate) fn ordered_frame(&self, frame: Utf8Bytes) {
        if let Err(Full) = self.outbox.push_ordered(frame) {
            self.too_slow();
        }
    }

    /// Whether a trade finds room now: half of it is left for what must not be left out.
    pub(crate) fn has_public_room(&self) -> bool {
        self.outbox.ordered() < self.limit / 2
    }

    /// Whether a private event finds room now.
    pub(crate) fn has_room(&self) -> bool {
        self.outbox.ordered() < self.limit - self.limit / 8
    }

    /// Whether so much was taken that a private stream that found no room is worth opening again. A
    /// reader who is found to take nothing is disconnected and resumes by number.
    pub(crate) fn is_relieved(&self, now: Monotonic) -> bool {
        let mut stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        if self.outbox.ordered() <= self.limit / 2 {
            *stuck = None;
            return true;
        }
        let taken = self.outbox.taken();
        match *stuck {
            Some((since, before)) if before == taken => {
                if now.since(since) >= self.slow_after {
                    self.too_slow();
                }
            }
            Some(_) | None => *stuck = Some((now, taken)),
        }
        false
    }

    fn too_slow(&self) {
        let detail = format!("{} frames were waiting; resume from your last position", self.limit);
        let error = Some((Code::TooManyRequests, detail));
        self.close(Close { code: close::SLOW_CONSUMER, error });
    }

    /// Queues a heartbeat unless one still waits.
    pub(crate) fn heartbeat(&self, time: UnixNanos) {
        let stand = |(topic, stand): (&Topic, &Stand)| {
            Some(StreamStand { topic: topic.clone(), position: stand.get()? })
        };
        let streams = self.topics().iter().filter_map(stand).collect();
        self.outbox
            .push_unless_queued(Key::Heartbeat, encode(&ToAlgo::Heartbeat { time, streams }));
    }

    /// Waits until frames are there and takes up to `most`. May be cancelled.
    pub(crate) async fn take(&self, most: usize, into: &mut Vec<Utf8Bytes>) {
        self.outbox.take(most, into).await;
    }

    /// Waits until the reader has taken so much that more may be asked for on his behalf; false if he has
    /// taken nothing at all for `within`.
    pub(crate) async fn relieved(&self, within: Duration) -> bool {
        while self.outbox.ordered() > self.limit / 2 {
            if timeout(within, self.room.notified()).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Ends the session; the first reason counts.
    pub(crate) fn close(&self, why: Close) {
        let _ = self.why.set(why);
        self.closing.cancel();
    }

    /// Waits until someone ends the session.
    pub(crate) async fn closed(&self) -> Close {
        self.closing.cancelled().await;
        let cut = Close { code: close::GOING_AWAY, error: None };
        self.why.get().cloned().unwrap_or(cut)
    }

    /// The session is over: whatever still holds the port may let go of it.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.outbox.clear();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    #[cfg(test)]
    pub(crate) fn taken(&self) -> Vec<ToAlgo> {
        let mut frames = Vec::new();
        self.outbox.take_now(usize::MAX, &mut frames);
        frames.iter().filter_map(|frame| serde_json::from_str(frame).ok()).collect()
    }
}
