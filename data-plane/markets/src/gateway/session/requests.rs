//! The operations of one connection. Decides which may be under way: each under a number of its own, so many at a time and
//! no faster than the session may ask; the others are answered at once. What they do is `operations`' work.
//! R1: of a number under way no `answer` tells but that of its operation. R2: an operation is under way until its answer has
//! been written, so that what waits for a slow reader is bounded, however long the lists are that it asks for.

use crate::{
    gateway::{
        Gateway,
        auth::Caller,
        operations::{self, Begun, Done, Operation},
        port::{Port, encode},
    },
    hop::unavailable,
    limits::RETRY_AFTER_MS,
};
use axum::extract::ws::Utf8Bytes;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use std::{
    collections::BTreeSet,
    convert::Infallible,
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::mpsc;
use tradewind_domain::ids::SessionId;
use tradewind_protocol::{Code, Problem, stream::ToAlgo, token::Claims};

/// Numbers of the operations that are under way.
#[derive(Clone, Default)]
struct UnderWay(Arc<Mutex<BTreeSet<u64>>>);

/// An operation's place among them; dropped, it is over.
struct Place {
    under_way: UnderWay,
    request: u64,
}

impl UnderWay {
    fn numbers(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, request: u64) -> bool {
        self.numbers().contains(&request)
    }

    fn place(&self, request: u64, most: usize) -> Result<Place, Problem> {
        let mut numbers = self.numbers();
        if numbers.contains(&request) {
            return Err(Problem::new(Code::Conflict, "this was not done; take another number"));
        }
        if numbers.len() >= most {
            let detail = format!(
                "{most} operations of this connection are under way, its most; wait for an answer"
            );
            return Err(Problem::new(Code::TooManyRequests, detail).retry_after_ms(RETRY_AFTER_MS));
        }
        numbers.insert(request);
        Ok(Place { under_way: self.clone(), request })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.under_way.numbers().remove(&self.request);
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
        let Self { place, begun } = self;
        let frame = encode(&answer(place.request, begun.done().await));
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
        let (started, answered) = mpsc::channel(gateway.settings().operations.max(1));
        let caller = Caller(claims.clone());
        let under_way = UnderWay::default();
        (Self { gateway, port, caller, under_way, started }, answered)
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
        self.gateway.rates().admit(self.session())?;
        let place = self.under_way.place(request, self.gateway.settings().operations)?;
        let begun = operations::begin(&self.gateway, &self.caller, operation).await?;
        let stopping = |_| unavailable("this MarketManager is stopping");
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_number_and_a_place_are_free_when_the_answer_has_been_written_and_not_before() {
        // given
        let under_way = UnderWay::default();
        let place = under_way.place(7, 1).unwrap();
        assert_eq!(under_way.place(7, 1).err().unwrap().code, Code::Conflict);
        let busy = under_way.place(8, 1).err().unwrap();
        assert_eq!(busy.code, Code::TooManyRequests);
        // when it waits for the reader
        let waiting = Started { place, begun: Begun::nothing() }.answer().await;
        // then
        let answer = r#"{"type":"answer","request":7,"status":200,"body":{"orders":[]}}"#;
        assert_eq!(waiting.as_str(), answer);
        assert!(under_way.has(7) && under_way.place(8, 1).is_err());
        drop(waiting);
        assert!(!under_way.has(7));
        drop(under_way.place(8, 1).unwrap());
    }
}
