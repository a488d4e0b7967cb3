//! Replaces at the ledger. Decides when one is sent (once, when it is durable and the venue is there in time), what
//! waits for it and what overtakes it. One that was sent and not answered is in doubt: cancels go to both of the ids the
//! order may have, and the sweep brings the answer.

use super::{Effect, Keeper, Line, command::Answered, command::Decided, guard::Whose};
use crate::{
    ledger::{Ledger, record::Record, rules::Replacing},
    store::StoreError,
    venue::{Placed, Refusal, Replace, VenueOrder},
};
use std::time::Instant;
use tradewind_domain::{
    ids::{OrderId, VenueOrderId},
    limits::{INTENT_DEADLINE, ORDER_ANSWER_WITHIN},
    time::UnixNanos,
    trading::ReplaceOrder,
};
use tradewind_node::clock;
use tradewind_protocol::{problem::Problem, trade::Principal};

/// How far the replace of an order is in this life. One that is not here and has no end is in doubt.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnderWay {
    by: VenueOrderId,
    accepted: Instant,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Accepted,
    /// Durable, and surely not sent yet.
    Waiting,
    /// On this connection, and not answered.
    Sent(Instant),
}

impl Keeper {
    pub(super) fn replace(
        &mut self,
        principal: &Principal,
        id: &OrderId,
        ask: &ReplaceOrder,
    ) -> Answered<Decided> {
        let allowed = self.ledger.check_trader(principal).and_then(|seen| {
            Ledger::check_grant(&self.assignment, &principal.customer)?;
            Ok(seen)
        });
        match allowed {
            Ok(Some(seen)) => self.put(&seen)?,
            Ok(None) => {}
            Err(problem) => return Ok(Err(problem)),
        }
        if let Err(problem) = self.judge_replace(principal, id, ask) {
            return Ok(Err(problem));
        }
        let replacing = self.ledger.replace(
            &self.assignment,
            &self.capabilities,
            principal,
            (id, ask),
            self.ready(),
            clock::now(),
        );
        let order = id.venue_order_id;
        let asked = match replacing {
            Err(problem) => return Ok(Err(problem)),
            Ok(Replacing::Before) => return Ok(self.order_answer(&order, false)),
            Ok(Replacing::New(asked)) => asked,
        };
        self.put(&asked)?;
        let by = VenueOrderId::of(self.ledger.account(), &principal.customer, &ask.replace_id);
        let under_way = UnderWay { by, accepted: Instant::now(), stage: Stage::Accepted };
        self.replaces.insert(order, under_way);
        let send = Some(Effect::Replace(order, by));
        Ok(self.order_answer(&order, false).map(|decided| Decided { send, ..decided }))
    }

    /// What is no replace of an order, or was one before, is not judged here.
    fn judge_replace(
        &mut self,
        principal: &Principal,
        id: &OrderId,
        ask: &ReplaceOrder,
    ) -> Result<(), Problem> {
        let by = VenueOrderId::of(self.ledger.account(), &principal.customer, &ask.replace_id);
        if self.ledger.entry_at(&by).is_some() {
            return Ok(());
        }
        self.missed.check_unused(&by, &ask.replace_id)?;
        let entry = self.ledger.own_order(&principal.customer, id)?;
        let Ok(replacement) = ask.of(&entry.order) else { return Ok(()) };
        let whose = Whose::new(&principal.customer, entry.trader.as_ref());
        self.guard.check_replace(&self.ledger, whose, &entry.order, &replacement)
    }

    /// The replace of an order is durable.
    pub(super) fn send_replace(
        &mut self,
        order: VenueOrderId,
        by: VenueOrderId,
    ) -> Result<(), StoreError> {
        // A cancel may have overtaken it.
        let Some(under_way) = self.replaces.get_mut(&order).filter(|way| way.by == by) else {
            return Ok(());
        };
        under_way.stage = Stage::Waiting;
        self.try_replace(order)
    }

    /// Sends a replace that waits, once; ends it if it is too late.
    fn try_replace(&mut self, order: VenueOrderId) -> Result<(), StoreError> {
        let now = clock::now();
        let waits = self.replaces.get(&order).filter(|way| way.stage == Stage::Waiting);
        let (Some(way), Some(entry)) = (waits, self.ledger.entry(&order)) else { return Ok(()) };
        let (Some(asked), Some(replaces)) = (&entry.order.replacement, &entry.replaces) else {
            // Its order has ended meanwhile.
            self.replaces.remove(&order);
            return Ok(());
        };
        // By either clock: one may have been set, the other may have stood still.
        if way.accepted.elapsed() >= INTENT_DEADLINE || now >= replaces.deadline {
            self.replaces.remove(&order);
            return self.end_replace(&order, "the venue could not be reached in time");
        }
        let replace = Replace {
            venue_order_id: entry.order.venue_id(),
            by: way.by,
            quantity: asked.quantity,
            limit_price: asked.limit_price,
            sent_at: now,
            deadline: replaces.deadline,
        };
        let sent = match &self.line {
            Line::Live(link) => link.replace(replace).is_ok(),
            Line::Sweeping(_) | Line::Down(_) => false,
        };
        if let Some(way) = self.replaces.get_mut(&order).filter(|_| sent) {
            way.stage = Stage::Sent(Instant::now());
        }
        Ok(())
    }

