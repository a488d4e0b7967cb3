//! The operations of one connection. Decides which may be under way: each under a number of its own, so many at a time and
//! no faster than the session may ask; the others are answered at once. What they do is `operations`' work.
//! R1: of a number under way no `answer` tells but that of its operation. R2: an operation is under way until its answer has
//! been written, so that what waits for a slow reader is bounded: in number, and in bytes by how long the lists are that it has had.
//! R3: what makes less is not kept out by all else that is under way.

use crate::{
    gateway::{
        Gateway,
        auth::Caller,
        operations::{self, Begun, Done, Operation},
        port::{Close, Port, encode},
        rate::Share,
    },
    hop::unknown,
    limits::{self, RETRY_AFTER_MS},
};
use axum::extract::ws::Utf8Bytes;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::pending,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};
use tradewind_domain::ids::SessionId;
use tradewind_protocol::{
    Code, Problem,
    stream::{ToAlgo, close},
    token::Claims,
};

/// The operations that are under way.
#[derive(Clone, Default)]
pub(super) struct UnderWay(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    /// Their numbers, and with what each is counted.
    shares: BTreeMap<u64, Share>,
    /// Lists that are not answered yet.
    lists: usize,
    /// Bytes of the longest one that was.
    longest: usize,
    /// Bytes of the answers that wait for the reader, and since when there are any.
    waiting: usize,
    since: Option<Instant>,
}

/// What is known of an operation before it begins.
#[derive(Clone, Copy)]
struct Size {
    share: Share,
    lists: bool,
}

/// An operation's place among them; dropped, it is over.
struct Place {
    under_way: UnderWay,
    request: u64,
    /// It is a list that is not answered yet.
    lists: bool,
    /// Bytes of its answer, while that waits.
    waiting: usize,
}

impl UnderWay {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, request: u64) -> bool {
        self.held().shares.contains_key(&request)
    }

    /// `most`: beside those that make less, which have places of their own.
    fn place(&self, request: u64, size: Size, most: usize) -> Result<Place, Problem> {
        let Size { share, lists } = size;
        let mut held = self.held();
        if held.shares.contains_key(&request) {
            return Err(Problem::new(Code::Conflict, "this was not done; take another number"));
        }
        let later = |detail: String| {
            Problem::new(Code::TooManyRequests, detail).retry_after_ms(RETRY_AFTER_MS)
        };
        let most = match share {
            Share::Less => limits::LESSENING_OPERATIONS,
            Share::Rest => most,
        };
        if held.shares.values().filter(|other| **other == share).count() >= most {
            return Err(later(format!(
                "{most} operations of this connection are under way, its most; wait for an answer"
            )));
        }
        let expected = held.lists.saturating_mul(held.longest.max(limits::LIST_BYTES));
        if lists && held.waiting.saturating_add(expected) > limits::ANSWER_BYTES {
            return Err(later("take the answers that there are before you ask for more".into()));
        }
        held.shares.insert(request, share);
        held.lists += usize::from(lists);
        Ok(Place { under_way: self.clone(), request, lists, waiting: 0 })
    }

    /// Whether the reader takes nothing though answers wait for him.
    fn is_stuck(&self, port: &Port, slow_after: Duration, now: Instant) -> bool {
        let Some((waits, (since, bytes))) = self.held().since.zip(port.writing()) else {
            return false;
        };
        let seconds = u64::try_from(bytes / limits::SLOW_BYTES_PER_SECOND).unwrap_or(u64::MAX);
        now.duration_since(since.max(waits))
            >= slow_after.saturating_add(Duration::from_secs(seconds))
    }

    /// Ends the session of a reader who takes nothing though answers wait for him.
    pub(super) async fn watch(&self, port: &Port, slow_after: Duration) -> Infallible {
        let mut look = interval((slow_after / 4).max(Duration::from_millis(1)));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            if self.is_stuck(port, slow_after, Instant::now()) {
                let detail = "answers were waiting, and nothing was taken";
                let error = Some((Code::TooManyRequests, detail.to_string()));
                port.close(Close { code: close::SLOW_CONSUMER, error });
            }
        }
    }
}

