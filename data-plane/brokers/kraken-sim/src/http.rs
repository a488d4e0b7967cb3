//! The simulator's addresses: REST under `/0/`, the WebSocket at `/v2` and `/`, faults and the judge's pages under
//! `/sim/`, probes. Decides how a request becomes one of the desk's.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, Uri, header::CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::connection;
use crate::desk::fault::Fault;
use crate::desk::session::Call;
use crate::desk::{Desk, Request, RestAnswer, Stopped};
use crate::limits::{CLIENT_FRAME_BYTES, READ_BUFFER_BYTES};

#[derive(Clone)]
struct Reception {
    desk: Desk,
    shutdown: CancellationToken,
}

pub(crate) fn router(desk: Desk, shutdown: CancellationToken) -> Router {
    Router::new()
        .route("/0/public/{call}", get(public).post(public))
        .route("/0/private/{call}", post(private))
        .route("/v2", get(connect))
        .route("/", get(connect))
        .route("/sim/faults", post(faults))
        .route("/sim/ledger", get(judge))
        .route("/sim/connects", get(connects))
        .route("/livez", get(async || "ok"))
        .route("/readyz", get(async || "ok"))
        .layer(DefaultBodyLimit::max(CLIENT_FRAME_BYTES))
        .with_state(Reception { desk, shutdown })
}

async fn connect(State(reception): State<Reception>, upgrade: WebSocketUpgrade) -> Response {
    let upgrade = upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(CLIENT_FRAME_BYTES)
        .max_frame_size(CLIENT_FRAME_BYTES);
    upgrade.on_upgrade(|socket| connection::serve(socket, reception.desk, reception.shutdown))
}

async fn public(
    State(reception): State<Reception>,
    Path(call): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    answered(&reception, |answer| Request::Public { call, query, answer }).await
}

async fn private(
    State(reception): State<Reception>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    let of = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let json = of(CONTENT_TYPE.as_str()).starts_with("application/json");
    let (key, sign) = (of("api-key"), of("api-sign"));
    let call = Call { path: uri.path().to_owned(), body, json, key, sign };
    answered(&reception, |answer| Request::Private { call, answer }).await
}

async fn faults(State(reception): State<Reception>, body: String) -> Response {
    let one = serde_json::from_str::<Fault>(&body).map(|fault| vec![fault]);
    match one.or_else(|error| serde_json::from_str(&body).map_err(|_| error)) {
        Ok(faults) => answered(&reception, |answer| Request::Faults { faults, answer }).await,
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

async fn judge(State(reception): State<Reception>) -> Response {
    answered(&reception, |answer| Request::Judge { answer }).await
}

async fn connects(State(reception): State<Reception>) -> Response {
    answered(&reception, |answer| Request::Connects { answer }).await
}

/// Asks the desk and waits for its answer; one that is swallowed by a fault never comes.
async fn answered(
    reception: &Reception,
    request: impl FnOnce(oneshot::Sender<RestAnswer>) -> Request,
) -> Response {
    let (sender, answer) = oneshot::channel();
    let stopping =
        || (StatusCode::SERVICE_UNAVAILABLE, "the simulator is stopping").into_response();
    if let Err(Stopped) = reception.desk.ask(request(sender)).await {
        return stopping();
    }
    match answer.await {
        Ok(RestAnswer { status, body }) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, [(CONTENT_TYPE, "application/json")], body).into_response()
        }
        Err(_) => stopping(),
    }
}
