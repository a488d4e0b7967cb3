//! Which life of the cluster answers are taken from. Decides that a stranger's answer, be it an acceptance or a refusal, counts
//! like none. An address may be another cluster's by now, or another program's, and who is asked by its list of members does not
//! see that.

use tradewind_domain::ids::ClusterIncarnation;
use tradewind_link::rest::{HeaderMap, RestError};
use tradewind_protocol::control::{CLUSTER, REVISION, TERM};

/// Of whoever asks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Life {
    Any,
    Of(ClusterIncarnation),
}

impl Life {
    /// Why whoever answered is a stranger. Members of earlier builds do not say where they are: they are taken at their word,
    /// and known by what every member says with every answer.
    pub(crate) fn check(self, headers: &HeaderMap) -> Result<(), String> {
        let Self::Of(own) = self else { return Ok(()) };
        match headers.get(CLUSTER) {
            Some(told) => match told.to_str().ok().and_then(|told| told.parse().ok()) {
                Some(told) if ClusterIncarnation(told) == own => Ok(()),
                Some(0) => Err("it is in no life of a cluster yet".to_owned()),
                Some(other) => Err(format!("it is in life {other} of a cluster, not in {own}")),
                None => Err("it does not say readably which cluster it is in".to_owned()),
            },
            None if headers.contains_key(TERM) && headers.contains_key(REVISION) => Ok(()),
            None => Err("it is no member of a cluster".to_owned()),
        }
    }
}

/// What a stranger's answer comes to: that a change was made is not known where one says that it has made it.
pub(crate) fn of_a_stranger<T>(
    answer: Result<T, RestError>,
    address: &str,
    reason: String,
    reads: bool,
) -> Result<T, RestError> {
    let address = address.to_owned();
    match answer {
        Ok(_) if !reads => Err(RestError::Unknown { address, reason, problem: None }),
        Ok(_) | Err(RestError::Refused(_)) => Err(RestError::NotSent { address, reason }),
        // Nobody has answered, or what became of it was not told.
        Err(error) => Err(error),
    }
}
