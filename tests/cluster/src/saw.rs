//! What an algo asked for and saw, by the history it wrote, and what venues say of it. Decides how both are read; what must
//! hold of them is decided in `domain::trading::invariants`.

use crate::other_venue::ledger;
use std::{collections::BTreeSet, fs, path::Path};
use tradewind_domain::{
    ids::{AccountId, ClientOrderId, CustomerId, ExecId, VenueOrderId},
    trading::invariants::{AlgoView, VenueTruth},
};
use tradewind_protocol::history::{Operation, OperationType};

#[derive(Debug, Default)]
pub struct Saw {
    pub view: AlgoView,
    /// Orders that were accepted and, as their ledger says, never placed.
    pub rejected: usize,
    /// What went wrong for it.
    pub errors: Vec<String>,
    /// Its processes.
    pub lives: BTreeSet<String>,
}

#[must_use]
pub fn saw(history: &Path) -> Saw {
    let mut saw = Saw::default();
    let mut rejected = BTreeSet::new();
    for line in fs::read_to_string(history).unwrap().lines() {
        let Ok(operation) = serde_json::from_str::<Operation>(line) else { continue };
        saw.lives.insert(operation.process.to_string());
        let text = operation.value.as_str().unwrap_or_default();
        let order = || ClientOrderId::new(text).unwrap();
        match (operation.f.as_str(), operation.kind) {
            ("submit", OperationType::Invoke) => saw.view.submitted.push(order()),
            ("submit", OperationType::Ok) => saw.view.acknowledged.push(order()),
            ("fill", OperationType::Ok) => saw.view.fills.push(ExecId::new(text).unwrap()),
            ("order", OperationType::Ok) if operation.value[1] == "rejected" => {
                rejected.insert(operation.value[0].as_str().unwrap().to_owned());
            }
            ("untold-gap", _) => saw.view.untold_gaps += 1,
            (
                "submit" | "cancel" | "gap" | "wind-down",
                OperationType::Fail | OperationType::Info,
            ) => {
                saw.errors.push(line.to_owned());
            }
            _ => {}
        }
    }
    let acknowledged = saw.view.acknowledged.len();
    saw.view.acknowledged.retain(|id| !rejected.contains(id.as_str()));
    saw.rejected = acknowledged - saw.view.acknowledged.len();
    saw
}

/// What venues say of a customer's orders, under the names he gave them.
pub async fn truth(view: &AlgoView, customer: &str, at: &[(&str, &str)]) -> VenueTruth {
    let customer = CustomerId::new(customer).unwrap();
    let mut truth = VenueTruth::default();
    for (venue, account) in at {
        let page = ledger(venue, account).await;
        let account = AccountId::new(account).unwrap();
        for arrival in page["arrivals"].as_array().unwrap() {
            let name = arrival["venue_order_id"].as_str().unwrap();
            let own = view
                .submitted
                .iter()
                .find(|id| VenueOrderId::of(&account, &customer, id).to_string() == name);
            // One of nobody is kept under the venue's name, so that it is counted.
            truth.arrivals.push(own.cloned().unwrap_or_else(|| ClientOrderId::new(name).unwrap()));
        }
        let fills = page["fills"].as_array().unwrap().iter();
        truth.fills.extend(fills.map(|f| ExecId::new(f["exec_id"].as_str().unwrap()).unwrap()));
    }
    truth
}
