//! Reads: how sure, and of whom. Decides how a member makes sure of that: the leader by asking a quorum, or by
//! the lease a quorum has given it; the others by asking the leader; or nobody, and then the age of the
//! answer is told. A read changes nothing, so it never ends as unknown.

use super::{Service, Turn};
use crate::limits::RETRY_EVERY;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};
use tradewind_domain::limits::{FORWARD_ATTEMPT, HOLD_THROUGH_ELECTION};
use tradewind_link::rest::Method;
use tradewind_protocol::{
    Problem, Retry,
    control::{Consistency, FORWARDED, Stand},
};

/// The path that answers with the revision as of now.
pub(crate) const REVISION: &str = "/v1/revision";

/// Who answers a read.
pub(crate) enum Answerer<T> {
    /// This member, from its own machine as it is now; the stand belongs into the answer.
    Here(Stand),
    /// The leader, and this was its answer.
    There(T),
}

impl Service {
    /// Finds who answers `path` as surely as asked for. A read that was handed here is not handed on.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        path: &str,
        consistency: Consistency,
        forwarded: bool,
    ) -> Result<Answerer<T>, Problem> {
        self.parts().metrics.read(consistency, forwarded);
        match consistency {
            Consistency::Stale => Ok(Answerer::Here(self.stale_stand())),
            Consistency::Linearizable | Consistency::Leader => {
                let there = self.at_leader(path, consistency, forwarded).await?;
                Ok(there.map_or_else(|| Answerer::Here(self.stand()), Answerer::There))
            }
        }
    }

    /// Returns when this member's own machine may answer as surely as asked for.
    pub(crate) async fn read_here(&self, consistency: Consistency) -> Result<Stand, Problem> {
        match self.read::<Stand>(REVISION, consistency, false).await? {
            Answerer::Here(stand) => Ok(stand),
            Answerer::There(stand) => {
                let mut machine = self.parts().replica.watch_machine();
                let arrived = machine.wait_for(|(revision, _)| *revision >= stand.revision);
                match timeout_at(Instant::now() + HOLD_THROUGH_ELECTION, arrived).await {
                    Ok(Ok(_)) => Ok(self.stand()),
                    Ok(Err(_)) | Err(_) => Err(self.no_leader()),
                }
            }
        }
    }

    /// Asks the leader for `path`. `None`: this member leads, and its own machine is what was asked for.
    async fn at_leader<T: DeserializeOwned>(
        &self,
        path: &str,
        consistency: Consistency,
        forwarded: bool,
    ) -> Result<Option<T>, Problem> {
        let mut leading = self.parts().leading.clone();
        let until = Instant::now() + HOLD_THROUGH_ELECTION;
        let path = as_surely(path, consistency);
        loop {
            leading.borrow_and_update();
            match self.turn() {
                Turn::Here => {
                    let replica = &self.parts().replica;
                    let sure = match consistency {
                        Consistency::Leader => replica.read_lease().await.is_ok(),
                        Consistency::Linearizable | Consistency::Stale => {
                            replica.read_barrier().await.is_ok()
                        }
                    };
                    if sure {
                        return Ok(None);
                    }
                }
                Turn::There { address, .. } if !forwarded => {
                    if let Some(result) = self.ask_there(&address, &path, until).await {
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
        self.parts().metrics.forwarded_read();
        match rest.request::<(), T>(Method::GET, address, path, &headers, None, within).await {
            Ok((_, answer)) => Some(Ok(answer)),
            Err(RestError::Refused(problem)) if problem.retry == Retry::Never => Some(Err(problem)),
            Err(_) => None,
        }
    }

    /// Returns when this member's own machine holds everything acknowledged before the call.
    pub(crate) async fn barrier(&self) -> Result<(), Problem> {
        self.read_here(Consistency::Linearizable).await.map(drop)
    }
}

/// A path that asks the leader as surely as this member was asked; one with a query may say so already.
fn as_surely(path: &str, consistency: Consistency) -> String {
    match consistency {
        Consistency::Linearizable | Consistency::Stale => path.to_owned(),
        Consistency::Leader if path.contains("consistency=") => path.to_owned(),
        Consistency::Leader => {
            let behind = if path.contains('?') { '&' } else { '?' };
            format!("{path}{behind}consistency=leader")
        }
    }
}
