//! The venue's addresses: the WebSocket, the judge's pages and the probes. Decides nothing else.

use axum::Router;
use std::net::SocketAddr;
use std::time::Instant;

use axum::extract::{ConnectInfo, State, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use tradewind_domain::ids::AccountId;
use tradewind_link::Failure;
use tradewind_link::json::{Json, Query};
use tradewind_protocol::{Code, Problem};

use crate::connection;
use crate::door::Door;
use crate::limits::{CLIENT_FRAME_BYTES, READ_BUFFER_BYTES};
use crate::venue::{Stopped, Venue};
use crate::wire::{CONNECTS_PATH, Connects, LEDGER_PATH, LedgerPage, PATH};

#[derive(Clone)]
struct Desk {
    venue: Venue,
    door: Door,
    shutdown: CancellationToken,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    account: Option<AccountId>,
}

pub(crate) fn router(venue: Venue, door: Door, shutdown: CancellationToken) -> Router {
    Router::new()
        .route(PATH, get(connect))
        .route(LEDGER_PATH, get(ledger))
        .route(CONNECTS_PATH, get(connects))
        .route("/livez", get(async || "ok"))
        .route("/readyz", get(async || "ok"))
        .with_state(Desk { venue, door, shutdown })
}

async fn connect(
    State(desk): State<Desk>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Failure> {
    desk.door.enter(peer.ip(), Instant::now()).map_err(|wait| {
        let detail = "this address has connected as often as it may; wait before the next connect";
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        Failure(Problem::new(Code::TooManyRequests, detail).retry_after_ms(wait_ms))
    })?;
    let upgrade = upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(CLIENT_FRAME_BYTES)
        .max_frame_size(CLIENT_FRAME_BYTES);
    Ok(upgrade.on_upgrade(|socket| connection::serve(socket, desk.venue, desk.shutdown)))
}

/// How many were let in and refused.
async fn connects(State(desk): State<Desk>) -> Json<Connects> {
    Json(desk.door.counts())
}

async fn ledger(
    State(desk): State<Desk>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<LedgerPage>, Failure> {
    let page = desk.venue.page(wanted.account).await;
    let stopped = |Stopped| Failure::new(Code::Unavailable, "The venue is stopping.");
    page.map(Json).map_err(stopped)
}
