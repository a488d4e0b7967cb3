//! Members that come, stay and go: over real connections, on real directories.
#![allow(clippy::unwrap_used)]

use super::{
    rebuilt::without_a_state,
    world::{World, eventually, is_stopped, request, rows},
};
use crate::{ChangeError, GroupView, Member, Replica, Role, Snapshots, StartError};
use std::{collections::BTreeSet, time::Duration};
use tradewind_domain::{
    control::{
        Command, Outcome,
        group::{Founder, GroupCommand, MemberAddress},
    },
    ids::{DiskId, NodeId},
};

fn set(nodes: &[u64]) -> BTreeSet<NodeId> {
    nodes.iter().copied().map(NodeId).collect()
}

/// A membership that is committed, and not between two sets of voters.
async fn at_rest(replica: &Replica) -> GroupView {
    eventually("a membership at rest", || {
        Some(replica.group()).filter(|view| view.committed && view.voters.len() == 1)
    })
    .await
}

async fn learn(world: &mut World, node: u64) -> Member {
    let member = world.newcomer(NodeId(node));
    world.start(NodeId(node)).await;
    let leader = world.leader().await;
    let view = at_rest(&leader).await;
    leader.add_learner(&view, NodeId(node), &member).await.unwrap();
    member
}

async fn caught_up(world: &World, node: u64) {
    let leader = world.leader().await;
    eventually("the learner has the log", || {
        let matched = leader.progress().get(&NodeId(node))?.matched;
        (matched? >= leader.status().last_log?).then_some(())
    })
    .await;
}

async fn decide(world: &World, command: GroupCommand) {
    let proposed = world.propose(request(Command::Group(command))).await;
    assert!(matches!(proposed.outcome, Outcome::Accepted { .. }), "{proposed:?}");
}

