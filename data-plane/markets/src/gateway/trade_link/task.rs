//! The task of a link to a Market. Decides what a session is told when the Market goes and comes back,
//! and that commands wait for it a moment; positions, numbers and deadlines are `hop`'s work, quotes
//! `fan_out`'s.
//!
//! It waits for nobody: sessions are queued to, the pipe is tried, so no slow one slows another.

mod presence;

use super::{Ask, Reply, Wanted, private::PrivateTopics};
use crate::{
    clock::Clock,
    gateway::{fan_out::FanOut, port::Port, tape::Tapes},
    hop::{
        Act, ReceiverId,
        line::Line,
        privates::{Numbered, Privates},
        quotes::{Last, Quotes},
        requests::Requests,
        trades::{self, Trades},
        unavailable, unknown,
    },
    limits,
    market::Waits,
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};
use tradewind_domain::{
    ids::{Fence, InstrumentId, MarketId},
    time::Monotonic,
};
use tradewind_link::pipe::{self, Event};
use tradewind_protocol::{
    Problem,
    stream::Position,
    trade::{CommandAnswer, OrderCommand, Principal, TradeDown, TradeUp},
};

/// The one pipe of this hop.
pub(super) type Pipe = ();
type Acts = Vec<Act<Pipe>>;

/// The one receiver of quotes and trades on this hop: they are fanned out behind it.
const FAN_OUT: ReceiverId = ReceiverId(0);

struct Held {
    until: Monotonic,
    principal: Principal,
    command: OrderCommand,
    reply: Reply,
}

pub(super) struct Task {
    market: MarketId,
    fence: Box<dyn Fn() -> Fence + Send>,
    clock: Clock,
    waits: Waits,
    line: Line,
    events: pipe::Events<TradeUp>,
    /// Holds the pipe while it stands.
    up: BTreeSet<Pipe>,
    quotes: Quotes<Pipe>,
    fan_out: FanOut,
    trades: Trades<Pipe>,
    tapes: Tapes,
    privates: Privates<Pipe>,
    topics: PrivateTopics,
    /// Instruments by session, for its end.
    sessions: BTreeMap<ReceiverId, (Arc<Port>, BTreeSet<InstrumentId>)>,
    requests: Requests<Pipe, Reply>,
    held: VecDeque<Held>,
    sweep_at: Monotonic,
}

