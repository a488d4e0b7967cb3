//! The rules of the ledger: from a command or a venue's word to the records it makes. Decides who may do
//! what and what becomes of an order; every function is pure: state, values and a time in, records out.

mod fills;
mod presence;
mod replace;

pub use replace::Replacing;

use super::{
    Entry, Ledger,
    record::{Intent, OrderRecord, Record},
};
use crate::{
    limits::{REASON_CHARS, RETRY_AFTER_MS},
    venue::{Capabilities, VenueOrder},
};
use std::collections::BTreeSet;
use tradewind_domain::{
    control::controls::Controls,
    ids::{ClientOrderId, CustomerId, Epoch, Fence, OrderId, TraderId, VenueId, VenueOrderId},
    limits::{INTENT_DEADLINE, SWEEP_MARGIN},
    time::UnixNanos,
    trading::{NewOrder, Order, OrderState},
};
use tradewind_protocol::{
    problem::{Code, Problem},
    token::TraderClaim,
    trade::{Principal, PrivateChannel},
};

/// The Broker's assignment: its right, whom it serves, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    pub fence: Fence,
    pub customers: BTreeSet<CustomerId>,
    pub venue: VenueId,
    pub controls: Controls,
}

/// Why a fence does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fenced {
    /// The sender's right was superseded.
    Stale { sent: Fence, held: Fence },
    /// The sender's right is of another life of the cluster.
    OtherCluster { sent: Fence, held: Fence },
    /// This Broker's own right was superseded: it refuses everything.
    Superseded { own: Fence, seen: Fence },
}

impl From<Fenced> for Problem {
    fn from(fenced: Fenced) -> Self {
        let detail = match fenced {
            Fenced::Stale { sent, held } => {
                format!("the command is of epoch {}, {} was seen", sent.epoch, held.epoch)
            }
            Fenced::OtherCluster { sent, held } => format!(
                "the command is of life {} of the cluster, this is life {}",
                sent.cluster, held.cluster
            ),
            Fenced::Superseded { own, seen } => format!(
                "this Broker is of epoch {}, {} has been given out since: ask for the new one",
                own.epoch, seen.epoch
            ),
        };
        Self::new(Code::StaleEpoch, detail).retry_after_ms(RETRY_AFTER_MS)
    }
}

/// What a submit comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// The same order was accepted before.
    Before(VenueOrderId),
    /// To be journaled, answered and sent.
    New(Box<Record>),
}

impl Ledger {
    /// Whether a Broker of that assignment has been superseded.
    pub fn check_own(&self, assignment: &Assignment) -> Result<(), Fenced> {
        let (own, seen) = (assignment.fence, self.highest());
        if own < seen {
            return Err(Fenced::Superseded { own, seen });
        }
        Ok(())
    }

    /// A new assignment: the record of its right, if that is news.
    #[must_use]
    pub fn assigned(&self, assignment: &Assignment) -> Option<Record> {
        let (own, seen) = (assignment.fence, self.highest());
        (own > seen).then(|| fenced(own))
    }

    /// Checks a command's fence. A higher one than the Broker's own supersedes it: see
    /// [`Ledger::news_of`].
    pub fn check_fence(&self, assignment: &Assignment, sent: Fence) -> Result<(), Fenced> {
        self.check_own(assignment)?;
        let held = assignment.fence;
        if sent.cluster != held.cluster {
            return Err(Fenced::OtherCluster { sent, held });
        }
        if sent.epoch < held.epoch {
            return Err(Fenced::Stale { sent, held });
        }
        if sent.epoch > held.epoch {
            return Err(Fenced::Superseded { own: held, seen: sent });
        }
        Ok(())
    }

    /// The record by which the ledger remembers that its Broker was superseded, if that is news.
    #[must_use]
    pub fn news_of(&self, refusal: &Fenced) -> Option<Record> {
        match refusal {
            Fenced::Superseded { seen, .. } => (*seen != self.highest()).then(|| fenced(*seen)),
            Fenced::Stale { .. } | Fenced::OtherCluster { .. } => None,
        }
    }

    /// Whether the customer may use the account.
    pub fn check_grant(assignment: &Assignment, customer: &CustomerId) -> Result<(), Problem> {
        if assignment.customers.contains(customer) {
            return Ok(());
        }
        Err(Problem::new(Code::Forbidden, format!("{customer} may not use this account")))
    }

