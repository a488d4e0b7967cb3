//! Which life of the cluster answers are taken from. Decides that a stranger's answer, be it an acceptance or a refusal, counts
//! like none. An address may be another cluster's by now, and who is asked by its list of members does not see that.

use tradewind_domain::ids::ClusterIncarnation;
use tradewind_link::rest::{HeaderMap, RestError};
use tradewind_protocol::control::CLUSTER;

/// Of whoever asks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Life {
    Any,
    Of(ClusterIncarnation),
}

impl Life {
    /// Members of earlier builds do not say where they are: they are taken at their word.
    pub(crate) fn check(self, headers: &HeaderMap, address: &str) -> Result<(), RestError> {
        let Self::Of(own) = self else { return Ok(()) };
        let told = headers.get(CLUSTER).and_then(|value| value.to_str().ok()?.parse().ok());
        match told.map(ClusterIncarnation) {
            Some(other) if other != own => {
                let reason = format!("it is in life {other} of a cluster, not in {own}");
                Err(RestError::NotSent { address: address.to_owned(), reason })
            }
            Some(_) | None => Ok(()),
        }
    }
}
