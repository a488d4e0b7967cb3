//! One WebSocket as the desk sees it: what it subscribed to and what it is sent. Decides that a client which does not
//! read is cut, and whether a heartbeat is due; what is sent is composed elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::ws::Utf8Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tradewind_domain::time::UnixNanos;

use crate::limits::{FRAMES_PER_SECOND, HEARTBEAT_EVERY};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ClientNumber(pub(crate) u64);

/// What a connection is told to do.
#[derive(Clone, Debug)]
pub(crate) enum Out {
    Frame(Utf8Bytes),
    /// Say goodbye and close.
    Close,
}

/// A private subscription: its next number, and the token it was made with.
#[derive(Clone, Debug)]
pub(crate) struct Private {
    pub(crate) sequence: u64,
    pub(crate) token: String,
    /// Silent by a fault.
    pub(crate) silent: bool,
    /// All changes of an order, not only its beginning and ends.
    pub(crate) whole: bool,
}

/// A channel of market data and what makes its subscriptions different.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Topic {
    Book { pair: usize, depth: usize },
    Ticker { pair: usize, bbo: bool },
    Trade { pair: usize },
    Ohlc { pair: usize, minutes: u32 },
    Instrument,
}

impl Topic {
    pub(crate) fn channel(self) -> &'static str {
        match self {
            Self::Book { .. } => "book",
            Self::Ticker { .. } => "ticker",
            Self::Trade { .. } => "trade",
            Self::Ohlc { .. } => "ohlc",
            Self::Instrument => "instrument",
        }
    }

    /// One subscription of these a client may have at a time.
    pub(crate) fn slot(self) -> (&'static str, usize, u32) {
        match self {
            Self::Book { pair, .. } | Self::Ticker { pair, .. } | Self::Trade { pair } => {
                (self.channel(), pair, 0)
            }
            Self::Ohlc { pair, minutes } => ("ohlc", pair, minutes),
            Self::Instrument => ("instrument", 0, 0),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stall {
    No,
    HeartbeatsOnly,
    Silent,
}

/// See the module.
pub(crate) struct Client {
    queue: mpsc::Sender<Out>,
    cut: CancellationToken,
    pub(crate) topics: BTreeMap<(&'static str, usize, u32), Topic>,
    pub(crate) silenced: BTreeSet<(&'static str, usize, u32)>,
    pub(crate) executions: Option<Private>,
    pub(crate) balances: Option<Private>,
    pub(crate) stall: Stall,
    sent_at: UnixNanos,
    second: u64,
    in_second: u32,
}

impl Client {
    pub(crate) fn new(queue: mpsc::Sender<Out>, cut: CancellationToken, now: UnixNanos) -> Self {
        Self {
            queue,
            cut,
            topics: BTreeMap::new(),
            silenced: BTreeSet::new(),
            executions: None,
            balances: None,
            stall: Stall::No,
            sent_at: now,
            second: 0,
            in_second: 0,
        }
    }

    /// Queues a frame.
    pub(crate) fn send(&mut self, frame: Utf8Bytes, now: UnixNanos) {
        if self.stall == Stall::No {
            self.sent_at = now;
            self.queue(Out::Frame(frame));
        }
    }

    /// A heartbeat, if one is due.
    pub(crate) fn beat(&mut self, now: UnixNanos) {
        let subscribed =
            !self.topics.is_empty() || self.executions.is_some() || self.balances.is_some();
        let due = now.since(self.sent_at) >= HEARTBEAT_EVERY;
        if subscribed && due && self.stall != Stall::Silent {
            self.sent_at = now;
            self.queue(Out::Frame(Utf8Bytes::from_static(r#"{"channel":"heartbeat"}"#)));
        }
    }

    /// Ends the connection: with a goodbye, or torn off.
    pub(crate) fn end(&mut self, clean: bool) {
        if clean { self.queue(Out::Close) } else { self.cut.cancel() }
    }

    /// Whether a frame comes too fast after those before it.
    pub(crate) fn is_too_fast(&mut self, now: UnixNanos) -> bool {
        let second = now.0 / 1_000_000_000;
        if second != self.second {
            (self.second, self.in_second) = (second, 0);
        }
        self.in_second += 1;
        self.in_second > FRAMES_PER_SECOND
    }

    pub(crate) fn uses(&self, token: &str) -> bool {
        [&self.executions, &self.balances].into_iter().flatten().any(|sub| sub.token == token)
    }

    fn queue(&mut self, out: Out) {
        if self.queue.try_send(out).is_err() {
            self.cut.cancel();
        }
    }
}