    /// Checks the sender of an order: of one Trader, only the newest copy may send. A higher epoch than
    /// was seen is to be journaled.
    pub fn check_trader(&self, principal: &Principal) -> Result<Option<Record>, Problem> {
        let Some(TraderClaim { trader, epoch }) = &principal.trader else {
            return Ok(None);
        };
        let highest = self.trader_epoch(&principal.customer, trader);
        if highest.is_some_and(|highest| *epoch < highest) {
            let highest = highest.unwrap_or_default();
            let detail = format!(
                "epoch {epoch} of {trader} is over: another copy of it has the right to send, of epoch {highest}"
            );
            return Err(Problem::new(Code::StaleTrader, detail));
        }
        Ok((highest != Some(*epoch)).then(|| Record::TraderSeen {
            customer: principal.customer.clone(),
            trader: trader.clone(),
            epoch: epoch.0,
        }))
    }

    /// The record by which earlier copies of a Trader are refused from now on, if that is news.
    #[must_use]
    pub fn fence_trader(
        &self,
        customer: &CustomerId,
        trader: &TraderId,
        epoch: Epoch,
    ) -> Option<Record> {
        let highest = self.trader_epoch(customer, trader);
        highest.is_none_or(|highest| highest < epoch).then(|| Record::TraderSeen {
            customer: customer.clone(),
            trader: trader.clone(),
            epoch: epoch.0,
        })
    }

    /// What a submit comes to; fence, Trader and grant have been checked. `ready`: an order could be sent
    /// now, or why not.
    pub fn submit(
        &self,
        assignment: &Assignment,
        capabilities: &Capabilities,
        principal: &Principal,
        new: &NewOrder,
        ready: Result<(), String>,
        now: UnixNanos,
    ) -> Result<Submitted, Problem> {
        let customer = &principal.customer;
        let id = VenueOrderId::of(self.account(), customer, &new.client_order_id);
        if let Some(before) = self.entry(&id) {
            return same_order(before, new).map(|()| Submitted::Before(id));
        }
        self.check_unused(&id, &new.client_order_id)?;
        new.check(now).map_err(|why| Problem::new(Code::InvalidOrder, why.to_string()))?;
        capabilities.check(new).map_err(|why| Problem::new(Code::Unsupported, why))?;
        let session = self.tied_to(principal, new)?;
        ready.map_err(|why| Problem::new(Code::Unavailable, why).retry_after_ms(RETRY_AFTER_MS))?;
        let order_id = OrderId { account: self.account().clone(), venue_order_id: id };
        let venue = assignment.venue.clone();
        let order = Order::accepted(order_id, customer.clone(), venue, new, now);
        let trader = principal.trader.as_ref();
        let intent = Intent {
            number: self.next_number(customer, PrivateChannel::Orders),
            order: OrderRecord::of(&order),
            deadline: now + INTENT_DEADLINE,
            trader: trader.map(|claim| claim.trader.clone()),
            trader_epoch: trader.map_or(0, |claim| claim.epoch.0),
            cluster: assignment.fence.cluster.0,
            epoch: assignment.fence.epoch.0,
        };
        Ok(Submitted::New(Box::new(Record::intent(intent, &order, session))))
    }

    /// The customer's order, or that there is none such of his.
    pub fn own_order(&self, customer: &CustomerId, id: &OrderId) -> Result<&Entry, Problem> {
        let entry = self
            .entry(&id.venue_order_id)
            .filter(|entry| id.account == *self.account() && entry.order.customer == *customer);
        entry.ok_or_else(|| Problem::new(Code::NotFound, format!("no order {id} of {customer}")))
    }

    /// A customer's orders, at most `most`, the newest last.
    #[must_use]
    pub fn list(
        &self,
        customer: &CustomerId,
        name: Option<&ClientOrderId>,
        open: bool,
        most: usize,
    ) -> Vec<Order> {
        if let Some(name) = name {
            let id = VenueOrderId::of(self.account(), customer, name);
            let found = self.entry(&id).filter(|e| !open || !e.order.state.is_terminal());
            return found.map(|entry| entry.order.clone()).into_iter().collect();
        }
        let copy = |entry: &Entry| entry.order.clone();
        let mut orders: Vec<Order> = if open {
            self.open_orders_of(customer).rev().take(most).map(copy).collect()
        } else {
            self.orders_of(customer).rev().take(most).map(copy).collect()
        };
        orders.reverse();
        orders
    }

