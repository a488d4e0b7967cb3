//! What openraft's answer says of a proposal that was not applied here. Decides which of them was surely not
//! proposed: a write that is called so is sent again, under another key perhaps, so it must be true.

use crate::{KnownLeader, ProposeError, raft::TypeConfig};
use openraft::errors::{ClientWriteError, ForwardToLeader};
use tradewind_domain::ids::NodeId;

/// Openraft says which of two it was: turned away before it entered the log, or discarded from this member's
/// log when another leader's took its place. The discarded one may stand in that other log.
pub(super) fn not_written(error: &ClientWriteError<TypeConfig>) -> ProposeError {
    match error {
        ClientWriteError::ForwardToLeader(forward) => {
            ProposeError::NotLeader { leader: leader_of(forward) }
        }
        ClientWriteError::LogEntryDiscarded(_)
        | ClientWriteError::ChangeMembershipError(_)
        | ClientWriteError::PreconditionFailed(_) => ProposeError::Unknown,
    }
}

pub(super) fn leader_of(forward: &ForwardToLeader<TypeConfig>) -> KnownLeader {
    Some((NodeId(forward.leader_id?), forward.leader_node.as_ref()?.member()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_turned_away_was_surely_not_proposed_and_what_was_discarded_may_have_been() {
        let forward = ForwardToLeader::<TypeConfig>::empty();
        let turned_away = ClientWriteError::ForwardToLeader(forward.clone());
        assert_eq!(not_written(&turned_away), ProposeError::NotLeader { leader: None });
        let discarded = ClientWriteError::LogEntryDiscarded(forward);
        assert_eq!(not_written(&discarded), ProposeError::Unknown);
    }
}
