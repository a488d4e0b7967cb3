//! Calls by REST. Decides what is known about a request that got no answer: surely not received, or
//! perhaps. Retries nothing: whoever calls knows whether the same key may be sent again.

mod download;

use crate::{failure::code_of, limits};
use axum::http::{StatusCode, header};
use bytes::{Bytes, BytesMut};
use reqwest::{Client, Response};
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tradewind_domain::limits as system;
use tradewind_protocol::{Code, Problem, Retry};

pub use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};

/// What became of a call that was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// It was surely not received: any other address may be tried.
    #[error("{address} was not reached: {reason}")]
    NotSent { address: String, reason: String },
    /// It may have been received and done: only the same key may be sent again.
    #[error("{address} did not tell the outcome: {reason}")]
    Unknown {
        address: String,
        reason: String,
        /// Where the other side itself said that it does not know.
        problem: Option<Box<Problem>>,
    },
    /// It was received and refused.
    #[error("{0}")]
    Refused(Problem),
}

impl RestError {
    /// The problem that tells this to whoever asked us: an outcome not known stays not known.
    #[must_use]
    pub fn into_problem(self) -> Problem {
        match self {
            Self::NotSent { .. } => Problem::new(Code::Unavailable, self.to_string()),
            Self::Unknown { problem: Some(problem), .. } => *problem,
            Self::Unknown { problem: None, .. } => Problem::new(Code::Unknown, self.to_string()),
            Self::Refused(problem) => problem,
        }
    }
}

/// Makes calls and keeps connections for the next ones. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Rest {
    client: Client,
}

impl Default for Rest {
    fn default() -> Self {
        Self::new(system::DIAL_WITHIN)
    }
}

impl Rest {
    /// `connect_within`: a connection that takes longer counts as not sent. Give less than a call's
    /// deadline: one that runs out while connecting cannot be told from one that runs out later.
    #[must_use]
    pub fn new(connect_within: Duration) -> Self {
        let client = Client::builder()
            .no_proxy()
            .http1_only()
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(connect_within)
            .pool_idle_timeout(limits::IDLE_CONNECTION)
            .build();
        // Only TLS and DNS settings can fail here, and none are made.
        Self { client: client.unwrap_or_default() }
    }

    /// Sends `body` as JSON to `http://address/path` and reads the answer as `T`. Takes `host:port`, a
    /// path with a leading slash, headers by name, and how long all of it may take. Gives the status (2xx)
    /// with the answer.
    pub async fn request<B: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        method: Method,
        address: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&B>,
        deadline: Duration,
    ) -> Result<(u16, T), RestError> {
        self.told(method, address, path, headers, body, deadline).await.1
    }

    /// The same, with the headers of the answer, if there was one: they are told of a refusal too.
    pub async fn told<B: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        method: Method,
        address: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&B>,
        deadline: Duration,
    ) -> (HeaderMap, Result<(u16, T), RestError>) {
        let mut told = HeaderMap::new();
        let asked = self.ask(method, address, path, headers, body, deadline, &mut told).await;
        (told, asked)
    }

    #[allow(clippy::too_many_arguments)]
    async fn ask<B: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        method: Method,
        address: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&B>,
        deadline: Duration,
        told: &mut HeaderMap,
    ) -> Result<(u16, T), RestError> {
        let not_sent = |reason: String| RestError::NotSent { address: address.to_string(), reason };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).map_err(|error| not_sent(error.to_string()))?;
            let value =
                HeaderValue::try_from(*value).map_err(|error| not_sent(error.to_string()))?;
            map.append(name, value);
        }
        let mut bytes = Bytes::new();
        if let Some(body) = body {
            bytes = serde_json::to_vec(body).map_err(|error| not_sent(error.to_string()))?.into();
            map.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let (status, answer);
        (status, *told, answer) = self.raw(method, address, path, map, bytes, deadline).await?;
        if !status.is_success() {
            return Err(refusal(address, status, &answer));
        }
        // `204 No Content` is read as `null`, which `()` and `Option` take.
        let text: &[u8] = if answer.is_empty() { b"null" } else { &answer };
        let answer = serde_json::from_slice(text).map_err(|error| RestError::Unknown {
            address: address.to_string(),
            reason: format!("the answer cannot be read: {error}"),
            problem: None,
        })?;
        Ok((status.as_u16(), answer))
    }

    /// Sends bytes and gives back whatever was answered, of any status: for handing requests on.
    pub async fn raw(
        &self,
        method: Method,
        address: &str,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
        deadline: Duration,
    ) -> Result<(StatusCode, HeaderMap, Bytes), RestError> {
        let until = Instant::now() + deadline;
        let call = self.client.request(method, format!("http://{address}{path}"));
        let sent = call.headers(headers).body(body).send();
        let answer = async {
            let response = sent.await.map_err(|error| told(address, &error))?;
            let (status, headers) = (response.status(), response.headers().clone());
            Ok((status, headers, body_of(response, address).await?))
        };
        timeout_at(until, answer).await.unwrap_or_else(|_| {
            let reason = format!("no answer within {deadline:?}");
            Err(RestError::Unknown { address: address.to_string(), reason, problem: None })
        })
    }
}

async fn body_of(mut response: Response, address: &str) -> Result<Bytes, RestError> {
    let mut body = BytesMut::new();
    while let Some(piece) = response.chunk().await.map_err(|error| told(address, &error))? {
        if body.len() + piece.len() > limits::ANSWER_BYTES {
            let reason = format!("the answer is larger than {} bytes", limits::ANSWER_BYTES);
            return Err(RestError::Unknown { address: address.to_string(), reason, problem: None });
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

/// Only what failed before a connection stood was surely not sent.
fn told(address: &str, error: &reqwest::Error) -> RestError {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        reason = format!("{reason}: {cause}");
        source = cause.source();
    }
    let address = address.to_string();
    if error.is_connect() || error.is_builder() {
        RestError::NotSent { address, reason }
    } else {
        RestError::Unknown { address, reason, problem: None }
    }
}

fn refusal(address: &str, status: StatusCode, answer: &[u8]) -> RestError {
    let problem = serde_json::from_slice(answer).unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(&answer[..answer.len().min(200)]).into_owned();
        let mut problem =
            Problem::new(code_of(status), format!("{address} answered {status}: {text}"));
        problem.status = status.as_u16();
        problem
    });
    match problem.retry {
        Retry::SameId => RestError::Unknown {
            address: address.to_string(),
            reason: problem.to_string(),
            problem: Some(Box::new(problem)),
        },
        Retry::Never | Retry::After => RestError::Refused(problem),
    }
}
