//! All sessions of this MarketManager. Decides whether one more is taken (none that is new while it is being
//! drained), counts them for the Manager's beat, and tells all of them to go away when the Manager stops or is emptied.

use super::port::{Close, Port};
use crate::{
    hop::{ReceiverId, unavailable},
    limits,
};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout_at},
};
use tradewind_domain::trading::presence::SessionKey;
use tradewind_protocol::{
    Problem,
    stream::{ToAlgo, close},
};

/// A connection, and the session that it is of.
#[derive(Clone)]
pub(crate) struct Here {
    pub(crate) port: Arc<Port>,
    pub(crate) session: SessionKey,
    name: Arc<str>,
}

struct Held {
    next: u64,
    draining: bool,
    /// Nothing new is taken; who was here may come back.
    cordoned: bool,
    /// The same while the Manager has no lease: it may be counted as down, and its cordon as confirmed.
    unleased: bool,
    ports: BTreeMap<ReceiverId, Here>,
    /// How many connections there are by a session's name: one that dials first and leaves after has two.
    named: HashMap<Arc<str>, usize>,
    left: Left,
    /// Sessions that have submitted an order by REST: they need not have a stream.
    used: Left,
}

/// Names of sessions that have left, and when. What it costs to keep does not depend on how many there are: ten
/// thousand that leave at once must not wait for each other.
#[derive(Default)]
struct Left {
    last: HashMap<Arc<str>, Instant>,
    /// Each leaving in its order; one after which its name left again says nothing any more.
    in_order: VecDeque<(Instant, Arc<str>)>,
}

impl Left {
    fn note(&mut self, name: Arc<str>, now: Instant) {
        let over = |at: Instant| now.saturating_duration_since(at) >= limits::RESUMED_WITHIN;
        while let Some((at, name)) = self.in_order.pop_front_if(|(at, _)| over(*at)) {
            if self.last.get(&name) == Some(&at) {
                self.last.remove(&name);
            }
        }
        self.last.insert(name.clone(), now);
        self.in_order.push_back((now, name));
    }

    /// As `note`, for what happens often: it need not be known to the moment.
    fn note_now_and_then(&mut self, name: &str, now: Instant) {
        let of_late =
            |at: &Instant| now.saturating_duration_since(*at) < limits::RESUMED_WITHIN / 2;
        if !self.last.get(name).is_some_and(of_late) {
            self.note(name.into(), now);
        }
    }

    fn has(&self, name: &str, now: Instant) -> bool {
        let recent = |at: &Instant| now.saturating_duration_since(*at) < limits::RESUMED_WITHIN;
        self.last.get(name).is_some_and(recent)
    }
}

pub(crate) struct Sessions {
    most: usize,
    held: Mutex<Held>,
    count: watch::Sender<usize>,
    /// Requests by REST that are not answered yet.
    requests: AtomicU64,
}

/// A request's place; dropped, it is answered or given up.
pub(crate) struct Request(Arc<Sessions>);

impl Drop for Request {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A session's place among the others; dropped, the session is over.
pub(crate) struct Seat {
    pub(crate) port: Arc<Port>,
    sessions: Arc<Sessions>,
}

impl Held {
    /// Whether a session of this name is here, or was a moment ago.
    fn knows(&self, name: &str, now: Instant) -> bool {
        self.named.contains_key(name) || self.left.has(name, now) || self.used.has(name, now)
    }

    fn add(&mut self, port: &Arc<Port>, session: &SessionKey) {
        let name: Arc<str> = session.session.as_str().into();
        *self.named.entry(name.clone()).or_default() += 1;
        let here = Here { port: port.clone(), session: session.clone(), name };
        self.ports.insert(port.number(), here);
    }

    fn remove(&mut self, number: ReceiverId, now: Instant) {
        let Some(Here { name, .. }) = self.ports.remove(&number) else { return };
        if let Some(connections) = self.named.get_mut(&name) {
            *connections -= 1;
            if *connections == 0 {
                self.named.remove(&name);
            }
        }
        self.left.note(name, now);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.port.end();
        let mut held = self.sessions.held();
        held.remove(self.port.number(), Instant::now());
        self.sessions.count.send_replace(held.ports.len());
    }
}

impl Sessions {
    /// Takes at most `most` at a time.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        // Number 0 is the fan-out's own.
        let held = Held {
            next: 1,
            draining: false,
            cordoned: false,
            unleased: false,
            ports: BTreeMap::new(),
            named: HashMap::new(),
            left: Left::default(),
            used: Left::default(),
        };
        let count = watch::Sender::new(0);
        Arc::new(Self { most, held: Mutex::new(held), count, requests: AtomicU64::new(0) })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are, and requests under way: a Manager with an order in the air is not empty.
    pub(crate) fn count(&self) -> u64 {
        self.held().ports.len() as u64 + self.requests.load(Ordering::Relaxed)
    }

