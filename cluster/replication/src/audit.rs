//! Comparing states: this member's hash at every `CHECKPOINT_EVERY`th index, beside what the others tell of
//! theirs. Decides what is kept for that and what is told when hashes differ; who stops is
//! `domain::control::state_hash::verdict`'s decision.

use crate::limits::CHECKPOINTS_KEPT;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt::Write as _,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tradewind_domain::{
    control::{
        StateHash,
        state_hash::verdict::{Verdict, judge},
    },
    ids::NodeId,
    limits::CHECKPOINT_EVERY,
};

/// A state's hash once the entry at `index` is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub index: u64,
    pub hash: StateHash,
}

/// States that differ: who has which hash at one index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    pub index: u64,
    pub hashes: BTreeMap<NodeId, StateHash>,
    /// Those whose hash is another one than this member's.
    pub others: Vec<NodeId>,
}

/// What is known of the others' states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditStatus {
    /// This member's newest checkpoint.
    pub newest: Option<Checkpoint>,
    /// The newest index at which all voters had one hash.
    pub agreed: Option<u64>,
    /// The newest index at which they had not, until all agree at a later one.
    pub alarm: Option<Divergence>,
    /// Divergences found since the start.
    pub found: u64,
}

/// What a round of questions came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    Well,
    /// The voters' majority has another state: this member must stop.
    Stop(Outvoted),
}

/// The majority's state at an index at which this member has another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outvoted {
    pub(crate) index: u64,
    pub(crate) theirs: StateHash,
    pub(crate) nodes: Vec<NodeId>,
    /// What is told of it.
    pub(crate) why: String,
}

#[derive(Debug, Default)]
pub(crate) struct Audit(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    own: VecDeque<Checkpoint>,
    /// By index, of others.
    told: BTreeMap<u64, BTreeMap<NodeId, StateHash>>,
    status: AuditStatus,
}

impl Audit {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state has reached `index`: notes its hash if this is an index to compare at.
    pub(crate) fn reached(&self, index: u64, hash: impl FnOnce() -> StateHash) {
        if index == 0 || !index.is_multiple_of(CHECKPOINT_EVERY) {
            return;
        }
        let checkpoint = Checkpoint { index, hash: hash() };
        let mut state = self.state();
        state.own.push_back(checkpoint);
        if state.own.len() > CHECKPOINTS_KEPT {
            state.own.pop_front();
        }
        state.status.newest = Some(checkpoint);
    }

    /// This member's checkpoints above an index: what it tells others.
    pub(crate) fn above(&self, index: u64) -> Vec<Checkpoint> {
        self.state().own.iter().filter(|held| held.index > index).copied().collect()
    }

    /// Above this index nothing is known to be agreed on: what to ask others for.
    pub(crate) fn asked_above(&self) -> u64 {
        self.state().status.agreed.unwrap_or(0)
    }

    pub(crate) fn status(&self) -> AuditStatus {
        self.state().status.clone()
    }

    pub(crate) fn told(&self, node: NodeId, checkpoints: &[Checkpoint]) {
        let mut state = self.state();
        for Checkpoint { index, hash } in checkpoints.iter().take(CHECKPOINTS_KEPT) {
            state.told.entry(*index).or_default().insert(node, *hash);
        }
        while state.told.len() > 2 * CHECKPOINTS_KEPT {
            state.told.pop_first();
        }
    }

    /// Judges every checkpoint not agreed on yet.
    pub(crate) fn judge(&self, node: NodeId, voters: &BTreeSet<NodeId>) -> Finding {
        let mut state = self.state();
        let agreed = state.status.agreed.unwrap_or(0);
        let open: Vec<Checkpoint> =
            state.own.iter().filter(|held| held.index > agreed).copied().collect();
        for Checkpoint { index, hash } in open {
            let told = state.told.get(&index).cloned().unwrap_or_default();
            match judge(node, hash, &told, voters) {
                Verdict::Open => {}
                Verdict::Agreed => state.agreed(index),
                Verdict::Differs(others) => state.raise(node, hash, index, told, others),
                Verdict::Outvoted { theirs, nodes } => {
                    state.raise(node, hash, index, told, nodes.clone());
                    let why = outvoted(node, index, hash, theirs, &nodes);
                    return Finding::Stop(Outvoted { index, theirs, nodes, why });
                }
            }
        }
        Finding::Well
    }
}

