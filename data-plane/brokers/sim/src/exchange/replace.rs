//! Replaces: an order that is open gives its place to another one. Decides which are possible; both orders change in one
//! event, so that there is no moment without either and none with both.

use tradewind_domain::{
    ids::{AccountId, VenueOrderId},
    time::UnixNanos,
};

use super::{Done, Exchange, Refused, Told, unknown_order, would_take};
use crate::engine::OrderKey;
use crate::ledger::event::{Arrived, Event};
use crate::ledger::state::{Entry, Inconsistent};
use crate::wire::{Outcome, RefusalCode, Replacement};

impl Exchange {
    /// A replace arrives. The outcome is to be told first.
    pub(crate) fn replace(
        &mut self,
        account: &AccountId,
        id: VenueOrderId,
        by: &Replacement,
        now: UnixNanos,
    ) -> Result<(Outcome, Done), Inconsistent> {
        let mut done = Done::default();
        self.expire_into(now, &mut done)?;
        let (former, arrived) = match self.admit_replace(account, id, by, now) {
            Ok(admitted) => admitted,
            Err((code, reason)) => {
                let (account, sent_at) = (account.clone(), by.sent_at);
                let by = by.venue_order_id;
                let event = Event::ReplaceRefused { account, by, sent_at, code, at: now };
                self.record(event, &mut done)?;
                return Ok((Outcome::Refused { code, reason }, done));
            }
        };
        let name = arrived.instrument.clone();
        let key = self.state.next_key();
        self.release(former)?;
        self.record(Event::Replaced { order: former.0, by: arrived, at: now }, &mut done)?;
        let ended = self.entry(former)?.order.clone();
        done.told.push(Told::Order(account.clone(), ended));
        let placed = self.entry(key)?.order.clone();
        self.take_in(&name, key, now, &mut done)?;
        self.tell_quote(&name, now, false, &mut done);
        Ok((Outcome::Done(placed), done))
    }

    /// Whether the order may be replaced: which one it is, and what comes in its place.
    fn admit_replace(
        &self,
        account: &AccountId,
        id: VenueOrderId,
        by: &Replacement,
        now: UnixNanos,
    ) -> Result<(OrderKey, Arrived), Refused> {
        if self.state.find(account, by.venue_order_id).is_some() {
            return Err((RefusalCode::Duplicate, "this id has arrived before".to_owned()));
        }
        if now > by.deadline {
            let late = now.since(by.deadline);
            return Err((RefusalCode::DeadlinePassed, format!("{late:?} after its deadline")));
        }
        let (key, entry) = self.state.find(account, id).ok_or_else(unknown_order)?;
        let order = &entry.order;
        if order.state.is_terminal() {
            return Err((RefusalCode::TooLate, format!("the order is {:?}", order.state)));
        }
        let arrived = self.in_place_of(entry, by)?;
        let market = self.markets.get(&order.instrument).ok_or_else(unknown_order)?;
        let invalid = |reason: String| (RefusalCode::InvalidOrder, reason);
        if order.order_type.waits() {
            return Err(invalid("stop and stop_limit orders are not replaced".to_owned()));
        }
        let limit = market.ticks("limit_price", by.limit_price).map_err(invalid)?;
        market.lots(arrived.quantity).map_err(invalid)?;
        let takes = market.book.queue(order.side, Some(limit)).next().is_some();
        if order.conditions.post_only && takes {
            return Err(would_take());
        }
        Ok((key, arrived))
    }

    /// What comes in an order's place: as much of the total as is not filled.
    fn in_place_of(&self, entry: &Entry, by: &Replacement) -> Result<Arrived, Refused> {
        let order = &entry.order;
        let filled = self.state.filled_in_all(entry).map_err(|why| {
            (RefusalCode::InvalidOrder, format!("what is filled cannot be summed: {why}"))
        })?;
        // Zero and less: it was filled on the way.
        let left = by.quantity.checked_sub(filled).ok().filter(|left| !left.is_zero());
        let quantity = left.ok_or_else(|| {
            (
                RefusalCode::TooLate,
                format!("{filled} are filled, which {} leaves nothing of", by.quantity),
            )
        })?;
        Ok(Arrived {
            venue_order_id: by.venue_order_id,
            instrument: order.instrument.clone(),
            side: order.side,
            order_type: order.order_type,
            quantity,
            limit_price: Some(by.limit_price),
            time_in_force: order.time_in_force,
            sent_at: by.sent_at,
            deadline: by.deadline,
        })
    }
}
