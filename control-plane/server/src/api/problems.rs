//! How refusals and missing leaders are told. Decides the code of each: one a thing the caller can do.

use crate::limits::NO_LEADER_RETRY_MS;
use tradewind_domain::{
    control::{Refusal, membership::RemovalRefused},
    ids::{ClusterIncarnation, NodeId},
};
use tradewind_protocol::{Code, Problem, events::STATE};
use tradewind_replication::{Gone, TransferError};

/// The machine's refusal.
pub(crate) fn refused(refusal: &Refusal) -> Problem {
    let code = match refusal {
        Refusal::KeyExpired => Code::KeyExpired,
        Refusal::KeyFromFuture => Code::KeyFromFuture,
        Refusal::AlreadyOpen
        | Refusal::Superseded
        | Refusal::OtherDisk { .. }
        | Refusal::Mismatch { .. }
        | Refusal::NotActive { .. }
        | Refusal::AlreadyDraining { .. }
        | Refusal::LevelNotKnownBy { .. }
        | Refusal::TraderStopped
        | Refusal::KeyUsed
        | Refusal::WrongState { .. } => Code::Conflict,
        Refusal::Dropped { .. } => Code::Dropped,
        Refusal::StaleIncarnation { .. } => Code::Superseded,
        Refusal::OtherManagerDisk { .. } => Code::OtherDisk,
        Refusal::Busy { .. } | Refusal::Rebalancing { .. } => Code::Busy,
        Refusal::NotFound { .. } => Code::NotFound,
        Refusal::InUse { .. } => Code::InUse,
        Refusal::TakenOver => Code::StaleTrader,
        Refusal::NotAsExpected { .. } => Code::PreconditionFailed,
        Refusal::NotEligible
        | Refusal::AgainstAffinity
        | Refusal::TooMany { .. }
        | Refusal::TooManySingly { .. }
        | Refusal::VotersNotPossible
        | Refusal::Cordoned { .. }
        | Refusal::NotConfirmed
        | Refusal::StillHeld
        | Refusal::NotDue
        | Refusal::NotAHash
        | Refusal::NoHours { .. }
        | Refusal::Risk { .. }
        | Refusal::ScaleNotPossible { .. }
        | Refusal::TraderNotPossible { .. }
        | Refusal::LevelTooLow { .. }
        | Refusal::LevelNotKnown { .. }
        | Refusal::BrokersHeld { .. }
        | Refusal::NoRoom { .. }
        | Refusal::NotSelfManaged
        | Refusal::TooLarge { .. } => Code::Refused,
    };
    Problem::new(code, refusal.to_string())
}

/// Why a member is not removed, and what to do.
pub(crate) fn removal_refused(node: NodeId, refused: &RemovalRefused) -> Problem {
    match refused {
        RemovalRefused::NotAMember => {
            Problem::new(Code::NotFound, format!("node {node} is not a member of this group"))
        }
        RemovalRefused::LastVoter => {
            let detail = format!("node {node} is the only voter: join another member first");
            Problem::new(Code::Conflict, detail)
        }
        RemovalRefused::QuorumLost { answering, needed } => {
            let detail = format!(
                "without node {node} {needed} voters must answer and {answering} do: bring the others \
                 back or join a new member first; with force the group may stand still until they return"
            );
            Problem::new(Code::Conflict, detail)
        }
        RemovalRefused::UnderWay => {
            let detail = "the voters are being changed: wait until that is done, then ask again";
            Problem::new(Code::Busy, detail)
        }
    }
}

