//! A Market between its Brokers and its MarketManager. Decides, for every frame that comes, what goes
//! where: accounts for orders, fences, renumbering, what waits and what is told after a loss. Pure:
//! frames and times in, [`Act`]s out; pipes are left to `market`.
//!
//! M3 after a change of routes no order goes to an account before those where it may stand already, having been sent
//! under earlier routes, have said that they do not know it (`search`).

mod presence;
mod search;

use super::routes::{Routes, Way, unplaced};
use crate::{
    hop::{
        Act, ReceiverId,
        privates::{Numbered, Privates, Wish},
        quotes::{Last, Quotes},
        requests::Requests,
        trades::{self, Trades},
        unavailable, unknown,
    },
    limits,
};
use search::Searches;
use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};
use tradewind_domain::{
    control::desired::MarketWanted,
    ids::{AccountId, InstrumentId},
    limits::ORDER_ANSWER_WITHIN,
    time::Monotonic,
};
use tradewind_protocol::{
    Problem,
    stream::Position,
    trade::{CommandAnswer, OrderCommand, Principal, TradeDown, TradeUp},
};

/// How long commands wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    /// For a lost pipe to stand again.
    pub(crate) hold: Duration,
    /// For an answer.
    pub(crate) answer: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self { hold: limits::HOLD_WITHIN, answer: ORDER_ANSWER_WITHIN }
    }
}

/// Where an answer goes: the receiver and his number.
type ReplyTo = (ReceiverId, u64);
type Acts = Vec<Act<AccountId>>;

struct Held {
    until: Monotonic,
    reply: ReplyTo,
    principal: Principal,
    command: OrderCommand,
    /// Whose Broker was not reached.
    waits_for: Option<AccountId>,
}

/// What an answer of a Broker is for.
#[derive(Clone, Copy, Debug)]
enum Awaited {
    /// To be told on.
    Answer(ReplyTo),
    /// Of the search with this number.
    Found(u64),
}

pub(crate) struct Relay {
    waits: Waits,
    routes: Option<Routes>,
    /// Accounts whose Broker's pipe stands.
    up: BTreeSet<AccountId>,
    quotes: Quotes<AccountId>,
    trades: Trades<AccountId>,
    privates: Privates<AccountId>,
    requests: Requests<AccountId, Awaited>,
    /// Submits that some accounts are asked about first.
    searches: Searches,
    /// Commands that wait for a Broker's pipe, in the order of their deadlines.
    held: VecDeque<Held>,
}

impl Relay {
    pub(crate) fn new(waits: Waits) -> Self {
        Self {
            waits,
            routes: None,
            up: BTreeSet::new(),
            quotes: Quotes::new(),
            trades: Trades::new(),
            privates: Privates::new(),
            requests: Requests::new(limits::IN_FLIGHT, waits.answer),
            searches: Searches::default(),
            held: VecDeque::new(),
        }
    }

    /// What the Market is told to be from now on. Pipes of accounts that are no longer named have been
    /// reported lost by the caller.
    pub(crate) fn configure(&mut self, wanted: &MarketWanted, now: Monotonic) -> Acts {
        let routes = Routes::new(wanted);
        let epoch = wanted.fence.epoch;
        let mut acts = self.quotes.reroute(epoch, |which| routes.carrier(which), &self.up);
        acts.extend(self.trades.reroute(epoch, |which| routes.carrier(which), &self.up));
        self.routes = Some(routes);
        // Who is to be asked may be others now: what was asked is asked anew.
        self.held.extend(self.searches.take_all());
        self.held.make_contiguous().sort_by_key(|held| held.until);
        acts.extend(self.retry_held(now));
        acts
    }

    /// In words, for the Manager's status: how many of the Brokers are reached, what is subscribed.
    pub(crate) fn standing(&self) -> (bool, String) {
        let needed: Vec<_> = self.routes.iter().flat_map(Routes::needed).collect();
        let wanted = needed.len();
        let reached = needed.into_iter().filter(|account| self.up.contains(*account)).count();
        let quotes = self.quotes.len();
        let mut words = format!(
            "{reached} of {wanted} Brokers reached, {quotes} instruments and {} private streams on",
            self.privates.len()
        );
        let moving = self.quotes.moving();
        if moving > 0 {
            words += &format!(", {moving} instruments waiting for their new source");
        }
        (self.routes.is_some() && reached == wanted, words)
    }

    pub(crate) fn broker_up(&mut self, account: &AccountId, now: Monotonic) -> Acts {
        self.up.insert(account.clone());
        let mut acts = self.quotes.up(account);
        acts.extend(self.trades.up(account));
        acts.extend(self.privates.up(account));
        acts.extend(self.retry_held(now));
        acts
    }

