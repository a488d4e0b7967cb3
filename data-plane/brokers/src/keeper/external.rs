//! What is external, at the keeper. Decides when it is written down and what operators are told of it; what of it is news
//! is decided by `ledger::external`. Nothing of it is canceled here: whose it is, only an operator can know.
//!
//! A copy holder of an earlier build cannot read these records, and of one that was never heard nobody knows what it reads.
//! Until that is known, nothing of it is written down, nor that a sweep was complete: so that all of it is found again.

use super::{Keeper, Line};
use crate::{
    ledger::record::Record,
    limits::EXTERNAL_SHOWN,
    reconcile::Reconcile,
    store::StoreError,
    venue::{
        Page, VenueOrder,
        external::{ExternalFill, ExternalId, ExternalOrder, Externals},
    },
};
use std::{collections::HashSet, time::Instant};
use tradewind_domain::time::UnixNanos;

impl Keeper {
    /// An order that the ledger does not have, as the venue speaks of it at that time.
    pub(super) fn not_ours(
        &mut self,
        said: &VenueOrder,
        shown_at: UnixNanos,
    ) -> Result<(), StoreError> {
        ExternalOrder::of(said).map_or(Ok(()), |order| self.external_order(&order, shown_at))
    }

    fn external_order(
        &mut self,
        said: &ExternalOrder,
        shown_at: UnixNanos,
    ) -> Result<(), StoreError> {
        let Some(record) = self.ledger.external_order(said, shown_at) else { return Ok(()) };
        let id = said.id.venue_order_id();
        if !self.writes_external() {
            self.missed.order(id);
            return Ok(());
        }
        if !self.ledger.external().is_open(&said.id) {
            let (order, terms) = (&said.id, &said.terms);
            tracing::debug!(%order, ?terms, "external order");
            self.missed.is_new();
        }
        self.put(&record)?;
        self.missed.is_written(id);
        self.external_news = true;
        Ok(())
    }

    pub(super) fn external_fill(&mut self, said: &ExternalFill) -> Result<(), StoreError> {
        if !self.ledger.is_external_news(said) {
            return Ok(());
        }
        let id = said.order.venue_order_id();
        let record = self.ledger.external_fill(said);
        if record.is_none() {
            // A listing tells of what it is, and is asked for it before it is taken for known.
            self.reconcile.want();
        }
        let writes = self.writes_external();
        let Some(record) = record.filter(|_| writes) else {
            self.missed.order(id);
            return Ok(());
        };
        tracing::debug!(order = %said.order, exec_id = %said.exec_id, "external fill");
        self.put(&record)?;
        self.missed.is_written(id);
        self.external_news = true;
        Ok(())
    }

    /// What a page has beside orders and fills under our names.
    pub(super) fn external_page(&mut self, page: &Page) -> Result<(), StoreError> {
        let Externals { orders, fills, all_open } = &page.external;
        fills.iter().try_for_each(|said| self.external_fill(said))?;
        orders.iter().try_for_each(|said| self.external_order(said, page.at))?;
        if !*all_open || self.ledger.external().open().len() == 0 {
            return Ok(());
        }
        let ours = page.orders.iter().map(|said| ExternalId::from(said.venue_order_id));
        let listed: HashSet<_> = ours.chain(orders.iter().map(|said| said.id.clone())).collect();
        let gone = self.ledger.external_absent(&listed, page.at);
        if !gone.is_empty() && self.writes_external() {
            gone.iter().try_for_each(|record| self.put(record))?;
            self.external_news = true;
        }
        Ok(())
    }

    /// Whether there may be records of it now; otherwise it is looked for again. One that was superseded writes none: what
    /// it takes for external is its successor's.
    pub(super) fn writes_external(&mut self) -> bool {
        let own = self.ledger.check_own(&self.assignment).is_ok();
        let writes = own && self.store.copies().reads_external();
        if !writes && !self.missed.any {
            if own {
                tracing::warn!(
                    "external orders wait for the copy holder: it is away, or of an earlier build"
                );
            }
            self.missed.any = true;
            self.external_news = true;
        }
        writes
    }

    /// Whether a record of our order can be written down now: an earlier build could not read that an order was filled
    /// beyond what it was replaced by.
    pub(super) fn writes_replaced(&mut self, record: &Record) -> bool {
        let Record::Replaced { order, .. } = record else { return true };
        if order.filled_quantity <= order.quantity {
            return true;
        }
        let writes = self.writes_external();
        if writes {
            self.missed.replaced.remove(&order.venue_order_id);
            self.external_news = true;
        } else if self.missed.replaced.insert(order.venue_order_id) {
            let order = &order.venue_order_id;
            tracing::error!(%order, "an order was filled beyond what it was replaced by");
        }
        writes
    }

    /// Says upward what an event has brought of it, once.
    pub(super) fn report_external(&mut self) {
        if std::mem::take(&mut self.external_news) {
            self.report();
        }
    }

    pub(super) fn warn_of_external(&mut self) {
        if let Some(new) = self.missed.untold_now(Instant::now()) {
            let open = self.ledger.external().open();
            let (count, first) = (open.len(), open.map(|(id, _)| id).next());
            tracing::warn!(
                new,
                open = count,
                ?first,
                "the venue has orders that are not this ledger's"
            );
        }
    }

    /// Sweeps once more from what stands in the ledger, when what was missed can be written down and no sweep is under way.
    pub(super) fn look_for_what_was_missed(&mut self) {
        let writes =
            self.ledger.check_own(&self.assignment).is_ok() && self.store.copies().reads_external();
        if self.missed.any && writes && !self.reconcile.sweeps() {
            self.missed.any = false;
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
        let mut words = self.missed.in_words();
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
        words
    }
}