    /// One request more, until what is given is dropped.
    pub(crate) fn request(self: &Arc<Self>) -> Request {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Request(self.clone())
    }

    /// Before an order is submitted by REST in a session of this name. While nothing new is taken, only if the session is
    /// here: it has a stream, or has used this Manager within the last minute. Without a lease as ever: an order is the
    /// Broker's to take, and losing the group stops no trading.
    pub(crate) fn submits(&self, name: &str) -> Result<(), Problem> {
        self.submits_at(name, Instant::now())
    }

    fn submits_at(&self, name: &str, now: Instant) -> Result<(), Problem> {
        let mut held = self.held();
        if held.cordoned && !held.knows(name, now) {
            return Err(unavailable(
                "this MarketManager is being drained and takes no orders in sessions that are not here; nothing was sent, use \
                 another one",
            ));
        }
        held.used.note_now_and_then(name, now);
        Ok(())
    }

    /// From now on, or no longer, nothing new is taken.
    pub(crate) fn cordon(&self, cordoned: bool) {
        self.held().cordoned = cordoned;
    }

    /// Whether the Manager has a lease.
    pub(crate) fn lease(&self, holds: bool) {
        self.held().unleased = !holds;
    }

    /// Takes a connection of this session with at most `queue` frames waiting that must not be left out; see [`Port::new`].
    pub(crate) fn enter(
        self: &Arc<Self>,
        session: &SessionKey,
        queue: usize,
        slow_after: Duration,
    ) -> Result<Seat, Problem> {
        let name = session.session.as_str();
        let (mut held, now) = (self.held(), Instant::now());
        if held.draining {
            return Err(unavailable("this MarketManager is stopping; use another one"));
        }
        if held.unleased && !held.knows(name, now) {
            return Err(unavailable(
                "this MarketManager is out of touch with the group and takes nothing new; use another one",
            ));
        }
        if held.cordoned && !held.knows(name, now) {
            return Err(unavailable(
                "this MarketManager is being drained and takes nothing new; use another one",
            ));
        }
        if held.ports.len() >= self.most {
            let detail = format!("this MarketManager holds {} sessions, its most", self.most);
            return Err(unavailable(format!("{detail}; use another one")));
        }
        let number = ReceiverId(held.next);
        held.next += 1;
        let port = Arc::new(Port::new(number, queue, slow_after));
        held.add(&port, session);
        self.count.send_replace(held.ports.len());
        drop(held);
        Ok(Seat { port, sessions: self.clone() })
    }

    /// Takes no more, tells all where to go, gives them `within` to leave and closes the rest.
    pub(crate) async fn drain(&self, reconnect_to: Vec<String>, within: Duration) {
        let until = Instant::now() + within;
        let within_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        let goaway = ToAlgo::Goaway { reconnect_to, within_ms };
        tracing::info!(sessions = self.count(), "telling all sessions to go away");
        for port in self.close_door() {
            port.ordered(&goaway);
        }
        self.all_gone(until).await;
        for port in self.close_door() {
            port.close(Close { code: close::GOING_AWAY, error: None });
        }
        // Their last frames are small: what does not go out soon goes to nobody.
        self.all_gone(Instant::now() + within / 4).await;
    }

