//! What is external, at the keeper. Decides when it is written down and what operators are told of it; what of it is news
//! is decided by `ledger::external`. Nothing of it is canceled here: whose it is, only an operator can know.
//!
//! A copy holder of an earlier build cannot read these records, and one that is away has not said what it reads. Until it
//! has, nothing of it is written down, nor that a sweep was complete: so that all of it is found again.

use super::{Keeper, Line};
use crate::{
    limits::EXTERNAL_SHOWN,
    reconcile::Reconcile,
    store::StoreError,
    venue::{
        Page, VenueOrder,
        external::{ExternalFill, ExternalId, ExternalOrder, Externals},
    },
};
use std::collections::HashSet;
use tradewind_node::clock;

impl Keeper {
    /// An order that the ledger does not have, as the venue speaks of it.
    pub(super) fn not_ours(&mut self, said: &VenueOrder) -> Result<(), StoreError> {
        ExternalOrder::of(said).map_or(Ok(()), |order| self.external_order(&order))
    }

    fn external_order(&mut self, said: &ExternalOrder) -> Result<(), StoreError> {
        let Some(record) = self.ledger.external_order(said, clock::now()) else { return Ok(()) };
        if !self.writes_external() {
            return Ok(());
        }
        if !self.ledger.external().has_seen(&said.id) {
            let (order, terms) = (&said.id, &said.terms);
            tracing::warn!(%order, ?terms, "the venue has an open order that is not this ledger's");
        }
        self.put(&record)?;
        self.report();
        Ok(())
    }

    pub(super) fn external_fill(&mut self, said: &ExternalFill) -> Result<(), StoreError> {
        let Some(record) = self.ledger.external_fill(said) else { return Ok(()) };
        if !self.writes_external() {
            return Ok(());
        }
        tracing::debug!(order = %said.order, exec_id = %said.exec_id, "external fill");
        self.put(&record)?;
        self.report();
        Ok(())
    }

    /// What a page has beside orders and fills under our names.
    pub(super) fn external_page(&mut self, page: &Page) -> Result<(), StoreError> {
        let Externals { orders, fills, all_open } = &page.external;
        fills.iter().try_for_each(|said| self.external_fill(said))?;
        orders.iter().try_for_each(|said| self.external_order(said))?;
        if !*all_open || self.ledger.external().open().len() == 0 {
            return Ok(());
        }
        let ours = page.orders.iter().map(|said| ExternalId::from(said.venue_order_id));
        let listed: HashSet<_> = ours.chain(orders.iter().map(|said| said.id.clone())).collect();
        let gone = self.ledger.external_absent(&listed, page.at, clock::now());
        if !gone.is_empty() && self.writes_external() {
            gone.iter().try_for_each(|record| self.put(record))?;
            self.report();
        }
        Ok(())
    }

    /// Whether there may be records of it now; otherwise it is looked for again. One that was superseded writes none: what
    /// it takes for external is its successor's.
    pub(super) fn writes_external(&mut self) -> bool {
        if self.ledger.check_own(&self.assignment).is_err() {
            return false;
        }
        let reads = self.store.copies().reads_external();
        if !reads && !self.external_missed {
            tracing::warn!(
                "external orders wait for the copy holder: it is away, or of an earlier build"
            );
            self.external_missed = true;
            self.report();
        }
        reads
    }

    /// Sweeps once more from what stands in the ledger, when what was missed can be written down.
    pub(super) fn look_for_what_was_missed(&mut self) {
        if self.external_missed && self.store.copies().reads_external() {
            self.external_missed = false;
            self.reconcile = Reconcile::new(self.ledger.swept_to());
            self.begin_with_all();
            self.report();
        }
    }

    /// A ledger that was never swept begins with all that the venue has, where that can be listed: what a ledger that was
    /// lost or given up has left there counts.
    pub(super) fn begin_with_all(&mut self) {
        let (Line::Sweeping(link) | Line::Live(link)) = &self.line else { return };
        if !self.ledger.was_swept() && link.lists_from_the_beginning() {
            self.reconcile.begin_with_all();
        }
    }

    /// For operators; nothing where nothing is external.
    pub(super) fn external_in_words(&self) -> String {
        let external = self.ledger.external();
        let mut words = String::new();
        let open = external.open();
        if open.len() > 0 {
            let more = open.len().saturating_sub(EXTERNAL_SHOWN);
            words += &format!(", external open orders: {} (", open.len());
            let shown = open.take(EXTERNAL_SHOWN).map(|(id, order)| format!("{id} {order}"));
            words += &shown.collect::<Vec<_>>().join("; ");
            words += &if more > 0 { format!("; and {more} more)") } else { ")".to_owned() };
        }
        if external.fills() > 0 {
            words += &format!(", external fills: {}", external.fills());
        }
        if self.external_missed {
            words +=
                ", external orders are not known: the copy holder is away or of an earlier build";
        }
        words
    }
}
