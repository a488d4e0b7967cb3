//! When other members acknowledged what this member sent as a leader. Decides that an acknowledgement counts from the
//! moment at which its own call was begun. Openraft keeps such times too, but an answer to an early append
//! counts there for the latest one under way that ends at the same entry: a leader that was cut off and hears late
//! answers would take itself for confirmed.

use crate::{raft::LeaderId, runtime::Moment};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

#[derive(Debug, Default)]
pub(crate) struct Acks(Mutex<BTreeMap<u64, (LeaderId, Moment)>>);

impl Acks {
    /// A member has taken a message of this leader's, which was begun then.
    pub(super) fn note(&self, of: u64, leader: LeaderId, begun: Moment) {
        let mut acks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = acks.entry(of).or_insert((leader, begun));
        *held = (*held).max((leader, begun));
    }

    /// The latest message to a member that it has acknowledged, of those of this leader.
    pub(crate) fn latest(&self, of: u64, leader: LeaderId) -> Option<Moment> {
        let acks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        acks.get(&of).filter(|(held, _)| *held == leader).map(|(_, at)| *at)
    }

    /// The latest moment from which on a majority of each of these sets has acknowledged a message.
    pub(crate) fn of_quorum(
        &self,
        sets: &[BTreeSet<u64>],
        leader: LeaderId,
        now: Moment,
    ) -> Option<Moment> {
        let of = |voter: u64| match voter == leader.node_id {
            true => Some(now),
            false => self.latest(voter, leader),
        };
        let majorities = sets.iter().map(|set| {
            let mut acked: Vec<_> = set.iter().filter_map(|voter| of(*voter)).collect();
            acked.sort_unstable();
            acked.iter().rev().nth(set.len() / 2).copied()
        });
        // None of a set without a majority is the least.
        majorities.min().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_majority_of_each_set_counts_and_of_one_leader_alone() {
        let (acks, start) = (Acks::default(), Moment::now());
        let (first, second) = [3, 4].map(|term| LeaderId { term, node_id: 1 }).into();
        let at = |ms| start + Duration::from_millis(ms);
        let three = [BTreeSet::from([1, 2, 3])];
        assert_eq!(acks.of_quorum(&three, first, at(90)), None);
        acks.note(2, first, at(10));
        assert_eq!(acks.of_quorum(&three, first, at(90)), Some(at(10)));
        acks.note(3, first, at(20));
        acks.note(3, first, at(15));
        assert_eq!(acks.of_quorum(&three, first, at(90)), Some(at(20)));
        let joint = [three[0].clone(), BTreeSet::from([3, 4, 5])];
        assert_eq!(acks.of_quorum(&joint, first, at(90)), None);
        acks.note(5, first, at(5));
        assert_eq!(acks.of_quorum(&joint, first, at(90)), Some(at(5)));
        // A later leader's count for it alone, and no earlier one's after that.
        acks.note(2, second, at(50));
        acks.note(2, first, at(60));
        assert_eq!(acks.latest(2, first), None);
        assert_eq!(acks.of_quorum(&three, second, at(90)), Some(at(50)));
        let alone = [BTreeSet::from([1])];
        assert_eq!(acks.of_quorum(&alone, first, at(90)), Some(at(90)));
        assert_eq!(acks.of_quorum(&[], first, at(90)), None);
    }
}
