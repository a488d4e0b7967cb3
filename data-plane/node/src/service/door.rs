//! Who opens the pipe of a service: its Manager, known by a secret that only the two of them have. Decides that nothing is
//! read of whoever does not present it; which life of the Manager it may be is the gate's decision. A Manager of an earlier
//! build has given none: then whoever comes is taken for it.

use crate::secret;
use axum::{
    Router,
    extract::{
        ConnectInfo, State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection as NoUpgrade,
    },
    http::{HeaderMap, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tradewind_link::{
    Failure,
    pipe::{self, Gate},
};
use tradewind_protocol::{
    Code,
    supervision::{FromService, ToService},
};

/// How many were refused so far.
pub(super) type Refused = Arc<AtomicU64>;

pub(super) struct Door {
    pub(super) gate: Arc<Gate<FromService, ToService>>,
    pub(super) secret: Option<String>,
    pub(super) refused: Refused,
}

pub(super) fn routes(door: Door) -> Router {
    Router::new().route("/v1/pipe", get(take_pipe)).with_state(Arc::new(door))
}

async fn take_pipe(
    State(door): State<Arc<Door>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    // Looked at only once it is known who asks.
    upgrade: Result<WebSocketUpgrade, NoUpgrade>,
) -> Result<Response, Failure> {
    if !door.knows(&headers) {
        door.refused.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(%peer, "a pipe was refused");
        // One answer for every wrong secret, and for none.
        let detail = "only the Manager that has started this service opens its pipe";
        return Err(Failure::new(Code::Unauthorized, detail));
    }
    Ok(match upgrade {
        Ok(upgrade) => pipe::accept(upgrade, door.gate.clone()),
        Err(none) => none.into_response(),
    })
}

impl Door {
    fn knows(&self, headers: &HeaderMap) -> bool {
        let Some(held) = &self.secret else { return true };
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = value.and_then(|value| value.split_once(' ')).and_then(|(scheme, given)| {
            scheme.eq_ignore_ascii_case("bearer").then_some(given.trim())
        });
        given.is_some_and(|given| secret::is_same(given, held))
    }
}
