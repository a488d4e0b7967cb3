//! Commands at the ledger. Decides the order of the checks (fence, Trader, grant, then the command's own)
//! and what each answer waits for; the checks themselves are `ledger::rules`.

use super::{Command, Effect, Keeper, Line, Reply, Subscribe, Subscribed, guard::Whose};
use crate::{
    ledger::{Ledger, rules::Submitted},
    limits::{LISTED, MARKETS_KNOWN},
    store::StoreError,
};
use std::time::Instant;
use tokio::sync::oneshot;
use tradewind_domain::{
    ids::{AccountId, Fence, OrderId, VenueOrderId},
    trading::NewOrder,
};
use tradewind_node::clock;
use tradewind_protocol::{
    problem::{Code, Problem},
    stream::{Mode, Position},
    trade::{CommandAnswer, OrderCommand, Principal, Routed},
};

/// A refusal is the caller's; a failure of the store ends the process.
pub(super) type Answered<T> = Result<Result<T, Problem>, StoreError>;

impl Keeper {
    pub(super) fn command(
        &mut self,
        command: Command,
        reply: oneshot::Sender<Reply>,
    ) -> Result<(), StoreError> {
        let Command { fence, principal, command, routed } = command;
        let decided = match self.fence(fence)? {
            Ok(()) => {
                let current = routed.map_or(Ok(()), |routed| self.by_routes(routed));
                self.decide(&principal, command, current)?
            }
            Err(problem) => Err(problem),
        };
        self.asked_by(&principal);
        let (answer, send) = match decided {
            Ok(Decided { answer, send }) => (answer, send),
            Err(problem) => (Reply::Answer(CommandAnswer::Problem { problem }), None),
        };
        // Even a refusal may rest on records: it waits for what was put before it.
        self.then(Effect::Reply(reply, answer));
        if let Some(effect) = send {
            self.then(effect);
        }
        Ok(())
    }

    fn fence(&mut self, sent: Fence) -> Answered<()> {
        let Err(fenced) = self.ledger.check_fence(&self.assignment, sent) else {
            return Ok(Ok(()));
        };
        if let Some(record) = self.ledger.news_of(&fenced) {
            tracing::warn!(own = %self.assignment.fence.epoch, seen = %sent.epoch, "superseded");
            self.put(&record)?;
            self.report();
        }
        Ok(Err(fenced.into()))
    }

    /// Whether a new order may come by these routes. A Market that knows later ones has asked here what it did not
    /// find: what others of its name still send by earlier ones comes after its question, and would be a second
    /// order.
    fn by_routes(&mut self, routed: Routed) -> Result<(), String> {
        let Routed { market, fence } = routed;
        let held = self.routes.get(&market).copied();
        if held.is_some_and(|held| fence < held) {
            return Err(format!("later routes of {market} are known here than it was sent by"));
        }
        if held.is_some() || self.routes.len() < MARKETS_KNOWN {
            self.routes.insert(market, fence);
        }
        Ok(())
    }

    /// `current`: whether a new order may come by the routes it came by.
    fn decide(
        &mut self,
        principal: &Principal,
        command: OrderCommand,
        current: Result<(), String>,
    ) -> Answered<Decided> {
        let granted = Ledger::check_grant(&self.assignment, &principal.customer);
        let customer = &principal.customer;
        match command {
            OrderCommand::Submit { account, order } => {
                self.submit(principal, account, &order, current)
            }
            OrderCommand::Cancel { order_id } => match granted {
                Ok(()) => self.cancel(principal, &order_id),
                Err(problem) => Ok(Err(problem)),
            },
            OrderCommand::Replace { order_id, replace } => {
                self.replace(principal, &order_id, &replace)
            }
            OrderCommand::Positions { account } => Ok(granted.and_then(|()| {
                self.check_account(&account)?;
                let positions = self.ledger.positions(customer);
                Ok(answer(CommandAnswer::Positions { positions }))
            })),
            OrderCommand::CancelAllAfter { account, after_ms } => {
                self.cancel_all_after(principal, &account, after_ms)
            }
            OrderCommand::Tighten { account, state } => self.tighten(principal, &account, state),
            OrderCommand::Get { order_id } => Ok(granted.and_then(|()| {
                let order = self.ledger.own_order(customer, &order_id)?.order.clone();
                Ok(answer(CommandAnswer::Order { order: Box::new(order), created: false }))
            })),
            OrderCommand::List { account, client_order_id, open } => Ok(granted.and_then(|()| {
                self.check_account(&account)?;
                let name = client_order_id.as_ref();
                let orders = self.ledger.list(customer, name, open, LISTED);
                Ok(answer(CommandAnswer::Orders { orders }))
            })),
            OrderCommand::Fills { account } => Ok(granted.and_then(|()| {
                self.check_account(&account)?;
                Ok(Decided { answer: Reply::FillsOf(customer.clone()), send: None })
            })),
        }
    }

