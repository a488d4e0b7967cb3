//! What a Manager takes. Decides, when something is given to it, whether it has room: for a Broker, for a customer with
//! all that he is to run, for a Trader that is to run. One that says it takes less than it has keeps what it has, and
//! what is given anew to whoever has it already takes no more room. C1: no placement raises a Manager above its capacity.

use super::{
    event::EventKind,
    level::FeatureLevel,
    machine::Machine,
    refusal::Refusal,
    row::{Assignment, ManagerRow, TraderRow},
};
use crate::ids::{CustomerId, ManagerId, TraderId};

impl Machine {
    /// What may still be given to a TraderManager in Traders that are to run.
    pub(super) fn room_for_traders(&self, row: &ManagerRow) -> u32 {
        if self.level() < FeatureLevel::SECOND {
            return u32::MAX;
        }
        let running = self.tables.index.held(&row.manager).map_or(0, |held| held.running);
        row.capacity.saturating_sub(running)
    }

    pub(super) fn check_room_for_broker(
        &self,
        to: &ManagerId,
        held: Option<&Assignment>,
    ) -> Result<(), Refusal> {
        let brokers = self.tables.index.held(to).map_or(0, |held| held.brokers.len());
        self.check_room(to, held, u32::try_from(brokers).unwrap_or(u32::MAX), 1)
    }

    pub(super) fn check_room_for_customer(
        &self,
        customer: &CustomerId,
        to: &ManagerId,
        held: Option<&Assignment>,
    ) -> Result<(), Refusal> {
        let weight = self.tables.index.held(to).map_or(0, |held| held.weight);
        self.check_room(to, held, weight, self.weight_of(customer))
    }

    pub(super) fn check_room_for_trader(
        &self,
        row: &TraderRow,
        to: &ManagerId,
    ) -> Result<(), Refusal> {
        let running = self.tables.index.held(to).map_or(0, |held| held.running);
        let more = u32::from(row.spec.state.takes_a_place());
        self.check_room(to, row.assignment.as_ref(), running, more)
    }

    fn check_room(
        &self,
        to: &ManagerId,
        from: Option<&Assignment>,
        held: u32,
        more: u32,
    ) -> Result<(), Refusal> {
        let moves = from.is_none_or(|from| from.manager != *to);
        let capacity = self.manager(to).map_or(0, |row| row.capacity);
        let full = held.saturating_add(more) > capacity && more > 0;
        if self.level() >= FeatureLevel::SECOND && moves && full {
            return Err(Refusal::NoRoom { manager: to.clone(), capacity, held, more });
        }
        Ok(())
    }

    /// Whether a Trader that stood still may run again where it is: others may have taken its place.
    pub(super) fn has_room(&self, manager: &ManagerId) -> bool {
        self.manager(manager).is_none_or(|row| self.room_for_traders(row) > 0)
    }

    /// Where a Trader without a place would be if there were room. `None`: that is not what it waits for.
    #[must_use]
    pub fn waits_for_room(&self, trader: &TraderId) -> Option<&ManagerId> {
        let row = self.trader(trader)?;
        let waits = row.assignment.is_none() && row.spec.state.takes_a_place();
        let affinity = self.customer(&row.spec.customer)?.affinity.as_ref().filter(|_| waits)?;
        let manager = self.manager(&affinity.manager)?;
        (self.room_for_traders(manager) == 0).then_some(&manager.manager)
    }

    /// What is declared for a customer may be more than there is room for where he is: it waits, and that is told. `before`:
    /// what the customer weighed.
    pub(super) fn no_room(
        &self,
        trader: &TraderId,
        customer: &CustomerId,
        before: u32,
    ) -> Option<EventKind> {
        if self.level() < FeatureLevel::SECOND || self.weight_of(customer) <= before {
            return None;
        }
        let affinity = self.customer(customer)?.affinity.as_ref()?;
        let manager = self.manager(&affinity.manager)?;
        let held = self.tables.index.held(&manager.manager).map_or(0, |held| held.weight);
        let (trader, capacity) = (trader.clone(), manager.capacity);
        let manager = manager.manager.clone();
        (held > capacity).then_some(EventKind::TraderWithoutRoom { trader, manager, capacity })
    }
}

#[cfg(test)]
mod tests;
