//! The streams of a session and how far each was read. Decides what is new, what was seen before and
//! what is missing; the socket is `connection`'s. O2 and O3 on the algo's side.

use crate::tape::TapeSink;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tokio::sync::{mpsc, oneshot, watch};
use tradewind_protocol::{
    domain::{
        ids::{AccountId, ExecId, InstrumentId, StreamEpoch},
        trading::{Fill, Order, Quote},
    },
    stream::{Channel, FromAlgo, Mode, Position, StreamStand, Topic},
};

/// Executions remembered beyond a ledger's change of epoch, when all it keeps is sent again.
const EXECUTIONS_REMEMBERED: usize = 65_536;

/// The epoch of no stream: what is resumed from it is read from its beginning.
const NONE: &str = "none";

/// Where a stream's events go.
#[derive(Debug)]
pub(crate) enum Sink {
    Quotes(watch::Sender<Option<Quote>>),
    Fills(mpsc::Sender<Fill>),
    Orders(mpsc::Sender<Order>),
    Trades(TapeSink),
    /// Followed for the history and for winding down.
    Nobody,
}

impl Sink {
    /// Another way to the same reader.
    fn again(&self) -> Self {
        match self {
            Self::Quotes(sender) => Self::Quotes(sender.clone()),
            Self::Fills(sender) => Self::Fills(sender.clone()),
            Self::Orders(sender) => Self::Orders(sender.clone()),
            Self::Trades(sink) => Self::Trades(sink.clone()),
            Self::Nobody => Self::Nobody,
        }
    }

    fn is_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Fills(one), Self::Fills(other)) => one.same_channel(other),
            (Self::Orders(one), Self::Orders(other)) => one.same_channel(other),
            (Self::Trades(one), Self::Trades(other)) => one.is_the_same(other),
            (Self::Nobody, Self::Nobody) => true,
            (
                Self::Fills(_) | Self::Orders(_) | Self::Quotes(_) | Self::Trades(_) | Self::Nobody,
                _,
            ) => false,
        }
    }

    fn is_gone(&self) -> bool {
        match self {
            Self::Quotes(sender) => sender.is_closed(),
            Self::Fills(sender) => sender.is_closed(),
            Self::Orders(sender) => sender.is_closed(),
            Self::Trades(sink) => sink.is_gone(),
            Self::Nobody => false,
        }
    }
}

#[derive(Debug)]
struct Subscription {
    sinks: Vec<Sink>,
    position: Option<Position>,
    gap_told: bool,
    waiting: Vec<oneshot::Sender<()>>,
}

/// What a numbered event is, given what was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    New,
    /// New, and what should have come before it never did and was not told.
    AfterUntoldGap,
    Seen,
}

#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    by_topic: BTreeMap<Topic, Subscription>,
    /// A venue's names are its own: of two accounts they may be the same.
    executions: BTreeSet<(AccountId, ExecId)>,
    executions_in_order: VecDeque<(AccountId, ExecId)>,
}

impl Subscriptions {
    /// Adds a sink. Returns the frame to send, if the stream was not subscribed yet.
    pub(crate) fn add(
        &mut self,
        topic: Topic,
        sink: Sink,
        opened: oneshot::Sender<()>,
    ) -> Option<FromAlgo> {
        if let Some(held) = self.by_topic.get_mut(&topic) {
            held.sinks.push(sink);
            if held.position.is_some() {
                // Nobody waits who has gone away.
                let _ = opened.send(());
            } else {
                held.waiting.push(opened);
            }
            return None;
        }
        let frame = subscribe(&topic, None);
        let waiting = vec![opened];
        let sinks = vec![sink];
        self.by_topic
            .insert(topic, Subscription { sinks, position: None, gap_told: false, waiting });
        Some(frame)
    }

    /// An account of which nothing was known: whoever reads orders or fills of the others reads its too. It is read
    /// from its beginning, since things have happened there already. Returns the frames to send.
    pub(crate) fn follow(&mut self, account: &AccountId) -> Vec<FromAlgo> {
        let Ok(none) = StreamEpoch::new(NONE) else { return Vec::new() };
        let mut frames = Vec::new();
        let of = |account: &AccountId| {
            [Topic::Orders { account: account.clone() }, Topic::Fills { account: account.clone() }]
        };
        for topic in of(account) {
            if self.by_topic.contains_key(&topic) {
                continue;
            }
            let alike = self.by_topic.iter().filter(|(held, _)| same_channel(held, &topic));
            let mut sinks: Vec<Sink> = Vec::new();
            for sink in alike.flat_map(|(_, held)| &held.sinks) {
                if !sinks.iter().any(|held| held.is_the_same(sink)) {
                    sinks.push(sink.again());
                }
            }
            match &topic {
                // As those that are known from the start: no change of an order of ours goes by unseen.
                Topic::Orders { .. } if sinks.is_empty() => sinks.push(Sink::Nobody),
                _ if sinks.is_empty() => continue,
                _ => {}
            }
            let position = Some(Position { epoch: none.clone(), seq: 0 });
            frames.push(subscribe(&topic, position.clone()));
            let waiting = Vec::new();
            let followed = Subscription { sinks, position, gap_told: false, waiting };
            self.by_topic.insert(topic, followed);
        }
        frames
    }

    /// The frames that open all streams again on a new connection.
    pub(crate) fn resume(&self) -> Vec<FromAlgo> {
        let open = |(topic, held): (&Topic, &Subscription)| {
            subscribe(topic, held.position.clone().filter(|_| numbered(topic)))
        };
        self.by_topic.iter().map(open).collect()
    }

