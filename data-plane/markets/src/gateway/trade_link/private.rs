//! Private streams of sessions, by topic, all over the main shard: each has one way, and its order needs no merging. Decides how what comes over the hop is told to an algo; what is
//! forwarded and from where a stream goes on is decided by `hop::privates`.

use super::{
    PrivateStream,
    pipes::{MAIN, Shard},
};
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
    stream::{Mode, Position, StreamStatus, ToAlgo, Topic},
    trade::{PrivateEvent, TradeUp},
};

struct Followed {
    port: Arc<Port>,
    stream: PrivateStream,
    topic: Topic,
    stand: Stand,
    /// The position after which nothing was told to the algo yet.
    last: Option<Position>,
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
        privates: &mut Privates<Shard>,
        up: &BTreeSet<Shard>,
    ) -> Vec<Act<Shard>> {
        let (_, mut acts) = self.close(port.number(), &stream, privates, up);
        self.next += 1;
        let theirs = (port.number(), self.next);
        let PrivateStream { account, customer, channel } = stream.clone();
        let wish = Wish { account, customer, channel, from: from.clone() };
        let (topic, stand) = (stream.topic(), Stand::default());
        port.follow(&topic, &stand);
        let followed = Followed { port, stream, topic, stand, last: from, begun: false };
        self.followed.insert(theirs, followed);
        acts.extend(privates.open(theirs, MAIN, wish, up));
        acts
    }

    /// Ends a session's subscription of the stream; gives the last position that was forwarded.
    pub(super) fn close(
        &mut self,
        session: ReceiverId,
        stream: &PrivateStream,
        privates: &mut Privates<Shard>,
        up: &BTreeSet<Shard>,
    ) -> (Option<Position>, Vec<Act<Shard>>) {
        let mut mine = self.followed.range(all_of(session));
        let theirs =
            mine.find(|(_, followed)| followed.stream == *stream).map(|(theirs, _)| *theirs);
        let Some(theirs) = theirs else { return (None, Vec::new()) };
        self.followed.remove(&theirs);
        (privates.position(theirs), privates.close(theirs, up))
    }

    /// A session is over.
    pub(super) fn forget(&mut self, session: ReceiverId) {
        for _ in self.followed.extract_if(all_of(session), |_, _| true) {}
    }

    /// An event of this number was seen, whether it could be forwarded or not.
    pub(super) fn reach(&self, theirs: Theirs, epoch: &StreamEpoch, seq: u64) {
        if let Some(followed) = self.followed.get(&theirs) {
            followed.stand.reach(epoch, seq);
        }
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
    pub(super) fn tell(&mut self, to: ReceiverId, frame: TradeUp) {
        match frame {
            TradeUp::PrivateOpened { subscription, mode, position } => {
                if let Some(followed) = self.followed.get_mut(&(to, subscription)) {
                    followed.opened(mode, position);
                }
            }
            TradeUp::Private { subscription, epoch, seq, prev, event } => {
                if let Some(followed) = self.followed.get_mut(&(to, subscription)) {
                    followed.event(epoch, seq, prev, event);
                }
            }
            TradeUp::PrivateStatus { subscription, status } => {
                let followed = self.followed.get(&(to, subscription));
                if let Some(Followed { port, topic, stand, .. }) = followed {
                    if status != StreamStatus::Live {
                        // How far it goes is not known before it is opened again.
                        stand.set(None);
                    }
                    port.status(topic, encode(&ToAlgo::Status { topic: topic.clone(), status }));
                }
            }
            TradeUp::PrivateClosed { subscription, problem } => {
                if let Some(followed) = self.followed.remove(&(to, subscription)) {
                    followed.refused(problem);
                }
            }
            // Quotes and trades go to the fan-out, answers to whoever asked.
            TradeUp::Quote { .. }
            | TradeUp::QuoteStatus { .. }
            | TradeUp::TradesStand { .. }
            | TradeUp::Trade { .. }
            | TradeUp::Answer { .. } => {}
        }
    }
}

impl Followed {
    fn opened(&mut self, mode: Mode, position: Position) {
        let (topic, from) = (self.topic.clone(), self.last.clone());
        self.stand.set(Some(position.clone()));
        if mode == Mode::Live {
            self.last = Some(position.clone());
        }
        if std::mem::replace(&mut self.begun, true) {
            let reason = match mode {
                // It goes on as if nothing had been.
                Mode::Replay => return,
                Mode::Snapshot => "the ledger was rebuilt: all it has follows, deduplicate by id",
                Mode::Live => "the stream could not be resumed where it was",
            };
            let reason = reason.to_string();
            self.port.ordered(&ToAlgo::Gap { topic: topic.clone(), from, reason });
        }
        self.port.ordered(&ToAlgo::Subscribed { topic, mode, position: Some(position) });
    }

    fn event(&mut self, epoch: StreamEpoch, seq: u64, prev: u64, event: PrivateEvent) {
        self.last = Some(Position { epoch: epoch.clone(), seq });
        let account: AccountId = self.stream.account.clone();
        self.port.ordered(&match event {
            PrivateEvent::Order(order) => {
                ToAlgo::Order { account, epoch, seq, prev, order: *order }
            }
            PrivateEvent::Fill(fill) => ToAlgo::Fill { account, epoch, seq, prev, fill: *fill },
        });
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