/// Why the leadership was not handed over.
pub(crate) fn not_transferred(error: &TransferError) -> Problem {
    match error {
        TransferError::NotLeader { .. } | TransferError::Stopped => no_leader(false),
        TransferError::NobodyElse => {
            Problem::new(Code::Conflict, "there is no other voter to hand over to")
        }
        TransferError::Silent { .. } | TransferError::Superseded(_) => {
            Problem::new(Code::Conflict, error.to_string())
        }
        TransferError::NotAVoter(node) => {
            let detail =
                format!("node {node} is not a voter: see GET /v1/members for those that are");
            Problem::new(Code::NotFound, detail)
        }
        TransferError::Unknown => {
            let detail = "the hand-over was begun and no new leader was seen in time; GET /v1/members \
                          says who leads";
            Problem::new(Code::Unknown, detail).retry_after_ms(NO_LEADER_RETRY_MS)
        }
    }
}

/// Surely not done: nobody was there to do it.
pub(crate) fn no_leader(stopped: bool) -> Problem {
    let detail = if stopped {
        "this member is stopping; ask another one"
    } else {
        "the group has no leader at the moment; an election takes less than a second"
    };
    Problem::new(Code::NoLeader, detail).retry_after_ms(NO_LEADER_RETRY_MS)
}

/// Asked for what this member, at least, no longer keeps.
pub(crate) fn gone(gone: &Gone) -> Problem {
    let detail = format!("{gone}; read {STATE} and go on from its revision");
    let mut problem = Problem::new(Code::Gone, detail);
    problem.snapshot = Some(STATE.to_owned());
    problem
}

/// A place in another life of the cluster: revisions of the two are not comparable.
pub(crate) fn other_life(asked: ClusterIncarnation, own: &str) -> Problem {
    let detail = format!(
        "the cluster was made anew since: this is its life {own}, the revision asked for is of life {asked}; read \
         {STATE} and go on from its revision"
    );
    let mut problem = Problem::new(Code::Gone, detail);
    problem.snapshot = Some(STATE.to_owned());
    problem
}

/// This member has not heard of its leader for longer than an election takes.
pub(crate) fn out_of_touch() -> Problem {
    let detail = "this member has lost its leader; go on at another one";
    Problem::new(Code::NoLeader, detail).retry_after_ms(NO_LEADER_RETRY_MS)
}

pub(crate) fn slow_consumer() -> Problem {
    let detail = "what was sent was not read in time; come back and go on from the last revision";
    Problem::new(Code::SlowConsumer, detail)
}

/// Handed to a leader whose answer did not come.
pub(crate) fn unknown() -> Problem {
    let detail = "the change was handed to a leader and no answer came; send it again with the same \
                  Idempotency-Key";
    Problem::new(Code::Unknown, detail).retry_after_ms(NO_LEADER_RETRY_MS)
}

/// An adapter that is named and not there.
pub(crate) fn adapter_not_built(adapter: &str) -> Problem {
    let detail = format!("the adapter `{adapter}` is not built yet; there are `sim` and `kraken`");
    Problem::new(Code::Unsupported, detail)
}

/// The test range is off.
pub(crate) fn registers_disabled() -> Problem {
    let detail =
        "registers are a test range and off here; start the member with --enable-registers";
    Problem::new(Code::NotFound, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tradewind_domain::ids::Incarnation;
    use tradewind_protocol::Retry;

    #[test]
    fn a_refusal_is_told_with_the_code_that_says_what_to_do() {
        let told = |refusal| refused(&refusal).code;
        assert_eq!(told(Refusal::KeyExpired), Code::KeyExpired);
        assert_eq!(told(Refusal::KeyFromFuture), Code::KeyFromFuture);
        assert_eq!(told(Refusal::Superseded), Code::Conflict);
        assert_eq!(told(Refusal::StaleIncarnation { held: Incarnation(1) }), Code::Superseded);
        assert_eq!(told(Refusal::NotEligible), Code::Refused);
    }

    #[test]
    fn no_leader_says_when_to_come_back_and_unknown_says_with_which_key() {
        assert_eq!(no_leader(false).retry, Retry::After);
        assert!(no_leader(false).retry_after_ms.is_some());
        assert_eq!(unknown().retry, Retry::SameId);
    }
}
