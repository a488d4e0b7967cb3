//! Which orders a ledger has, by what is asked of them: a customer may have had a million, so that none of this walks over
//! all of them. Decides nothing; what becomes of them is `rules`.

use super::{Entry, Ledger};
use crate::limits::CLOCK_SET_BACK;
use std::time::Duration;
use tradewind_domain::{ids::CustomerId, time::UnixNanos, trading::presence::Marks};

impl Ledger {
    /// Orders that have not ended, by id.
    pub fn open_orders(&self) -> impl Iterator<Item = &Entry> {
        self.open.iter().filter_map(|id| self.orders.get(id))
    }

    #[must_use]
    pub fn has_open_orders(&self) -> bool {
        !self.open.is_empty()
    }

    /// A customer's orders, the newest last.
    pub fn orders_of(&self, customer: &CustomerId) -> impl DoubleEndedIterator<Item = &Entry> {
        let ids = self.customers.get(customer).map(|c| c.orders.as_slice()).unwrap_or_default();
        ids.iter().filter_map(|id| self.orders.get(id))
    }

    /// Those of them that have not ended, the newest last.
    pub fn open_orders_of(&self, customer: &CustomerId) -> impl DoubleEndedIterator<Item = &Entry> {
        let his = self.customers.get(customer);
        let ids = his.into_iter().flat_map(|c| c.open.iter().filter_map(|at| c.orders.get(*at)));
        ids.filter_map(|id| self.orders.get(id))
    }

    /// Orders accepted within that time, customer by customer, the newest first: looked for from the newest back, and so much
    /// further than the clock may have been set back meanwhile.
    pub fn accepted_within(
        &self,
        within: Duration,
        now: UnixNanos,
    ) -> impl Iterator<Item = &Entry> {
        self.customers.values().flat_map(move |customer| {
            let newest = customer.orders.iter().rev().filter_map(|id| self.orders.get(id));
            let ago = move |entry: &&Entry| now.since(entry.order.created_at);
            newest
                .take_while(move |e| ago(e) < within + CLOCK_SET_BACK)
                .filter(move |e| ago(e) < within)
        })
    }

    /// Open orders that must only make a position smaller.
    pub fn reducing(&self) -> impl Iterator<Item = &Entry> {
        self.reducing.iter().filter_map(|id| self.orders.get(id))
    }

    /// How many orders the venue has filled beyond what was ordered.
    #[must_use]
    pub fn overfilled(&self) -> usize {
        self.overfilled.len()
    }

    /// Open orders that are canceled when their session is gone.
    #[must_use]
    pub fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Orders whose outcome is not known.
    pub fn unknown(&self) -> impl Iterator<Item = &Entry> {
        self.unknown.iter().filter_map(|id| self.orders.get(id))
    }
}
