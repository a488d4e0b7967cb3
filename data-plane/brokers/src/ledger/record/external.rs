//! What is external as it stands in the ledger's records. Decides its shapes there, which are frozen like theirs.

use super::SideRecord;
use crate::venue::external::{ExternalFill, ExternalId, ExternalOrder, Terms};
use serde::{Deserialize, Serialize};
use tradewind_domain::{
    ids::{ExecId, InstrumentId},
    money::{Price, Quantity},
    time::UnixNanos,
};

/// An order as the venue shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalRecord {
    pub id: ExternalId,
    /// It has ended otherwise.
    pub open: bool,
    pub terms: Option<TermsRecord>,
}

/// What the venue shows of it, if it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermsRecord {
    pub instrument: InstrumentId,
    pub side: SideRecord,
    pub quantity: Quantity,
    pub filled: Quantity,
    pub limit_price: Option<Price>,
}

/// A fill of such an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalFillRecord {
    pub exec_id: ExecId,
    pub order: ExternalId,
    pub quantity: Quantity,
    pub price: Price,
    pub at: UnixNanos,
    /// Without it the fill counts in no position.
    pub traded: Option<(InstrumentId, SideRecord)>,
}

impl ExternalRecord {
    #[must_use]
    pub fn of(order: &ExternalOrder) -> Self {
        let terms = order.terms.as_ref().map(|terms| TermsRecord {
            instrument: terms.instrument.clone(),
            side: terms.side.into(),
            quantity: terms.quantity,
            filled: terms.filled,
            limit_price: terms.limit_price,
        });
        Self { id: order.id.clone(), open: order.open, terms }
    }

    #[must_use]
    pub fn terms(&self) -> Option<Terms> {
        self.terms.as_ref().map(|terms| Terms {
            instrument: terms.instrument.clone(),
            side: terms.side.into(),
            quantity: terms.quantity,
            filled: terms.filled,
            limit_price: terms.limit_price,
        })
    }
}

impl ExternalFillRecord {
    #[must_use]
    pub fn of(fill: &ExternalFill) -> Self {
        let traded = fill.traded.as_ref();
        Self {
            exec_id: fill.exec_id.clone(),
            order: fill.order.clone(),
            quantity: fill.quantity,
            price: fill.price,
            at: fill.at,
            traded: traded.map(|(instrument, side)| (instrument.clone(), (*side).into())),
        }
    }
}
