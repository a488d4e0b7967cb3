//! Reads that see everything acknowledged or shown before they began. Decides when this member may answer one: it
//! leads, it has applied an entry of its own term, a majority that was asked after the read began has promised no
//! later leader anything (ReadIndex, Ongaro's thesis 6.4), and it has applied whatever it had told others to be
//! committed. Reads that come while a round is out share the next one. What cannot be decided here so is left to
//! openraft, which does the same and waits longer.
//!
//! Why it is enough: whoever grants a later leader his vote has saved that vote before he says so. If one of a
//! majority still holds ours, no later leader had been elected when he was asked, so none had acknowledged or
//! shown anything. What this member acknowledged itself it had published before. And what others have shown they
//! had applied on its word: they may be ahead of it, when their disks are quicker than its own.

use crate::{
    limits::READERS_QUEUED,
    log::LogStore,
    network::peers::Peers,
    raft::{LeaderId, Raft, Vote, promised_no_later},
    records::MemberRecord,
    state::Published,
};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use openraft::async_runtime::watch::WatchReceiver;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tradewind_domain::ids::Revision;

/// Told whether this member may answer, and what it holds at least.
type Reader = oneshot::Sender<Option<Revision>>;

/// A cheap handle.
#[derive(Clone)]
pub(super) struct Confirmer(mpsc::Sender<Reader>);

/// What the rounds are made of.
pub(super) struct Ballot {
    pub(super) node: u64,
    pub(super) raft: Raft,
    pub(super) peers: Peers,
    pub(super) log: LogStore,
    pub(super) published: Arc<Published>,
    /// A round that takes longer is given up.
    pub(super) within: Duration,
}

impl Confirmer {
    /// The handle, and the task's work, which may be cancelled.
    pub(super) fn new(ballot: Ballot) -> (Self, impl Future<Output = ()> + Send) {
        let (readers, waiting) = mpsc::channel(READERS_QUEUED);
        (Self(readers), ballot.work(waiting))
    }

    /// What this member holds at least of everything acknowledged before the call; none if that cannot be
    /// said now.
    pub(super) async fn confirm(&self) -> Option<Revision> {
        let (reader, sure) = oneshot::channel();
        self.0.send(reader).await.ok()?;
        sure.await.ok().flatten()
    }
}

/// Who must agree: a majority of each of these sets, which are two while the membership changes.
struct Quorums {
    sets: Vec<BTreeSet<u64>>,
    agreed: BTreeSet<u64>,
}

impl Quorums {
    fn agree(&mut self, voter: u64) {
        self.agreed.insert(voter);
    }

    fn reached(&self) -> bool {
        let majority = |set: &BTreeSet<u64>| set.intersection(&self.agreed).count() * 2 > set.len();
        !self.sets.is_empty() && self.sets.iter().all(majority)
    }
}

impl Ballot {
    async fn work(self, mut waiting: mpsc::Receiver<Reader>) {
        let mut readers = Vec::new();
        while waiting.recv_many(&mut readers, READERS_QUEUED).await > 0 {
            let sure = timeout(self.within, self.round()).await.ok().flatten();
            for reader in readers.drain(..) {
                let _ = reader.send(sure);
            }
        }
    }

    async fn round(&self) -> Option<Revision> {
        let (vote, mut quorums, others) = self.led()?;
        // Both looked at after the readers have come: what was acknowledged before is in the one, what others
        // had shown before is in the other.
        let revision = {
            let published = self.published.machine.borrow();
            (self.published.applied_by() == Some(vote.leader_id)).then_some(published.0)
        }?;
        let revision = revision.max(Revision(self.peers.told_committed()));
        if promised_no_later(self.log.vote(), &vote) {
            quorums.agree(self.node);
        }
        let asked = others.iter().map(|(id, peer)| async move {
            (*id, self.peers.confirm(*id, peer, &vote).await.unwrap_or(false))
        });
        let mut answers = asked.collect::<FuturesUnordered<_>>();
        while !quorums.reached() {
            if let (voter, true) = answers.next().await? {
                quorums.agree(voter);
            }
        }
        let mut machine = self.published.machine.subscribe();
        machine.wait_for(|(applied, _)| *applied >= revision).await.ok()?;
        Some(revision)
    }

    /// This member's vote as a leader, whose consent it needs, and the other voters.
    fn led(&self) -> Option<(Vote, Quorums, BTreeMap<u64, MemberRecord>)> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let own = LeaderId { term: metrics.current_term, node_id: self.node };
        if metrics.running_state.is_err() || !metrics.state.is_leader() {
            return None;
        }
        let membership = metrics.membership_config.membership();
        let sets = membership.get_joint_config().clone();
        let quorums = Quorums { sets, agreed: BTreeSet::new() };
        let others = membership.voter_ids().filter(|id| *id != self.node);
        let others = others.filter_map(|id| Some((id, membership.get_node(&id)?.clone())));
        Some((Vote { leader_id: own, committed: true }, quorums, others.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_the_membership_changes_both_majorities_must_agree() {
        let sets = vec![BTreeSet::from([1, 2, 3]), BTreeSet::from([3, 4, 5])];
        let mut quorums = Quorums { sets, agreed: BTreeSet::new() };
        for voter in [1, 2, 4] {
            quorums.agree(voter);
            assert!(!quorums.reached());
        }
        quorums.agree(5);
        assert!(quorums.reached());
        assert!(!Quorums { sets: vec![], agreed: BTreeSet::from([1]) }.reached());
    }
}
