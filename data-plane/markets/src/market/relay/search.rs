//! Looking for an order where earlier routes may have sent it. Decides whether a submit is new: it is when none of the
//! accounts asked has an order under its id; where one has, the submit goes there and finds itself repeated. Without
//! an answer of all of them nothing is sent: the order may stand at the one that is silent. A new one that is no more
//! than what makes the customer's position at one of them smaller is offered there before it goes by the routes; the
//! Broker has the last word, since other orders may have come meanwhile.
//!
//! The question carries the Market's routes, so that a Broker that answered takes nothing under earlier ones any more.

use super::{Acts, Awaited, Held, Relay, ReplyTo, answer, down};
use crate::hop::{ReceiverId, unavailable};
use std::collections::{BTreeMap, BTreeSet};
use tradewind_domain::{
    ids::{AccountId, Fence},
    time::Monotonic,
    trading::{NewOrder, exposure::Exposure},
};
use tradewind_protocol::{
    Problem,
    orders::AccountPositions,
    trade::{CommandAnswer, OrderCommand},
};

struct Search {
    held: Held,
    /// Where it goes if it is new and makes nothing smaller.
    to: Result<AccountId, Problem>,
    /// Answers that are missing.
    awaited: usize,
    /// Accounts asked where it would make his position smaller.
    holding: BTreeSet<AccountId>,
}

/// A new order that an account is offered.
struct Offer {
    search: Search,
    /// The routes that it goes by if it is not taken.
    by: Option<Fence>,
}

/// All that are under way. Bounded by what is on its way to Brokers: each has a question there.
#[derive(Default)]
pub(super) struct Searches {
    next: u64,
    by_number: BTreeMap<u64, Search>,
    offers: BTreeMap<u64, Offer>,
}

impl Searches {
    /// A receiver is gone: nothing is sent for it any more.
    pub(super) fn forget(&mut self, gone: ReceiverId) {
        self.by_number.retain(|_, search| search.held.reply.0 != gone);
        self.offers.retain(|_, offer| offer.search.held.reply.0 != gone);
    }

    /// Ends all that only ask; answers that still come are for nobody. What was offered may have been taken: that
    /// answer is waited for.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Held> + use<> {
        std::mem::take(&mut self.by_number).into_values().map(|search| search.held)
    }
}

impl Relay {
    /// Asks the accounts whether they know the order, and what the customer has there.
    pub(super) fn search(
        &mut self,
        held: Held,
        to: Result<AccountId, Problem>,
        ask: Vec<AccountId>,
        now: Monotonic,
    ) -> Acts {
        let OrderCommand::Submit { order, .. } = &held.command else { return Vec::new() };
        let name = order.client_order_id.clone();
        self.searches.next += 1;
        let number = self.searches.next;
        let mut acts = Vec::new();
        for account in ask {
            let known = OrderCommand::List {
                account: account.clone(),
                client_order_id: Some(name.clone()),
                open: false,
            };
            let has = OrderCommand::Positions { account: account.clone() };
            for question in [known, has] {
                let principal = held.principal.clone();
                match self.ask(&account, Awaited::Found(number), principal, question, now) {
                    Ok(act) => acts.push(act),
                    Err(problem) => return vec![answer(held.reply, problem)],
                }
            }
        }
        let search = Search { held, to, awaited: acts.len(), holding: BTreeSet::new() };
        self.searches.by_number.insert(number, search);
        acts
    }

