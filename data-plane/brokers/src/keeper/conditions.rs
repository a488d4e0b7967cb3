//! Conditions that the Broker sees to beside the venue. Decides when a `reduce_only` order has nothing to make smaller any
//! more: the venue knows the account's position, but not whose it is.

use super::Keeper;
use crate::{ledger::exposures::Owner, store::StoreError};
use tradewind_domain::ids::VenueOrderId;

impl Keeper {
    /// After a fill of that order: what was to make its customer's position smaller and would now turn it is canceled.
    pub(super) fn cancel_what_reduces_no_more(
        &mut self,
        filled: &VenueOrderId,
    ) -> Result<(), StoreError> {
        let Some(filled) = self.ledger.entry_at(filled).map(|entry| &entry.order) else {
            return Ok(());
        };
        let owner = Owner::Customer(filled.customer.clone());
        let has = self.ledger.exposures().of(&owner, &filled.instrument);
        let his = self.ledger.reducing().filter(|entry| {
            let order = &entry.order;
            (&order.customer, &order.instrument) == (&filled.customer, &filled.instrument)
        });
        let nothing = |side| {
            let room = has.room(side);
            room.is_zero() || room.is_sign_negative()
        };
        let over: Vec<VenueOrderId> = his
            .filter(|entry| !entry.cancel_asked && nothing(entry.order.side))
            .map(|entry| entry.order.order_id.venue_order_id)
            .collect();
        for id in over {
            tracing::info!(order = %id, "reduce_only: nothing is left to make smaller");
            // One that has ended meanwhile needs none.
            if let Ok(Some(effect)) = self.begin_cancel(&id)? {
                self.then(effect);
            }
        }
        Ok(())
    }
}
