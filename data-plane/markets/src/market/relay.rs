//! A Market between its Brokers and its MarketManager. Decides, for every frame that comes, what goes
//! where: accounts for orders, fences, renumbering, what waits and what is told after a loss. Pure:
//! frames and times in, [`Act`]s out; pipes are left to `market`.

use super::routes::Routes;
use crate::{
    hop::{
        Act, ReceiverId,
        privates::{Numbered, Privates, Wish},
        quotes::{Last, Quotes},
        requests::Requests,
        unavailable, unknown,
    },
    limits,
};
use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};
use tradewind_domain::{
    control::desired::{AccountAccess, MarketWanted},
    ids::{AccountId, Fence, InstrumentId},
    limits::ORDER_ANSWER_WITHIN,
    time::Monotonic,
};
use tradewind_protocol::{
    Code, Problem,
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
}

pub(crate) struct Relay {
    waits: Waits,
    routes: Option<Routes>,
    /// Accounts whose Broker's pipe stands.
    up: BTreeSet<AccountId>,
    quotes: Quotes<AccountId>,
    privates: Privates<AccountId>,
    requests: Requests<AccountId, ReplyTo>,
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
            privates: Privates::new(),
            requests: Requests::new(limits::IN_FLIGHT, waits.answer),
            held: VecDeque::new(),
        }
    }

    /// What the Market is told to be from now on. Pipes of accounts that are no longer named have been
    /// reported lost by the caller.
    pub(crate) fn configure(&mut self, wanted: &MarketWanted, now: Monotonic) -> Acts {
        let routes = Routes::new(wanted);
        let mut acts = self.quotes.reroute(|instrument| routes.carrier(instrument), &self.up);
        self.routes = Some(routes);
        acts.extend(self.retry_held(now));
        acts
    }

    /// In words, for the Manager's status: how many of the Brokers are reached, what is subscribed.
    pub(crate) fn standing(&self) -> (bool, String) {
        let wanted = self.routes.as_ref().map_or(0, |routes| routes.accounts().count());
        let (reached, quotes) = (self.up.len(), self.quotes.len());
        let words = format!(
            "{reached} of {wanted} Brokers reached, {quotes} instruments and {} private streams on",
            self.privates.len()
        );
        (self.routes.is_some() && reached == wanted, words)
    }

    pub(crate) fn broker_up(&mut self, account: &AccountId, now: Monotonic) -> Acts {
        self.up.insert(account.clone());
        let mut acts = self.quotes.up(account);
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
        let lost = self.requests.lost(account);
        acts.extend(lost.into_iter().map(|reply| answer(reply, unknown(detail.clone()))));
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
                self.quotes.quote(account, &instrument, Last { epoch, seq, quote })
            }
            TradeUp::QuoteStatus { instrument, status } => {
                self.quotes.told(account, &instrument, status)
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
            TradeUp::Answer { request, answer } => {
                let reply = self.requests.end(request);
                reply.map(|(to, request)| down(to, request, answer)).into_iter().collect()
            }
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
            TradeDown::SubscribePrivate { subscription, account, customer, channel, from } => {
                let wish = Wish { account: account.clone(), customer, channel, from };
                self.privates.open((to, subscription), account, wish, &self.up)
            }
            TradeDown::UnsubscribePrivate { subscription } => {
                self.privates.close((to, subscription), &self.up)
            }
            // The sender's fence is his knowledge of this Market; the Broker is told the Broker's own.
            TradeDown::Command { request, fence: _, principal, command } => {
                let until = now + self.waits.hold;
                self.command(Held { until, reply: (to, request), principal, command }, now)
            }
        }
    }

    /// A MarketManager's pipe is gone: nothing is kept for it, it will ask again.
    pub(crate) fn receiver_gone(&mut self, to: ReceiverId) -> Acts {
        self.held.retain(|held| held.reply.0 != to);
        let mut acts = self.quotes.forget(to, &self.up);
        acts.extend(self.privates.forget(to, &self.up));
        acts
    }

    /// A command that was to be sent found no place on the pipe.
    pub(crate) fn not_sent(&mut self, request: u64) -> Acts {
        let reply = self.requests.end(request);
        let refused = |reply| answer(reply, unavailable("the link to the Broker is busy or lost"));
        reply.map(refused).into_iter().collect()
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: Monotonic) -> Acts {
        let mut acts = self.privates.tick(now, |_| true);
        let within = self.waits.answer;
        let over = self.requests.expired(now).into_iter();
        acts.extend(over.map(|reply| {
            answer(reply, unknown(format!("the Broker has not answered within {within:?}")))
        }));
        while self.held.front().is_some_and(|held| held.until <= now) {
            acts.extend(self.held.pop_front().map(|held| answer(held.reply, self.away())));
        }
        acts
    }

    fn away(&self) -> Problem {
        match self.routes {
            Some(_) => unavailable("the Broker of the account is not reached at the moment"),
            None => unavailable("the Market has not been told its routes yet"),
        }
    }

    fn carrier(&self, instrument: &InstrumentId) -> Option<AccountId> {
        self.routes.as_ref()?.carrier(instrument)
    }

    /// Sends a command to the Broker it is for, or holds it for a while, or answers what is wrong.
    fn command(&mut self, held: Held, now: Monotonic) -> Acts {
        let Some(routes) = &self.routes else { return self.hold(held, now) };
        let target = match addressed(routes, &held.principal, &held.command) {
            Ok(target) => target,
            Err(problem) => return vec![answer(held.reply, problem)],
        };
        let (account, fence) = target;
        if !self.up.contains(&account) {
            return self.hold(held, now);
        }
        match self.requests.begin(account.clone(), held.reply, now) {
            Ok(request) => {
                let Held { principal, mut command, .. } = held;
                // Only now: what waits goes where the newest routes say.
                if let OrderCommand::Submit { account: named, .. } = &mut command {
                    *named = Some(account.clone());
                }
                let frame = TradeDown::Command { request, fence, principal, command };
                vec![Act::Up { via: account, frame }]
            }
            Err(reply) => vec![answer(reply, unavailable("too many commands on their way"))],
        }
    }

    fn hold(&mut self, held: Held, now: Monotonic) -> Acts {
        if held.until <= now || self.held.len() >= limits::HELD {
            return vec![answer(held.reply, self.away())];
        }
        self.held.push_back(held);
        Vec::new()
    }
}

