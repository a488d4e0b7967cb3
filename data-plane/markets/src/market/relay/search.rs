//! Looking for an order where earlier routes may have sent it. Decides whether a submit is new: it is when none of the
//! accounts asked has an order under its id; where one has, the submit goes there and finds itself repeated. Without
//! an answer of all of them nothing is sent: the order may stand at the one that is silent.
//!
//! The question carries the Market's routes, so that a Broker that answered takes nothing under earlier ones any more.

use super::{Acts, Awaited, Held, Relay, answer};
use crate::hop::{Act, ReceiverId, unavailable};
use std::collections::BTreeMap;
use tradewind_domain::{ids::AccountId, time::Monotonic};
use tradewind_protocol::{
    Problem,
    trade::{CommandAnswer, OrderCommand, TradeDown},
};

struct Search {
    held: Held,
    /// Where it goes if it is new.
    to: Result<AccountId, Problem>,
    /// Answers that are missing.
    awaited: usize,
}

/// All that are under way. Bounded by what is on its way to Brokers: each has a question there.
#[derive(Default)]
pub(super) struct Searches {
    next: u64,
    by_number: BTreeMap<u64, Search>,
}

impl Searches {
    /// A receiver is gone: nothing is sent for it any more.
    pub(super) fn forget(&mut self, gone: ReceiverId) {
        self.by_number.retain(|_, search| search.held.reply.0 != gone);
    }

    /// Ends all of them; answers that still come are for nobody.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Held> + use<> {
        std::mem::take(&mut self.by_number).into_values().map(|search| search.held)
    }
}

impl Relay {
    /// Asks the accounts whether they know the order.
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
        let awaited = ask.len();
        for account in ask {
            let command = OrderCommand::List {
                account: account.clone(),
                client_order_id: Some(name.clone()),
                open: false,
            };
            let principal = held.principal.clone();
            match self.ask(&account, Awaited::Found(number), principal, command, now) {
                Ok(act) => acts.push(act),
                Err(problem) => {
                    // What was numbered is not sent, and holds no place.
                    for act in acts {
                        if let Act::Up { frame: TradeDown::Command { request, .. }, .. } = act {
                            self.requests.end(request);
                        }
                    }
                    return vec![answer(held.reply, problem)];
                }
            }
        }
        self.searches.by_number.insert(number, Search { held, to, awaited });
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
            CommandAnswer::Orders { orders } if orders.is_empty() => search.awaited -= 1,
            CommandAnswer::Orders { .. } => {
                let found = self.searches.by_number.remove(&number);
                return found.map_or_else(Vec::new, |it| self.dispatch(account, it.held, now));
            }
            CommandAnswer::Problem { problem } => return self.give_up(number, problem),
            CommandAnswer::Order { .. }
            | CommandAnswer::Fills { .. }
            | CommandAnswer::Positions { .. }
            | CommandAnswer::CancelTimer { .. }
            | CommandAnswer::TradingState { .. }
            | CommandAnswer::Watched { .. } => {
                tracing::error!(%account, "an answer is not of the kind that was asked for");
                return self.give_up(number, &unavailable("the Broker has not said it"));
            }
        }
        if search.awaited > 0 {
            return Vec::new();
        }
        let Some(Search { held, to, .. }) = self.searches.by_number.remove(&number) else {
            return Vec::new();
        };
        match to {
            Ok(account) => self.dispatch(&account, held, now),
            Err(problem) => vec![answer(held.reply, problem)],
        }
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
}
