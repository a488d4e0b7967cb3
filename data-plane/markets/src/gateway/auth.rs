//! Who asks. Decides how a token is read from a request, and that each request is one of its session's; whether the token is
//! good is decided in `directory`, from what is known here: nobody is asked; how many there may be in `rate`.

use super::{Gateway, rate::Share};
use crate::clock;
use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};
use tradewind_link::Failure;
use tradewind_protocol::{Code, Problem, token::Claims, trade::Principal};

/// The bearer of a good token.
pub(crate) struct Caller(pub(crate) Claims);

impl Caller {
    pub(crate) fn principal(&self) -> Principal {
        let Claims { customer, trader, session, .. } = self.0.clone();
        Principal { customer, trader, session: Some(session) }
    }
}

/// The same of a request that makes less.
pub(crate) struct Lessening(pub(crate) Caller);

impl FromRequestParts<Gateway> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Failure> {
        Self::admitted(parts, gateway, Share::Rest)
    }
}

impl FromRequestParts<Gateway> for Lessening {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Failure> {
        Caller::admitted(parts, gateway, Share::Less).map(Self)
    }
}

impl Caller {
    fn admitted(parts: &Parts, gateway: &Gateway, share: Share) -> Result<Self, Failure> {
        let directory = gateway.known()?;
        let value = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = value.and_then(|value| value.split_once(' ')).and_then(|(scheme, token)| {
            scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
        });
        let token = token.ok_or_else(|| {
            tracing::warn!(path = parts.uri.path(), "a request without a token was refused");
            let detail = "Authorization: Bearer TOKEN is needed; \
                open a session with POST /v1/sessions at an InfrastructureManager";
            Problem::new(Code::Unauthorized, detail)
        })?;
        let claims = directory.admit(token, clock::unix())?;
        gateway.rates().admit(&claims.session, share)?;
        Ok(Self(claims))
    }
}
