//! Reads that must not be older than the question. Decides how a member makes sure of that: the leader by
//! asking a quorum, the others by asking the leader. A read changes nothing, so it never ends as unknown.

use super::{Service, Turn};
use crate::limits::RETRY_EVERY;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};
use tradewind_domain::limits::{FORWARD_ATTEMPT, HOLD_THROUGH_ELECTION};
use tradewind_link::rest::Method;
use tradewind_protocol::{
    Problem, Retry,
    control::{FORWARDED, Stand},
};

/// The path that answers with the revision as of now.
pub(crate) const REVISION: &str = "/v1/revision";

impl Service {
    /// Asks the leader for `path`. `None`: this member leads, and its own machine now holds everything
    /// that was acknowledged before the call. A read that was handed here is not handed on.
    pub(crate) async fn at_leader<T: DeserializeOwned>(
        &self,
        path: &str,
        forwarded: bool,
    ) -> Result<Option<T>, Problem> {
        let mut leading = self.parts().leading.clone();
        let until = Instant::now() + HOLD_THROUGH_ELECTION;
        loop {
            leading.borrow_and_update();
            match self.turn() {
                Turn::Here => {
                    if self.parts().replica.read_barrier().await.is_ok() {
                        return Ok(None);
                    }
                }
                Turn::There { address, .. } if !forwarded => {
                    if let Some(result) = self.ask_there(&address, path, until).await {
                        return result.map(Some);
                    }
                }
                Turn::There { .. } | Turn::Nowhere => {}
            }
            let pause = (Instant::now() + RETRY_EVERY).min(until);
            let changed = timeout_at(pause, leading.changed()).await;
            if forwarded || matches!(changed, Ok(Err(_))) || Instant::now() >= until {
                return Err(self.no_leader());
            }
        }
    }

    async fn ask_there<T: DeserializeOwned>(
        &self,
        address: &str,
        path: &str,
        until: Instant,
    ) -> Option<Result<T, Problem>> {
        use tradewind_link::rest::RestError;
        let within = FORWARD_ATTEMPT.min(until.saturating_duration_since(Instant::now()));
        let node = self.parts().node.to_string();
        let headers = [(FORWARDED, node.as_str())];
        let rest = &self.parts().rest;
        match rest.request::<(), T>(Method::GET, address, path, &headers, None, within).await {
            Ok((_, answer)) => Some(Ok(answer)),
            Err(RestError::Refused(problem)) if problem.retry == Retry::Never => Some(Err(problem)),
            Err(_) => None,
        }
    }

    /// Returns when this member's own machine holds everything acknowledged before the call.
    pub(crate) async fn barrier(&self) -> Result<(), Problem> {
        let Some(stand) = self.at_leader::<Stand>(REVISION, false).await? else { return Ok(()) };
        let mut machine = self.parts().replica.watch_machine();
        let arrived = machine.wait_for(|(revision, _)| *revision >= stand.revision);
        match timeout_at(Instant::now() + HOLD_THROUGH_ELECTION, arrived).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(self.no_leader()),
        }
    }
}
