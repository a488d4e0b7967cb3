//! Replaces as the ledger holds them. Decides what their records may do: an id that a replace was asked for under is
//! never an order's or another replace's; whether one may be asked for is decided by `rules`.

use super::{
    Broken, Entry, Ledger,
    record::{Number, OrderRecord, Part, ReplaceAsked},
};
use tradewind_domain::{
    ids::VenueOrderId,
    time::UnixNanos,
    trading::{NewOrder, Order, ReplaceOrder, order::IllegalChange},
};

/// What an order was, and the replaces of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaces {
    /// As it was submitted: what a repeated submit is compared with.
    pub submitted: NewOrder,
    /// In the order in which they came, with those that were not done.
    pub asked: Vec<ReplaceOrder>,
    /// When the last one was accepted.
    pub accepted_at: UnixNanos,
    /// The venue refuses the last one later.
    pub deadline: UnixNanos,
}

impl Entry {
    /// The body it was submitted with.
    #[must_use]
    pub fn body(&self) -> NewOrder {
        match &self.replaces {
            Some(replaces) => replaces.submitted.clone(),
            None => self.order.body(),
        }
    }
}

impl Ledger {
    /// The order that the venue has, or has had, or is to have, under that id.
    #[must_use]
    pub fn entry_at(&self, venue: &VenueOrderId) -> Option<&Entry> {
        self.orders.get(venue).or_else(|| self.orders.get(self.later_ids.get(venue)?))
    }

    /// The order that was to be replaced under that id at the venue.
    #[must_use]
    pub fn replaced_under(&self, venue: &VenueOrderId) -> Option<&VenueOrderId> {
        self.later_ids.get(venue)
    }

    /// Orders of which a replace has begun and has no end yet.
    pub fn replacing(&self) -> impl Iterator<Item = &Entry> {
        self.replacing.iter().filter_map(|id| self.orders.get(id))
    }

    pub(super) fn take_replace(&mut self, asked: &ReplaceAsked) -> Result<(), Broken> {
        let next = asked.order.order(&self.account, &asked.parts);
        let id = asked.order.venue_order_id;
        let entry = self.orders.get(&id).ok_or(Broken::Order(id))?;
        let by = next.next_venue_id().ok_or(Broken::Order(id))?;
        if self.orders.contains_key(&by) || self.later_ids.contains_key(&by) {
            return Err(Broken::Order(by));
        }
        let replacement = next.replacement.clone().ok_or(Broken::Order(id))?;
        let body = ReplaceOrder {
            replace_id: replacement.replace_id.clone(),
            version: asked.asked_version,
            quantity: asked.asked_quantity,
            limit_price: asked.asked_limit_price,
        };
        expect(id, entry.order.replacing(replacement, next.updated_at), &next)?;
        let submitted = entry.body();
        let (accepted_at, deadline) = (next.updated_at, asked.deadline);
        self.put(asked.number, next)?;
        self.later_ids.insert(by, id);
        let entry = self.orders.get_mut(&id).ok_or(Broken::Order(id))?;
        let replaces = entry.replaces.get_or_insert_with(|| {
            Box::new(Replaces { submitted, asked: Vec::new(), accepted_at, deadline })
        });
        replaces.asked.push(body);
        (replaces.accepted_at, replaces.deadline) = (accepted_at, deadline);
        Ok(())
    }

    pub(super) fn take_replaced(
        &mut self,
        number: Number,
        record: &OrderRecord,
        parts: &[Part],
    ) -> Result<(), Broken> {
        let next = record.order(&self.account, parts);
        let id = record.venue_order_id;
        let entry = self.orders.get(&id).ok_or(Broken::Order(id))?;
        expect(id, entry.order.replaced(next.updated_at), &next)?;
        self.put(number, next)
    }

    pub(super) fn take_not_replaced(
        &mut self,
        number: Number,
        record: &OrderRecord,
        parts: &[Part],
    ) -> Result<(), Broken> {
        let next = record.order(&self.account, parts);
        let id = record.venue_order_id;
        let entry = self.orders.get(&id).ok_or(Broken::Order(id))?;
        let reason = next.reason.clone().unwrap_or_default();
        expect(id, entry.order.not_replaced(reason, next.updated_at), &next)?;
        self.put(number, next)
    }
}

fn expect(
    order: VenueOrderId,
    legal: Result<Order, IllegalChange>,
    found: &Order,
) -> Result<(), Broken> {
    let legal = legal.map_err(|illegal| Broken::Change { order, why: illegal.to_string() })?;
    if legal == *found {
        return Ok(());
    }
    Err(Broken::Change { order, why: "the replace makes another order of it".to_string() })
}
