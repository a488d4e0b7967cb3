//! The venue's addresses: the WebSocket, the judge's pages, the faults and the probes. Decides nothing else.

use axum::Router;
use std::net::SocketAddr;
use std::time::Instant;

use axum::extract::{ConnectInfo, Path, State, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{delete, get};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use tradewind_domain::ids::AccountId;
use tradewind_link::Failure;
use tradewind_link::json::{Json, Query};
use tradewind_protocol::{Code, Problem};

use crate::connection;
use crate::door::Door;
use crate::fault::{FAULTS_PATH, Fault, NotTaken};
use crate::limits::{CLIENT_FRAME_BYTES, READ_BUFFER_BYTES};
use crate::venue::{Stopped, Venue};
use crate::wire::{
    CONNECTIONS_PATH, CONNECTS_PATH, Connected, Connects, LEDGER_PATH, LedgerPage, PATH,
};

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
        .route(CONNECTIONS_PATH, get(connections))
        .route(&format!("{CONNECTIONS_PATH}/{{number}}"), delete(cut))
        .route(FAULTS_PATH, get(faults).post(cause).delete(forget))
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

async fn connections(State(desk): State<Desk>) -> Result<Json<Vec<Connected>>, Failure> {
    desk.venue.connections().await.map(Json).map_err(stopped)
}

async fn cut(State(desk): State<Desk>, Path(number): Path<u64>) -> Result<StatusCode, Failure> {
    match desk.venue.cut(number).await.map_err(stopped)? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Failure::new(Code::NotFound, "There is no connection of that number.")),
    }
}

/// Those that wait.
async fn faults(State(desk): State<Desk>) -> Result<Json<Vec<Fault>>, Failure> {
    desk.venue.waiting().await.map(Json).map_err(stopped)
}

async fn cause(State(desk): State<Desk>, body: String) -> Result<StatusCode, Failure> {
    let one = serde_json::from_str::<Fault>(&body).map(|fault| vec![fault]);
    let faults = one.or_else(|why| serde_json::from_str(&body).map_err(|_| why));
    let malformed = |why: serde_json::Error| Failure::new(Code::MalformedRequest, why.to_string());
    match desk.venue.cause(faults.map_err(malformed)?).await.map_err(stopped)? {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(NotTaken::Full) => Err(Failure::new(Code::TooManyRequests, "Too many faults wait.")),
        Err(NotTaken::TooLong) => {
            Err(Failure::new(Code::MalformedRequest, "A fault lasts a minute at most."))
        }
    }
}

async fn forget(State(desk): State<Desk>) -> Result<StatusCode, Failure> {
    desk.venue.forget().await.map(|()| StatusCode::NO_CONTENT).map_err(stopped)
}

fn stopped(Stopped: Stopped) -> Failure {
    Failure::new(Code::Unavailable, "The venue is stopping.")
}

async fn ledger(
    State(desk): State<Desk>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<LedgerPage>, Failure> {
    let page = desk.venue.page(wanted.account).await;
    page.map(Json).map_err(stopped)
}
