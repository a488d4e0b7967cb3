//! Claims about the steps: by example, and over random lives of a group with crashes in between.

use super::*;
use crate::control::group::{
    GroupCommand,
    tests::{Log, address},
};
use alloc::vec;
use proptest::prelude::*;

fn set(nodes: &[u64]) -> BTreeSet<NodeId> {
    nodes.iter().copied().map(NodeId).collect()
}

fn seen(n: u64) -> Seen {
    let disk = Some(DiskId(u128::from(n)));
    Seen { address: address(n), disk, answers: true, caught_up: true }
}

/// A group led by its first voter, all of whose members answer and have caught up.
fn group(voters: &[u64], learners: &[u64]) -> Group {
    let members = voters.iter().chain(learners).map(|n| (NodeId(*n), seen(*n)));
    Group {
        leader: NodeId(voters[0]),
        voters: vec![set(voters)],
        members: members.collect(),
        committed: true,
    }
}

fn silent(mut group: Group, nodes: &[u64]) -> Group {
    for node in nodes {
        let member = group.members.get_mut(&NodeId(*node)).expect("a member");
        (member.answers, member.caught_up) = (false, false);
    }
    group
}

#[test]
fn a_learner_is_promoted_once_it_kept_up_and_only_up_to_the_voters_wanted() {
    let mut log = Log::founded(3);
    log.admit(4).expect("admitted");
    let alone = group(&[1, 2, 3], &[]);
    assert_eq!(plan_membership(&log.machine, &alone), Some(Change::AddLearner(NodeId(4))));
    let four = group(&[1, 2, 3], &[4]);
    assert_eq!(plan_membership(&log.machine, &four), None);
    log.apply(GroupCommand::WantVoters { voters: 5 }).expect("five");
    let promoted = Some(Change::SetVoters(set(&[1, 2, 3, 4])));
    assert_eq!(plan_membership(&log.machine, &four), promoted);
    let mut behind = four.clone();
    behind.members.get_mut(&NodeId(4)).expect("a member").caught_up = false;
    assert_eq!(plan_membership(&log.machine, &behind), None);
    assert_eq!(plan_membership(&log.machine, &silent(four, &[2, 3])), None);
}

#[test]
fn a_ready_learner_takes_the_place_of_a_removed_voter_in_one_change() {
    let mut log = Log::founded(3);
    log.admit(4).expect("admitted");
    log.remove(2).expect("begun");
    let four = silent(group(&[1, 2, 3], &[4]), &[2]);
    let replaced = Some(Change::SetVoters(set(&[1, 3, 4])));
    assert_eq!(plan_membership(&log.machine, &four), replaced);
    let mut behind = four;
    behind.members.get_mut(&NodeId(4)).expect("a member").caught_up = false;
    assert_eq!(plan_membership(&log.machine, &behind), None, "its successor is waited for");
    let gone = silent(behind, &[4]);
    assert_eq!(plan_membership(&log.machine, &gone), Some(Change::SetVoters(set(&[1, 3]))));
    let learner = group(&[1, 3, 4], &[2]);
    assert_eq!(plan_membership(&log.machine, &learner), Some(Change::RemoveLearner(NodeId(2))));
    let done = group(&[1, 3, 4], &[]);
    assert_eq!(plan_membership(&log.machine, &done), Some(Change::Forget(NodeId(2))));
}

#[test]
fn a_leader_that_is_to_go_lets_another_lead_first() {
    let mut log = Log::founded(3);
    log.remove(1).expect("begun");
    let three = silent(group(&[1, 2, 3], &[]), &[2]);
    let handed = Some(Change::HandOver { to: NodeId(3) });
    assert_eq!(plan_membership(&log.machine, &three), handed);
}

