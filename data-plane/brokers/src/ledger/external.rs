//! External: orders and fills that the venue shows on the account and that are none of this ledger: placed by hand, by
//! another program, or under a ledger that was lost or given up. Decides what of it is news, and what an order of ours may
//! not be called after it. Nothing is done about it: it is no customer's, and an operator's to look into.
//!
//! EX1 the account's exposure is that of its customers and what is external together; no customer's has any of it. EX2 an
//! execution counts once, whoever's it is. EX3 no order is accepted under an id that an external one has had: the venue
//! would take it for that one.

use super::{
    Broken, Ledger,
    record::{ExternalFillRecord, ExternalRecord, Record},
};
use crate::venue::external::{ExternalFill, ExternalId, ExternalOrder, Terms};
use std::{
    collections::{BTreeMap, HashSet},
    fmt,
};
use tradewind_domain::{ids::VenueOrderId, time::UnixNanos, trading::Side};

/// An external order that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// As the venue showed them last; without them it counts in no exposure, but is an open order.
    pub terms: Option<Terms>,
    /// When it was shown as it is, by the venue's clock as far as that is known.
    pub seen_at: UnixNanos,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(terms) = &self.terms else { return f.write_str("of unknown terms") };
        let Terms { instrument, side, quantity, filled, limit_price } = terms;
        let side = match side {
            Side::Buy => "buy",
            Side::Sell => "sell",
        };
        write!(f, "{side} {quantity} {instrument}")?;
        if let Some(price) = limit_price {
            write!(f, " at {price}")?;
        }
        if filled.is_zero() { Ok(()) } else { write!(f, ", filled {filled}") }
    }
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct External {
    /// As many as the venue lets an account have.
    open: BTreeMap<ExternalId, Standing>,
    /// Of each that stands in a record, if orders from here have such ids.
    ids: HashSet<VenueOrderId>,
    fills: u64,
}

impl External {
    /// Those that are open, by id.
    pub fn open(&self) -> impl ExactSizeIterator<Item = (&ExternalId, &Standing)> {
        self.open.iter()
    }

    /// Whether that one is.
    #[must_use]
    pub fn is_open(&self, id: &ExternalId) -> bool {
        self.open.contains_key(id)
    }

    /// How many fills were of such orders.
    #[must_use]
    pub fn fills(&self) -> u64 {
        self.fills
    }
}

impl Ledger {
    #[must_use]
    pub fn external(&self) -> &External {
        &self.external
    }

    /// An order that the venue shows at that time: its record, if it is none of ours and that is news.
    #[must_use]
    pub fn external_order(&self, said: &ExternalOrder, shown_at: UnixNanos) -> Option<Record> {
        if self.is_own(&said.id) {
            return None;
        }
        let news = match (self.external.open.get(&said.id), said.open) {
            // It had ended before anybody here knew of it.
            (None, false) => false,
            (None, true) | (Some(_), false) => true,
            // A word without terms takes none back.
            (Some(standing), true) => said.terms.is_some() && said.terms != standing.terms,
        };
        news.then(|| Record::ExternalSeen { order: ExternalRecord::of(said), at: shown_at })
    }

    /// Whether a fill that the venue shows is of no order of ours, and not known yet.
    #[must_use]
    pub fn is_external_news(&self, said: &ExternalFill) -> bool {
        !self.knows_execution(&said.exec_id) && !self.is_own(&said.order)
    }

    /// Its record, if it is that. None of one of which nobody knows of what it is: an execution that is known counts no
    /// more, and this one would count nowhere.
    #[must_use]
    pub fn external_fill(&self, said: &ExternalFill) -> Option<Record> {
        if !self.is_external_news(said) {
            return None;
        }
        let mut fill = said.clone();
        if fill.traded.is_none() {
            let terms = self.external.open.get(&said.order).and_then(|s| s.terms.as_ref());
            fill.traded = terms.map(|terms| (terms.instrument.clone(), terms.side));
        }
        fill.traded.is_some().then(|| Record::ExternalFilled(ExternalFillRecord::of(&fill)))
    }

    /// The ends of those that a listing of all that is open, made at that time, does not name. One that was seen later
    /// than it was made is not meant.
    #[must_use]
    pub fn external_absent(
        &self,
        listed: &HashSet<ExternalId>,
        listed_at: UnixNanos,
    ) -> Vec<Record> {
        let open = self.external.open.iter();
        let gone = open.filter(|(id, order)| order.seen_at < listed_at && !listed.contains(*id));
        let ended = gone.map(|(id, _)| ExternalOrder { id: id.clone(), open: false, terms: None });
        ended.filter_map(|order| self.external_order(&order, listed_at)).collect()
    }

    /// Whether the venue has, or had, an order of that id which is not this ledger's.
    #[must_use]
    pub fn is_external(&self, id: &VenueOrderId) -> bool {
        self.external.ids.contains(id)
    }

    fn is_own(&self, id: &ExternalId) -> bool {
        id.venue_order_id().is_some_and(|id| self.entry_at(&id).is_some())
    }

    pub(super) fn take_external(&mut self, order: &ExternalRecord, at: UnixNanos) {
        let before = self.external.open.remove(&order.id);
        let after = order.open.then(|| Standing { terms: order.terms(), seen_at: at });
        self.exposures.external_stands(before.as_ref(), after.as_ref());
        self.external.ids.extend(order.id.venue_order_id());
        if let Some(after) = after {
            self.external.open.insert(order.id.clone(), after);
        }
    }

    pub(super) fn take_external_fill(&mut self, fill: &ExternalFillRecord) -> Result<(), Broken> {
        if !self.executions.insert(fill.exec_id.clone()) {
            return Err(Broken::Execution(fill.exec_id.clone()));
        }
        self.external.ids.extend(fill.order.venue_order_id());
        self.external.fills += 1;
        if let Some((instrument, side)) = &fill.traded {
            self.exposures.external_filled(instrument, (*side).into(), fill.quantity);
        }
        Ok(())
    }
}
