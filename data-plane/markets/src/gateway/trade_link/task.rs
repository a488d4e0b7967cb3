//! The task of a link to a Market. Decides what a session is told when the Market goes and comes back; positions, numbers and
//! deadlines are `hop`'s work, quotes `fan_out`'s. Commands, shards and bars stand beside.
//!
//! It waits for nobody: sessions are queued to, the pipe is tried, so no slow one slows another.

mod bars;
mod commands;
mod presence;
mod serving;

use super::{
    Ask, Reply, Wanted,
    pipes::{Ends, MAIN, Pipes, Shard},
    private::PrivateTopics,
};
use crate::{
    clock::Clock,
    gateway::{bars::Kept, fan_out::FanOut, port::Port, tape::Tapes},
    hop::{
        Act, ReceiverId,
        privates::{Numbered, Privates},
        quotes::{Last, Quotes},
        requests::Requests,
        trades::{self, Trades},
    },
    limits,
    market::Waits,
};
use bars::BARS;
use commands::Held;
use serving::Wish;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};
use tokio::{
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval},
};
use tradewind_domain::{
    ids::{Fence, InstrumentId, MarketId},
    time::Monotonic,
};
use tradewind_link::pipe::Event;
use tradewind_protocol::{stream::Position, trade::TradeUp};

type Acts = Vec<Act<Shard>>;

/// The one receiver of quotes and trades on this hop: they are fanned out behind it.
const FAN_OUT: ReceiverId = ReceiverId(0);

pub(super) struct Task {
    market: MarketId,
    fence: Box<dyn Fn() -> Fence + Send>,
    clock: Clock,
    waits: Waits,
    wish: Wish,
    pipes: Pipes,
    /// Shards that instruments go over, the main one always among them.
    serving: BTreeSet<Shard>,
    quotes: Quotes<Shard>,
    fan_out: FanOut,
    trades: Trades<Shard>,
    tapes: Tapes,
    bars: Kept,
    privates: Privates<Shard>,
    topics: PrivateTopics,
    /// Instruments by session, for its end.
    sessions: BTreeMap<ReceiverId, (Arc<Port>, BTreeSet<InstrumentId>)>,
    requests: Requests<Shard, Reply>,
    held: VecDeque<Held>,
    sweep_at: Monotonic,
}

impl Task {
    pub(super) fn new(
        market: MarketId,
        dial: Box<dyn Fn(Shard) -> Ends + Send>,
        fence: Box<dyn Fn() -> Fence + Send>,
        waits: Waits,
        (serves, used): (watch::Receiver<BTreeSet<Shard>>, watch::Sender<BTreeSet<Shard>>),
    ) -> Self {
        Self {
            market,
            fence,
            clock: Clock::start(),
            waits,
            wish: Wish { serves, used },
            pipes: Pipes::new(dial),
            serving: BTreeSet::from([MAIN]),
            quotes: Quotes::new(),
            fan_out: FanOut::default(),
            trades: Trades::new(),
            tapes: Tapes::default(),
            bars: Kept::new(limits::BARS_INSTRUMENTS),
            privates: Privates::new(),
            topics: PrivateTopics::default(),
            sessions: BTreeMap::new(),
            requests: Requests::new(limits::IN_FLIGHT, waits.answer),
            held: VecDeque::new(),
            sweep_at: Monotonic::default(),
        }
    }