/// Found by the simulation (seed 930000000016 with changes of the group).
#[test]
fn a_leader_that_is_no_voter_any_more_lets_another_lead_before_it_settles_that_and_before_it_is_forgotten()
 {
    let mut log = Log::founded(3);
    log.remove(2).expect("begun");
    let mut joint = group(&[1, 2, 3], &[4]);
    (joint.leader, joint.voters) = (NodeId(2), [set(&[1, 2, 3]), set(&[1, 3, 4])].into());
    let handed = |to| Some(Change::HandOver { to: NodeId(to) });
    assert_eq!(plan_membership(&log.machine, &joint), handed(1));
    assert_eq!(plan_membership(&log.machine, &silent(joint.clone(), &[1, 3])), handed(4));
    assert_eq!(plan_membership(&log.machine, &silent(joint, &[1, 3, 4])), Some(Change::Settle));
    for (voters, learners) in [(&[1, 3, 4][..], &[2][..]), (&[1, 3, 4], &[])] {
        let settled = Group { leader: NodeId(2), ..group(voters, learners) };
        assert_eq!(plan_membership(&log.machine, &settled), handed(1));
    }
}

#[test]
fn two_voter_sets_are_settled_and_nothing_happens_before_a_change_is_committed() {
    let mut log = Log::founded(3);
    log.admit(4).expect("admitted");
    let mut joint = group(&[1, 2, 3], &[4]);
    joint.voters.push(set(&[1, 3, 4]));
    assert_eq!(plan_membership(&log.machine, &joint), Some(Change::Settle));
    joint.committed = false;
    assert_eq!(plan_membership(&log.machine, &joint), None);
    let open = Group { committed: false, ..group(&[1, 2, 3], &[]) };
    assert_eq!(plan_membership(&log.machine, &open), None);
}

#[test]
fn a_member_that_moved_or_was_bound_to_a_disk_is_updated() {
    let log = Log::founded(3);
    let mut moved = group(&[1, 2, 3], &[]);
    moved.members.get_mut(&NodeId(3)).expect("a member").address = address(33);
    assert_eq!(plan_membership(&log.machine, &moved), Some(Change::Update(NodeId(3))));
    let mut unbound = group(&[1, 2, 3], &[]);
    unbound.members.get_mut(&NodeId(2)).expect("a member").disk = None;
    assert_eq!(plan_membership(&log.machine, &unbound), Some(Change::Update(NodeId(2))));
}

#[test]
fn a_removal_that_would_lose_the_quorum_is_refused_unless_forced() {
    let three = silent(group(&[1, 2, 3], &[4]), &[3]);
    let lost = RemovalRefused::QuorumLost { answering: 1, needed: 2 };
    assert_eq!(check_removal(&three, NodeId(2), false), Err(lost));
    assert_eq!(check_removal(&three, NodeId(2), true), Ok(()));
    assert_eq!(check_removal(&three, NodeId(3), false), Ok(()));
    assert_eq!(check_removal(&three, NodeId(4), false), Ok(()));
    assert_eq!(check_removal(&three, NodeId(9), true), Err(RemovalRefused::NotAMember));
    let one = group(&[1], &[]);
    assert_eq!(check_removal(&one, NodeId(1), true), Err(RemovalRefused::LastVoter));
    let mut joint = group(&[1, 2, 3], &[]);
    joint.voters.push(set(&[1, 2]));
    assert_eq!(check_removal(&joint, NodeId(3), true), Err(RemovalRefused::UnderWay));
}

#[test]
fn two_seconds_of_keeping_up_are_counted_anew_after_every_lapse() {
    let (mut catch_up, node) = (CatchUp::default(), NodeId(4));
    let at = |ms: u64| Monotonic(ms * 1_000_000);
    assert!(!catch_up.look(node, true, Some(250), at(0)));
    assert!(!catch_up.look(node, true, Some(0), at(1_999)));
    assert!(catch_up.look(node, true, Some(250), at(2_000)));
    assert!(!catch_up.look(node, true, Some(251), at(2_100)));
    assert!(!catch_up.look(node, true, Some(0), at(3_000)));
    assert!(!catch_up.look(node, false, Some(0), at(4_500)));
    assert!(!catch_up.look(node, true, None, at(5_000)));
    assert!(!catch_up.look(node, true, Some(0), at(6_000)));
    assert!(catch_up.look(node, true, Some(0), at(8_000)));
}

/// Raft as far as membership goes: a change of voters has two steps, and a leader may go in between.
struct Life {
    log: Log,
    group: Group,
    next_disk: u128,
}