    /// An account has answered what was asked of it.
    pub(super) fn found(
        &mut self,
        number: u64,
        account: &AccountId,
        said: &CommandAnswer,
        now: Monotonic,
    ) -> Acts {
        let Some(search) = self.searches.by_number.get_mut(&number) else { return Vec::new() };
        match said {
            CommandAnswer::Orders { orders } if orders.is_empty() => {}
            CommandAnswer::Orders { .. } => {
                let found = self.searches.by_number.remove(&number);
                return found.map_or_else(Vec::new, |it| self.dispatch(account, it.held, now));
            }
            CommandAnswer::Positions { positions } => {
                if let OrderCommand::Submit { order, .. } = &search.held.command
                    && makes_smaller(order, positions)
                {
                    search.holding.insert(account.clone());
                }
            }
            CommandAnswer::Problem { problem } => return self.give_up(number, problem),
            CommandAnswer::Order { .. }
            | CommandAnswer::NotReducing {}
            | CommandAnswer::Fills { .. }
            | CommandAnswer::CancelTimer { .. }
            | CommandAnswer::TradingState { .. }
            | CommandAnswer::Watched { .. } => {
                tracing::error!(%account, "an answer is not of the kind that was asked for");
                return self.give_up(number, &unavailable("the Broker has not said it"));
            }
        }
        search.awaited -= 1;
        if search.awaited > 0 {
            return Vec::new();
        }
        match self.searches.by_number.remove(&number) {
            Some(search) => self.offer(number, search, now),
            None => Vec::new(),
        }
    }

    /// A new order goes to the next account whose position it makes smaller, or by the routes.
    fn offer(&mut self, number: u64, mut search: Search, now: Monotonic) -> Acts {
        let by = self.routes.as_ref().map(|routes| routes.routed().fence);
        let (Some(account), OrderCommand::Submit { order, .. }) =
            (search.holding.pop_first(), &search.held.command)
        else {
            return match search.to {
                Ok(account) => self.dispatch(&account, search.held, now),
                Err(problem) => vec![answer(search.held.reply, problem)],
            };
        };
        let principal = search.held.principal.clone();
        let offered =
            OrderCommand::SubmitReducing { account: account.clone(), order: order.clone() };
        match self.ask(&account, Awaited::Offered(number), principal, offered, now) {
            Ok(act) => {
                self.searches.offers.insert(number, Offer { search, by });
                vec![act]
            }
            Err(problem) => vec![answer(search.held.reply, problem)],
        }
    }

    /// The account has taken the order, or refused it, or leaves it to the next.
    pub(super) fn offered(&mut self, number: u64, said: CommandAnswer, now: Monotonic) -> Acts {
        let Some(Offer { search, by }) = self.searches.offers.remove(&number) else {
            return Vec::new();
        };
        if said != (CommandAnswer::NotReducing {}) {
            let (to, request): ReplyTo = search.held.reply;
            return vec![down(to, request, said)];
        }
        if by == self.routes.as_ref().map(|routes| routes.routed().fence) {
            return self.offer(number, search, now);
        }
        // Meanwhile the routes are others: all of it anew.
        self.command(search.held, now)
    }

    /// It cannot be known whether the order is new: it was surely not sent now.
    pub(super) fn give_up(&mut self, number: u64, why: &Problem) -> Acts {
        let Some(Search { held, .. }) = self.searches.by_number.remove(&number) else {
            return Vec::new();
        };
        let detail = format!(
            "the order may stand where earlier routes sent it, and that is not known yet: {}",
            why.detail
        );
        vec![answer(held.reply, unavailable(detail))]
    }

    /// No answer comes for an order that was offered.
    pub(super) fn not_known(&mut self, number: u64, problem: Problem) -> Acts {
        let offer = self.searches.offers.remove(&number);
        offer.map_or_else(Vec::new, |it| vec![answer(it.search.held.reply, problem)])
    }
}

/// Whether all of the order would make what he has there smaller, also after what is open on its side.
fn makes_smaller(order: &NewOrder, has: &AccountPositions) -> bool {
    let held = has.positions.iter().find(|held| held.instrument == order.instrument);
    let exposure = held.map(|held| Exposure {
        position: held.quantity.decimal(),
        buying: held.buying.decimal(),
        selling: held.selling.decimal(),
    });
    exposure.is_some_and(|has| order.quantity.decimal() <= has.room_beside(order.side))
}