    fn submit(
        &mut self,
        principal: &Principal,
        account: Option<AccountId>,
        order: &NewOrder,
        current: Result<(), String>,
    ) -> Answered<Decided> {
        let allowed = self.ledger.check_trader(principal).and_then(|seen| {
            Ledger::check_grant(&self.assignment, &principal.customer)?;
            account.map_or(Ok(()), |account| self.check_account(&account))?;
            Ok(seen)
        });
        match allowed {
            Ok(Some(seen)) => self.put(&seen)?,
            Ok(None) => {}
            Err(problem) => return Ok(Err(problem)),
        }
        let now = clock::now();
        let whose = Whose::new(&principal.customer, principal.trader.as_ref());
        let id = VenueOrderId::of(self.ledger.account(), whose.customer, &order.client_order_id);
        // What was accepted before has been judged.
        if self.ledger.entry(&id).is_none() {
            let unused = self.missed.check_unused(&id, &order.client_order_id);
            let judged =
                unused.and_then(|()| self.guard.check_new(&self.ledger, whose, order, now));
            if let Err(problem) = judged {
                return Ok(Err(problem));
            }
        }
        let submitted = self.ledger.submit(
            &self.assignment,
            &self.capabilities,
            principal,
            order,
            current.and_then(|()| self.ready()),
            now,
        );
        Ok(match submitted {
            Err(problem) => Err(problem),
            Ok(Submitted::Before(id)) => self.order_answer(&id, false),
            Ok(Submitted::New(intent)) => {
                self.put(&intent)?;
                self.guard.count(whose, order, now);
                let send = Some(Effect::Send(id, Instant::now()));
                self.order_answer(&id, true).map(|decided| Decided { send, ..decided })
            }
        })
    }

    /// Whether an order accepted now would be sent now.
    pub(super) fn ready(&self) -> Result<(), String> {
        match &self.line {
            Line::Down(why) => Err(format!("the venue is away: {why}")),
            Line::Sweeping(_) => Err("the venue is being asked what was missed".to_string()),
            Line::Live(_) => self.halted.clone().map_or(Ok(()), Err),
        }
    }

    fn cancel(&mut self, principal: &Principal, id: &OrderId) -> Answered<Decided> {
        if let Err(problem) = self.ledger.own_order(&principal.customer, id) {
            return Ok(Err(problem));
        }
        let id = id.venue_order_id;
        let send = match self.begin_cancel(&id)? {
            Ok(send) => send,
            Err(problem) => return Ok(Err(problem)),
        };
        Ok(self.order_answer(&id, false).map(|decided| Decided { send, ..decided }))
    }

    pub(super) fn order_answer(
        &self,
        id: &VenueOrderId,
        created: bool,
    ) -> Result<Decided, Problem> {
        let entry = self
            .ledger
            .entry(id)
            .ok_or_else(|| Problem::new(Code::NotFound, format!("no order {id}")))?;
        Ok(answer(CommandAnswer::Order { order: Box::new(entry.order.clone()), created }))
    }

    pub(super) fn check_account(&self, account: &AccountId) -> Result<(), Problem> {
        if account == self.ledger.account() {
            return Ok(());
        }
        let detail = format!("account {account} is not kept here, {} is", self.ledger.account());
        Err(Problem::new(Code::NotFound, detail))
    }

    pub(super) fn subscribe(&self, subscribe: Subscribe) -> Result<Subscribed, Problem> {
        let Subscribe { account, customer, channel, from } = subscribe;
        self.ledger.check_own(&self.assignment)?;
        self.check_account(&account)?;
        Ledger::check_grant(&self.assignment, &customer)?;
        let streams = &self.streams;
        let seq = streams.stand(&customer, channel);
        let told = |from: &Position| {
            from.epoch == *streams.epoch() && streams.has_told(&customer, from.seq)
        };
        let (mode, after) = match from {
            None => (Mode::Live, seq),
            Some(from) if told(&from) => (Mode::Replay, from.seq),
            Some(_) => (Mode::Snapshot, 0),
        };
        let position = Position { epoch: streams.epoch().clone(), seq };
        Ok(Subscribed { mode, position, after })
    }
}

/// An answer, and what follows it.
pub(super) struct Decided {
    pub(super) answer: Reply,
    pub(super) send: Option<Effect>,
}

fn answer(answer: CommandAnswer) -> Decided {
    Decided { answer: Reply::Answer(answer), send: None }
}
