//! The streams of a session and how far each was read. Decides what is new, what was seen before and
//! what is missing; the socket is `connection`'s. O2 and O3 on the algo's side.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tokio::sync::{mpsc, oneshot, watch};
use tradewind_protocol::{
    domain::{
        ids::{AccountId, ExecId, StreamEpoch},
        trading::{Fill, Order, Quote},
    },
    stream::{Channel, FromAlgo, Mode, Position, StreamStand, Topic},
};

/// Executions remembered beyond a ledger's change of epoch, when all it keeps is sent again.
const EXECUTIONS_REMEMBERED: usize = 65_536;

/// Where a stream's events go.
#[derive(Debug)]
pub(crate) enum Sink {
    Quotes(watch::Sender<Option<Quote>>),
    Fills(mpsc::Sender<Fill>),
    Orders(mpsc::Sender<Order>),
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
            Self::Nobody => Self::Nobody,
        }
    }

    fn is_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Fills(one), Self::Fills(other)) => one.same_channel(other),
            (Self::Orders(one), Self::Orders(other)) => one.same_channel(other),
            (Self::Nobody, Self::Nobody) => true,
            (Self::Fills(_) | Self::Orders(_) | Self::Quotes(_) | Self::Nobody, _) => false,
        }
    }

    fn is_gone(&self) -> bool {
        match self {
            Self::Quotes(sender) => sender.is_closed(),
            Self::Fills(sender) => sender.is_closed(),
            Self::Orders(sender) => sender.is_closed(),
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
        let Ok(none) = StreamEpoch::new("none") else { return Vec::new() };
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
            if sinks.is_empty() {
                continue;
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
            subscribe(topic, held.position.clone().filter(|_| private(topic)))
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
    !matches!(topic, Topic::Quotes { .. })
}

fn subscribe(topic: &Topic, from: Option<Position>) -> FromAlgo {
    let (channel, instrument, account) = match topic.clone() {
        Topic::Quotes { instrument } => (Channel::Quotes, Some(instrument), None),
        Topic::Orders { account } => (Channel::Orders, None, Some(account)),
        Topic::Fills { account } => (Channel::Fills, None, Some(account)),
    };
    FromAlgo::Subscribe { channel, instrument, account, from }
}

fn unsubscribe(topic: &Topic) -> FromAlgo {
    match subscribe(topic, None) {
        FromAlgo::Subscribe { channel, instrument, account, .. }
        | FromAlgo::Unsubscribe { channel, instrument, account } => {
            FromAlgo::Unsubscribe { channel, instrument, account }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn fills() -> Topic {
        Topic::Fills { account: AccountId::new("sim-1").unwrap() }
    }

    fn at(epoch: &str, seq: u64) -> Position {
        Position { epoch: StreamEpoch::new(epoch).unwrap(), seq }
    }

    fn subscribed_at(seq: u64) -> Subscriptions {
        let mut subscriptions = Subscriptions::default();
        let (opened, _) = oneshot::channel();
        subscriptions.add(fills(), Sink::Nobody, opened);
        subscriptions.opened(&fills(), Mode::Live, Some(at("e", seq)));
        subscriptions
    }

    fn judge(subscriptions: &mut Subscriptions, epoch: &str, seq: u64, prev: u64) -> Verdict {
        subscriptions.judge(&fills(), &StreamEpoch::new(epoch).unwrap(), seq, prev)
    }

    #[test]
    fn what_was_seen_is_not_handed_over_again() {
        let mut subscriptions = subscribed_at(5);
        assert_eq!(judge(&mut subscriptions, "e", 7, 4), Verdict::New);
        assert_eq!(judge(&mut subscriptions, "e", 7, 4), Verdict::Seen);
        assert_eq!(judge(&mut subscriptions, "e", 9, 7), Verdict::New);
    }

    #[test]
    fn a_hole_shows_at_the_next_event_unless_it_was_told() {
        let mut subscriptions = subscribed_at(5);
        assert_eq!(judge(&mut subscriptions, "e", 9, 7), Verdict::AfterUntoldGap);
        subscriptions.gap_told(&fills());
        assert_eq!(judge(&mut subscriptions, "e", 20, 15), Verdict::New);
        assert_eq!(judge(&mut subscriptions, "other", 3, 2), Verdict::AfterUntoldGap);
    }

    #[test]
    fn a_new_connection_resumes_private_streams_from_the_last_number() {
        let mut subscriptions = subscribed_at(5);
        judge(&mut subscriptions, "e", 6, 5);
        let FromAlgo::Subscribe { from, .. } = subscriptions.resume().remove(0) else { panic!() };
        assert_eq!(from, Some(at("e", 6)));
        subscriptions.opened(&fills(), Mode::Replay, Some(at("e", 9)));
        assert_eq!(judge(&mut subscriptions, "e", 7, 6), Verdict::New);
    }

    #[test]
    fn a_server_that_does_not_resume_hides_no_hole() {
        let mut subscriptions = subscribed_at(5);
        subscriptions.opened(&fills(), Mode::Live, Some(at("e", 9)));
        let stand = StreamStand { topic: fills(), position: at("e", 9) };
        assert!(!subscriptions.is_whole(&[stand]));
        assert_eq!(judge(&mut subscriptions, "e", 10, 9), Verdict::AfterUntoldGap);
    }

    #[test]
    fn a_ledger_built_anew_is_read_from_its_beginning_and_no_execution_twice() {
        let mut subscriptions = subscribed_at(5);
        let exec = ExecId::new("x-1").unwrap();
        let [one, other] = ["sim-1", "sim-2"].map(|name| AccountId::new(name).unwrap());
        assert!(subscriptions.first_time(&one, &exec));
        assert!(subscriptions.first_time(&other, &exec), "another venue's name for something else");
        subscriptions.opened(&fills(), Mode::Snapshot, Some(at("new", 3)));
        assert_eq!(judge(&mut subscriptions, "new", 1, 0), Verdict::New);
        assert!(!subscriptions.first_time(&one, &exec));
    }

    #[test]
    fn an_account_that_is_learned_of_is_read_from_its_beginning_by_all_who_read_the_others() {
        let mut subscriptions = Subscriptions::default();
        let (reader, _read) = mpsc::channel(8);
        for account in ["sim-1", "sim-2"] {
            let account = AccountId::new(account).unwrap();
            for (topic, sink) in [
                (Topic::Fills { account: account.clone() }, Sink::Fills(reader.clone())),
                (Topic::Orders { account }, Sink::Nobody),
            ] {
                subscriptions.add(topic, sink, oneshot::channel().0);
            }
        }
        let account = AccountId::new("new-1").unwrap();
        // when
        let frames = subscriptions.follow(&account);
        // then
        assert_eq!(frames.len(), 2);
        let from_the_beginning = |frame: &FromAlgo| match frame {
            FromAlgo::Subscribe { from: Some(from), .. } => from.epoch.as_str() == "none",
            _ => false,
        };
        assert!(frames.iter().all(from_the_beginning), "{frames:?}");
        let topic = Topic::Fills { account: account.clone() };
        assert_eq!(subscriptions.sinks(&topic).len(), 1, "one reader, however many accounts");
        assert!(subscriptions.follow(&account).is_empty(), "once");
        // lost before it was opened, it is asked for from the beginning again
        let again = subscriptions.resume();
        let asks = |frame: &&FromAlgo| match frame {
            FromAlgo::Subscribe { account: Some(of), .. } => *of == account,
            _ => false,
        };
        assert!(again.iter().filter(asks).all(from_the_beginning), "{again:?}");
        subscriptions.opened(&topic, Mode::Snapshot, Some(at("e", 3)));
        let first = subscriptions.judge(&topic, &StreamEpoch::new("e").unwrap(), 1, 0);
        assert_eq!(first, Verdict::New);
    }

    #[test]
    fn nothing_is_whole_while_a_private_stream_is_not_named_or_not_reached() {
        let mut subscriptions = subscribed_at(5);
        let stand = |seq| vec![StreamStand { topic: fills(), position: at("e", seq) }];
        assert!(subscriptions.is_whole(&stand(5)));
        assert!(!subscriptions.is_whole(&stand(6)));
        assert!(!subscriptions.is_whole(&[]));
        judge(&mut subscriptions, "e", 6, 5);
        assert!(subscriptions.is_whole(&stand(6)));
    }
}
