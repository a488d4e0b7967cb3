//! Tightening at the ledger: a customer reduces or halts his own trading here, and it holds before anybody above has
//! heard of it. Decides who may and what follows; loosening is the operator's, by a higher version from above.

use super::{Effect, Keeper, Reply, command::Answered, command::Decided, guard::Whose};
use crate::{
    ledger::{Ledger, record::Record},
    store::StoreError,
};
use tradewind_domain::{
    control::risk::TradingState,
    ids::{AccountId, Scope, VenueOrderId},
    trading::risk::word::Word,
};
use tradewind_node::clock;
use tradewind_protocol::{
    problem::{Code, Problem},
    trade::{CommandAnswer, Principal},
};

impl Keeper {
    pub(super) fn tighten(
        &mut self,
        principal: &Principal,
        account: &AccountId,
        state: TradingState,
    ) -> Answered<Decided> {
        let customer = &principal.customer;
        let allowed = Ledger::check_grant(&self.assignment, customer)
            .and_then(|()| self.check_account(account));
        if let Err(problem) = allowed {
            return Ok(Err(problem));
        }
        let scope = Scope::Customer(customer.clone());
        let held = self.guard.word(&self.ledger, &scope);
        if state < held.state {
            let detail = format!(
                "trading is {} here: only an operator loosens it, by /v1/trading-states/{scope}",
                held.state
            );
            return Ok(Err(Problem::new(Code::Forbidden, detail)));
        }
        if state > held.state {
            let version = held.version;
            let state = state.into();
            self.put(&Record::Tightened { scope, state, version, at: clock::now() })?;
            self.cancel_what_is_halted()?;
        }
        let state = state.max(held.state);
        let word = Word { state, version: held.version };
        let answer = CommandAnswer::TradingState { account: account.clone(), word };
        Ok(Ok(Decided { answer: Reply::Answer(answer), send: None }))
    }

    /// Halted is: no new orders, and open ones canceled.
    pub(super) fn cancel_what_is_halted(&mut self) -> Result<(), StoreError> {
        // The orders are another Broker's.
        if self.ledger.check_own(&self.assignment).is_err() {
            return Ok(());
        }
        let open = self.ledger.open_orders().filter(|entry| !entry.cancel_asked);
        let halted = open.filter(|entry| {
            let whose = Whose::new(&entry.order.customer, entry.trader.as_ref());
            self.guard.state(&self.ledger, whose).0 == TradingState::Halted
        });
        let halted: Vec<VenueOrderId> =
            halted.map(|entry| entry.order.order_id.venue_order_id).collect();
        if !halted.is_empty() {
            tracing::warn!(orders = halted.len(), "halted: open orders are canceled");
        }
        for id in halted {
            // One that has ended meanwhile needs none.
            if let Ok(Some(effect)) = self.begin_cancel(&id)? {
                self.then(effect);
            }
        }
        Ok(())
    }

    /// Takes down that an order's end is wanted; gives what is to be done for it, if that is anything new.
    pub(super) fn begin_cancel(&mut self, id: &VenueOrderId) -> Answered<Option<Effect>> {
        self.overtake_replace(id)?;
        let Some(entry) = self.ledger.entry(id) else { return Ok(Ok(None)) };
        let records = match self.ledger.cancel(entry, clock::now()) {
            Ok(records) => records,
            Err(problem) => return Ok(Err(problem)),
        };
        for record in &records {
            self.put(record)?;
        }
        let asked = self
            .ledger
            .entry(id)
            .is_some_and(|entry| entry.cancel_asked && !entry.order.state.is_terminal());
        Ok(Ok((asked && !records.is_empty()).then_some(Effect::Cancel(*id))))
    }
}