async fn found(world: &World) {
    let founder = |member: &Member| Founder {
        address: MemberAddress {
            peer: member.peer_address.to_string(),
            api: member.api_address.clone(),
        },
        disk: member.disk,
    };
    let members = world.members.iter().map(|(node, member)| (*node, founder(member))).collect();
    decide(world, GroupCommand::Found { voters_wanted: 3, members }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_learner_gets_the_log_and_counts_once_it_votes() {
    let mut world = World::serving(3).await;
    for n in 0..40 {
        world.put(&format!("r{n}"), "before").await;
    }
    // given: a learner with all of it, that does not vote
    learn(&mut world, 4).await;
    caught_up(&world, 4).await;
    assert_eq!(world.running[&NodeId(4)].status().role, Role::Learner);
    // when
    let leader = world.leader().await;
    let view = at_rest(&leader).await;
    leader.set_voters(&view, &set(&[1, 2, 3, 4])).await.unwrap();
    // then: with a follower gone three of four still decide, the new one among them
    assert_eq!(at_rest(&leader).await.voters, [set(&[1, 2, 3, 4])]);
    let gone = world.follower().await.node();
    world.stop(if gone == NodeId(4) { NodeId(3) } else { gone }).await;
    world.put("r", "after").await;
    let machines = world.settled().await;
    assert!(machines.iter().all(|machine| rows(machine) == rows(&machines[0])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_learner_that_comes_late_gets_a_snapshot_and_the_rest_of_the_log() {
    let mut world = World::of(3);
    world.snapshots = Snapshots { every: 50, keep_entries: 10 };
    world.start_all().await;
    world.form().await;
    for n in 0..150 {
        world.put(&format!("r{n}"), "before").await;
    }
    let leader = world.leader().await;
    eventually("the beginning of the log is gone", || leader.status().purged).await;
    learn(&mut world, 4).await;
    for n in 0..30 {
        world.put(&format!("s{n}"), "meanwhile").await;
    }
    caught_up(&world, 4).await;
    assert!(world.running[&NodeId(4)].status().snapshot.is_some());
    let machines = world.settled().await;
    assert!(machines.iter().all(|machine| rows(machine) == rows(&machines[0])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_decided_on_an_older_membership_is_not_made() {
    let mut world = World::serving(3).await;
    let leader = world.leader().await;
    let old = at_rest(&leader).await;
    learn(&mut world, 4).await;
    let late = leader.set_voters(&old, &set(&[1, 2, 3, 4])).await;
    assert_eq!(late, Err(ChangeError::Busy));
    let follower = world.follower().await;
    let view = at_rest(&follower).await;
    let refused = follower.set_voters(&view, &set(&[1, 2, 3, 4])).await;
    assert!(matches!(refused, Err(ChangeError::NotLeader { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_member_notices_and_never_starts_again() {
    let mut world = World::serving(3).await;
    found(&world).await;
    let leader = world.leader().await;
    let gone = world.follower().await.node();
    // when: removed in the steps that a leader takes
    decide(&world, GroupCommand::Remove { node: gone, forced: false }).await;
    let rest: BTreeSet<NodeId> =
        world.members.keys().copied().filter(|node| *node != gone).collect();
    leader.set_voters(&at_rest(&leader).await, &rest).await.unwrap();
    leader.remove_learner(&at_rest(&leader).await, gone).await.unwrap();
    decide(&world, GroupCommand::Forget { node: gone }).await;
    // then
    let removed = world.running[&gone].clone();
    eventually("it stops", || is_stopped(&removed.status()).then_some(())).await;
    let why = removed.status().failure.unwrap();
    assert!(why.contains(&format!("node {gone} was removed")), "{why}");
    world.stop(gone).await;
    let refused = world.try_start(gone).await.unwrap_err();
    assert!(matches!(refused, StartError::Removed { .. }), "{refused:?}");
    world.put("r", "the others go on").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_was_away_while_it_was_removed_is_told_when_it_is_back() {
    let mut world = World::serving(3).await;
    found(&world).await;
    let leader = world.leader().await;
    let gone = world.follower().await.node();
    world.stop(gone).await;
    decide(&world, GroupCommand::Remove { node: gone, forced: false }).await;
    let rest: BTreeSet<NodeId> =
        world.members.keys().copied().filter(|node| *node != gone).collect();
    leader.set_voters(&at_rest(&leader).await, &rest).await.unwrap();
    leader.remove_learner(&at_rest(&leader).await, gone).await.unwrap();
    decide(&world, GroupCommand::Forget { node: gone }).await;
    let term = leader.status().term;
    // when: it believes that it votes still
    world.start(gone).await;
    let back = world.running[&gone].clone();
    eventually("it stops", || is_stopped(&back.status()).then_some(())).await;
    // then
    assert!(back.status().failure.unwrap().contains("was removed"));
    assert_eq!(leader.status().term, term, "it disturbed nobody");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_without_a_state_that_was_removed_meanwhile_hears_of_it_instead_of_waiting() {
    // given
    let (mut world, gone, _) = without_a_state().await;
    let leader = world.leader().await;
    found(&world).await;
    decide(&world, GroupCommand::Remove { node: gone, forced: false }).await;
    let rest: BTreeSet<NodeId> =
        world.members.keys().copied().filter(|node| *node != gone).collect();
    leader.set_voters(&at_rest(&leader).await, &rest).await.unwrap();
    leader.remove_learner(&at_rest(&leader).await, gone).await.unwrap();
    decide(&world, GroupCommand::Forget { node: gone }).await;
    world.settled().await;
    // when, then: once by a member it asks, once by its own mark
    for _ in 0..2 {
        let refused = world.try_start(gone).await.unwrap_err();
        assert!(matches!(refused, StartError::Removed { .. }), "{refused:?}");
    }
    assert!(world.directory(gone).join("removed").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_member_under_its_old_number_is_refused_and_votes_for_nobody() {
    let mut world = World::serving(3).await;
    world.put("r", "acknowledged").await;
    world.settled().await;
    let leader = world.leader().await.node();
    let others: Vec<NodeId> =
        world.members.keys().copied().filter(|node| *node != leader).collect();
    // given: one of the others, alone with a wiped one, which would make a majority with it
    world.stop_all().await;
    world.wipe(others[1]);
    world.start(others[0]).await;
    world.start(others[1]).await;
    // then
    let wiped = world.running[&others[1]].clone();
    eventually("it stops", || is_stopped(&wiped.status()).then_some(())).await;
    let why = wiped.status().failure.unwrap();
    let told = format!(
        "node {} is known with another disk: remove it and join as a new member",
        others[1]
    );
    assert_eq!(why, told);
    let alone = world.running[&others[0]].clone();
    let mut watch = alone.watch_status();
    let elected = watch.wait_for(|status| status.role == Role::Leader);
    let elected = tokio::time::timeout(world.timing.election_max * 3, elected).await;
    assert!(elected.is_err(), "nobody is elected by a member without a memory");
    world.start(leader).await;
    world.put("r2", "served again").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_is_not_exchanged_in_the_membership() {
    let world = World::serving(1).await;
    let leader = world.leader().await;
    let view = at_rest(&leader).await;
    let other = Member { disk: Some(DiskId(77)), ..world.members[&NodeId(1)].clone() };
    let refused = leader.update_member(&view, NodeId(1), &other).await;
    assert!(matches!(refused, Err(ChangeError::Refused(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sets_of_voters_survive_a_crash_in_the_middle_and_are_settled_after_it() {
    let mut world = World::serving(3).await;
    world.put("r", "before").await;
    let leader = world.leader().await;
    let stays = leader.node();
    // given: a change to voters that are not there, so that it stops half-way
    let (four, five) = (world.newcomer(NodeId(4)), world.newcomer(NodeId(5)));
    leader.add_learner(&at_rest(&leader).await, NodeId(4), &four).await.unwrap();
    leader.add_learner(&at_rest(&leader).await, NodeId(5), &five).await.unwrap();
    let next: BTreeSet<NodeId> = [stays, NodeId(4), NodeId(5)].into();
    let (asking, view) = (leader.clone(), at_rest(&leader).await);
    let wanted = next.clone();
    let stuck = tokio::spawn(async move { asking.set_voters(&view, &wanted).await });
    for node in [1, 2, 3].map(NodeId) {
        let replica = world.running[&node].clone();
        eventually("both sets are in every log", || {
            (replica.group().voters.len() == 2).then_some(())
        })
        .await;
    }
    // when: all of them crash, and those that were missed come up
    world.stop_all().await;
    assert!(stuck.await.unwrap().is_err());
    world.start_all().await;
    // then: elected and decided by a majority of both
    let leader = world.leader().await;
    world.put("r", "after").await;
    let view = leader.group();
    assert_eq!(view.voters.len(), 2, "{view:?}");
    assert!(view.committed);
    leader.settle_voters(&view).await.unwrap();
    assert_eq!(at_rest(&leader).await.voters, [next]);
    tokio::time::timeout(Duration::from_secs(20), world.put("r", "settled")).await.unwrap();
}