    /// Sends those that waited for the venue.
    pub(super) fn send_replaces(&mut self) -> Result<(), StoreError> {
        let waiting = self.replaces.iter().filter(|(_, way)| way.stage == Stage::Waiting);
        let waiting: Vec<VenueOrderId> = waiting.map(|(order, _)| *order).collect();
        waiting.into_iter().try_for_each(|order| self.try_replace(order))
    }

    fn end_replace(&mut self, order: &VenueOrderId, why: &str) -> Result<(), StoreError> {
        match self.ledger.not_replaced(order, why, clock::now()) {
            Some(record) => self.put(&record),
            None => Ok(()),
        }
    }

    /// A cancel was asked for: a replace that waits is never sent.
    pub(super) fn overtake_replace(&mut self, order: &VenueOrderId) -> Result<(), StoreError> {
        let waits = |way: &UnderWay| matches!(way.stage, Stage::Accepted | Stage::Waiting);
        if self.replaces.get(order).is_some_and(waits) {
            self.replaces.remove(order);
            return self.end_replace(order, "a cancel has overtaken it");
        }
        Ok(())
    }

    /// The venue's answer to a replace.
    pub(super) fn replace_answered(
        &mut self,
        by: VenueOrderId,
        result: Result<VenueOrder, Refusal>,
    ) -> Result<(), StoreError> {
        let Some(order) = self.ledger.replaced_under(&by).copied() else { return Ok(()) };
        self.replace_is_over(&by);
        let refusal = match result {
            Ok(said) => return self.evidence(&said, clock::now()),
            Err(refusal) => refusal,
        };
        let awaited = self.ledger.entry(&order).and_then(|entry| entry.order.next_venue_id());
        if refusal.placed == Placed::No && awaited == Some(by) {
            self.end_replace(&order, &refusal.reason)?;
        }
        // The order may have ended, or the replace be there: the listing tells which.
        self.reconcile.want();
        self.send_cancels();
        Ok(())
    }

    /// What was sent and is not answered is in doubt from now on.
    pub(super) fn doubt_replaces(&mut self) {
        self.replaces.retain(|_, way| !matches!(way.stage, Stage::Sent(_)));
    }

    /// Gives up waiting for answers that are overdue.
    pub(super) fn replaces_overdue(&mut self) {
        let overdue = |way: &UnderWay| match way.stage {
            Stage::Sent(at) => at.elapsed() >= ORDER_ANSWER_WITHIN,
            Stage::Accepted | Stage::Waiting => false,
        };
        let late: Vec<_> = self.replaces.iter().filter(|(_, way)| overdue(way)).collect();
        let late: Vec<_> = late.into_iter().map(|(order, way)| (*order, way.by)).collect();
        for (order, by) in late {
            tracing::warn!(%order, "the venue does not answer a replace");
            self.replaces.remove(&order);
            self.query(by);
        }
    }

    /// Orders whose replace is in doubt, and when it was accepted.
    pub(super) fn replaces_in_doubt(&self) -> Vec<(VenueOrderId, UnixNanos)> {
        let known = |order: &VenueOrderId| self.replaces.contains_key(order);
        let doubts = self.ledger.replacing().filter_map(|entry| {
            let id = entry.order.order_id.venue_order_id;
            let replaces = entry.replaces.as_ref()?;
            (!known(&id)).then_some((id, replaces.accepted_at))
        });
        doubts.collect()
    }

    /// A complete listing: what it does not name and would have named was not done.
    pub(super) fn replaces_swept(
        &mut self,
        listed: (UnixNanos, UnixNanos),
    ) -> Result<(), StoreError> {
        for (order, _) in self.replaces_in_doubt() {
            // It was done, as far as could be read.
            if self.missed.replaced.contains(&order) {
                continue;
            }
            if let Some(record) = self.ledger.replace_absent(&order, listed, clock::now()) {
                tracing::info!(%order, "replace in doubt was not done");
                self.put(&record)?;
            }
        }
        Ok(())
    }

    /// Where a cancel of that order goes: to each id it may have at the venue; nowhere yet while a replace is awaited.
    pub(super) fn cancel_goes_to(&self, order: &VenueOrderId) -> Vec<VenueOrderId> {
        let Some(entry) = self.ledger.entry(order) else { return Vec::new() };
        if self.replaces.contains_key(order) {
            return Vec::new();
        }
        std::iter::once(entry.order.venue_id()).chain(entry.order.next_venue_id()).collect()
    }

    /// A word of the venue on an order, said at that time, and all that follows from it.
    pub(super) fn evidence(
        &mut self,
        said: &VenueOrder,
        said_at: UnixNanos,
    ) -> Result<(), StoreError> {
        if self.ledger.entry_at(&said.venue_order_id).is_none() {
            return self.not_ours(said, said_at);
        }
        while let Some(record) = self.ledger.evidence(said, clock::now()) {
            if !self.writes_replaced(&record) {
                return Ok(());
            }
            self.put(&record)?;
            if matches!(record, Record::Replaced { .. } | Record::NotReplaced { .. }) {
                self.replace_is_over(&said.venue_order_id);
            }
        }
        Ok(())
    }

    /// What waited for the end of a replace waits no longer.
    pub(super) fn replace_is_over(&mut self, by: &VenueOrderId) {
        let Some(order) = self.ledger.replaced_under(by) else { return };
        if self.replaces.get(order).is_some_and(|way| way.by == *by) {
            self.replaces.remove(order);
        }
        if let Some(next) = self.cancels.get_mut(order) {
            *next = Instant::now();
        }
    }
}
