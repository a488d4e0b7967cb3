//! A new life of a cluster: what a machine that was restored from a backup, or recovered from one survivor,
//! begins with. Decides what is left behind: who the members were, and the incarnation, which the first
//! leader draws anew, higher than the one before. Everything else goes on: registrations, assignments and
//! their epochs, answered commands, the log's time.

use super::{
    group::GroupRow,
    machine::Machine,
    row::{ClusterRow, Row},
};

impl Machine {
    /// The machine as a new group begins with it. It gives no rights until it is opened.
    #[must_use]
    pub fn begin_new_life(self) -> Self {
        // Row by row, so that the state's hash is that of what is left.
        Self::from_rows(self.rows().filter_map(|row| match row {
            Row::Member(_) | Row::Admission(_) | Row::MemberLevel(_) => None,
            // Only the numbers given before are kept.
            Row::Group(row) => Some(Row::Group(GroupRow { voters_wanted: 0, ..row })),
            Row::Cluster(row) => Some(Row::Cluster(ClusterRow { feature_level: 0, ..row })),
            other => Some(other),
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        control::{Command, IdempotencyKey, Outcome, Request, Stamped, state_hash::StateHash},
        ids::{ClusterIncarnation, Epoch, Fence, NodeId, Revision},
        time::UnixNanos,
    };
    use alloc::string::ToString;

    fn apply(machine: &mut Machine, revision: u64, command: Command) -> Outcome {
        let client = "test".parse().unwrap();
        let key = IdempotencyKey { client, issued_at: UnixNanos(1), n: revision };
        let stamped = Stamped { at: UnixNanos(1), request: Request { key, command } };
        machine.apply(Revision(revision), &stamped).outcome
    }

    fn open(machine: &mut Machine, revision: u64, incarnation: u64) -> Outcome {
        let incarnation = ClusterIncarnation(incarnation);
        apply(machine, revision, Command::OpenCluster { incarnation })
    }

    #[test]
    fn a_new_life_is_opened_once_and_is_above_the_one_before_whatever_was_drawn() {
        // given: a cluster in its first life
        let mut machine = Machine::default();
        assert!(matches!(open(&mut machine, 1, 70), Outcome::Accepted { .. }));
        assert!(matches!(open(&mut machine, 2, 71), Outcome::Refused { .. }));
        let public_key = "k".to_string();
        let member =
            Command::PutMember { node: NodeId(1), api_address: "a".to_string(), public_key };
        apply(&mut machine, 3, member);
        let before = machine.fence(Epoch(1_000));
        // when: it begins anew, and the first leader's clock is far behind
        let mut machine = machine.begin_new_life();
        // then: its hash is that of its rows; no rights are given until it is opened, nobody is a member, and it
        // is opened once
        assert_eq!(machine.state_hash(), StateHash::of_rows(machine.rows()));
        assert_eq!(machine.fence(Epoch(1)), Fence { epoch: Epoch(1), ..Fence::default() });
        assert!(machine.member(NodeId(1)).is_none());
        assert!(matches!(open(&mut machine, 4, 5), Outcome::Accepted { .. }));
        assert_eq!(machine.cluster().opened(), Some(ClusterIncarnation(71)));
        assert!(machine.fence(Epoch(1)) > before);
        assert!(matches!(open(&mut machine, 5, 99), Outcome::Refused { .. }));
    }
}
