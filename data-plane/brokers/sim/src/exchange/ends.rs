//! How orders end otherwise than by being filled: by a cancel, or because their time is over. Decides when that is; the
//! time is passed in.

use std::collections::BTreeSet;

use tradewind_domain::{ids::InstrumentId, time::UnixNanos};

use super::{Done, Exchange, Told};
use crate::engine::OrderKey;
use crate::ledger::event::{CancelCause, Event};
use crate::ledger::state::Inconsistent;

impl Exchange {
    /// Ends what is open and whose time is over.
    pub(crate) fn expire(&mut self, now: UnixNanos) -> Result<Done, Inconsistent> {
        let mut done = Done::default();
        self.expire_into(now, &mut done)?;
        Ok(done)
    }

    /// Nothing happens at `now` to an order whose time was over by then: every step begins with this.
    pub(super) fn expire_into(
        &mut self,
        now: UnixNanos,
        done: &mut Done,
    ) -> Result<(), Inconsistent> {
        let mut changed = BTreeSet::<InstrumentId>::new();
        while let Some((_, key)) = self.ends.first().copied().filter(|(end, _)| *end <= now) {
            changed.insert(self.entry(key)?.order.instrument.clone());
            self.release(key)?;
            self.record(Event::Expired { order: key.0, at: now }, done)?;
            let entry = self.entry(key)?;
            done.told.push(Told::Order(entry.account.clone(), entry.order.clone()));
        }
        for name in changed {
            self.trigger(&name, now, done)?;
            self.tell_quote(&name, now, false, done);
        }
        Ok(())
    }

    pub(super) fn end(
        &mut self,
        key: OrderKey,
        cause: CancelCause,
        now: UnixNanos,
        done: &mut Done,
    ) -> Result<(), Inconsistent> {
        self.release(key)?;
        self.record(Event::Canceled { order: key.0, cause, at: now }, done)?;
        let entry = self.entry(key)?;
        done.told.push(Told::Order(entry.account.clone(), entry.order.clone()));
        Ok(())
    }

    /// From now on an open order is held to its conditions. The book is another matter.
    pub(super) fn hold(&mut self, key: OrderKey) -> Result<(), Inconsistent> {
        let order = &self.entry(key)?.order;
        let (conditions, side, waits) = (order.conditions, order.side, order.waits());
        let name = order.instrument.clone();
        self.ends.extend(conditions.expires_at.map(|end| (end, key)));
        let market = self.markets.get_mut(&name).ok_or(Inconsistent::CannotRest(key.0))?;
        if conditions.reduce_only {
            market.reducing.insert(key);
        }
        if waits {
            let stop = conditions.stop_price.and_then(|price| market.instrument.ticks(price));
            market.stops.add(key, side, stop.ok_or(Inconsistent::CannotRest(key.0))?);
        }
        Ok(())
    }

    /// An order that ends stands nowhere any more.
    pub(super) fn release(&mut self, key: OrderKey) -> Result<(), Inconsistent> {
        let order = &self.entry(key)?.order;
        let (end, name) = (order.conditions.expires_at, order.instrument.clone());
        if let Some(end) = end {
            self.ends.remove(&(end, key));
        }
        if let Some(market) = self.markets.get_mut(&name) {
            market.book.cancel(key);
            market.stops.remove(key);
            market.reducing.remove(&key);
        }
        Ok(())
    }
}