    /// Ends streams that nobody reads any more. Returns the frames to send.
    pub(crate) fn prune(&mut self) -> Vec<FromAlgo> {
        let mut ended = Vec::new();
        self.by_topic.retain(|topic, held| {
            held.sinks.retain(|sink| !sink.is_gone());
            if held.sinks.is_empty() {
                ended.push(unsubscribe(topic));
            }
            !held.sinks.is_empty()
        });
        ended
    }

    /// The server has opened a stream.
    pub(crate) fn opened(&mut self, topic: &Topic, mode: Mode, position: Option<Position>) {
        let Some(held) = self.by_topic.get_mut(topic) else { return };
        match (mode, position) {
            // What follows continues what was seen; if it does not, the next event or heartbeat shows it.
            (Mode::Replay | Mode::Live, _)
                if private(topic) && held.position.is_some() && !held.gap_told => {}
            // A new ledger sends all it keeps from its beginning.
            (Mode::Snapshot, Some(stand)) => {
                held.position = Some(Position { epoch: stand.epoch, seq: 0 });
            }
            (_, stand) => held.position = stand.or(held.position.take()),
        }
        for waiting in held.waiting.drain(..) {
            let _ = waiting.send(());
        }
    }

    /// From which source a stream has come so far; `None` if nothing is known of it.
    pub(crate) fn source(&self, topic: &Topic) -> Option<&StreamEpoch> {
        let position = self.by_topic.get(topic)?.position.as_ref();
        position.map(|position| &position.epoch).filter(|epoch| epoch.as_str() != NONE)
    }

    pub(crate) fn gap_told(&mut self, topic: &Topic) {
        if let Some(held) = self.by_topic.get_mut(topic) {
            held.gap_told = true;
        }
    }

    /// A numbered private event has come.
    pub(crate) fn judge(
        &mut self,
        topic: &Topic,
        epoch: &StreamEpoch,
        seq: u64,
        prev: u64,
    ) -> Verdict {
        let Some(held) = self.by_topic.get_mut(topic) else { return Verdict::Seen };
        let next = Position { epoch: epoch.clone(), seq };
        let verdict = match &held.position {
            Some(last) if last.epoch == *epoch && seq <= last.seq => return Verdict::Seen,
            Some(last) if last.epoch == *epoch && prev <= last.seq => Verdict::New,
            None => Verdict::New,
            // Numbers were left out, or the epoch changed without a word.
            Some(_) if held.gap_told => Verdict::New,
            Some(_) => Verdict::AfterUntoldGap,
        };
        held.position = Some(next);
        held.gap_told = false;
        verdict
    }

    /// A quote has come: the number only has to be kept for the heartbeat.
    pub(crate) fn quoted(&mut self, topic: &Topic, epoch: StreamEpoch, seq: u64) {
        if let Some(held) = self.by_topic.get_mut(topic) {
            held.position = Some(Position { epoch, seq });
        }
    }

    /// Whether an execution is handed over for the first time.
    pub(crate) fn first_time(&mut self, account: &AccountId, exec_id: &ExecId) -> bool {
        let execution = (account.clone(), exec_id.clone());
        if !self.executions.insert(execution.clone()) {
            return false;
        }
        self.executions_in_order.push_back(execution);
        if self.executions_in_order.len() > EXECUTIONS_REMEMBERED {
            let oldest = self.executions_in_order.pop_front();
            oldest.iter().for_each(|oldest| drop(self.executions.take(oldest)));
        }
        true
    }

    pub(crate) fn sinks(&self, topic: &Topic) -> &[Sink] {
        self.by_topic.get(topic).map_or(&[], |held| &held.sinks)
    }

    /// Whether everything there was on private streams at a heartbeat has arrived here. A stream whose
    /// source is away is not named, and then nothing can be said of it.
    pub(crate) fn is_whole(&self, stands: &[StreamStand]) -> bool {
        self.by_topic.iter().filter(|(topic, _)| private(topic)).all(|(topic, held)| {
            let stand = stands.iter().find(|stand| stand.topic == *topic).map(|s| &s.position);
            match (stand, &held.position) {
                (Some(stand), Some(held)) => held.epoch == stand.epoch && held.seq >= stand.seq,
                (None, _) | (_, None) => false,
            }
        })
    }
}

fn same_channel(one: &Topic, other: &Topic) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}

fn private(topic: &Topic) -> bool {
    matches!(topic, Topic::Orders { .. } | Topic::Fills { .. })
}

/// Whether every number matters: of quotes only the latest does.
fn numbered(topic: &Topic) -> bool {
    !matches!(topic, Topic::Quotes { .. })
}

fn subscribe(topic: &Topic, from: Option<Position>) -> FromAlgo {
    let (channel, instrument, account) = channel_of(topic);
    FromAlgo::Subscribe { channel, instrument, account, from }
}

fn unsubscribe(topic: &Topic) -> FromAlgo {
    let (channel, instrument, account) = channel_of(topic);
    FromAlgo::Unsubscribe { channel, instrument, account }
}

fn channel_of(topic: &Topic) -> (Channel, Option<InstrumentId>, Option<AccountId>) {
    match topic.clone() {
        Topic::Quotes { instrument } => (Channel::Quotes, Some(instrument), None),
        Topic::Trades { instrument } => (Channel::Trades, Some(instrument), None),
        Topic::Orders { account } => (Channel::Orders, None, Some(account)),
        Topic::Fills { account } => (Channel::Fills, None, Some(account)),
    }
}

#[cfg(test)]
mod tests;
