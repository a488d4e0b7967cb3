//! Private streams of sessions, by topic. Decides how what comes over the hop is told to an algo; what is
//! forwarded and from where a stream goes on is decided by `hop::privates`.

use super::{PrivateStream, task::Pipe};
use crate::{
    gateway::port::{Port, Stand, encode},
    hop::{
        Act, ReceiverId,
        privates::{Privates, Theirs, Wish},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tradewind_domain::{
    ids::{AccountId, StreamEpoch},
    time::Monotonic,
};
use tradewind_protocol::{
    Problem,
    stream::{Mode, Position, ToAlgo, Topic},
    trade::{PrivateEvent, TradeUp},
};

struct Followed {
    port: Arc<Port>,
    stream: PrivateStream,
    topic: Topic,
    stand: Stand,
    /// The algo has been told how it begins.
    begun: bool,
}

/// Which subscription of the hop is which topic of which session.
#[derive(Default)]
pub(super) struct PrivateTopics {
    next: u64,
    followed: BTreeMap<Theirs, Followed>,
}

impl PrivateTopics {
    /// Subscribes a session. A second subscription of the same topic takes the first one's place.
    pub(super) fn open(
        &mut self,
        port: Arc<Port>,
        stream: PrivateStream,
        from: Option<Position>,
        privates: &mut Privates<Pipe>,
        up: &BTreeSet<Pipe>,
    ) -> Vec<Act<Pipe>> {
        let mut acts = self.end(&port, &stream, privates, up);
        self.next += 1;
        let theirs = (port.number(), self.next);
        let PrivateStream { account, customer, channel } = stream.clone();
        let wish = Wish { account, customer, channel, from };
        let (topic, stand) = (stream.topic(), Stand::default());
        port.follow(&topic, &stand);
        self.followed.insert(theirs, Followed { port, stream, topic, stand, begun: false });
        acts.extend(privates.open(theirs, (), wish, up));
        acts
    }

    /// Unsubscribes a session at its wish.
    pub(super) fn close(
        &mut self,
        port: &Port,
        stream: &PrivateStream,
        privates: &mut Privates<Pipe>,
        up: &BTreeSet<Pipe>,
    ) -> Vec<Act<Pipe>> {
        let acts = self.end(port, stream, privates, up);
        let topic = stream.topic();
        port.release(&topic);
        port.ordered(&ToAlgo::Unsubscribed { topic });
        acts
    }

    fn end(
        &mut self,
        port: &Port,
        stream: &PrivateStream,
        privates: &mut Privates<Pipe>,
        up: &BTreeSet<Pipe>,
    ) -> Vec<Act<Pipe>> {
        let mut mine = self.followed.range(all_of(port.number()));
        let theirs =
            mine.find(|(_, followed)| followed.stream == *stream).map(|(theirs, _)| *theirs);
        let Some(theirs) = theirs else { return Vec::new() };
        self.followed.remove(&theirs);
        privates.close(theirs, up)
    }

    /// A session is over.
    pub(super) fn forget(&mut self, session: ReceiverId) {
        for _ in self.followed.extract_if(all_of(session), |_, _| true) {}
    }

    /// Whether an event for this subscription finds room at its session.
    pub(super) fn has_room(&self, theirs: Theirs) -> bool {
        self.followed.get(&theirs).is_none_or(|followed| followed.port.has_room())
    }

    /// Whether a subscription that found no room may go on.
    pub(super) fn is_relieved(&self, theirs: Theirs, now: Monotonic) -> bool {
        self.followed.get(&theirs).is_none_or(|followed| followed.port.is_relieved(now))
    }

    /// Tells an algo what came for one of its subscriptions.
    pub(super) fn tell(&mut self, to: ReceiverId, frame: TradeUp, privates: &Privates<Pipe>) {
        match frame {
            TradeUp::PrivateOpened { subscription, mode, position } => {
                let theirs = (to, subscription);
                if let Some(followed) = self.followed.get_mut(&theirs) {
                    followed.opened(mode, position, privates.position(theirs));
                }
            }
            TradeUp::Private { subscription, epoch, seq, prev, event } => {
                if let Some(followed) = self.followed.get(&(to, subscription)) {
                    followed.event(epoch, seq, prev, event);
                }
            }
            TradeUp::PrivateStatus { subscription, status } => {
                if let Some(Followed { port, topic, .. }) = self.followed.get(&(to, subscription)) {
                    port.status(topic, encode(&ToAlgo::Status { topic: topic.clone(), status }));
                }
            }
            TradeUp::PrivateClosed { subscription, problem } => {
                if let Some(followed) = self.followed.remove(&(to, subscription)) {
                    followed.refused(problem);
                }
            }
            // Quotes go to the fan-out, answers to whoever asked.
            TradeUp::Quote { .. } | TradeUp::QuoteStatus { .. } | TradeUp::Answer { .. } => {}
        }
    }
}

impl Followed {
    fn opened(&mut self, mode: Mode, position: Position, resumed: Option<Position>) {
        let topic = self.topic.clone();
        if std::mem::replace(&mut self.begun, true) {
            let reason = match mode {
                Mode::Snapshot => "the ledger was rebuilt: all it has follows, deduplicate by id",
                Mode::Live | Mode::Replay => "the stream could not be resumed where it was",
            };
            let (from, reason) = (self.stand.get(), reason.to_string());
            self.port.ordered(&ToAlgo::Gap { topic: topic.clone(), from, reason });
        }
        self.port.ordered(&ToAlgo::Subscribed { topic, mode, position: Some(position) });
        // A snapshot begins before its first number: until that has come there is nothing to compare.
        self.stand.set(match mode {
            Mode::Snapshot => None,
            Mode::Live | Mode::Replay => resumed,
        });
    }

    fn event(&self, epoch: StreamEpoch, seq: u64, prev: u64, event: PrivateEvent) {
        let position = Position { epoch: epoch.clone(), seq };
        let account: AccountId = self.stream.account.clone();
        self.port.ordered(&match event {
            PrivateEvent::Order(order) => {
                ToAlgo::Order { account, epoch, seq, prev, order: *order }
            }
            PrivateEvent::Fill(fill) => ToAlgo::Fill { account, epoch, seq, prev, fill: *fill },
        });
        self.stand.set(Some(position));
    }

    fn refused(self, problem: Problem) {
        let Problem { code, detail, .. } = problem;
        self.port.release(&self.topic);
        self.port.ordered(&ToAlgo::Error { code, detail });
        self.port.ordered(&ToAlgo::Unsubscribed { topic: self.topic });
    }
}

fn all_of(session: ReceiverId) -> std::ops::RangeInclusive<Theirs> {
    (session, u64::MIN)..=(session, u64::MAX)
}
