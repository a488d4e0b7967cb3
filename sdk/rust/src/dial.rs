//! Opening a WebSocket of ours. Decides what an answer means that is none, and how long is waited between rounds in which
//! nobody answered; whom to dial is decided by those who do.

use crate::requests::Failed;
use serde::Deserialize;
use std::time::Duration;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Error as WsError, client::IntoClientRequest as _, http, protocol},
};
use tradewind_protocol::{Code, Problem, domain::limits};

pub(crate) type Socket = WebSocketStream<TcpStream>;

/// Why a WebSocket was not opened.
#[derive(Debug)]
pub(crate) struct NotOpened {
    pub(crate) failed: Failed,
    /// Where it would have been.
    pub(crate) reconnect_to: Vec<String>,
}

impl NotOpened {
    pub(crate) fn of(text: String) -> Self {
        Self { failed: Failed::NotSent(text), reconnect_to: Vec::new() }
    }
}

#[derive(Deserialize)]
struct Told {
    #[serde(flatten)]
    problem: Problem,
    #[serde(default)]
    reconnect_to: Vec<String>,
}

/// Opens `ws://{address}{path}` with the secret as bearer. The connection is there within `limits::DIAL_WITHIN`, the
/// answer whenever the other side gives it.
pub(crate) async fn open(address: &str, path: &str, secret: &str) -> Result<Socket, NotOpened> {
    let lost = |error: &dyn std::fmt::Display| NotOpened::of(format!("{address}: {error}"));
    let mut request =
        format!("ws://{address}{path}").into_client_request().map_err(|error| lost(&error))?;
    let bearer = http::HeaderValue::from_str(&format!("Bearer {secret}"));
    let bearer = bearer.map_err(|error| lost(&error))?;
    request.headers_mut().insert(http::header::AUTHORIZATION, bearer);
    let connected = timeout(limits::DIAL_WITHIN, TcpStream::connect(address)).await;
    let stream = match connected {
        Ok(connected) => connected.map_err(|error| lost(&error))?,
        Err(_) => return Err(lost(&format!("no connection within {:?}", limits::DIAL_WITHIN))),
    };
    stream.set_nodelay(true).map_err(|error| lost(&error))?;
    let config = protocol::WebSocketConfig::default().read_buffer_size(8 << 10);
    let dialled = client_async_with_config(request, stream, Some(config)).await;
    dialled.map(|(socket, _)| socket).map_err(|error| match error {
        WsError::Http(answer) => {
            let body = answer.body().as_deref().unwrap_or_default();
            match serde_json::from_slice::<Told>(body) {
                Ok(Told { problem, reconnect_to }) => {
                    NotOpened { failed: Failed::Problem(Box::new(problem)), reconnect_to }
                }
                // Not one of ours: something else listens there.
                Err(_) => lost(&format!("answered {}", answer.status())),
            }
        }
        other => lost(&other),
    })
}

/// How long is waited after so many rounds in which nobody answered: longer each time, and never in step with the others
/// who lost the same.
pub(crate) fn pause_after(rounds: u32) -> Duration {
    let wait = limits::REDIAL_FIRST * 2_u32.saturating_pow(rounds.min(6));
    jittered(wait.min(limits::REDIAL_MAX))
}

/// Between half of the wait and all of it.
pub(crate) fn jittered(wait: Duration) -> Duration {
    let half = u64::try_from(wait.as_millis() / 2).unwrap_or(0);
    let jitter = getrandom::u64().unwrap_or(0) % (half + 1);
    Duration::from_millis(half + jitter)
}

impl Failed {
    /// In words, with whom it is about.
    pub(crate) fn said(&self, address: &str) -> String {
        match self {
            Self::NotSent(text) | Self::Lost(text) => text.clone(),
            Self::Problem(problem) => format!("{address}: {problem}"),
        }
    }

    pub(crate) fn code(&self) -> Option<Code> {
        match self {
            Self::NotSent(_) | Self::Lost(_) => None,
            Self::Problem(problem) => Some(problem.code),
        }
    }
}