/// The account a command is for, with its fence.
fn addressed(
    routes: &Routes,
    principal: &Principal,
    command: &OrderCommand,
) -> Result<(AccountId, Fence), Problem> {
    let access = match command {
        OrderCommand::Submit { account, order } => {
            order.check().map_err(|why| Problem::new(Code::InvalidOrder, why.to_string()))?;
            routes.for_order(&principal.customer, &order.instrument, account.as_ref())?
        }
        OrderCommand::Cancel { order_id } | OrderCommand::Get { order_id } => {
            known(routes, &order_id.account)?
        }
        OrderCommand::List { account, .. } | OrderCommand::Fills { account } => {
            known(routes, account)?
        }
    };
    Ok((access.account.clone(), access.fence))
}

fn known<'a>(routes: &'a Routes, account: &AccountId) -> Result<&'a AccountAccess, Problem> {
    // An account that the gateway knew and this Market does not is one whose Broker is being placed.
    let away = || unavailable(format!("no Broker of {account} is placed at the moment"));
    routes.account(account).ok_or_else(away)
}

fn down(to: ReceiverId, request: u64, answer: CommandAnswer) -> Act<AccountId> {
    Act::Down { to, frame: TradeUp::Answer { request, answer } }
}

fn answer((to, request): ReplyTo, problem: Problem) -> Act<AccountId> {
    down(to, request, CommandAnswer::Problem { problem })
}

#[cfg(test)]
mod tests;
