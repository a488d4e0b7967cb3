//! `/livez` and `/readyz` of Managers and services: whether the process should live, and whether it should be asked.
//! Decides the form of the answers; what is looked at is decided by whoever looks.

use axum::{
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use tradewind_link::{Failure, json::Json};
use tradewind_protocol::Code;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    /// `?verbose`: every check, also those that are well.
    verbose: Option<String>,
}

/// One thing that is looked at.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Check {
    name: &'static str,
    ok: bool,
    /// Not well, and ready all the same.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    warning: bool,
    detail: String,
}

#[derive(Clone, Debug, Serialize)]
struct Checked {
    ready: bool,
    checks: Vec<Check>,
}

pub(crate) fn check(name: &'static str, ok: bool, detail: String) -> Check {
    Check { name, ok, warning: false, detail }
}

pub(crate) fn warn(name: &'static str, ok: bool, detail: String) -> Check {
    Check { name, ok, warning: !ok, detail }
}

/// The process answers: that is all there is to say.
pub(crate) async fn livez() -> &'static str {
    "alive\n"
}

pub(crate) fn answer(options: &Options, checks: Vec<Check>) -> Response {
    let wrong = checks.iter().filter(|check| !check.ok && !check.warning);
    let wrong: Vec<&str> = wrong.map(|check| check.detail.as_str()).collect();
    if options.verbose.is_some() {
        let ready = wrong.is_empty();
        let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        return (status, Json(Checked { ready, checks })).into_response();
    }
    if wrong.is_empty() {
        return "ready\n".into_response();
    }
    Failure::new(Code::Unavailable, wrong.join("; ")).into_response()
}