    /// Works until all who could ask are gone.
    pub(super) async fn run(mut self, mut asked: mpsc::Receiver<Ask>) {
        let mut tick = interval(limits::TICK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.wish.serves.mark_changed();
        loop {
            let now = self.clock.now();
            let acts = tokio::select! {
                ask = asked.recv(), if !self.pipes.congested() => match ask {
                    Some(ask) => self.asked(ask, now),
                    None => return,
                },
                (shard, event) = self.pipes.next() => self.event(shard, event, now),
                Ok(()) = self.wish.serves.changed() => self.serve(),
                _ = tick.tick() => self.tick(now),
            };
            self.carry_out(acts);
        }
    }

    fn asked(&mut self, ask: Ask, now: Monotonic) -> Acts {
        match ask {
            Ask::Subscribe { port, wanted: Wanted::Quotes(instrument), from: _ } => {
                self.subscribe_quotes(port, instrument)
            }
            Ask::Subscribe { port, wanted: Wanted::Trades(instrument), from } => {
                self.session(&port);
                if !self.tapes.subscribe(&port, &instrument, from) {
                    return Vec::new();
                }
                self.tape_begins(&instrument)
            }
            Ask::Subscribe { port, wanted: Wanted::Private(stream), from } => {
                self.session(&port);
                self.topics.open(port, stream, from, &mut self.privates, self.pipes.up())
            }
            Ask::Leave { session, wanted, left } => {
                let (position, acts) = self.leave(session, wanted, now);
                // Whoever asked may be gone by now.
                let _ = left.send(position);
                acts
            }
            Ask::Gone { session } => self.gone(session, now),
            Ask::Command { principal, command, reply } => {
                let until = now + self.waits.hold;
                self.command(Held { until, principal, command, reply }, now);
                Vec::new()
            }
            Ask::Present { account, sessions, reply } => {
                self.present(account, sessions, reply, now);
                Vec::new()
            }
            Ask::LatestQuote { instrument, reply } => {
                let new = self.fan_out.ask(&instrument, reply, now);
                self.want(&instrument, new)
            }
            Ask::Bars { instrument, asked, reply } => {
                self.bars_asked((instrument, asked), reply, now);
                Vec::new()
            }
        }
    }

    /// Ends a subscription; gives the position to go on from elsewhere.
    fn leave(
        &mut self,
        session: ReceiverId,
        wanted: Wanted,
        now: Monotonic,
    ) -> (Option<Position>, Acts) {
        match wanted {
            Wanted::Quotes(instrument) => {
                self.fan_out.unsubscribe(session, &instrument, now);
                if let Some((_, instruments)) = self.sessions.get_mut(&session) {
                    instruments.remove(&instrument);
                }
                (None, Vec::new())
            }
            Wanted::Trades(instrument) => {
                let over = self.tapes.unsubscribe(session, &instrument);
                if !over {
                    return (None, Vec::new());
                }
                (None, self.tape_ends(&instrument))
            }
            Wanted::Private(stream) => {
                self.topics.close(session, &stream, &mut self.privates, self.pipes.up())
            }
        }
    }

    /// Remembers a session until it ends.
    fn session(&mut self, port: &Arc<Port>) -> &mut BTreeSet<InstrumentId> {
        let entry = self.sessions.entry(port.number());
        &mut entry.or_insert_with(|| (port.clone(), BTreeSet::new())).1
    }

    fn subscribe_quotes(&mut self, port: Arc<Port>, instrument: InstrumentId) -> Acts {
        self.session(&port).insert(instrument.clone());
        let new = self.fan_out.subscribe(&port, &instrument);
        self.want(&instrument, new)
    }

    fn want(&mut self, instrument: &InstrumentId, new: bool) -> Acts {
        if !new {
            return Vec::new();
        }
        let shard = Some(self.shard(instrument));
        self.quotes.want(FAN_OUT, instrument, shard, self.pipes.up())
    }

    fn gone(&mut self, session: ReceiverId, now: Monotonic) -> Acts {
        if let Some((_, instruments)) = self.sessions.remove(&session) {
            for instrument in instruments {
                self.fan_out.unsubscribe(session, &instrument, now);
            }
        }
        let over = self.tapes.forget(session).into_iter();
        let mut acts: Acts = over.flat_map(|which| self.tape_ends(&which)).collect();
        self.topics.forget(session);
        acts.extend(self.privates.forget(session, self.pipes.up()));
        acts
    }

    fn event(&mut self, shard: Shard, event: Event<TradeUp>, now: Monotonic) -> Acts {
        match event {
            Event::Up { incarnation, protocol } => {
                let incarnation = incarnation.0;
                tracing::info!(market = %self.market, shard, incarnation, "market reached");
                self.pipes.stands(shard, protocol);
                let mut acts = self.quotes.up(&shard);
                acts.extend(self.trades.up(&shard));
                acts.extend(self.privates.up(&shard));
                self.carry_out(acts);
                self.retry_held(now);
                Vec::new()
            }
            Event::Down(lost) => {
                if self.pipes.lost(shard) {
                    tracing::warn!(market = %self.market, shard, %lost, "market lost");
                }
                self.commands_lost(shard);
                let mut acts = self.quotes.down(&shard);
                acts.extend(self.trades.down(&shard, self.pipes.up()));
                acts.extend(self.privates.down(&shard));
                acts
            }
            Event::Message(frame) => self.heard(shard, frame, now),
        }
    }

    fn heard(&mut self, shard: Shard, frame: TradeUp, now: Monotonic) -> Acts {
        let up = self.pipes.up();
        match frame {
            TradeUp::Quote { instrument, epoch, seq, quote } => {
                self.quotes.quote(&shard, &instrument, Last { epoch, seq, quote }, up)
            }
            TradeUp::QuoteStatus { instrument, status } => {
                self.quotes.told(&shard, &instrument, status, up)
            }
            TradeUp::TradesStand { instrument, epoch, seq } => {
                self.trades.stands(&shard, &instrument, Position { epoch, seq }, (up, now))
            }
            TradeUp::Trade { instrument, epoch, seq, prev, trade } => {
                let numbered = trades::Numbered { epoch, seq, prev, trade };
                self.trades.trade(&shard, &instrument, numbered, up)
            }
            TradeUp::PrivateOpened { subscription, mode, position } => {
                self.privates.opened(subscription, mode, position)
            }
            TradeUp::Private { subscription, epoch, seq, prev, event } => {
                let Some(theirs) = self.privates.receiver(subscription) else { return Vec::new() };
                self.topics.reach(theirs, &epoch, seq);
                if !self.topics.has_room(theirs) {
                    return self.privates.postpone(subscription, now);
                }
                self.privates.event(subscription, Numbered { epoch, seq, prev, event }, now)
            }
            TradeUp::PrivateStatus { subscription, status } => {
                self.privates.told(subscription, status)
            }
            TradeUp::PrivateClosed { subscription, problem } => {
                self.privates.closed(subscription, problem, now)
            }
            TradeUp::Answer { request, answer } => self.answered(request, answer),
        }
    }

    fn tick(&mut self, now: Monotonic) -> Acts {
        self.pipes.flush();
        self.commands_tick(now);
        self.let_go();
        let topics = &self.topics;
        let mut acts = self.privates.tick(now, |theirs| topics.is_relieved(theirs, now));
        acts.extend(self.trades.tick(now, self.pipes.up()));
        for instrument in self.fan_out.tick(now) {
            acts.extend(self.quotes.unwant(FAN_OUT, &instrument, self.pipes.up()));
        }
        if self.sweep_at <= now {
            self.sweep_at = now + limits::SWEEP_SESSIONS_EVERY;
            self.tapes.tick();
            acts.extend(self.sweep(now));
        }
        acts
    }

    /// Forgets sessions that ended without saying so.
    fn sweep(&mut self, now: Monotonic) -> Acts {
        let ended = self.sessions.iter().filter(|(_, (port, _))| port.has_ended());
        let ended: Vec<ReceiverId> = ended.map(|(session, _)| *session).collect();
        ended.into_iter().flat_map(|session| self.gone(session, now)).collect()
    }

    fn carry_out(&mut self, acts: Acts) {
        for act in acts {
            match act {
                Act::Up { via, frame } => self.send(via, frame),
                Act::Down { to: FAN_OUT, frame } => self.publish(frame),
                Act::Down { to: BARS, frame } => self.count(frame),
                Act::Down { to, frame } => self.topics.tell(to, frame),
            }
        }
    }

    fn publish(&mut self, frame: TradeUp) {
        match frame {
            TradeUp::Quote { instrument, epoch, seq, quote } => {
                self.fan_out.publish(&instrument, Last { epoch, seq, quote });
            }
            TradeUp::QuoteStatus { instrument, status } => {
                self.fan_out.status(&instrument, status);
            }
            TradeUp::TradesStand { instrument, epoch, seq } => {
                self.tapes.stand(&instrument, Position { epoch, seq });
            }
            TradeUp::Trade { instrument, epoch, seq, prev, trade } => {
                let numbered = trades::Numbered { epoch, seq, prev, trade };
                self.tapes.publish(&instrument, numbered);
            }
            // Of private streams and commands the fan-out has none.
            TradeUp::PrivateOpened { .. }
            | TradeUp::Private { .. }
            | TradeUp::PrivateStatus { .. }
            | TradeUp::PrivateClosed { .. }
            | TradeUp::Answer { .. } => {}
        }
    }
}
