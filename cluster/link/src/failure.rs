//! A problem as an HTTP answer. Decides its headers, and how errors that did not come from our handlers
//! (a rejected upgrade, an unknown path) are told in the same form; which problem applies is decided
//! where it arises.

use crate::limits;
use axum::{
    body::Body,
    http::{HeaderValue, Method, Response, StatusCode, Uri, header},
    response::IntoResponse,
};
use http_body_util::{BodyExt as _, Limited};
use tradewind_protocol::{Code, Problem};

/// The media type of every error.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// The error of a handler: `Result<Json<T>, Failure>`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub Problem);

impl Failure {
    /// A failure with the status, title and retry of its code.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self(Problem::new(code, detail))
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> axum::response::Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // A problem is strings and numbers: it always has a JSON form.
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(wait_ms) = self.0.retry_after_ms {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait_ms.div_ceil(1_000)));
        }
        response
    }
}

/// The code that stands for a status made outside our handlers.
pub(crate) fn code_of(status: StatusCode) -> Code {
    match status.as_u16() {
        401 => Code::Unauthorized,
        403 => Code::Forbidden,
        404 => Code::NotFound,
        405 => Code::MethodNotAllowed,
        408 => Code::RequestTimeout,
        409 => Code::Conflict,
        412 => Code::PreconditionFailed,
        413 => Code::BodyTooLarge,
        415 => Code::UnsupportedMediaType,
        421 => Code::Misdirected,
        429 => Code::TooManyRequests,
        503 => Code::Unavailable,
        504 => Code::Unknown,
        400..=499 => Code::MalformedRequest,
        _ => Code::InternalError,
    }
}

/// Turns an error answer of the framework (no body, or plain text) into a problem; leaves every other
/// answer as it is, and keeps the headers (`allow`).
pub(crate) async fn told_as_problem(
    response: Response<Body>,
    method: &Method,
    uri: &Uri,
) -> Response<Body> {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let kind = response.headers().get(header::CONTENT_TYPE);
    let plain = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if kind.is_some() && !plain {
        return response;
    }
    let (parts, body) = response.into_parts();
    let text = match Limited::new(body, limits::FOREIGN_ERROR_BYTES).collect().await {
        Ok(text) => String::from_utf8_lossy(&text.to_bytes()).into_owned(),
        Err(_) => String::new(),
    };
    let path = uri.path();
    let detail = match status {
        StatusCode::NOT_FOUND if text.is_empty() => format!("There is no {path} here."),
        StatusCode::METHOD_NOT_ALLOWED => format!("{path} does not take {method}."),
        _ if text.is_empty() => format!("{method} {path} failed."),
        _ => text,
    };
    let mut problem = Problem::new(code_of(status), detail);
    problem.status = status.as_u16();
    let mut told = Failure(problem).into_response();
    for (name, value) in &parts.headers {
        if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
            told.headers_mut().append(name, value.clone());
        }
    }
    told
}
