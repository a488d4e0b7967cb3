//! What a member makes of the hashes that others report for an index it has reached itself. Decides when a
//! member stops: only when a majority of the voters has one other hash; whatever else differs is an alarm, on
//! which nobody stops, since nobody knows who is right.

use super::StateHash;
use crate::ids::NodeId;
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every voter has this member's hash.
    Agreed,
    /// Nobody has another one, and not all have told theirs.
    Open,
    /// These have another hash, and they are no majority with one and the same.
    Differs(Vec<NodeId>),
    /// These are a majority of the voters, and all have this other hash.
    Outvoted { theirs: StateHash, nodes: Vec<NodeId> },
}

/// `told` are the hashes of others at the index at which this member has `own`.
#[must_use]
pub fn judge(
    node: NodeId,
    own: StateHash,
    told: &BTreeMap<NodeId, StateHash>,
    voters: &BTreeSet<NodeId>,
) -> Verdict {
    let others = || told.iter().filter(|(id, _)| **id != node && voters.contains(id));
    let mut camps = BTreeMap::<StateHash, Vec<NodeId>>::new();
    for (id, hash) in others().filter(|(_, hash)| **hash != own) {
        camps.entry(*hash).or_default().push(*id);
    }
    let majority = camps.iter().find(|(_, nodes)| nodes.len() * 2 > voters.len());
    if let Some((theirs, nodes)) = majority {
        return Verdict::Outvoted { theirs: *theirs, nodes: nodes.clone() };
    }
    if !camps.is_empty() {
        let mut nodes: Vec<NodeId> = camps.into_values().flatten().collect();
        nodes.sort();
        return Verdict::Differs(nodes);
    }
    let all = voters.iter().all(|id| *id == node || told.contains_key(id));
    if all { Verdict::Agreed } else { Verdict::Open }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const RIGHT: StateHash = StateHash(1);
    const WRONG: StateHash = StateHash(2);
    const OTHER: StateHash = StateHash(3);

    /// Node 1 judges; the others are 2, 3, ...
    fn judged(own: StateHash, voters: u64, told: &[Option<StateHash>]) -> Verdict {
        let others = (2_u64..).map(NodeId).zip(told);
        let told = others.filter_map(|(id, hash)| Some((id, (*hash)?))).collect();
        judge(NodeId(1), own, &told, &(1..=voters).map(NodeId).collect())
    }

    fn nodes(ids: &[u64]) -> Vec<NodeId> {
        ids.iter().copied().map(NodeId).collect()
    }

    #[test]
    fn one_who_differs_from_a_majority_stops_and_the_majority_goes_on() {
        let stops = Verdict::Outvoted { theirs: RIGHT, nodes: nodes(&[2, 3]) };
        assert_eq!(judged(WRONG, 3, &[Some(RIGHT), Some(RIGHT)]), stops);
        assert_eq!(judged(RIGHT, 3, &[Some(RIGHT), Some(WRONG)]), Verdict::Differs(nodes(&[3])));
        // Three of five are enough, whatever the fifth says.
        let told = [Some(RIGHT), Some(RIGHT), Some(RIGHT), None];
        assert!(matches!(judged(WRONG, 5, &told), Verdict::Outvoted { .. }));
    }

    #[test]
    fn without_a_majority_for_one_other_hash_nobody_stops() {
        assert_eq!(judged(RIGHT, 3, &[Some(WRONG), None]), Verdict::Differs(nodes(&[2])));
        assert_eq!(judged(RIGHT, 3, &[Some(WRONG), Some(OTHER)]), Verdict::Differs(nodes(&[2, 3])));
        let split = [Some(WRONG), Some(WRONG), Some(RIGHT), Some(RIGHT)];
        assert_eq!(judged(RIGHT, 5, &split), Verdict::Differs(nodes(&[2, 3])));
        assert_eq!(judged(WRONG, 2, &[Some(RIGHT)]), Verdict::Differs(nodes(&[2])));
    }

    #[test]
    fn all_must_have_told_before_they_are_said_to_agree_and_strangers_do_not_count() {
        assert_eq!(judged(RIGHT, 3, &[Some(RIGHT), None]), Verdict::Open);
        assert_eq!(judged(RIGHT, 3, &[Some(RIGHT), Some(RIGHT)]), Verdict::Agreed);
        assert_eq!(judged(RIGHT, 1, &[Some(WRONG), Some(WRONG)]), Verdict::Agreed);
        // A learner judges itself by the voters.
        let voters = BTreeSet::from([NodeId(2), NodeId(3)]);
        let told = [(NodeId(2), RIGHT), (NodeId(3), RIGHT)].into();
        let verdict = judge(NodeId(1), WRONG, &told, &voters);
        assert_eq!(verdict, Verdict::Outvoted { theirs: RIGHT, nodes: vec![NodeId(2), NodeId(3)] });
    }
}