impl Life {
    fn forced(&self) -> bool {
        let forced = AdmissionState::Removing { forced: true };
        self.log.machine.admissions().any(|row| row.state == forced)
    }

    /// Carries out the plan's next step; `crash`: its leader goes in the middle, and this says who comes.
    fn step(&mut self, crash: Option<u64>) -> bool {
        let Some(change) = plan_membership(&self.log.machine, &self.group) else { return false };
        let forced = self.forced();
        let group = &mut self.group;
        match change {
            Change::Found { .. } => panic!("founded already"),
            Change::Settle => drop(group.voters.remove(0)),
            Change::AddLearner(node) | Change::Update(node) => {
                let row = self.log.machine.admission(node).expect("admitted").clone();
                let seen = Seen { address: row.address, disk: row.disk, ..seen(node.0) };
                group.members.insert(node, seen);
            }
            Change::SetVoters(next) => {
                assert!(forced || group.serves(&next), "M3: {next:?} of {group:?}");
                let wanted = wanted(&self.log.machine);
                assert!(next.len() <= wanted.max(group.voters[0].len()), "M4: {next:?}");
                assert!(next.iter().all(|node| group.members.contains_key(node)));
                group.voters.push(next);
                if crash.is_none() {
                    group.voters.remove(0);
                }
            }
            Change::RemoveLearner(node) => {
                assert!(!group.is_voter(node), "{node} still votes");
                group.members.remove(&node);
            }
            Change::HandOver { to } => group.leader = to,
            Change::Forget(node) => {
                assert_ne!(node, group.leader, "M6");
                assert!(!group.members.contains_key(&node), "{node} is still served");
                self.log.apply(GroupCommand::Forget { node }).expect("forgotten");
            }
        }
        if let Some(which) = crash {
            // Of two sets of voters whoever is in one of them may come to lead.
            let voters: BTreeSet<NodeId> = self.group.voters.iter().flatten().copied().collect();
            let at = usize::try_from(which).unwrap_or_default() % voters.len();
            self.group.leader = *voters.iter().nth(at).expect("a voter");
        }
        true
    }

    fn ask(&mut self, what: u8, which: u64) {
        let node = NodeId(which);
        match what {
            0 => {
                self.next_disk += 1;
                let _ = self.log.admit(self.next_disk);
            }
            1 | 2 if check_removal(&self.group, node, what == 2).is_ok() => {
                let _ = self.log.apply(GroupCommand::Remove { node, forced: what == 2 });
            }
            3 | 4 => {
                let voters = if what == 3 { 3 } else { 5 };
                let _ = self.log.apply(GroupCommand::WantVoters { voters });
            }
            5 => {
                if let Some(seen) = self.group.members.get_mut(&node) {
                    seen.answers = !seen.answers;
                    seen.caught_up = seen.answers;
                }
            }
            _ => drop(self.step(which.is_multiple_of(3).then_some(which / 3))),
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_the_group_comes_to_what_is_wanted(
        asked in prop::collection::vec((0_u8..9, 1_u64..9), 1..120),
    ) {
        let mut life = Life { log: Log::founded(3), group: group(&[1, 2, 3], &[]), next_disk: 100 };
        for (what, which) in asked {
            life.ask(what, which);
        }
        for seen in life.group.members.values_mut() {
            (seen.answers, seen.caught_up) = (true, true);
        }
        let mut steps = 0;
        while life.step(None) {
            steps += 1;
            prop_assert!(steps < 200, "it never settles");
        }
        let (machine, group) = (&life.log.machine, &life.group);
        let admitted: BTreeSet<NodeId> = machine.admissions().map(|row| row.node).collect();
        let members: BTreeSet<NodeId> = group.members.keys().copied().collect();
        prop_assert_eq!(group.voters.len(), 1);
        // The last voter cannot go, whatever was asked.
        let stuck = machine.admissions().any(|row| row.is_removing());
        prop_assert!(!stuck || group.voters[0].len() == 1);
        if !stuck {
            prop_assert_eq!(&admitted, &members);
            let voters = group.voters[0].len();
            prop_assert!(voters >= wanted(machine).min(members.len()), "{:?}", group);
        }
    }
}