    fn retry_held(&mut self, now: Monotonic) -> Acts {
        let held = std::mem::take(&mut self.held);
        held.into_iter().flat_map(|held| self.command(held, now)).collect()
    }

    /// The pipe to an account's Broker is lost: what was on its way may or may not have arrived.
    pub(crate) fn broker_down(&mut self, account: &AccountId) -> Acts {
        self.up.remove(account);
        let mut acts = self.quotes.down(account);
        acts.extend(self.privates.down(account));
        let detail = format!("the link to the Broker of {account} was lost before it answered");
        for lost in self.requests.lost(account) {
            acts.extend(self.unanswered(lost, unknown(detail.clone())));
        }
        acts
    }

    /// A frame from an account's Broker.
    pub(crate) fn heard_broker(
        &mut self,
        account: &AccountId,
        frame: TradeUp,
        now: Monotonic,
    ) -> Acts {
        match frame {
            TradeUp::Quote { instrument, epoch, seq, quote } => {
                let last = Last { epoch, seq, quote };
                self.quotes.quote(account, &instrument, last, &self.up)
            }
            TradeUp::QuoteStatus { instrument, status } => {
                self.quotes.told(account, &instrument, status, &self.up)
            }
            TradeUp::TradesStand { instrument, epoch, seq } => {
                let stand = Position { epoch, seq };
                self.trades.stands(account, &instrument, stand, (&self.up, now))
            }
            TradeUp::Trade { instrument, epoch, seq, prev, trade } => {
                let numbered = trades::Numbered { epoch, seq, prev, trade };
                self.trades.trade(account, &instrument, numbered, &self.up)
            }
            TradeUp::PrivateOpened { subscription, mode, position } => {
                self.privates.opened(subscription, mode, position)
            }
            TradeUp::Private { subscription, epoch, seq, prev, event } => {
                self.privates.event(subscription, Numbered { epoch, seq, prev, event }, now)
            }
            TradeUp::PrivateStatus { subscription, status } => {
                self.privates.told(subscription, status)
            }
            TradeUp::PrivateClosed { subscription, problem } => {
                self.privates.closed(subscription, problem, now)
            }
            TradeUp::Answer { request, answer } => match self.requests.end(request) {
                Some(Awaited::Answer((to, request))) => vec![down(to, request, answer)],
                Some(Awaited::Found(search)) => self.found(search, account, &answer, now),
                None => Vec::new(),
            },
        }
    }

    /// A frame from a MarketManager.
    pub(crate) fn heard_receiver(
        &mut self,
        to: ReceiverId,
        frame: TradeDown,
        now: Monotonic,
    ) -> Acts {
        match frame {
            TradeDown::SubscribeQuotes { instrument } => {
                let carrier = self.carrier(&instrument);
                self.quotes.want(to, &instrument, carrier, &self.up)
            }
            TradeDown::UnsubscribeQuotes { instrument } => {
                self.quotes.unwant(to, &instrument, &self.up)
            }
            TradeDown::SubscribeTrades { instrument } => {
                let carrier = self.carrier(&instrument);
                self.trades.want(to, &instrument, carrier, &self.up).into_iter().collect()
            }
            TradeDown::UnsubscribeTrades { instrument } => {
                self.trades.unwant(to, &instrument, &self.up)
            }
            TradeDown::SubscribePrivate { subscription, account, customer, channel, from } => {
                let wish = Wish { account: account.clone(), customer, channel, from };
                self.privates.open((to, subscription), account, wish, &self.up)
            }
            TradeDown::UnsubscribePrivate { subscription } => {
                self.privates.close((to, subscription), &self.up)
            }
            TradeDown::Present { request, account, sessions } => {
                self.present((to, request), account, sessions, now)
            }
            // The sender's fence is his knowledge of this Market; the Broker is told the Broker's own.
            TradeDown::Command { request, fence: _, principal, command, routed: _ } => {
                let until = now + self.waits.hold;
                let reply = (to, request);
                self.command(Held { until, reply, principal, command, waits_for: None }, now)
            }
        }
    }

    /// A MarketManager's pipe is gone: nothing is kept for it, it will ask again.
    pub(crate) fn receiver_gone(&mut self, to: ReceiverId) -> Acts {
        self.held.retain(|held| held.reply.0 != to);
        self.searches.forget(to);
        let mut acts = self.quotes.forget(to, &self.up);
        acts.extend(self.trades.forget(to, &self.up));
        acts.extend(self.privates.forget(to, &self.up));
        acts
    }

