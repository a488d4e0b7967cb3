//! Timers: a customer has all his open orders on the account canceled unless he says within a time that he is there.
//! Decides when one fires: by the clock it was set by, or by how long ago that was in this life, whichever comes first.
//! It is in the ledger before it is answered, so it fires after a restart too; nothing but the customer's own call
//! renews it.

use super::{Keeper, Reply, command::Answered, command::Decided};
use crate::{
    ledger::{Ledger, record::Record},
    limits::{CANCEL_ALL_AFTER_MAX, CANCEL_ALL_AFTER_MIN},
    store::StoreError,
};
use std::time::{Duration, Instant};
use tradewind_domain::ids::{AccountId, CustomerId, VenueOrderId};
use tradewind_node::clock;
use tradewind_protocol::{
    orders::CancelTimer,
    problem::{Code, Problem},
    trade::{CommandAnswer, Principal},
};

impl Keeper {
    /// `None` stops the timer.
    pub(super) fn cancel_all_after(
        &mut self,
        principal: &Principal,
        account: &AccountId,
        after_ms: Option<u64>,
    ) -> Answered<Decided> {
        let customer = &principal.customer;
        let allowed = self.ledger.check_trader(principal).and_then(|seen| {
            Ledger::check_grant(&self.assignment, customer)?;
            self.check_account(account)?;
            Ok((seen, after_ms.map(bounded).transpose()?))
        });
        let (seen, after) = match allowed {
            Ok(allowed) => allowed,
            Err(problem) => return Ok(Err(problem)),
        };
        if let Some(seen) = seen {
            self.put(&seen)?;
        }
        let at = after.map(|after| clock::now() + after);
        match after {
            Some(after) => self.timers.insert(customer.clone(), Instant::now() + after),
            None => self.timers.remove(customer),
        };
        if self.ledger.cancel_all_at(customer) != at {
            self.put(&Record::CancelAllAfter { customer: customer.clone(), at })?;
        }
        let timer = CancelTimer { account: account.clone(), cancel_at: at };
        let answer = Reply::Answer(CommandAnswer::CancelTimer { timer });
        Ok(Ok(Decided { answer, send: None }))
    }

    /// Fires what is due.
    pub(super) fn run_timers(&mut self) -> Result<(), StoreError> {
        // A Broker that was superseded leaves it to the one that came after it.
        if self.ledger.check_own(&self.assignment).is_err() {
            return Ok(());
        }
        let (now, here) = (clock::now(), Instant::now());
        let due = self.ledger.cancel_timers().filter(|(customer, at)| {
            *at <= now || self.timers.get(*customer).is_some_and(|until| *until <= here)
        });
        let due: Vec<CustomerId> = due.map(|(customer, _)| customer.clone()).collect();
        for customer in due {
            tracing::warn!(%customer, "not heard in time: all his open orders are canceled");
            self.timers.remove(&customer);
            let open = self.ledger.open_orders().filter(|entry| entry.order.customer == customer);
            let open: Vec<VenueOrderId> = open
                .filter(|entry| !entry.cancel_asked)
                .map(|entry| entry.order.order_id.venue_order_id)
                .collect();
            self.put(&Record::CancelAllAfter { customer, at: None })?;
            for id in open {
                // One that has ended meanwhile needs none.
                if let Ok(Some(effect)) = self.begin_cancel(&id)? {
                    self.then(effect);
                }
            }
        }
        Ok(())
    }
}

fn bounded(after_ms: u64) -> Result<Duration, Problem> {
    let after = Duration::from_millis(after_ms);
    if (CANCEL_ALL_AFTER_MIN..=CANCEL_ALL_AFTER_MAX).contains(&after) {
        return Ok(after);
    }
    let detail = format!(
        "after_ms is from {} to {}, or left out to stop the timer",
        CANCEL_ALL_AFTER_MIN.as_millis(),
        CANCEL_ALL_AFTER_MAX.as_millis()
    );
    Err(Problem::new(Code::Refused, detail))
}
