//! How a member stands with the group, as another one knows it: welcome, removed, on another disk than its
//! number is known with, or of another life of the cluster. Decides who is spoken to beyond the name of the
//! cluster, and whose word proves that this member must not go on. A number this member has not heard of is
//! welcome: the caller may know more.

use super::life::Life;
use crate::{raft::Raft, state::Published};
use openraft::async_runtime::watch::WatchReceiver;
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    sync::watch,
    time::{Duration, Instant},
};
use tradewind_domain::ids::{DiskId, NodeId};

/// Why somebody is not spoken to. The numbers are on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Another cluster, another node, no version in common.
    Stranger = 1,
    OtherDisk = 2,
    Removed = 3,
    /// The cluster was restored or recovered, before or since.
    OtherLife = 4,
}

/// A refusal, as it is told to the one refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) why: Why,
    pub(crate) reason: String,
}

impl Notice {
    pub(crate) fn stranger(reason: String) -> Self {
        Self { why: Why::Stranger, reason }
    }

    pub(crate) fn other_disk(node: u64) -> Self {
        let reason =
            format!("node {node} is known with another disk: remove it and join as a new member");
        Self { why: Why::OtherDisk, reason }
    }

    pub(crate) fn removed(node: u64) -> Self {
        let reason = format!(
            "node {node} was removed from the group: move its directory away and --join to be a new member"
        );
        Self { why: Why::Removed, reason }
    }

    /// `theirs` stands so to the life of the one who says this. At most 255 bytes fit into a greeting.
    pub(crate) fn other_life(
        cluster: &str,
        own: Life,
        node: u64,
        theirs: Life,
        order: Ordering,
    ) -> Self {
        let reason = if order.is_lt() {
            format!(
                "cluster {cluster} is in its life {own}, node {node} in the earlier life {theirs}, which is over: \
                 move its directory away, --join as a new member"
            )
        } else {
            format!(
                "this member of {cluster} is in its life {own}, node {node} in the later life {theirs}: this one \
                 must not run any more"
            )
        };
        Self { why: Why::OtherLife, reason }
    }
}

/// What other members say of this one that means it must not go on, each its latest word.
#[derive(Debug)]
pub(crate) struct Notices(watch::Sender<BTreeMap<u64, Notice>>);

impl Default for Notices {
    fn default() -> Self {
        Self(watch::Sender::new(BTreeMap::new()))
    }
}

impl Notices {
    /// Node `from` has said so.
    pub(crate) fn tell(&self, from: u64, notice: &Notice) {
        match notice.why {
            Why::Stranger => {}
            Why::OtherDisk | Why::Removed | Why::OtherLife => {
                self.0.send_if_modified(|held| {
                    held.insert(from, notice.clone()).as_ref() != Some(notice)
                });
            }
        }
    }

    /// Node `from` has welcomed this member: what it said before is void.
    pub(crate) fn welcomed(&self, from: u64) {
        self.0.send_if_modified(|held| held.remove(&from).is_some());
    }

    pub(crate) fn watch(&self) -> watch::Receiver<BTreeMap<u64, Notice>> {
        self.0.subscribe()
    }
}

/// Whose word counts for a member, as it knows the group.
#[derive(Debug)]
pub(crate) struct Witnesses {
    pub(crate) own: u64,
    /// One set of voters, or two while the group passes from one to the other; none before it has a log.
    pub(crate) voters: Vec<BTreeSet<u64>>,
    /// Whom it follows.
    pub(crate) leader: Option<u64>,
}

impl Witnesses {
    /// What is proven by all that was told. One voice alone proves nothing: an earlier life of the cluster, or
    /// anybody who has taken an address, could be speaking. Proof is the word of the leader that this member
    /// follows, whose log it takes anyway, or that of a majority of the voters beside itself: with fewer no
    /// membership was ever changed. A member that knows no voters has promised nothing, and any word will do.
    pub(crate) fn proven(&self, told: &BTreeMap<u64, Notice>) -> Option<Notice> {
        let of_weight = |why: Why| {
            let said = |node: &u64| told.get(node).is_some_and(|notice| notice.why == why);
            let led = self.leader.is_some_and(|leader| leader != self.own && said(&leader));
            let majority = |voters: &BTreeSet<u64>| {
                let others = voters.iter().filter(|node| **node != self.own);
                let (said, others) =
                    (others.clone().filter(|node| said(node)).count(), others.count());
                said * 2 > others
            };
            led || self.voters.iter().all(majority)
        };
        told.values().find(|notice| of_weight(notice.why)).cloned()
    }
}