impl Task {
    pub(super) fn new(
        market: MarketId,
        pipe: (pipe::Sender<TradeDown>, pipe::Events<TradeUp>),
        fence: Box<dyn Fn() -> Fence + Send>,
        waits: Waits,
    ) -> Self {
        let (sender, events) = pipe;
        Self {
            market,
            fence,
            clock: Clock::start(),
            waits,
            line: Line::new(sender),
            events,
            up: BTreeSet::new(),
            quotes: Quotes::new(),
            fan_out: FanOut::default(),
            trades: Trades::new(),
            tapes: Tapes::default(),
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
        loop {
            let now = self.clock.now();
            let acts = tokio::select! {
                ask = asked.recv(), if !self.line.congested() => match ask {
                    Some(ask) => self.asked(ask, now),
                    None => return,
                },
                Some(event) = self.events.next() => self.event(event, now),
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
                let new = self.tapes.subscribe(&port, &instrument, from);
                let wanted =
                    new.then(|| self.trades.want(FAN_OUT, &instrument, Some(()), &self.up));
                wanted.flatten().into_iter().collect()
            }
            Ask::Subscribe { port, wanted: Wanted::Private(stream), from } => {
                self.session(&port);
                self.topics.open(port, stream, from, &mut self.privates, &self.up)
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
                let left = over.then(|| self.trades.unwant(FAN_OUT, &instrument, &self.up));
                (None, left.flatten().into_iter().collect())
            }
            Wanted::Private(stream) => {
                self.topics.close(session, &stream, &mut self.privates, &self.up)
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
        if new { self.quotes.want(FAN_OUT, instrument, Some(()), &self.up) } else { Vec::new() }
    }

    fn gone(&mut self, session: ReceiverId, now: Monotonic) -> Acts {
        if let Some((_, instruments)) = self.sessions.remove(&session) {
            for instrument in instruments {
                self.fan_out.unsubscribe(session, &instrument, now);
            }
        }
        let over = self.tapes.forget(session).into_iter();
        let left = over.filter_map(|which| self.trades.unwant(FAN_OUT, &which, &self.up));
        let mut acts: Acts = left.collect();
        self.topics.forget(session);
        acts.extend(self.privates.forget(session, &self.up));
        acts
    }

    fn event(&mut self, event: Event<TradeUp>, now: Monotonic) -> Acts {
        match event {
            Event::Up { incarnation, protocol } => {
                self.line.up(protocol);
                tracing::info!(market = %self.market, incarnation = incarnation.0, "market reached");
                self.up.insert(());
                let mut acts = self.quotes.up(&());
                acts.extend(self.trades.up(&()));
                acts.extend(self.privates.up(&()));
                self.carry_out(acts);
                for held in std::mem::take(&mut self.held) {
                    self.command(held, now);
                }
                Vec::new()
            }
            Event::Down(lost) => {
                if self.up.remove(&()) {
                    tracing::warn!(market = %self.market, %lost, "market lost");
                }
                self.line.lost();
                for reply in self.requests.lost(&()) {
                    answer(reply, unknown("the Market was lost before it answered"));
                }
                let mut acts = self.quotes.down(&());
                acts.extend(self.privates.down(&()));
                acts
            }
            Event::Message(frame) => self.heard(frame, now),
        }
    }

    fn heard(&mut self, frame: TradeUp, now: Monotonic) -> Acts {
        match frame {
            TradeUp::Quote { instrument, epoch, seq, quote } => {
                self.quotes.quote(&(), &instrument, Last { epoch, seq, quote }, &self.up)
            }
            TradeUp::QuoteStatus { instrument, status } => {
                self.quotes.told(&(), &instrument, status)
            }
            TradeUp::TradesStand { instrument, epoch, seq } => {
                self.trades.stands(&(), &instrument, Position { epoch, seq })
            }
            TradeUp::Trade { instrument, epoch, seq, prev, trade } => {
                let numbered = trades::Numbered { epoch, seq, prev, trade };
                self.trades.trade(&(), &instrument, &numbered)
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
            TradeUp::Answer { request, answer } => {
                if let Some(reply) = self.requests.end(request) {
                    // Whoever asked may be gone by now.
                    let _ = reply.send(answer);
                }
                Vec::new()
            }
        }
    }

    fn tick(&mut self, now: Monotonic) -> Acts {
        self.line.flush();
        let within = self.waits.answer;
        for reply in self.requests.expired(now) {
            answer(reply, unknown(format!("the Market has not answered within {within:?}")));
        }
        while self.held.front().is_some_and(|held| held.until <= now) {
            if let Some(held) = self.held.pop_front() {
                answer(held.reply, unavailable("the Market is not reached at the moment"));
            }
        }
        let topics = &self.topics;
        let mut acts = self.privates.tick(now, |theirs| topics.is_relieved(theirs, now));
        for instrument in self.fan_out.tick(now) {
            acts.extend(self.quotes.unwant(FAN_OUT, &instrument, &self.up));
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

    /// Sends a command, or holds it while the Market is away, or answers that it was surely not sent.
    fn command(&mut self, held: Held, now: Monotonic) {
        if self.up.is_empty() {
            if held.until > now && self.held.len() < limits::HELD {
                self.held.push_back(held);
            } else {
                answer(held.reply, unavailable("the Market is not reached at the moment"));
            }
            return;
        }
        let Held { principal, command, reply, .. } = held;
        match self.requests.begin((), reply, now) {
            Ok(request) => {
                let fence = (self.fence)();
                let frame = TradeDown::Command { request, fence, principal, command, routed: None };
                self.send(frame);
            }
            Err(reply) => answer(reply, unavailable("too many commands on their way")),
        }
    }

    fn send(&mut self, frame: TradeDown) {
        if let Err(request) = self.line.send(frame)
            && let Some(reply) = self.requests.end(request)
        {
            answer(reply, unavailable("the link to the Market is busy or lost"));
        }
    }

    fn carry_out(&mut self, acts: Acts) {
        for act in acts {
            match act {
                Act::Up { via: (), frame } => self.send(frame),
                Act::Down { to: FAN_OUT, frame } => self.publish(frame),
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

fn answer(reply: Reply, problem: Problem) {
    // Whoever asked may be gone by now.
    let _ = reply.send(CommandAnswer::Problem { problem });
}