    /// A command that was to be sent found no place on the pipe.
    pub(crate) fn not_sent(&mut self, request: u64) -> Acts {
        let problem = unavailable("the link to the Broker is busy or lost");
        let awaited = self.requests.end(request);
        awaited.into_iter().flat_map(|awaited| self.unanswered(awaited, problem.clone())).collect()
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: Monotonic) -> Acts {
        let mut acts = self.privates.tick(now, |_| true);
        let within = self.waits.answer;
        for over in self.requests.expired(now) {
            let problem = unknown(format!("the Broker has not answered within {within:?}"));
            acts.extend(self.unanswered(over, problem));
        }
        while self.held.front().is_some_and(|held| held.until <= now) {
            acts.extend(self.held.pop_front().map(|held| answer(held.reply, away(&held))));
        }
        acts
    }

    /// No answer comes for it any more.
    fn unanswered(&mut self, awaited: Awaited, problem: Problem) -> Acts {
        match awaited {
            Awaited::Answer(reply) => vec![answer(reply, problem)],
            Awaited::Found(search) => self.give_up(search, &problem),
        }
    }

    fn carrier(&self, instrument: &InstrumentId) -> Option<AccountId> {
        self.routes.as_ref()?.carrier(instrument)
    }

    /// Sends a command to the Broker it is for, or holds it for a while, or answers what is wrong.
    fn command(&mut self, held: Held, now: Monotonic) -> Acts {
        let Some(routes) = &self.routes else { return self.hold(held, None, now) };
        let Way { to, ask } = match routes.way_of(&held.principal, &held.command) {
            Ok(way) => way,
            Err(problem) => return vec![answer(held.reply, problem)],
        };
        if ask.is_empty() {
            return match to {
                Ok(account) => self.dispatch(&account, held, now),
                Err(problem) => vec![answer(held.reply, problem)],
            };
        }
        if let Some(away) = ask.iter().find(|account| !self.up.contains(account)).cloned() {
            return self.hold(held, Some(away), now);
        }
        self.search(held, to, ask, now)
    }

    /// Hands a command to the Broker of an account.
    fn dispatch(&mut self, account: &AccountId, held: Held, now: Monotonic) -> Acts {
        if !self.up.contains(account) {
            return self.hold(held, Some(account.clone()), now);
        }
        let Held { reply, principal, mut command, .. } = held;
        // Only now: what waits goes where the newest routes say.
        if let OrderCommand::Submit { account: named, .. } = &mut command {
            *named = Some(account.clone());
        }
        match self.ask(account, Awaited::Answer(reply), principal, command, now) {
            Ok(act) => vec![act],
            Err(problem) => vec![answer(reply, problem)],
        }
    }

    /// A command as the account's Broker is to have it, under a number of its own.
    fn ask(
        &mut self,
        account: &AccountId,
        awaited: Awaited,
        principal: Principal,
        command: OrderCommand,
        now: Monotonic,
    ) -> Result<Act<AccountId>, Problem> {
        let routes = self.routes.as_ref();
        let known = routes.and_then(|routes| Some((routes.account(account)?.fence, routes)));
        let (fence, routes) = known.ok_or_else(|| unplaced(account))?;
        let routed = Some(routes.routed());
        let begun = self.requests.begin(account.clone(), awaited, now);
        let request = begun.map_err(|_| unavailable("too many commands on their way"))?;
        let frame = TradeDown::Command { request, fence, principal, command, routed };
        Ok(Act::Up { via: account.clone(), frame })
    }

    fn hold(&mut self, mut held: Held, waits_for: Option<AccountId>, now: Monotonic) -> Acts {
        held.waits_for = waits_for;
        if held.until <= now || self.held.len() >= limits::HELD {
            return vec![answer(held.reply, away(&held))];
        }
        self.held.push_back(held);
        Vec::new()
    }
}

fn away(held: &Held) -> Problem {
    match &held.waits_for {
        Some(account) => {
            unavailable(format!("the Broker of {account} is not reached at the moment"))
        }
        None => unavailable("the Market has not been told its routes yet"),
    }
}

fn down(to: ReceiverId, request: u64, answer: CommandAnswer) -> Act<AccountId> {
    Act::Down { to, frame: TradeUp::Answer { request, answer } }
}

fn answer((to, request): ReplyTo, problem: Problem) -> Act<AccountId> {
    down(to, request, CommandAnswer::Problem { problem })
}

#[cfg(test)]
mod tests;
