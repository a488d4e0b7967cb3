//! Doors before the members' API, one each, by which members know each other. Decides what a write to a register meets
//! there that another member hands on: what is planted, in its order; all else passes.

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{Method, StatusCode},
    response::{IntoResponse as _, Response},
};
use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{net::TcpListener, time::sleep};
use tradewind_domain::limits::BODY_BYTES;
use tradewind_link::{
    Failure,
    rest::{HeaderMap, Rest},
};
use tradewind_protocol::{Code, control::FORWARDED};

#[derive(Clone, Copy, Debug)]
pub(super) enum Planted {
    /// It gets no further.
    Answer(Code),
    /// It passes after this time.
    Late(Duration),
}

/// Shared by all doors.
#[derive(Clone, Default)]
pub(super) struct Doors {
    planted: Arc<Mutex<VecDeque<Planted>>>,
    rest: Rest,
}

impl Doors {
    pub(super) fn plant(&self, planted: &[Planted]) {
        self.planted.lock().unwrap().extend(planted);
    }

    pub(super) fn left(&self) -> usize {
        self.planted.lock().unwrap().len()
    }

    /// Opens one before a member; where it is.
    pub(super) async fn before(&self, member: SocketAddr) -> String {
        let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = door.local_addr().unwrap().to_string();
        let router = Router::new().fallback(pass).with_state((self.clone(), member));
        tokio::spawn(async move { axum::serve(door, router).await });
        address
    }
}

async fn pass(State((doors, member)): State<(Doors, SocketAddr)>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let write = parts.method != Method::GET && parts.uri.path().starts_with("/v1/registers/");
    if write && parts.headers.contains_key(FORWARDED) {
        let planted = doors.planted.lock().unwrap().pop_front();
        match planted {
            Some(Planted::Answer(code)) => return Failure::new(code, "planted").into_response(),
            Some(Planted::Late(wait)) => sleep(wait).await,
            None => {}
        }
    }
    let body = to_bytes(body, BODY_BYTES).await.unwrap();
    let (path, within) = (parts.uri.to_string(), Duration::from_secs(5));
    let (address, headers) = (member.to_string(), own(&parts.headers));
    let answer = doors.rest.raw(parts.method, &address, &path, headers, body, within);
    match answer.await {
        Ok((status, headers, body)) => (status, own(&headers), Body::from(body)).into_response(),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

/// Without what is of one connection.
fn own(headers: &HeaderMap) -> HeaderMap {
    let mut own = headers.clone();
    for name in ["host", "content-length", "transfer-encoding", "connection"] {
        own.remove(name);
    }
    own
}