    /// A cancel: the records it makes (none if it changes nothing any more).
    pub fn cancel(&self, entry: &Entry, now: UnixNanos) -> Result<Vec<Record>, Problem> {
        let order = &entry.order;
        match order.state {
            OrderState::Canceled => Ok(Vec::new()),
            OrderState::Filled | OrderState::Rejected | OrderState::Expired => {
                let detail = format!("too_late: the order has ended as {:?}", order.state);
                Err(Problem::new(Code::Conflict, detail))
            }
            // Not sent yet, and with this it never is.
            OrderState::Accepted => {
                let reason = Some("canceled before it was sent".to_string());
                Ok(self.change(order, OrderState::Canceled, reason, now).into_iter().collect())
            }
            OrderState::PendingNew
            | OrderState::Unknown
            | OrderState::New
            | OrderState::PartiallyFilled
            | OrderState::PendingReplace
            | OrderState::PendingCancel => {
                let id = order.order_id.venue_order_id;
                let asked =
                    (!entry.cancel_asked).then_some(Record::CancelAsked { order: id, at: now });
                // What is not known to be at the venue stays so until the venue has said it.
                let known = !matches!(order.state, OrderState::PendingNew | OrderState::Unknown);
                let shown = known.then(|| self.change(order, OrderState::PendingCancel, None, now));
                Ok(asked.into_iter().chain(shown.flatten()).collect())
            }
        }
    }

    /// The order's next state, if it may have it and has not.
    #[must_use]
    pub fn change(
        &self,
        order: &Order,
        next: OrderState,
        reason: Option<String>,
        now: UnixNanos,
    ) -> Option<Record> {
        let reason = reason.map(|text| text.chars().take(REASON_CHARS).collect());
        let next = order.become_state(next, reason, now.max(order.updated_at)).ok()??;
        let number = self.next_number(&order.customer, PrivateChannel::Orders);
        Some(Record::changed(number, &next))
    }

    /// What the venue says of an order, to be asked again until it is nothing more. Quantities are not taken from it:
    /// fills bring them.
    #[must_use]
    pub fn evidence(&self, said: &VenueOrder, now: UnixNanos) -> Option<Record> {
        let entry = self.entry_at(&said.venue_order_id)?;
        let order = &entry.order;
        if order.next_venue_id() == Some(said.venue_order_id) {
            return self.evidence_of_replace(order, said, now);
        }
        // Of an id that it had before nothing counts any more; and what stands in its place is the replace that is on
        // its way, as far as anybody knows.
        if order.venue_id() != said.venue_order_id || (said.replaced && order.replacement.is_some())
        {
            return None;
        }
        let awaited = matches!(order.state, OrderState::PendingNew | OrderState::Unknown);
        let next = match said.state {
            // `filled` comes with the last fill, never before it.
            OrderState::New | OrderState::PartiallyFilled | OrderState::Filled => {
                if !awaited {
                    return None;
                }
                if entry.cancel_asked { OrderState::PendingCancel } else { OrderState::New }
            }
            OrderState::Canceled | OrderState::Expired => said.state,
            // A venue that rejects what it had taken has ended it.
            OrderState::Rejected if awaited => OrderState::Rejected,
            OrderState::Rejected => OrderState::Canceled,
            OrderState::Accepted
            | OrderState::PendingNew
            | OrderState::PendingCancel
            | OrderState::PendingReplace
            | OrderState::Unknown => return None,
        };
        self.change(order, next, said.reason.clone(), now)
    }

    /// An `unknown` order that a complete sweep did not name: once the venue's clock has passed the
    /// order's deadline it is not there and never will be.
    #[must_use]
    pub fn absent(
        &self,
        order: &VenueOrderId,
        since: UnixNanos,
        listed_at: UnixNanos,
        now: UnixNanos,
    ) -> Option<Record> {
        let entry = self.entry(order)?;
        let listed = (since, listed_at);
        if entry.order.state != OrderState::Unknown
            || !would_list(listed, entry.order.created_at, entry.deadline)
        {
            return None;
        }
        let reason = "not_placed: the venue does not have it and takes it no more".to_string();
        self.change(&entry.order, OrderState::Rejected, Some(reason), now)
    }
}

/// Whether a listing from `since` on, made at `listed_at`, names all that was accepted at that moment and that the venue
/// took until that deadline.
fn would_list(
    (since, listed_at): (UnixNanos, UnixNanos),
    accepted: UnixNanos,
    deadline: UnixNanos,
) -> bool {
    since + SWEEP_MARGIN <= accepted && listed_at > deadline
}

fn fenced(fence: Fence) -> Record {
    Record::Fenced { cluster: fence.cluster.0, epoch: fence.epoch.0 }
}

fn same_order(before: &Entry, new: &NewOrder) -> Result<(), Problem> {
    if before.body() == *new { Ok(()) } else { Err(used(&new.client_order_id, "another order")) }
}

fn used(id: &ClientOrderId, what: &str) -> Problem {
    Problem::new(Code::Conflict, format!("{id} was used for {what}: take another id"))
}
