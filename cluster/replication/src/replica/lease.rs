//! What a member takes for granted while it leads. Decides how long: for a part of the shortest lease that a voter gives,
//! from the sending of a message that a quorum has acknowledged; and for which effects and reads that is enough.

use super::Replica;
use crate::{
    ReadError, Status,
    options::Timing,
    raft::{LeaderId, TypeConfig},
    runtime::Moment,
};
use openraft::{RaftMetrics, async_runtime::watch::WatchReceiver};
use std::{sync::atomic::Ordering, time::Duration};
use tokio::time::{Instant, sleep, timeout_at};
use tradewind_domain::ids::{NodeId, Revision};

/// Between two tries to be sure of a read.
const TRY_EVERY: Duration = Duration::from_millis(2);

impl Replica {
    /// Whether this member leads and a quorum has acknowledged a message that it sent within the time that it
    /// relies on that for (`Timing::relied`, 112 ms by default): what effects of the leader alone are gated on. Never from
    /// the moment on at which it begins to hand leadership over.
    #[must_use]
    pub fn confirmed_leader(&self) -> bool {
        let metrics = self.shared.raft.metrics();
        let metrics = metrics.borrow_watched();
        metrics.current_term > self.shared.handed_over.load(Ordering::SeqCst)
            && self.quorum_age(&metrics).is_some_and(|age| age < self.relied(&metrics))
    }

    /// If it leads: how long ago it sent the latest message that a quorum has acknowledged.
    pub(super) fn quorum_age(&self, metrics: &RaftMetrics<TypeConfig>) -> Option<Duration> {
        let leader = led(metrics)?;
        let sets = metrics.membership_config.membership().get_joint_config();
        let now = Moment::now();
        let acked = self.shared.peers.acks().of_quorum(sets, leader, now)?;
        Some(now.since(acked))
    }

    /// If it leads: how long ago it sent the latest message that this member has acknowledged.
    pub(super) fn ack_age(&self, metrics: &RaftMetrics<TypeConfig>, of: u64) -> Option<Duration> {
        let acked = self.shared.peers.acks().latest(of, led(metrics)?)?;
        Some(acked.age())
    }

    /// How long this member, as a leader, relies on a quorum's answer: by the shortest lease that a voter gives.
    pub(crate) fn relied(&self, metrics: &RaftMetrics<TypeConfig>) -> Duration {
        let voters = metrics.membership_config.voter_ids();
        let shortest = self.shared.peers.leases().shortest(voters, self.shared.timing.lease());
        Timing::relied(shortest)
    }

    /// Waits until this member is confirmed as leader and has applied everything acknowledged or shown before the
    /// call: [`machine`](Self::machine) is then fit to answer a linearizable read. Gives the index it holds
    /// at least.
    pub async fn read_barrier(&self) -> Result<Revision, ReadError> {
        let until = Instant::now() + self.shared.timing.propose;
        loop {
            if let Ok(Some(revision)) = timeout_at(until, self.shared.confirmer.confirm()).await {
                return Ok(revision);
            }
            let status = self.status();
            if let Some(failed) = unable(&status) {
                return Err(failed);
            }
            if Instant::now() + TRY_EVERY >= until {
                return Err(ReadError::NoQuorum);
            }
            sleep(TRY_EVERY).await;
        }
    }

    /// As [`read_barrier`](Self::read_barrier), but asking nobody: by the lease of a leader that a quorum has
    /// acknowledged within `Timing::relied`. As good as the members' clocks run at nearly the same speed: by a
    /// tenth too fast or too slow, each, is borne.
    pub async fn read_lease(&self) -> Result<Revision, ReadError> {
        if !self.confirmed_leader() {
            return Err(unable(&self.status()).unwrap_or(ReadError::NoQuorum));
        }
        let leader = led(&self.shared.raft.metrics().borrow_watched());
        let published = &self.shared.published;
        // Looked at while the lease holds: others had shown nothing that is not in it.
        let shown = Revision(self.shared.peers.told_committed());
        let mut machine = published.machine.subscribe();
        let arrived =
            machine.wait_for(|(applied, _)| *applied >= shown && published.applied_by() == leader);
        let until = Instant::now() + self.shared.timing.propose;
        match timeout_at(until, arrived).await {
            Ok(Ok(applied)) => Ok(applied.0),
            Ok(Err(_)) => Err(ReadError::Stopped),
            Err(_) => Err(ReadError::NoQuorum),
        }
    }
}

/// As which leader a member leads; none if it does not.
pub(super) fn led(metrics: &RaftMetrics<TypeConfig>) -> Option<LeaderId> {
    let leads = metrics.running_state.is_ok() && metrics.state.is_leader();
    leads.then_some(LeaderId { term: metrics.current_term, node_id: metrics.id })
}

/// Why this member is nobody to ask for what only a leader knows.
fn unable(status: &Status) -> Option<ReadError> {
    let elsewhere = |leader: &NodeId| *leader != status.node;
    match status.role {
        crate::Role::Stopped => Some(ReadError::Stopped),
        crate::Role::Leader => None,
        _ => {
            let leader = status.known_leader().filter(|(leader, _)| elsewhere(leader));
            Some(ReadError::NotLeader { leader })
        }
    }
}
