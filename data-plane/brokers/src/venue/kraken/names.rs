//! Under which of our names Kraken's orders go. Decides what is remembered, and keeps fills whose order has no name yet:
//! Kraken's first words of an order may leave it out.

use super::limits::{NAMES_KEPT, UNNAMED_FILLS};
use crate::venue::VenueFill;
use std::collections::{HashMap, VecDeque};
use tradewind_domain::{
    ids::{ExecId, InstrumentId, VenueOrderId},
    money::{Price, Quantity},
    time::UnixNanos,
    trading::Side,
};

/// A fill as Kraken names its order.
#[derive(Clone, Debug)]
pub(super) struct Unnamed {
    pub(super) order_id: String,
    pub(super) exec_id: ExecId,
    pub(super) quantity: Quantity,
    pub(super) price: Price,
    pub(super) at: UnixNanos,
    /// Of what and on which side, where Kraken tells.
    pub(super) traded: Option<(InstrumentId, Side)>,
}

impl Unnamed {
    pub(super) fn of(self, venue_order_id: VenueOrderId) -> VenueFill {
        let Self { exec_id, quantity, price, at, traded, .. } = self;
        VenueFill { exec_id, venue_order_id, quantity, price, at, traded }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Names {
    by_order: HashMap<String, VenueOrderId>,
    /// The first learned first.
    learned: VecDeque<String>,
    waiting: VecDeque<Unnamed>,
}

impl Names {
    pub(super) fn get(&self, order_id: &str) -> Option<VenueOrderId> {
        self.by_order.get(order_id).copied()
    }

    /// The name of an order; fills that waited for it.
    pub(super) fn learn(&mut self, order_id: &str, name: VenueOrderId) -> Vec<VenueFill> {
        if self.by_order.insert(order_id.to_owned(), name).is_some() {
            return Vec::new();
        }
        self.learned.push_back(order_id.to_owned());
        if self.learned.len() > NAMES_KEPT {
            self.learned.pop_front().map(|oldest| self.by_order.remove(&oldest));
        }
        let waiting = std::mem::take(&mut self.waiting);
        let (found, waiting): (VecDeque<_>, _) =
            waiting.into_iter().partition(|fill| fill.order_id == order_id);
        self.waiting = waiting;
        found.into_iter().map(|fill| fill.of(name)).collect()
    }

    /// The fill under its order's name; kept if that is not known: it may be of somebody else's order, or come later.
    pub(super) fn fill(&mut self, fill: Unnamed) -> Option<VenueFill> {
        if let Some(name) = self.get(&fill.order_id) {
            return Some(fill.of(name));
        }
        self.waiting.push_back(fill);
        if self.waiting.len() > UNNAMED_FILLS {
            self.waiting.pop_front();
        }
        None
    }
}

/// Our name of an order, if that is one; Kraken may write the dashes that we leave out.
pub(super) fn own(cl_ord_id: &str) -> Option<VenueOrderId> {
    cl_ord_id.replace('-', "").to_ascii_lowercase().parse().ok()
}