impl State {
    fn agreed(&mut self, index: u64) {
        self.status.agreed = Some(index);
        self.told = self.told.split_off(&(index + 1));
        if self.status.alarm.as_ref().is_some_and(|alarm| alarm.index < index) {
            tracing::info!(index, "the members' states are the same again");
            self.status.alarm = None;
        }
    }

    fn raise(
        &mut self,
        node: NodeId,
        own: StateHash,
        index: u64,
        mut hashes: BTreeMap<NodeId, StateHash>,
        others: Vec<NodeId>,
    ) {
        hashes.insert(node, own);
        let divergence = Divergence { index, hashes, others };
        if self.status.alarm.as_ref() == Some(&divergence) {
            return;
        }
        if self.status.alarm.as_ref().is_none_or(|alarm| alarm.index < index) {
            self.status.found += 1;
        }
        let (others, hashes) = (names(&divergence.others), &divergence.hashes);
        tracing::error!(index, others, ?hashes, "members' states differ");
        self.status.alarm = Some(divergence);
    }
}

fn names(nodes: &[NodeId]) -> String {
    nodes.iter().fold(String::new(), |mut text, node| {
        let comma = if text.is_empty() { "" } else { ", " };
        // A string takes whatever is written to it.
        let _ = write!(text, "{comma}{node}");
        text
    })
}

fn outvoted(
    node: NodeId,
    index: u64,
    own: StateHash,
    theirs: StateHash,
    nodes: &[NodeId],
) -> String {
    format!(
        "the state of node {node} differs from the majority's: at entry {index} its hash is {own}, that of \
         nodes {} is {theirs}; its disk or memory has altered it. Started again, it sets its state aside and \
         makes it anew",
        names(nodes)
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn voters() -> BTreeSet<NodeId> {
        [1, 2, 3].map(NodeId).into()
    }

    fn checkpoint(index: u64, hash: u128) -> Checkpoint {
        Checkpoint { index, hash: StateHash(hash) }
    }

    #[test]
    fn only_every_thousandth_index_is_hashed_and_few_are_kept() {
        let audit = Audit::default();
        for index in 0..200 * CHECKPOINT_EVERY {
            audit.reached(index, || {
                assert_eq!(index % 1_000, 0);
                StateHash(u128::from(index))
            });
        }
        let kept = audit.above(0);
        assert_eq!(kept.len(), CHECKPOINTS_KEPT);
        assert_eq!(kept.last(), audit.status().newest.as_ref());
        assert_eq!(audit.above(199_000 - 1), [checkpoint(199_000, 199_000)]);
    }

    #[test]
    fn an_alarm_names_who_differs_and_ends_when_all_agree_later() {
        let audit = Audit::default();
        audit.reached(1_000, || StateHash(7));
        audit.told(NodeId(2), &[checkpoint(1_000, 7)]);
        assert_eq!(audit.judge(NodeId(1), &voters()), Finding::Well);
        assert_eq!(audit.status().alarm, None);
        audit.told(NodeId(3), &[checkpoint(1_000, 8)]);
        assert_eq!(audit.judge(NodeId(1), &voters()), Finding::Well);
        let alarm = audit.status().alarm.unwrap();
        assert_eq!((alarm.index, alarm.others), (1_000, vec![NodeId(3)]));
        assert_eq!(alarm.hashes[&NodeId(3)], StateHash(8));
        // Told again it is the same divergence.
        audit.judge(NodeId(1), &voters());
        assert_eq!((audit.status().found, audit.status().agreed), (1, None));
        // Node 3 was replaced by one that has the right state.
        audit.reached(2_000, || StateHash(9));
        [2, 3].into_iter().for_each(|id| audit.told(NodeId(id), &[checkpoint(2_000, 9)]));
        audit.judge(NodeId(1), &voters());
        let status = audit.status();
        assert_eq!((status.agreed, status.alarm, status.found), (Some(2_000), None, 1));
    }

    #[test]
    fn whoever_is_outvoted_stops_with_a_reason_that_says_what_to_do() {
        let audit = Audit::default();
        audit.reached(1_000, || StateHash(8));
        [2, 3].into_iter().for_each(|id| audit.told(NodeId(id), &[checkpoint(1_000, 7)]));
        let Finding::Stop(outvoted) = audit.judge(NodeId(1), &voters()) else {
            panic!("it goes on")
        };
        let Outvoted { index, theirs, nodes, why } = outvoted;
        assert_eq!((index, theirs, nodes), (1_000, StateHash(7), vec![NodeId(2), NodeId(3)]));
        assert!(why.contains("entry 1000") && why.contains("nodes 2, 3"), "{why}");
        assert!(why.contains("Started again"), "{why}");
    }
}
