//! An error as it is told: RFC 9457 problem+json with a code and what to do about it. Decides which
//! codes there are and which status and retry each has; when one applies is decided where it arises.

use serde::{Deserialize, Serialize};

/// What the caller may do with the same request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum Retry {
    /// It will be refused again.
    Never,
    /// It was surely not done: send it again, after `retry_after_ms` if that is given.
    After,
    /// It may have been done: send it again under the same id, and only so.
    SameId,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident: $status:literal $retry:ident $title:literal,)*) => {
        /// The kinds of problems. One kind a thing the caller can do about it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            #[must_use]
            pub fn retry(self) -> Retry {
                match self { $(Self::$name => Retry::$retry,)* }
            }

            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

codes! {
    /// Not JSON, not of the shape asked for, or a field that is not known.
    MalformedRequest: 400 Never "The request cannot be read",
    IdempotencyKeyMissing: 400 Never "A change needs an Idempotency-Key",
    /// Older than the answers that are remembered: ten minutes of them, less where they came too fast for that.
    KeyExpired: 400 Never "The idempotency key is too old to tell whether it was applied",
    /// This time it was not applied; an attempt before, under the same key, still may be.
    KeyFromFuture: 400 Never "The idempotency key is dated too far ahead",
    Unauthorized: 401 Never "Who you are is not known",
    Forbidden: 403 Never "You may not do this",
    NotFound: 404 Never "There is no such thing",
    MethodNotAllowed: 405 Never "This address does not take that method",
    RequestTimeout: 408 After "The request took too long to arrive",
    SlowConsumer: 408 After "What was sent was not read in time",
    /// The id was used for something else, or the state has moved on.
    Conflict: 409 Never "It conflicts with what is there",
    /// This life of the Manager, or a later one of its registration, was dropped by a drain.
    Dropped: 409 Never "It was dropped from the cluster",
    /// A later life of this Manager has checked in: this one stops.
    Superseded: 409 Never "A later life has taken its place",
    /// The Manager's name belongs to another data directory.
    OtherDisk: 409 Never "The name belongs to another disk",
    /// Another change of the same thing is under way.
    Busy: 409 Never "Another change is under way",
    /// Something else names it or has it: that goes first.
    InUse: 409 Never "It is in use",
    Gone: 410 Never "What was asked for is no longer kept",
    /// `If-Match` or `If-None-Match` does not hold: read it, decide anew.
    PreconditionFailed: 412 Never "It is not as it was expected to be",
    BodyTooLarge: 413 Never "The body is larger than allowed",
    UnsupportedMediaType: 415 Never "The body must be application/json",
    /// At the one that is named with it.
    Misdirected: 421 Never "It belongs elsewhere",
    /// Well-formed, and still not possible.
    InvalidOrder: 422 Never "The order is not possible",
    NoAccount: 422 Never "No account of yours serves this",
    Unsupported: 422 Never "Not offered here",
    Refused: 422 Never "The command was refused",
    TooManyRequests: 429 After "Too many at a time",
    InternalError: 500 SameId "Something went wrong on our side",
    NoLeader: 503 After "No leader is known at the moment",
    Unavailable: 503 After "What this needs is away at the moment",
    /// A command under an epoch that was superseded.
    StaleEpoch: 503 After "The sender's right was superseded",
    StaleTrader: 403 Never "Another copy of this Trader has taken over",
    /// It may or may not have been done.
    Unknown: 504 SameId "The outcome is not known",
}

/// A problem as it stands on the wire (`application/problem+json`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{title}: {detail}")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Problem {
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    /// What happened this time, and what to do next.
    pub detail: String,
    pub code: Code,
    pub retry: Retry,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Of what is no longer kept: the path of the state to start from instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
}

impl Problem {
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let name = serde_json::to_value(code).ok();
        let name = name.as_ref().and_then(|value| value.as_str()).unwrap_or("problem");
        Self {
            kind: format!("urn:tradewind:problem:{name}"),
            title: code.title().to_string(),
            status: code.status(),
            detail: detail.into(),
            code,
            retry: code.retry(),
            retry_after_ms: None,
            snapshot: None,
        }
    }

    #[must_use]
    pub fn retry_after_ms(mut self, wait_ms: u64) -> Self {
        self.retry_after_ms = Some(wait_ms);
        self
    }
}
