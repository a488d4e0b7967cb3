//! A member whose state is not the group's, or is lost, has the group's again before it takes part: from its own
//! snapshot and journal if they lead to what the majority has, else from another member.
#![allow(clippy::unwrap_used)]

use super::{
    divergence::{past_a_checkpoint, plant},
    world::{World, eventually, is_stopped, now, rows, value},
};
use crate::{Replica, Snapshots, StartError, Status, replica::diverged::mark_outvoted};
use std::{fs, path::PathBuf, sync::Arc};
use tradewind_domain::{
    control::{Machine, StateHash},
    ids::NodeId,
};

const FEW: Snapshots = Snapshots { every: 100, keep_entries: 20 };

/// A member of three, stopped because the others have outvoted it.
async fn outvoted(snapshots: Snapshots) -> (World, NodeId) {
    let mut world = World::of(3);
    world.snapshots = snapshots;
    world.start_all().await;
    world.form().await;
    world.put("planted", "right").await;
    world.settled().await;
    let node = world.follower().await.node();
    world.stop(node).await;
    plant(&world, node);
    world.start(node).await;
    let altered = world.running.remove(&node).unwrap();
    past_a_checkpoint(&world).await;
    eventually("the altered member to stop", || is_stopped(&altered.status()).then_some(())).await;
    altered.shutdown().await;
    (world, node)
}

fn names(directory: PathBuf) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap();
    names.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outvoted_member_that_is_back_has_what_its_own_journal_says_and_not_what_it_had() {
    // given
    let (mut world, node) = outvoted(Snapshots::default()).await;
    // when: it is alone, so that nobody can help
    let others: Vec<_> = world.running.keys().copied().collect();
    world.stop_all().await;
    world.start(node).await;
    // then
    let machine = world.running[&node].machine();
    assert_eq!(value(&machine, "planted").as_deref(), Some("right"));
    assert!(world.directory(node).join("state.damaged-1").is_dir());
    assert!(!world.running[&node].was_given_its_state());
    for other in others {
        world.start(other).await;
    }
    past_a_checkpoint(&world).await;
    for replica in world.running.values() {
        let agreed = || replica.audit().agreed.filter(|index| *index >= 2_000);
        eventually("all to agree", agreed).await;
    }
    // And the mark is gone: it is not made anew once more.
    world.stop(node).await;
    world.start(node).await;
    assert!(!world.directory(node).join("state.damaged-2").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outvoted_member_whose_snapshots_are_of_what_it_had_gets_the_majoritys() {
    // given: its log begins behind what was altered
    let (mut world, node) = outvoted(FEW).await;
    let snapshots = world.directory(node).join("snapshots");
    let tainted = names(snapshots.clone());
    assert_eq!(tainted.len(), 2, "{tainted:?}");
    // when
    world.start(node).await;
    // then
    let machine = world.running[&node].machine();
    assert_eq!(value(&machine, "planted").as_deref(), Some("right"));
    let left = names(snapshots);
    assert!(tainted.iter().all(|name| left.contains(&format!("{name}.damaged"))), "{left:?}");
    let machines = world.settled().await;
    assert!(machines.iter().all(|machine| rows(machine) == rows(&machines[0])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_comes_to_another_state_from_the_majoritys_snapshot_says_so_and_does_not_start()
 {
    // given: a hash that no state of this log has, as if this build decided differently
    let mut world = World::of(3);
    world.snapshots = FEW;
    world.start_all().await;
    world.form().await;
    let node = world.follower().await.node();
    let purged = |status: Status| status.purged.is_some();
    let mut n = 0;
    while !world.running.values().all(|replica| purged(replica.status())) {
        world.put(&format!("r{}", n % 150), "x").await;
        n += 1;
        assert!(n < 2_000, "nobody purges");
    }
    world.settled().await;
    world.put("last", "x").await;
    world.settled().await;
    let last = world.running[&node].machine_at().0;
    let others: Vec<_> = world.running.keys().copied().filter(|other| *other != node).collect();
    others_noted(&world, node).await;
    world.stop(node).await;
    mark_outvoted(&world.directory(node), last.0, StateHash(7), &others);
    // when, then
    let refused = world.try_start(node).await.unwrap_err();
    assert!(matches!(refused, StartError::Reproduced { .. }), "{refused:?}");
    assert!(refused.to_string().contains("join as a new member"), "{refused}");
    world.put("r", "goes on").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_was_outvoted_again_and_again_asks_to_be_replaced() {
    let mut world = World::serving(1).await;
    world.stop_all().await;
    let (node, directory) = (NodeId(1), world.directory(NodeId(1)));
    for _ in 0..=crate::limits::DIVERGENCES_MAX {
        mark_outvoted(&directory, 1_000, StateHash(7), &[NodeId(2)]);
    }
    let refused = world.try_start(node).await.unwrap_err();
    assert!(matches!(refused, StartError::Diverged { times: 4, index: 1_000 }), "{refused:?}");
    assert!(refused.to_string().contains("join as a new member"), "{refused}");
}

/// A member notes whom it knows a few times a second.
async fn others_noted(world: &World, node: NodeId) {
    let noted = world.directory(node).join("members");
    eventually("the others to be noted", || noted.exists().then_some(())).await;
}

/// Three members, and one of them stopped: its log is purged, and of state and snapshots nothing is left.
pub(super) async fn without_a_state() -> (World, NodeId, Machine) {
    let mut world = World::of(3);
    world.snapshots = Snapshots { every: 50, keep_entries: 10 };
    world.start_all().await;
    world.form().await;
    let node = world.follower().await.node();
    let mark = world.directory(node).join("log/purged");
    let mut n = 0;
    while !mark.exists() {
        world.put(&format!("r{}", n % 180), "kept").await;
        n += 1;
        assert!(n < 5_000, "nothing is purged");
    }
    let machine = world.settled().await.remove(0);
    others_noted(&world, node).await;
    world.stop(node).await;
    fs::remove_dir_all(world.directory(node).join("state")).unwrap();
    fs::remove_dir_all(world.directory(node).join("snapshots")).unwrap();
    (world, node, machine)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_without_state_and_snapshots_gets_them_from_another_before_it_takes_part() {
    // given
    let (mut world, node, before) = without_a_state().await;
    let vote = fs::read(world.directory(node).join("log/vote")).unwrap();
    // when
    world.start(node).await;
    // then: it is there at once, whoever leads
    assert_eq!(rows(&world.running[&node].machine()), rows(&before));
    assert!(world.running[&node].was_given_its_state());
    assert_eq!(fs::read(world.directory(node).join("log/vote")).unwrap(), vote);
    world.put("r", "after").await;
    let after = rows(&world.settled().await[0]);
    // And it is durable.
    world.stop_all().await;
    world.start(node).await;
    eventually("what it had applied", || {
        (rows(&world.running[&node].machine()) == after).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_without_a_state_waits_for_one_that_has_it() {
    // given: nobody is there
    let (mut world, node, before) = without_a_state().await;
    world.stop_all().await;
    // when
    let options = world.options(node);
    let starting = tokio::spawn(async move { Replica::start(options, Arc::new(now)).await });
    let another = *world.members.keys().find(|other| **other != node).unwrap();
    assert!(!starting.is_finished());
    world.start(another).await;
    // then: one is enough, though it leads nobody
    let replica = starting.await.unwrap().unwrap();
    assert_eq!(rows(&replica.machine()), rows(&before));
    world.running.insert(node, replica);
    world.put("r", "goes on").await;
}
