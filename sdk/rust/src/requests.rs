//! One request, one answer. Decides what an answer that never came means: `NotSent` if it surely did not
//! arrive, `Lost` otherwise. Repeating is decided by those who ask.

use crate::error::Error;
use reqwest::Method;
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;
use tradewind_protocol::{Code, Problem, Retry, session::SessionOpened};

/// An attempt that takes longer than this is given up and tried elsewhere. Above the time in which a
/// MarketManager itself says that it does not know.
const ATTEMPT: Duration = Duration::from_millis(3_500);
const CONNECT: Duration = Duration::from_millis(500);

/// Why one attempt brought no result.
#[derive(Debug)]
pub(crate) enum Failed {
    /// It surely did not arrive.
    NotSent(String),
    /// It may have arrived.
    Lost(String),
    Problem(Box<Problem>),
}

impl Failed {
    /// The problem if another attempt will bring the same, otherwise what to say of this one.
    pub(crate) fn refused(self) -> Result<Box<Problem>, String> {
        match self {
            Self::Problem(problem) if problem.retry == Retry::Never => Ok(problem),
            Self::Problem(problem) => Err(problem.to_string()),
            Self::NotSent(text) | Self::Lost(text) => Err(text),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Requests {
    client: reqwest::Client,
}

impl Requests {
    pub(crate) fn new() -> Result<Self, Error> {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .no_proxy()
            .build()
            .map_err(|error| Error::Configuration(format!("no HTTP client: {error}")))?;
        Ok(Self { client })
    }

    /// Opens a session at a member, or renews one: `secret` is an API key or a session token.
    pub(crate) async fn open_session(
        &self,
        member: &str,
        secret: &str,
    ) -> Result<SessionOpened, Failed> {
        self.send::<(), _>(Method::POST, member, "/v1/sessions", secret, None).await
    }

    /// Sends `body` to `http://{address}{path}` with the secret as bearer.
    pub(crate) async fn send<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        method: Method,
        address: &str,
        path: &str,
        secret: &str,
        body: Option<&B>,
    ) -> Result<T, Failed> {
        let url = format!("http://{address}{path}");
        let mut request = self.client.request(method, &url).bearer_auth(secret).timeout(ATTEMPT);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| {
            let text = format!("{address}: {}", chain(&error));
            if error.is_connect() { Failed::NotSent(text) } else { Failed::Lost(text) }
        })?;
        let status = answer.status();
        let bytes = answer.bytes().await;
        let bytes = bytes.map_err(|error| Failed::Lost(format!("{address}: {}", chain(&error))))?;
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|error| {
                Failed::Lost(format!("{address} answered what cannot be read: {error}"))
            });
        }
        Err(Failed::Problem(Box::new(serde_json::from_slice(&bytes).unwrap_or_else(|_| {
            // Not one of ours: something else listens there.
            Problem::new(Code::Unavailable, format!("{address} answered {status}"))
        }))))
    }
}

/// An error with all its causes: reqwest keeps the one that matters at the end.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