/// When another member called last.
#[derive(Debug)]
pub(crate) struct Heard(Mutex<Instant>);

impl Default for Heard {
    fn default() -> Self {
        Self(Mutex::new(Instant::now()))
    }
}

impl Heard {
    pub(crate) fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    pub(crate) fn age(&self, now: Instant) -> Duration {
        let heard = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        now.saturating_duration_since(heard)
    }
}

/// What this member knows of the others.
#[derive(Clone)]
pub(crate) struct Register {
    pub(crate) raft: Raft,
    pub(crate) published: Arc<Published>,
}

impl Register {
    /// The life of the cluster that this member is in.
    pub(crate) fn life(&self) -> Life {
        Life::of(self.published.machine.borrow().1.cluster())
    }

    /// Whether this number is a member's, on this disk.
    pub(crate) fn knows(&self, node: u64, disk: DiskId) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let member = metrics.membership_config.membership().get_node(&node);
        member.is_some_and(|member| member.disk.is_none_or(|known| known == disk.0))
    }

    /// Whether nothing is known of any member.
    pub(crate) fn is_empty(&self) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        metrics.membership_config.membership().nodes().next().is_none()
    }

    /// Whether a caller under this number on this disk is spoken to.
    pub(crate) fn judge(&self, node: u64, disk: DiskId) -> Result<(), Notice> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let member = metrics.membership_config.membership().get_node(&node);
        let known = member.and_then(|member| member.disk);
        if known.is_some_and(|known| known != disk.0) {
            return Err(Notice::other_disk(node));
        }
        if member.is_none() && self.published.machine.borrow().1.was_removed(NodeId(node)) {
            return Err(Notice::removed(node));
        }
        Ok(())
    }
}

/// All of it: what is known of others, what they say of this member, and when they called last.
#[derive(Clone)]
pub(crate) struct Standing {
    pub(crate) register: Register,
    pub(crate) notices: Arc<Notices>,
    pub(crate) heard: Arc<Heard>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(by: &[(u64, Notice)]) -> BTreeMap<u64, Notice> {
        by.iter().cloned().collect()
    }

    fn witnesses(voters: &[&[u64]], leader: Option<u64>) -> Witnesses {
        let voters = voters.iter().map(|set| set.iter().copied().collect()).collect();
        Witnesses { own: 3, voters, leader }
    }

    #[test]
    fn it_takes_the_leader_or_a_majority_of_the_other_voters() {
        let (gone, removed) = (Notice::removed(3), |node| (node, Notice::removed(3)));
        let group = witnesses(&[&[1, 2, 3]], None);
        assert_eq!(group.proven(&told(&[removed(1)])), None);
        assert_eq!(group.proven(&told(&[removed(1), removed(9)])), None, "9 is no voter");
        let disk = (2, Notice::other_disk(3));
        assert_eq!(group.proven(&told(&[removed(1), disk])), None, "they say different things");
        assert_eq!(group.proven(&told(&[removed(1), removed(2)])), Some(gone.clone()));
        let led = witnesses(&[&[1, 2, 3, 4, 5]], Some(1));
        assert_eq!(led.proven(&told(&[removed(2), removed(4)])), None);
        assert_eq!(led.proven(&told(&[removed(1)])), Some(gone.clone()));
        let two = witnesses(&[&[1, 3]], None);
        assert_eq!(two.proven(&told(&[removed(1)])), Some(gone));
    }

    #[test]
    fn between_two_sets_of_voters_both_must_say_so_and_alone_nobody_can() {
        let removed = |node| (node, Notice::removed(3));
        let both = witnesses(&[&[1, 2, 3], &[1, 4, 5]], None);
        assert_eq!(both.proven(&told(&[removed(1), removed(2)])), None);
        assert!(both.proven(&told(&[removed(1), removed(2), removed(4)])).is_some());
        let alone = witnesses(&[&[3]], Some(3));
        assert_eq!(alone.proven(&told(&[removed(1), removed(3)])), None);
    }

    #[test]
    fn a_member_without_a_log_believes_the_first_who_says_so_and_nobody_is_bound_to_his_word() {
        let notices = Notices::default();
        notices.tell(1, &Notice::stranger("no".to_owned()));
        let nobody = witnesses(&[], None);
        assert_eq!(nobody.proven(&notices.watch().borrow()), None);
        notices.tell(1, &Notice::other_disk(3));
        assert_eq!(nobody.proven(&notices.watch().borrow()), Some(Notice::other_disk(3)));
        notices.welcomed(1);
        assert_eq!(nobody.proven(&notices.watch().borrow()), None);
    }
}
