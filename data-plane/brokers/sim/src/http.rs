//! The venue's addresses: the WebSocket, the judge's page and the probes. Decides nothing else.

use axum::Router;
use axum::extract::{State, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use tradewind_domain::ids::AccountId;
use tradewind_link::Failure;
use tradewind_link::json::{Json, Query};
use tradewind_protocol::Code;

use crate::connection;
use crate::limits::{CLIENT_FRAME_BYTES, READ_BUFFER_BYTES};
use crate::venue::{Stopped, Venue};
use crate::wire::{LEDGER_PATH, LedgerPage, PATH};

#[derive(Clone)]
struct Desk {
    venue: Venue,
    shutdown: CancellationToken,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    account: Option<AccountId>,
}

pub(crate) fn router(venue: Venue, shutdown: CancellationToken) -> Router {
    Router::new()
        .route(PATH, get(connect))
        .route(LEDGER_PATH, get(ledger))
        .route("/livez", get(async || "ok"))
        .route("/readyz", get(async || "ok"))
        .with_state(Desk { venue, shutdown })
}

async fn connect(State(desk): State<Desk>, upgrade: WebSocketUpgrade) -> Response {
    let upgrade = upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(CLIENT_FRAME_BYTES)
        .max_frame_size(CLIENT_FRAME_BYTES);
    upgrade.on_upgrade(|socket| connection::serve(socket, desk.venue, desk.shutdown))
}

async fn ledger(
    State(desk): State<Desk>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<LedgerPage>, Failure> {
    let page = desk.venue.page(wanted.account).await;
    let stopped = |Stopped| Failure::new(Code::Unavailable, "The venue is stopping.");
    page.map(Json).map_err(stopped)
}
