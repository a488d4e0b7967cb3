//! All sessions of this MarketManager. Decides whether one more is taken, counts them for the Manager's
//! beat, and tells all of them to go away when the Manager stops.

use super::port::{Close, Port};
use crate::hop::{ReceiverId, unavailable};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};
use tradewind_protocol::{
    Problem,
    stream::{ToAlgo, close},
};

struct Held {
    next: u64,
    draining: bool,
    ports: BTreeMap<ReceiverId, Arc<Port>>,
}

pub(crate) struct Sessions {
    most: usize,
    held: Mutex<Held>,
    count: watch::Sender<usize>,
}

/// A session's place among the others; dropped, the session is over.
pub(crate) struct Seat {
    pub(crate) port: Arc<Port>,
    sessions: Arc<Sessions>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.port.end();
        let mut held = self.sessions.held();
        held.ports.remove(&self.port.number());
        self.sessions.count.send_replace(held.ports.len());
    }
}

impl Sessions {
    /// Takes at most `most` at a time.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        // Number 0 is the fan-out's own.
        let held = Held { next: 1, draining: false, ports: BTreeMap::new() };
        Arc::new(Self { most, held: Mutex::new(held), count: watch::Sender::new(0) })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.held().ports.len() as u64
    }

    /// Takes a session with at most `queue` frames waiting that must not be left out; see [`Port::new`].
    pub(crate) fn enter(
        self: &Arc<Self>,
        queue: usize,
        slow_after: Duration,
    ) -> Result<Seat, Problem> {
        let mut held = self.held();
        if held.draining {
            return Err(unavailable("this MarketManager is stopping; use another one"));
        }
        if held.ports.len() >= self.most {
            let detail = format!("this MarketManager holds {} sessions, its most", self.most);
            return Err(unavailable(format!("{detail}; use another one")));
        }
        let number = ReceiverId(held.next);
        held.next += 1;
        let port = Arc::new(Port::new(number, queue, slow_after));
        held.ports.insert(number, port.clone());
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

    fn close_door(&self) -> Vec<Arc<Port>> {
        let mut held = self.held();
        held.draining = true;
        held.ports.values().cloned().collect()
    }

    async fn all_gone(&self, until: Instant) {
        let mut count = self.count.subscribe();
        // Late or not, the caller goes on.
        let _ = timeout_at(until, count.wait_for(|count| *count == 0)).await;
    }
}
