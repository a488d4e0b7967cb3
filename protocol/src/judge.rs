//! The sim venue's own ledger as those who judge read it: the demo and the fault harness. Decides which arrivals count
//! as placed and how they are named; what must hold of them is decided in `domain::trading::invariants`.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use tradewind_domain::{
    ids::{AccountId, ClientOrderId, CustomerId, ExecId, VenueOrderId},
    trading::invariants::{AlgoView, VenueTruth},
};

/// The part of `GET /v1/ledger?account=` that is judged.
#[derive(Clone, Debug, Deserialize)]
pub struct VenueLedger {
    arrivals: Vec<Arrival>,
    fills: Vec<VenueFill>,
}

#[derive(Clone, Debug, Deserialize)]
struct Arrival {
    venue_order_id: VenueOrderId,
    /// `placed`, `duplicate`, or an object that says why it was refused.
    outcome: Value,
}

#[derive(Clone, Debug, Deserialize)]
struct VenueFill {
    exec_id: ExecId,
}

impl VenueLedger {
    /// In the algo's words: it knows its orders by its own ids. What the venue refused was not placed.
    #[must_use]
    pub fn truth(&self, view: &AlgoView, account: &AccountId, customer: &CustomerId) -> VenueTruth {
        let submitted = &view.submitted;
        let own: BTreeMap<VenueOrderId, &ClientOrderId> =
            submitted.iter().map(|id| (VenueOrderId::of(account, customer, id), id)).collect();
        let name = |arrival: &Arrival| match own.get(&arrival.venue_order_id) {
            Some(id) => Some((*id).clone()),
            // Of nobody here: kept under the venue's name, so that it is counted.
            None => ClientOrderId::new(&arrival.venue_order_id.to_string()).ok(),
        };
        let placed = self.arrivals.iter().filter(|arrival| !arrival.outcome.is_object());
        VenueTruth {
            arrivals: placed.filter_map(name).collect(),
            fills: self.fills.iter().map(|fill| fill.exec_id.clone()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_refused_arrival_is_not_placed_and_a_strange_one_is_counted() {
        let (account, customer) =
            (AccountId::new("sim-1").unwrap(), CustomerId::new("acme").unwrap());
        let id = |name: &str| ClientOrderId::new(name).unwrap();
        let venue_id = |name: &str| VenueOrderId::of(&account, &customer, &id(name));
        let arrival = |name: &str, outcome: Value| json!({"venue_order_id": venue_id(name), "outcome": outcome});
        let page = json!({"fills": [{"exec_id": "x1"}], "arrivals": [
            arrival("a", json!("placed")),
            arrival("a", json!("duplicate")),
            arrival("b", json!({"refused": "rate_limit"})),
            arrival("z", json!("placed")),
        ]});
        let ledger: VenueLedger = serde_json::from_value(page).unwrap();
        let view = AlgoView { submitted: vec![id("a"), id("b")], ..AlgoView::default() };
        let truth = ledger.truth(&view, &account, &customer);
        assert_eq!(truth.arrivals, [id("a"), id("a"), id(&venue_id("z").to_string())]);
        assert_eq!(truth.fills, [ExecId::new("x1").unwrap()]);
    }
}
