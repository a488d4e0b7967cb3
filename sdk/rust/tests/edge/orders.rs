//! What the scripted MarketManager says of orders: what it answers, and what it sends on private streams.

use super::{Edge, is_good, now, problem, say, session_of};
use axum::{
    Json, Router,
    extract::{RawQuery, State, ws::WebSocket},
    http::HeaderMap,
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::{Value, json};
use tradewind_protocol::Code;

pub fn routes() -> Router<Edge> {
    Router::new()
        .route("/v1/orders", get(listed).post(submit))
        .route("/v1/orders/{order}", get(order).patch(submit).delete(too_late))
}

/// An order of that account in a state, when it has changed so often.
pub fn order_of(account: &str, client_order_id: &str, state: &str, version: u32) -> Value {
    let filled = if state == "filled" { "1" } else { "0" };
    json!({
        "order_id": format!("{account}.0123456789abcdef0123456789abcdef"), "customer": "acme",
        "client_order_id": client_order_id, "venue": "sim", "instrument": "BTC/USD", "side": "buy",
        "type": "limit", "quantity": "1", "limit_price": "1", "time_in_force": "gtc",
        "state": state, "filled_quantity": filled, "reason": null,
        "created_at": now(), "updated_at": now(), "version": version,
    })
}

fn filled(client_order_id: &str) -> Value {
    order_of("sim-1", client_order_id, "filled", 1)
}

/// A submit, or a replace.
async fn submit(State(edge): State<Edge>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    if !is_good(&edge, &headers) {
        return problem(Code::Unauthorized);
    }
    let mut ledger = edge.ledger();
    let id = body["client_order_id"].as_str().unwrap_or("filled").to_string();
    ledger.submits.push(body);
    ledger.sessions.push(session_of(&headers));
    match ledger.refusals.pop_front() {
        Some(code) => problem(code),
        None => Json(ledger.answers.pop_front().unwrap_or_else(|| filled(&id))).into_response(),
    }
}

/// Open orders there are none.
async fn listed(State(edge): State<Edge>, RawQuery(query): RawQuery) -> Json<Value> {
    let mut ledger = edge.ledger();
    match query.filter(|query| query.contains("client_order_id=")) {
        Some(query) => {
            ledger.asked.push(query);
            Json(json!({"orders": ledger.found}))
        }
        None => {
            ledger.listed = true;
            Json(json!({"orders": []}))
        }
    }
}

async fn order() -> Json<Value> {
    Json(filled("filled"))
}

async fn too_late(State(edge): State<Edge>) -> Response {
    let said = edge.ledger().cancels.pop_front();
    problem(said.unwrap_or(Code::Conflict))
}

/// How far each private channel was sent on a connection.
#[derive(Default)]
pub struct Sent {
    pub fills: Option<usize>,
    pub orders: Option<usize>,
}

/// Sends what was not sent on this connection.
pub async fn push(edge: &Edge, socket: &mut WebSocket, sent: &mut Sent) {
    let (fills, orders, source) = {
        let ledger = edge.ledger();
        (ledger.fills.clone(), ledger.orders.clone(), ledger.source)
    };
    for (n, order) in orders.iter().enumerate().skip(sent.orders.unwrap_or(orders.len())) {
        let account = order["order_id"].as_str().unwrap().split('.').next().unwrap();
        let frame = json!({"type": "order", "account": account, "epoch": source, "seq": n + 1,
            "prev": n, "order": order});
        say(socket, &frame).await;
    }
    for (n, exec_id) in fills.iter().enumerate().skip(sent.fills.unwrap_or(fills.len())) {
        let fill = json!({"exec_id": exec_id, "order_id": "sim-1.0123456789abcdef0123456789abcdef",
            "customer": "acme", "client_order_id": "x", "instrument": "BTC/USD", "side": "buy",
            "quantity": "1", "price": "1", "at": now()});
        let frame = json!({"type": "fill", "account": "sim-1", "epoch": source, "seq": n + 1,
            "prev": n, "fill": fill});
        say(socket, &frame).await;
    }
    sent.orders = sent.orders.map(|_| orders.len());
    sent.fills = sent.fills.map(|_| fills.len());
}
