//! What handlers take from the headers of a request. Decides what is missing and what to say then.

use crate::service::Service;
use axum::{extract::FromRequestParts, http::request::Parts};
use tradewind_domain::control::{IdempotencyKey, resource::Condition};
use tradewind_link::Failure;
use tradewind_protocol::{
    Code,
    control::{FORWARDED, IDEMPOTENCY_KEY, parse_key},
    resources::{IF_MATCH, IF_NONE_MATCH, parse_etag},
    terms::{Terms, WHO, WHY, parse_text},
};

/// Whether another member handed the request here: it is not handed on again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forwarded(pub(super) bool);

impl FromRequestParts<Service> for Forwarded {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Service) -> Result<Self, Failure> {
        Ok(Self(parts.headers.contains_key(FORWARDED)))
    }
}

/// What every change carries. Taken before the body is read.
#[derive(Clone, Debug)]
pub(super) struct Keyed {
    pub(super) key: IdempotencyKey,
    pub(super) forwarded: bool,
}

impl FromRequestParts<Service> for Keyed {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Service) -> Result<Self, Failure> {
        let Some(value) = parts.headers.get(IDEMPOTENCY_KEY) else {
            let detail = "set the header Idempotency-Key to CLIENT/UNIX_NANOSECONDS/NUMBER, new for \
                          each change and the same for its repeats";
            return Err(Failure::new(Code::IdempotencyKeyMissing, detail));
        };
        // What is not ASCII is no key; parsing says how one reads.
        let key = parse_key(value.to_str().unwrap_or_default())?;
        Ok(Self { key, forwarded: parts.headers.contains_key(FORWARDED) })
    }
}

/// What has to be so for a change to be made: `If-Match`, `If-None-Match`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected(pub(super) Condition);

impl FromRequestParts<Service> for Expected {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Service) -> Result<Self, Failure> {
        let wrong = |detail: &str| Failure::new(Code::MalformedRequest, detail);
        let given = |name: &str| {
            let mut values = parts.headers.get_all(name).iter();
            let first = values.next();
            if values.next().is_some() {
                return Err(wrong("give If-Match or If-None-Match once"));
            }
            Ok(first.map(|value| value.to_str().unwrap_or_default().trim()))
        };
        let condition = match (given(IF_MATCH)?, given(IF_NONE_MATCH)?) {
            (None, None) => Condition::Always,
            (Some("*"), None) => Condition::Present,
            (Some(tag), None) => Condition::At(parse_etag(tag).ok_or_else(|| {
                wrong("If-Match must be the ETag that was read, \"REVISION\" with its quotes, or *")
            })?),
            (None, Some("*")) => Condition::Absent,
            (None, Some(_)) => {
                return Err(wrong(
                    "If-None-Match of a change is *: it is made where there is none yet",
                ));
            }
            (Some(_), Some(_)) => return Err(wrong("give If-Match or If-None-Match, not both")),
        };
        Ok(Self(condition))
    }
}

/// The condition of a change, who asks for it and why.
#[derive(Clone, Debug)]
pub(super) struct Said(pub(super) Terms);

impl FromRequestParts<Service> for Said {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Failure> {
        let Expected(on) = Expected::from_request_parts(parts, service).await?;
        let text = |name: &str| {
            let value = parts.headers.get(name);
            value.map(|value| parse_text(name, value.as_bytes())).transpose()
        };
        let who = text(WHO)?.filter(|who| !who.trim().is_empty());
        Ok(Self(Terms { on, who, why: text(WHY)? }))
    }
}

/// The secret of who asks: an API key or a session token. No `Debug`: it goes into no log.
#[derive(Clone)]
pub(super) struct Bearer(pub(super) String);

impl FromRequestParts<Service> for Bearer {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Service) -> Result<Self, Failure> {
        let value = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
        let secret = value.and_then(|value| value.split_once(' ')).and_then(|(scheme, secret)| {
            let secret = secret.trim();
            (scheme.eq_ignore_ascii_case("bearer") && !secret.is_empty()).then_some(secret)
        });
        secret.map(|secret| Self(secret.to_owned())).ok_or_else(|| {
            let detail =
                "send your API key as `Authorization: Bearer KEY`, or the token to be renewed";
            Failure::new(Code::Unauthorized, detail)
        })
    }
}
