//! Private streams on a hop: one subscription upstream for each downstream. Decides from where each is
//! opened again after a loss, so that the receiver misses nothing and gets nothing twice, and what he is
//! told meanwhile. O3: a hole is never forwarded; the stream is opened again from before it.

use super::{
    Act, ReceiverId,
    cursor::{Cursor, Step},
};
use crate::limits;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tradewind_domain::{
    ids::{AccountId, CustomerId, StreamEpoch},
    time::Monotonic,
};
use tradewind_protocol::{
    Problem, Retry,
    stream::{Mode, Position, StreamStatus},
    trade::{PrivateChannel, PrivateEvent, TradeDown, TradeUp},
};

/// The receiver and his own number for the subscription.
pub(crate) type Theirs = (ReceiverId, u64);

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) account: AccountId,
    pub(crate) customer: CustomerId,
    pub(crate) channel: PrivateChannel,
    pub(crate) from: Option<Position>,
}

/// A numbered event as it came.
#[derive(Clone, Debug)]
pub(crate) struct Numbered {
    pub(crate) epoch: StreamEpoch,
    pub(crate) seq: u64,
    pub(crate) prev: u64,
    pub(crate) event: PrivateEvent,
}

struct Subscription<U> {
    via: U,
    wish: Wish,
    cursor: Cursor,
    /// Our number upstream while it is open there.
    ours: Option<u64>,
    /// The receiver knows that the source is away.
    away: bool,
    reopen_at: Option<Monotonic>,
}

/// All private subscriptions on this hop.
pub(crate) struct Privates<U> {
    next: u64,
    subscriptions: BTreeMap<Theirs, Subscription<U>>,
    by_ours: BTreeMap<u64, Theirs>,
    /// Those to be opened again, and when. One that was opened, closed or moved since is passed over.
    waiting: BTreeSet<(Monotonic, Theirs)>,
}

