//! What the scripted MarketManager says of calendars and instruments: two parts of one instrument each.

use super::{Edge, problem};
use axum::{
    Json, Router,
    extract::{Path, RawQuery},
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::{Value, json};
use tradewind_protocol::Code;

pub fn routes() -> Router<Edge> {
    Router::new()
        .route("/v1/calendar", get(calendar))
        .route("/v1/instruments", get(instruments))
        .route("/v1/instruments/{*instrument}", get(instrument))
}

async fn calendar(RawQuery(query): RawQuery) -> Response {
    match query.as_deref() {
        Some("exchange=XNYS&start=2026-11-26&end=2026-11-27") => Json(json!({
            "trades": "in_sessions", "exchange": "XNYS", "time_zone": "America/New_York",
            "start": "2026-11-26", "end": "2026-11-27", "days": [{
                "date": "2026-11-27", "open": "09:30", "close": "13:00",
                "open_at": "2026-11-27T14:30:00Z", "close_at": "2026-11-27T18:00:00Z",
            }],
        }))
        .into_response(),
        Some("market=crypto&start=2026-11-26&end=2026-11-27") => {
            Json(json!({"trades": "around_the_clock", "market": "crypto"})).into_response()
        }
        _ => problem(Code::Unsupported),
    }
}

fn info(instrument: &str) -> Value {
    json!({"instrument": instrument, "market": "crypto", "data_venue": "sim", "order_venue": "sim",
        "a_field_of_later": 1})
}

async fn instruments(RawQuery(query): RawQuery) -> Response {
    match query.as_deref() {
        None => Json(json!({"instruments": [info("BTC/USD")], "next": "BTC/USD"})).into_response(),
        Some("after=BTC/USD") => {
            Json(json!({"instruments": [info("ETH/USD")], "next": null})).into_response()
        }
        Some(_) => problem(Code::MalformedRequest),
    }
}

async fn instrument(Path(instrument): Path<String>) -> Response {
    match instrument.as_str() {
        "BTC/USD" => Json(info("BTC/USD")).into_response(),
        _ => problem(Code::NotFound),
    }
}
