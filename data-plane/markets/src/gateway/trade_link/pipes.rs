//! The pipes of a link, one to each shard of its Market. Decides whose turn it is to be heard, so that a busy shard keeps no other
//! waiting; which shards there are and what goes over which is `task`'s decision.

use crate::hop::line::Line;
use std::{
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    pin::pin,
    task::Poll,
};
use tradewind_link::pipe::{self, Event};
use tradewind_protocol::trade::{TradeDown, TradeUp};

/// Number of a shard.
pub(crate) type Shard = u16;

/// The one that is always there: what is of an account, and of no instrument, goes over it.
pub(crate) const MAIN: Shard = 0;

pub(crate) type Ends = (pipe::Sender<TradeDown>, pipe::Events<TradeUp>);

struct Pipe {
    line: Line,
    events: pipe::Events<TradeUp>,
}

pub(super) struct Pipes {
    dial: Box<dyn Fn(Shard) -> Ends + Send>,
    by_shard: BTreeMap<Shard, Pipe>,
    up: BTreeSet<Shard>,
    heard: Shard,
}

impl Pipes {
    pub(super) fn new(dial: Box<dyn Fn(Shard) -> Ends + Send>) -> Self {
        let mut pipes = Self { dial, by_shard: BTreeMap::new(), up: BTreeSet::new(), heard: MAIN };
        pipes.open(MAIN);
        pipes
    }

    /// Has a pipe to the shard dialled, for as long as it is not closed.
    pub(super) fn open(&mut self, shard: Shard) {
        self.by_shard.entry(shard).or_insert_with(|| {
            let (sender, events) = (self.dial)(shard);
            Pipe { line: Line::new(sender), events }
        });
    }

    pub(super) fn close(&mut self, shard: Shard) {
        self.by_shard.remove(&shard);
        self.up.remove(&shard);
    }

    /// Those that are dialled.
    pub(super) fn all(&self) -> BTreeSet<Shard> {
        self.by_shard.keys().copied().collect()
    }

    /// Those that stand.
    pub(super) fn up(&self) -> &BTreeSet<Shard> {
        &self.up
    }

    /// What happens next on any of them, each in its turn. May be cancelled: no event is lost.
    pub(super) async fn next(&mut self) -> (Shard, Event<TradeUp>) {
        let Self { by_shard, heard, .. } = self;
        poll_fn(|context| {
            let last = *heard;
            for later in [true, false] {
                for (shard, pipe) in by_shard.iter_mut().filter(|(at, _)| (**at > last) == later) {
                    // A dialler's events do not end.
                    if let Poll::Ready(Some(event)) = pin!(pipe.events.next()).poll(context) {
                        *heard = *shard;
                        return Poll::Ready((*shard, event));
                    }
                }
            }
            Poll::Pending
        })
        .await
    }

    /// The pipe stands, and this is spoken on it.
    pub(super) fn stands(&mut self, shard: Shard, protocol: u32) {
        if let Some(pipe) = self.by_shard.get_mut(&shard) {
            pipe.line.up(protocol);
        }
        self.up.insert(shard);
    }

    /// The pipe is lost, and will be dialled again; whether it stood.
    pub(super) fn lost(&mut self, shard: Shard) -> bool {
        if let Some(pipe) = self.by_shard.get_mut(&shard) {
            pipe.line.lost();
        }
        self.up.remove(&shard)
    }

    /// Sends a frame. The number of a question comes back if it was surely not sent.
    pub(super) fn send(&mut self, shard: Shard, frame: TradeDown) -> Result<(), u64> {
        match (self.by_shard.get_mut(&shard), frame) {
            (Some(pipe), frame) => pipe.line.send(frame),
            (None, TradeDown::Command { request, .. } | TradeDown::Present { request, .. }) => {
                Err(request)
            }
            // With its pipe its subscriptions are gone.
            (None, _) => Ok(()),
        }
    }

    /// Sends what waits on any of them.
    pub(super) fn flush(&mut self) {
        self.by_shard.values_mut().for_each(|pipe| pipe.line.flush());
    }

    /// Whether one of them has so much waiting that nothing more should be asked.
    pub(super) fn congested(&self) -> bool {
        self.by_shard.values().any(|pipe| pipe.line.congested())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::world::{eventually, quick_pipes};
    use futures_util::FutureExt as _;
    use std::{
        array,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };
    use tradewind_domain::ids::{Fence, Incarnation};
    use tradewind_protocol::link::{Hello, PROTOCOL};

    /// To where nobody is: each attempt is counted, and is an event before the next one.
    fn to_nowhere(shard: Shard, attempts: Arc<AtomicUsize>) -> Ends {
        let target = move || {
            attempts.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Err(format!("shard {shard} is away"))).boxed()
        };
        let hello = || Hello {
            protocol: PROTOCOL,
            purpose: "trade".into(),
            from: "a1".into(),
            to: "nobody".into(),
            incarnation: Incarnation(1),
            fence: Fence::default(),
        };
        pipe::dial(target, hello, quick_pipes())
    }

    #[tokio::test]
    async fn each_pipe_is_heard_in_its_turn_however_much_another_has_to_say() {
        // given: each of three has something to say, as often as it is heard below
        let attempts: [Arc<AtomicUsize>; 3] = array::from_fn(|_| Arc::default());
        let counted = attempts.clone();
        let dial = move |shard| to_nowhere(shard, counted[usize::from(shard)].clone());
        let mut pipes = Pipes::new(Box::new(dial));
        pipes.open(1);
        pipes.open(2);
        let made = |attempts: &Arc<AtomicUsize>| attempts.load(Ordering::Relaxed);
        let all = || attempts.iter().all(|attempts| made(attempts) > 3);
        eventually("three attempts are told and a fourth is made", all).await;
        // then
        let mut turns = Vec::new();
        for _ in 0..6 {
            turns.push(pipes.next().await.0);
        }
        assert_eq!(turns, [1, 2, 0, 1, 2, 0]);
        // and one that is closed says nothing more
        pipes.close(1);
        assert_eq!(pipes.all(), BTreeSet::from([0, 2]));
        assert_eq!(pipes.next().await.0, 2);
        assert_eq!(pipes.next().await.0, 0);
        let request = |request| TradeDown::UnsubscribePrivate { subscription: request };
        assert_eq!(pipes.send(1, request(4)), Ok(()));
    }
}
