//! The judge's pages. `GET /sim/ledger`: every arrival of an order, what became of it, every order and fill;
//! `GET /sim/connects`: how often WebSockets were opened. Decides the pages' form. `venue_order_id` and `outcome` of an arrival are the sim venue's words, by which the demo judges.

use serde_json::{Value, json};

use crate::ledger::event::Fate;
use crate::ledger::state::{Arrival, Fill, Order, State, Status};

/// WebSockets that were opened since the simulator began, whatever became of them.
#[derive(Debug, Default)]
pub(crate) struct Connects {
    pub(super) opened: u64,
    /// Of them those of an address that is banned.
    pub(super) refused: u64,
}

impl Connects {
    /// With how many are open now.
    pub(super) fn page(&self, open: usize) -> Result<String, serde_json::Error> {
        let Self { opened, refused } = self;
        serde_json::to_string(&json!({ "opened": opened, "refused": refused, "open": open }))
    }
}

/// The whole ledger as JSON.
pub(super) fn page(state: &State) -> Result<String, serde_json::Error> {
    let page = json!({
        "arrivals": state.arrivals.iter().map(arrival).collect::<Vec<_>>(),
        "orders": state.orders.iter().map(|of| order(state, of)).collect::<Vec<_>>(),
        "fills": state.fills.iter().map(|of| fill(state, of)).collect::<Vec<_>>(),
        "balances": state.balances.iter().map(|(asset, amount)| {
            ((*asset).to_owned(), Value::from(amount.to_string()))
        }).collect::<serde_json::Map<_, _>>(),
    });
    serde_json::to_string(&page)
}

fn arrival(arrival: &Arrival) -> Value {
    let (fate, error) = match &arrival.fate {
        Fate::Placed => ("placed", None),
        Fate::Validated => ("validated", None),
        Fate::Refused(error) => ("refused", Some(error)),
    };
    json!({
        "at": arrival.at,
        "symbol": arrival.order.symbol,
        "cl_ord_id": arrival.order.cl_ord_id,
        "venue_order_id": arrival.order.cl_ord_id,
        "outcome": error.map_or_else(|| json!(fate), |error| json!({ "refused": error })),
        "fate": fate,
        "error": error,
        "order_id": arrival.id,
    })
}

fn order(state: &State, order: &Order) -> Value {
    let pair = &state.pairs[order.pair];
    let status = match order.status {
        Status::Open => "open",
        Status::Filled => "filled",
        Status::Canceled => "canceled",
        Status::Expired => "expired",
    };
    json!({
        "order_id": order.id,
        "cl_ord_id": order.cl_ord_id,
        "symbol": pair.symbol,
        "side": order.side,
        "quantity": pair.quantity(order.quantity).to_string(),
        "limit_price": order.limit.map(|limit| pair.price(limit).to_string()),
        "filled": pair.quantity(order.filled).to_string(),
        "status": status,
        "reason": order.reason,
    })
}

fn fill(state: &State, fill: &Fill) -> Value {
    let order = state.entry(fill.order);
    let pair = order.map(|order| &state.pairs[order.pair]);
    json!({
        "exec_id": fill.id,
        "order_id": order.map(|order| order.id.clone()),
        "cl_ord_id": order.and_then(|order| order.cl_ord_id.clone()),
        "quantity": pair.map(|pair| pair.quantity(fill.quantity).to_string()),
        "price": pair.map(|pair| pair.price(fill.price).to_string()),
        "at": fill.at,
    })
}