impl<U: Clone + Ord> Privates<U> {
    pub(crate) fn new() -> Self {
        Self {
            next: 0,
            subscriptions: BTreeMap::new(),
            by_ours: BTreeMap::new(),
            waiting: BTreeSet::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.subscriptions.len()
    }

    /// The last position forwarded, or where a live stream stood when it was opened.
    pub(crate) fn position(&self, theirs: Theirs) -> Option<Position> {
        self.subscriptions.get(&theirs)?.cursor.resume()
    }

    /// Opens a subscription by way of `via`, now if that pipe is among `up`, else when it is. One under
    /// the same number is replaced.
    pub(crate) fn open(
        &mut self,
        theirs: Theirs,
        via: U,
        wish: Wish,
        up: &BTreeSet<U>,
    ) -> Vec<Act<U>> {
        let mut acts = self.close(theirs, up);
        let standing = up.contains(&via);
        let cursor = Cursor::new(wish.from.clone());
        let subscription =
            Subscription { via, wish, cursor, ours: None, away: !standing, reopen_at: None };
        self.subscriptions.insert(theirs, subscription);
        if standing {
            acts.extend(self.ask(theirs));
        } else {
            acts.push(tell(theirs, StreamStatus::Reconnecting));
        }
        acts
    }

    /// Ends a subscription at the receiver's wish.
    pub(crate) fn close(&mut self, theirs: Theirs, up: &BTreeSet<U>) -> Vec<Act<U>> {
        let Some(gone) = self.subscriptions.remove(&theirs) else { return Vec::new() };
        let Some(ours) = gone.ours else { return Vec::new() };
        self.by_ours.remove(&ours);
        let standing = Some(gone.via).filter(|via| up.contains(via));
        standing.map(|via| unsubscribe(via, ours)).into_iter().collect()
    }

    /// A receiver is gone with all its subscriptions.
    pub(crate) fn forget(&mut self, to: ReceiverId, up: &BTreeSet<U>) -> Vec<Act<U>> {
        let range = (to, u64::MIN)..=(to, u64::MAX);
        let gone: Vec<Theirs> =
            self.subscriptions.range(range).map(|(theirs, _)| *theirs).collect();
        gone.into_iter().flat_map(|theirs| self.close(theirs, up)).collect()
    }

    /// A pipe stands again: its streams are opened again from where each receiver is.
    pub(crate) fn up(&mut self, via: &U) -> Vec<Act<U>> {
        self.carried(via).into_iter().filter_map(|theirs| self.ask(theirs)).collect()
    }

    /// A pipe is lost: the receivers are told once, and keep their subscriptions.
    pub(crate) fn down(&mut self, via: &U) -> Vec<Act<U>> {
        let mut acts = Vec::new();
        for theirs in self.carried(via) {
            let Some(subscription) = self.subscriptions.get_mut(&theirs) else { continue };
            subscription.reopen_at = None;
            if let Some(ours) = subscription.ours.take() {
                self.by_ours.remove(&ours);
            }
            if !std::mem::replace(&mut subscription.away, true) {
                acts.push(tell(theirs, StreamStatus::Reconnecting));
            }
        }
        acts
    }

    /// The source says how the stream begins, or goes on: then it says how far there is to go.
    pub(crate) fn opened(&mut self, ours: u64, mode: Mode, position: Position) -> Vec<Act<U>> {
        let Some((theirs, subscription)) = self.of(ours) else { return Vec::new() };
        subscription.cursor.opened(mode, &position);
        let frame = TradeUp::PrivateOpened { subscription: theirs.1, mode, position };
        let mut acts = vec![Act::Down { to: theirs.0, frame }];
        if std::mem::replace(&mut subscription.away, false) {
            acts.push(tell(theirs, StreamStatus::Live));
        }
        acts
    }

    /// An event has come: the next one is forwarded, a repeat is not, before a hole the stream is opened
    /// again after a while, so that a source that cannot do better is not asked without end.
    pub(crate) fn event(&mut self, ours: u64, numbered: Numbered, now: Monotonic) -> Vec<Act<U>> {
        let Some((theirs, subscription)) = self.of(ours) else { return Vec::new() };
        let Numbered { epoch, seq, prev, event } = numbered;
        match subscription.cursor.step(&epoch, seq, prev) {
            Step::Repeat => Vec::new(),
            Step::Next => {
                subscription.cursor.advance(&epoch, seq);
                let subscription = theirs.1;
                let frame = TradeUp::Private { subscription, epoch, seq, prev, event };
                vec![Act::Down { to: theirs.0, frame }]
            }
            Step::Hole => {
                tracing::warn!(seq, prev, "a hole in a private stream, opening it again");
                let via = subscription.via.clone();
                self.ask_later(theirs, now + limits::REOPEN_AFTER);
                vec![unsubscribe(via, ours)]
            }
        }
    }

    /// Whose subscription has this number upstream.
    pub(crate) fn receiver(&self, ours: u64) -> Option<Theirs> {
        self.by_ours.get(&ours).copied()
    }

    /// The receiver has no room: the stream is opened again, from where he is, after a while.
    pub(crate) fn postpone(&mut self, ours: u64, now: Monotonic) -> Vec<Act<U>> {
        let Some((theirs, subscription)) = self.of(ours) else { return Vec::new() };
        let via = subscription.via.clone();
        self.ask_later(theirs, now + limits::POSTPONE);
        vec![unsubscribe(via, ours)]
    }

    /// The other side tells how the stream's source is.
    pub(crate) fn told(&mut self, ours: u64, status: StreamStatus) -> Vec<Act<U>> {
        let Some((theirs, subscription)) = self.of(ours) else { return Vec::new() };
        let away = status != StreamStatus::Live;
        let changed = std::mem::replace(&mut subscription.away, away) != away;
        if changed { vec![tell(theirs, status)] } else { Vec::new() }
    }

    /// The source ended the stream. It is opened again after a while, unless that would be refused again.
    pub(crate) fn closed(&mut self, ours: u64, problem: Problem, now: Monotonic) -> Vec<Act<U>> {
        let Some((theirs, subscription)) = self.of(ours) else { return Vec::new() };
        match problem.retry {
            Retry::Never => {
                self.subscriptions.remove(&theirs);
                self.by_ours.remove(&ours);
                let frame = TradeUp::PrivateClosed { subscription: theirs.1, problem };
                vec![Act::Down { to: theirs.0, frame }]
            }
            Retry::After | Retry::SameId => {
                let known = std::mem::replace(&mut subscription.away, true);
                let after = problem.retry_after_ms.map(Duration::from_millis);
                self.ask_later(theirs, now + after.unwrap_or(limits::REOPEN_AFTER));
                if known { Vec::new() } else { vec![tell(theirs, StreamStatus::Reconnecting)] }
            }
        }
    }

    /// Opens again what has waited, once `ready` says that its receiver is.
    pub(crate) fn tick(&mut self, now: Monotonic, ready: impl Fn(Theirs) -> bool) -> Vec<Act<U>> {
        let mut acts = Vec::new();
        while let Some((at, theirs)) = self.waiting.first().copied().filter(|(at, _)| *at <= now) {
            self.waiting.pop_first();
            if self.subscriptions.get(&theirs).and_then(|s| s.reopen_at) != Some(at) {
                continue;
            }
            if ready(theirs) {
                acts.extend(self.ask(theirs));
            } else {
                self.ask_later(theirs, now + limits::POSTPONE);
            }
        }
        acts
    }

    fn of(&mut self, ours: u64) -> Option<(Theirs, &mut Subscription<U>)> {
        let theirs = *self.by_ours.get(&ours)?;
        Some((theirs, self.subscriptions.get_mut(&theirs)?))
    }

    fn carried(&self, via: &U) -> Vec<Theirs> {
        let carried = self.subscriptions.iter().filter(|(_, s)| s.via == *via);
        carried.map(|(theirs, _)| *theirs).collect()
    }

    fn ask_later(&mut self, theirs: Theirs, at: Monotonic) {
        let Some(subscription) = self.subscriptions.get_mut(&theirs) else { return };
        if let Some(ours) = subscription.ours.take() {
            self.by_ours.remove(&ours);
        }
        subscription.reopen_at = Some(at);
        self.waiting.insert((at, theirs));
    }

    /// Opens the subscription upstream under a new number: what still comes under the old one is not
    /// taken for it.
    fn ask(&mut self, theirs: Theirs) -> Option<Act<U>> {
        let subscription = self.subscriptions.get_mut(&theirs)?;
        self.next += 1;
        subscription.ours = Some(self.next);
        subscription.reopen_at = None;
        self.by_ours.insert(self.next, theirs);
        let Wish { account, customer, channel, from: _ } = subscription.wish.clone();
        let from = subscription.cursor.resume();
        let frame = TradeDown::SubscribePrivate {
            subscription: self.next,
            account,
            customer,
            channel,
            from,
        };
        Some(Act::Up { via: subscription.via.clone(), frame })
    }
}

fn tell<U>(theirs: Theirs, status: StreamStatus) -> Act<U> {
    let frame = TradeUp::PrivateStatus { subscription: theirs.1, status };
    Act::Down { to: theirs.0, frame }
}

fn unsubscribe<U>(via: U, ours: u64) -> Act<U> {
    Act::Up { via, frame: TradeDown::UnsubscribePrivate { subscription: ours } }
}

#[cfg(test)]
mod tests;