impl Place {
    /// Its answer has come, and waits for the reader.
    fn answered(&mut self, bytes: usize) {
        let mut held = self.under_way.held();
        if mem::take(&mut self.lists) {
            held.lists -= 1;
            held.longest = held.longest.max(bytes);
        }
        self.waiting = bytes;
        held.waiting += bytes;
        held.since.get_or_insert_with(Instant::now);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.under_way.held();
        held.shares.remove(&self.request);
        held.lists -= usize::from(self.lists);
        held.waiting -= self.waiting;
        if held.waiting == 0 {
            held.since = None;
        }
    }
}

/// An answer that keeps its operation's place until it has been written.
struct Kept {
    frame: Utf8Bytes,
    _place: Place,
}

impl Kept {
    /// The same for the port; the place is free when the last of it is let go.
    fn into_frame(self) -> Utf8Bytes {
        // It was text, and still is.
        Utf8Bytes::try_from(Bytes::from_owner(self)).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        self.frame.as_str().as_bytes()
    }
}

/// An operation that is under way.
pub(super) struct Started {
    place: Place,
    begun: Begun,
}

impl Started {
    async fn answer(self) -> Utf8Bytes {
        let Self { mut place, begun } = self;
        let frame = encode(&answer(place.request, begun.done().await));
        place.answered(frame.len());
        Kept { frame, _place: place }.into_frame()
    }
}

fn answer(request: u64, done: Result<Done, Problem>) -> ToAlgo {
    match done {
        Ok(Done { status, body }) => {
            // Bodies are strings, numbers and lists of them: they always have a JSON form.
            let body = serde_json::to_value(body).ok();
            ToAlgo::Answer { request, status: status.as_u16(), body, problem: None }
        }
        Err(problem) => {
            let status = problem.status;
            ToAlgo::Answer { request, status, body: None, problem: Some(problem) }
        }
    }
}

/// Where a connection's operations begin.
pub(super) struct Requests {
    gateway: Gateway,
    port: Arc<Port>,
    caller: Caller,
    under_way: UnderWay,
    started: mpsc::Sender<Started>,
}

impl Requests {
    /// And the operations for [`answers`].
    pub(super) fn new(
        gateway: Gateway,
        port: Arc<Port>,
        claims: &Claims,
    ) -> (Self, mpsc::Receiver<Started>) {
        // No more wait than are under way.
        let most = gateway.settings().operations.saturating_add(limits::LESSENING_OPERATIONS);
        let (started, answered) = mpsc::channel(most);
        let caller = Caller(claims.clone());
        let under_way = UnderWay::default();
        (Self { gateway, port, caller, under_way, started }, answered)
    }

    pub(super) fn under_way(&self) -> UnderWay {
        self.under_way.clone()
    }

    pub(super) fn session(&self) -> &SessionId {
        &self.caller.0.session
    }

    /// Begins an operation, or answers why not.
    pub(super) async fn ask(&self, request: u64, operation: Operation) {
        if let Err(problem) = self.begin(request, operation).await {
            self.refuse(request, problem);
        }
    }

    async fn begin(&self, request: u64, operation: Operation) -> Result<(), Problem> {
        let size = Size { share: operation.share(), lists: operation.lists() };
        self.gateway.rates().admit(self.session(), size.share)?;
        let place = self.under_way.place(request, size, self.gateway.settings().operations)?;
        let begun = operations::begin(&self.gateway, &self.caller, operation).await?;
        // Its commands are on their way.
        let stopping = |_| unknown("this MarketManager is stopping");
        self.started.try_send(Started { place, begun }).map_err(stopping)
    }

    /// Answers at once. Where an operation of the same number is under way the answer would be taken for that one's: it is
    /// told as an error.
    pub(super) fn refuse(&self, request: u64, problem: Problem) {
        if self.under_way.has(request) {
            let Problem { code, detail, .. } = problem;
            let detail = format!("request {request}, whose number is under way: {detail}");
            self.port.ordered(&ToAlgo::Error { code, detail });
        } else {
            self.port.ordered(&answer(request, Err(problem)));
        }
    }
}

/// Answers what has begun, each as soon as it can be. May be cancelled: what was sent is carried out.
pub(super) async fn answers(mut started: mpsc::Receiver<Started>, port: &Port) -> Infallible {
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(started) = started.recv() => under_way.push(started.answer()),
            Some(frame) = under_way.next(), if !under_way.is_empty() => port.ordered_frame(frame),
            // Nobody is left to ask: the session ends.
            else => pending().await,
        }
    }
}

#[cfg(test)]
mod tests;