    /// Tells all where to go; who has not gone within `grace` is closed, one after the other over `spread`. The door
    /// stays as it is. May be cancelled at any await.
    pub(crate) async fn relocate(
        &self,
        reconnect_to: Vec<String>,
        grace: Duration,
        spread: Duration,
    ) {
        let within_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(sessions = self.count(), "being emptied: all sessions are told where to go");
        let mut reconnect_to = reconnect_to;
        for port in self.ports() {
            port.ordered(&ToAlgo::Goaway { reconnect_to: reconnect_to.clone(), within_ms });
            // Not all to the first of the others.
            let others = reconnect_to.len().max(1);
            reconnect_to.rotate_left(1 % others);
        }
        self.all_gone(Instant::now() + grace).await;
        // Who has no stream cannot be told: his next order is refused.
        self.held().used = Left::default();
        let rest = self.ports();
        let pause = spread / u32::try_from(rest.len().max(1)).unwrap_or(u32::MAX);
        for port in rest {
            port.close(Close { code: close::GOING_AWAY, error: None });
            sleep(pause).await;
        }
    }

    /// All connections there are.
    pub(crate) fn here(&self) -> Vec<Here> {
        self.held().ports.values().cloned().collect()
    }

    fn ports(&self) -> Vec<Arc<Port>> {
        self.held().ports.values().map(|here| here.port.clone()).collect()
    }

    fn close_door(&self) -> Vec<Arc<Port>> {
        self.held().draining = true;
        self.ports()
    }

    async fn all_gone(&self, until: Instant) {
        let mut count = self.count.subscribe();
        // Late or not, the caller goes on.
        let _ = timeout_at(until, count.wait_for(|count| *count == 0)).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn entered(sessions: &Arc<Sessions>, name: &str) -> Result<Seat, Problem> {
        let customer = "acme".parse().unwrap();
        let session = SessionKey { customer, session: name.parse().unwrap() };
        sessions.enter(&session, 8, Duration::from_secs(1))
    }

    #[tokio::test]
    async fn a_session_that_left_a_moment_ago_is_let_in_while_nothing_new_is() {
        // given
        let sessions = Sessions::new(10);
        let (one, same) = (entered(&sessions, "s-1").unwrap(), entered(&sessions, "s-1").unwrap());
        sessions.cordon(true);
        // then
        assert!(entered(&sessions, "s-2").is_err());
        drop(one);
        drop(entered(&sessions, "s-1").unwrap());
        drop(same);
        drop(entered(&sessions, "s-1").unwrap());
        assert!(sessions.held().named.is_empty(), "nobody is here, it is known as one who left");
        assert_eq!(sessions.count(), 0);
    }

    #[tokio::test]
    async fn orders_by_rest_go_on_in_sessions_that_are_here_and_are_refused_in_new_ones() {
        // given
        let sessions = Sessions::new(10);
        let here = entered(&sessions, "streams").unwrap();
        sessions.submits("rests").unwrap();
        sessions.cordon(true);
        // then
        sessions.submits("streams").unwrap();
        sessions.submits("rests").unwrap();
        assert!(sessions.submits("new").unwrap_err().detail.contains("being drained"));
        // One that keeps at it stays; one that does not is new again.
        let start = Instant::now();
        for n in 1..4 {
            sessions.submits_at("rests", start + limits::RESUMED_WITHIN * 3 / 4 * n).unwrap();
        }
        assert!(sessions.submits_at("rests", start + limits::RESUMED_WITHIN * 4).is_err());
        // Emptied, only who still has a stream goes on.
        sessions.cordon(false);
        sessions.submits("rests").unwrap();
        sessions.cordon(true);
        sessions.relocate(vec![], Duration::ZERO, Duration::ZERO).await;
        assert!(sessions.submits("rests").is_err());
        sessions.submits("streams").unwrap();
        drop(here);
    }

    #[test]
    fn without_a_lease_orders_go_on() {
        let sessions = Sessions::new(10);
        sessions.lease(false);
        sessions.submits("new").unwrap();
    }

    #[test]
    fn one_who_left_is_known_from_when_he_left_last_and_not_for_ever() {
        let (mut left, start) = (Left::default(), Instant::now());
        let at = |halves| start + limits::RESUMED_WITHIN / 2 * halves;
        left.note("s-1".into(), at(0));
        left.note("s-1".into(), at(1));
        left.note("s-2".into(), at(2));
        assert!(left.has("s-1", at(2)));
        assert!(!left.has("s-1", at(3)));
        for n in 0..1_000 {
            left.note(format!("t-{n}").into(), at(3) + limits::RESUMED_WITHIN / 100 * n);
        }
        assert!(left.last.len() <= 101, "{}", left.last.len());
        assert_eq!(left.last.len(), left.in_order.len());
    }
}
