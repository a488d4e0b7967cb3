//! Handing a request that only the leader can answer to it, once. Decides nothing about the request: it
//! is not held through an election, and what became of it is told as the leader told it.

use super::{Service, Turn};
use crate::limits::TRANSFER_WITHIN;
use serde::{Serialize, de::DeserializeOwned};
use tradewind_domain::control::IdempotencyKey;
use tradewind_link::rest::{Method, RestError};
use tradewind_protocol::{
    Problem,
    control::{FORWARDED, IDEMPOTENCY_KEY, format_key},
    terms::Terms,
};

impl Service {
    /// Whether this member is the one that leads, as it knows itself.
    pub(crate) fn leads_here(&self) -> bool {
        self.turn() == Turn::Here
    }

    /// Asks the leader. A request that was handed here is not handed on.
    pub(crate) async fn hand_over<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &B,
        (key, terms): (&IdempotencyKey, &Terms),
        forwarded: bool,
    ) -> Result<T, Problem> {
        let Turn::There { address, .. } = self.turn() else { return Err(self.no_leader()) };
        if forwarded {
            return Err(self.no_leader());
        }
        let (key, node) = (format_key(key), self.parts().node.to_string());
        let said = terms.headers();
        let mut headers = vec![(IDEMPOTENCY_KEY, key.as_str()), (FORWARDED, node.as_str())];
        headers.extend(said.iter().map(|(name, value)| (*name, value.as_str())));
        let rest = &self.parts().rest;
        let asked = rest.request(method, &address, path, &headers, Some(body), TRANSFER_WITHIN);
        match asked.await {
            Ok((_, answer)) => Ok(answer),
            // Its port refused: it leads no more, whatever this member still believes.
            Err(RestError::NotSent { .. }) => Err(self.no_leader()),
            Err(error) => Err(error.into_problem()),
        }
    }
}
