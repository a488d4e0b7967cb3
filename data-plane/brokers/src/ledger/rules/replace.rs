//! The rules of replaces: who may ask for one and when, and what is evidence that it was done or was not. A replace is
//! sent at most once; what became of it is known by the order under its new id, or by a listing that would name that.

use super::{Assignment, used, would_list};
use crate::{
    ledger::{
        Ledger,
        record::{OrderRecord, Part, Record, ReplaceAsked},
    },
    limits::{REASON_CHARS, RETRY_AFTER_MS},
    venue::{Capabilities, VenueOrder},
};
use tradewind_domain::{
    ids::{ClientOrderId, OrderId, VenueOrderId},
    limits::INTENT_DEADLINE,
    time::UnixNanos,
    trading::{Order, OrderState, ReplaceOrder},
};
use tradewind_protocol::{
    problem::{Code, Problem},
    trade::{Principal, PrivateChannel},
};

/// What a replace comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replacing {
    /// The same replace was accepted before.
    Before,
    /// To be journaled, answered and sent.
    New(Box<Record>),
}

impl Ledger {
    /// Whether an id is free for an order, by what the venue had under it beside orders.
    pub(super) fn check_unused(
        &self,
        id: &VenueOrderId,
        name: &ClientOrderId,
    ) -> Result<(), Problem> {
        if self.replaced_under(id).is_some() {
            return Err(used(name, "a replace"));
        }
        if self.is_external(id) {
            return Err(used(name, "an order at the venue that this ledger does not know"));
        }
        Ok(())
    }

    /// What a replace comes to; fence, Trader and grant have been checked. `ready`: it could be sent now, or why not.
    pub fn replace(
        &self,
        assignment: &Assignment,
        capabilities: &Capabilities,
        principal: &Principal,
        (id, ask): (&OrderId, &ReplaceOrder),
        ready: Result<(), String>,
        now: UnixNanos,
    ) -> Result<Replacing, Problem> {
        let entry = self.own_order(&principal.customer, id)?;
        let order = &entry.order;
        let by = VenueOrderId::of(self.account(), &principal.customer, &ask.replace_id);
        if self.entry(&by).is_some() {
            return Err(used(&ask.replace_id, "an order"));
        }
        if let Some(of) = self.replaced_under(&by) {
            let before = entry.replaces.as_ref().is_some_and(|r| r.asked.contains(ask));
            return if *of == id.venue_order_id && before {
                Ok(Replacing::Before)
            } else {
                Err(used(&ask.replace_id, "another replace"))
            };
        }
        self.check_unused(&by, &ask.replace_id)?;
        check_state(order)?;
        if ask.version != order.version {
            let detail = format!(
                "the order is at version {}, not {}: read it, decide anew",
                order.version, ask.version
            );
            return Err(Problem::new(Code::Conflict, detail));
        }
        let replacement =
            ask.of(order).map_err(|why| Problem::new(Code::InvalidOrder, why.to_string()))?;
        if !capabilities.replace {
            let detail = "the venue replaces no orders: cancel it and submit another one";
            return Err(Problem::new(Code::Unsupported, detail));
        }
        ready.map_err(|why| Problem::new(Code::Unavailable, why).retry_after_ms(RETRY_AFTER_MS))?;
        let next = order
            .replacing(replacement, now.max(order.updated_at))
            .map_err(|illegal| Problem::new(Code::Conflict, illegal.to_string()))?;
        let trader = principal.trader.as_ref();
        Ok(Replacing::New(Box::new(Record::ReplaceAsked(ReplaceAsked {
            number: self.next_number(&order.customer, PrivateChannel::Orders),
            order: OrderRecord::of(&next),
            parts: Part::of(&next),
            asked_version: ask.version,
            asked_quantity: ask.quantity,
            asked_limit_price: ask.limit_price,
            deadline: now + INTENT_DEADLINE,
            trader: trader.map(|claim| claim.trader.clone()),
            trader_epoch: trader.map_or(0, |claim| claim.epoch.0),
            cluster: assignment.fence.cluster.0,
            epoch: assignment.fence.epoch.0,
        }))))
    }

    /// What the venue says of the order that a replace was to place.
    pub(super) fn evidence_of_replace(
        &self,
        order: &Order,
        said: &VenueOrder,
        now: UnixNanos,
    ) -> Option<Record> {
        match said.state {
            OrderState::Rejected => {
                let reason = said.reason.clone().unwrap_or_default();
                self.not_replaced(&order.order_id.venue_order_id, &reason, now)
            }
            OrderState::New
            | OrderState::PartiallyFilled
            | OrderState::Filled
            | OrderState::Canceled
            | OrderState::Expired => self.replaced(&said.venue_order_id, now),
            OrderState::Accepted
            | OrderState::PendingNew
            | OrderState::PendingCancel
            | OrderState::PendingReplace
            | OrderState::Unknown => None,
        }
    }

    /// The venue has that id: the replace that is on its way under it was done. `None` if there is none such.
    #[must_use]
    pub fn replaced(&self, by: &VenueOrderId, now: UnixNanos) -> Option<Record> {
        let order = &self.entry_at(by)?.order;
        if order.next_venue_id() != Some(*by) {
            return None;
        }
        let next = match order.replaced(now.max(order.updated_at)) {
            Ok(next) => next,
            Err(illegal) => {
                tracing::error!(order = %order.order_id, %illegal, "replace does not fit its order");
                return None;
            }
        };
        let number = self.next_number(&order.customer, PrivateChannel::Orders);
        let (order, parts) = (OrderRecord::of(&next), Part::of(&next));
        Some(Record::Replaced { number, order, parts })
    }

    /// The replace that is on its way for that order was not done and will not be.
    #[must_use]
    pub fn not_replaced(
        &self,
        order: &VenueOrderId,
        reason: &str,
        now: UnixNanos,
    ) -> Option<Record> {
        let order = &self.entry(order)?.order;
        let reason = format!("not_replaced: {reason}").chars().take(REASON_CHARS).collect();
        let next = order.not_replaced(reason, now.max(order.updated_at)).ok()?;
        let number = self.next_number(&order.customer, PrivateChannel::Orders);
        let (order, parts) = (OrderRecord::of(&next), Part::of(&next));
        Some(Record::NotReplaced { number, order, parts })
    }

    /// A replace in doubt whose order a complete sweep did not name: as with [`Ledger::absent`].
    #[must_use]
    pub fn replace_absent(
        &self,
        order: &VenueOrderId,
        listed: (UnixNanos, UnixNanos),
        now: UnixNanos,
    ) -> Option<Record> {
        let replaces = self.entry(order)?.replaces.as_ref()?;
        if !would_list(listed, replaces.accepted_at, replaces.deadline) {
            return None;
        }
        self.not_replaced(order, "the venue does not have it and takes it no more", now)
    }
}

/// One change of an order at a time.
fn check_state(order: &Order) -> Result<(), Problem> {
    let busy = |what: &str| Err(Problem::new(Code::Busy, format!("{what}: wait for its end")));
    match order.state {
        OrderState::New | OrderState::PartiallyFilled => Ok(()),
        OrderState::Accepted | OrderState::PendingNew | OrderState::Unknown => {
            busy("the venue has not answered the order's submit")
        }
        OrderState::PendingCancel => busy("a cancel of the order is on its way"),
        OrderState::PendingReplace => busy("another replace of the order is on its way"),
        OrderState::Filled | OrderState::Canceled | OrderState::Rejected | OrderState::Expired => {
            let detail = format!("too_late: the order has ended as {:?}", order.state);
            Err(Problem::new(Code::Conflict, detail))
        }
    }
}
