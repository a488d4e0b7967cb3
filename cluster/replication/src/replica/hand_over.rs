//! Handing leadership over. Decides who may be the heir: a voter that answers, since one that is away would take over
//! nothing; and that the lease is worth nothing from then on. The election is Raft's.

use super::Replica;
use crate::{Role, Status, TransferError, runtime::Moment};
use openraft::async_runtime::watch::WatchReceiver;
use std::{sync::atomic::Ordering, time::Duration};
use tokio::time::{sleep, timeout};
use tradewind_domain::ids::{NodeId, Revision};

/// Between two looks whether a voter has answered.
const ANSWER_POLL: Duration = Duration::from_millis(2);

impl Replica {
    /// Hands leadership to `to`, or to the voter that has most of the log, and waits until another leader is
    /// seen. From the call on this member takes no proposals until a leader is elected.
    pub async fn transfer_leadership(&self, to: Option<NodeId>) -> Result<NodeId, TransferError> {
        let mut watch = self.watch_status();
        let status = watch.borrow_and_update().clone();
        if status.role != Role::Leader {
            return Err(TransferError::NotLeader { leader: status.known_leader() });
        }
        let to = match to {
            Some(to) if to == status.node => return Ok(to),
            Some(to) if status.voters.contains(&to) => to,
            Some(to) => return Err(TransferError::NotAVoter(to)),
            None => self.heir(&status).ok_or(TransferError::NobodyElse)?,
        };
        self.answers(to).await?;
        self.give_up_lease(self.term_led().await?);
        let begun = self.shared.raft.trigger().transfer_leader(to.0).await;
        begun.map_err(|_| TransferError::Stopped)?;
        // Should it have come to lead another term meanwhile, it is that one it hands over.
        self.give_up_lease(self.term_led().await?);
        let deadline: Duration = self.shared.timing.election_max * 4;
        let led_by_another = |status: &Status| {
            status.role == Role::Stopped || status.leader.is_some_and(|id| id != status.node)
        };
        match timeout(deadline, watch.wait_for(led_by_another)).await {
            Ok(Ok(status)) => status.leader.ok_or(TransferError::Stopped),
            Ok(Err(_)) => Err(TransferError::Stopped),
            Err(_) => Err(TransferError::Unknown),
        }
    }

    /// The same as it was asked for in an entry: in the leadership in which that stands. Once another one has begun nothing
    /// is handed over any more: whoever leads is the answer if he is who was wanted, or anybody was.
    pub async fn transfer_asked(
        &self,
        asked: Revision,
        to: Option<NodeId>,
    ) -> Result<NodeId, TransferError> {
        let raft_state = self.shared.raft.with_raft_state(move |state| {
            let asked_of = state.log_ids.get(asked.0).map(|id| id.leader_id);
            let leads = state.server_state.is_leader();
            (leads, asked_of.map(|of| of == state.vote_ref().leader_id))
        });
        let (leads, is_of_this_one) = raft_state.await.map_err(|_| TransferError::Stopped)?;
        let node = self.node();
        match is_of_this_one {
            Some(false) if leads && to.is_none_or(|to| to == node) => Ok(node),
            // Of what is no longer in the log it is not known.
            Some(false) | None if leads => Err(TransferError::Superseded(node)),
            _ => self.transfer_leadership(to).await,
        }
    }

    /// A voter that is away would take over nothing, and nobody could write until an election is over. One that was
    /// not heard of yet, by a leader that has only begun, is waited for.
    async fn answers(&self, to: NodeId) -> Result<(), TransferError> {
        let (most, begun) = (self.shared.timing.election_max, Moment::now());
        loop {
            match self.acknowledged_ago().get(&to).copied().flatten() {
                Some(age) if age < most => return Ok(()),
                None if begun.age() < most => sleep(ANSWER_POLL).await,
                silent => return Err(TransferError::Silent { node: to, silent }),
            }
        }
    }

    /// As openraft has it now; the status may be a moment old.
    async fn term_led(&self) -> Result<u64, TransferError> {
        let term = self.shared.raft.with_raft_state(|state| state.vote_ref().leader_id.term).await;
        term.map_err(|_| TransferError::Stopped)
    }

    fn give_up_lease(&self, term: u64) {
        self.shared.handed_over.fetch_max(term, Ordering::SeqCst);
    }

    /// The voter that answered within the last lease and has most of the log; of those that are away only
    /// if there is no other: as much of the log is no sign of life where little is written.
    fn heir(&self, status: &Status) -> Option<NodeId> {
        let metrics = self.shared.raft.metrics();
        let metrics = metrics.borrow_watched();
        let lease = self.shared.timing.lease();
        let answers = |id: &NodeId| self.ack_age(&metrics, id.0).is_some_and(|age| age < lease);
        let others = status.voters.iter().copied().filter(|id| *id != status.node);
        others.max_by_key(|id| (answers(id), status.replicated.get(id).copied().flatten()))
    }
}
