//! States that differ: found at the next checkpoint, named, and only the one who is outvoted stops. And
//! clocks that are wrong: they do not move the log's time.
#![allow(clippy::unwrap_used)]

use super::world::{World, eventually, is_stopped, put, value};
use crate::state::{Head, StateStore};
use futures_util::future::join_all;
use std::time::Duration;
use tradewind_domain::{
    control::{Machine, Row, row::RegisterRow},
    ids::NodeId,
};

/// The state on a stopped member's disk is altered, as a broken disk might.
pub(super) fn plant(world: &World, node: NodeId) {
    let (store, loaded) = StateStore::open(&world.directory(node).join("state")).unwrap();
    let row = Row::Register(RegisterRow {
        register: "planted".parse().unwrap(),
        value: "altered".to_owned(),
    });
    let head: Head = loaded.head;
    let key = row.key();
    let machine = Machine::from_rows(loaded.machine.rows().chain([row]));
    store.write(&[key], &machine, &head).unwrap();
    store.flush().unwrap();
}

pub(super) async fn past_a_checkpoint(world: &World) {
    for _ in 0..11 {
        join_all((0..100).map(|n| world.propose(put(&format!("r{n}"), "x")))).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_whose_states_are_the_same_agree_at_every_checkpoint() {
    let world = World::serving(3).await;
    past_a_checkpoint(&world).await;
    for replica in world.running.values() {
        let agreed = || replica.audit().agreed.filter(|index| *index >= 1_000);
        eventually("all to agree", agreed).await;
        assert_eq!((replica.audit().alarm, replica.audit().found), (None, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whose_state_was_altered_on_disk_is_named_and_stops_and_the_others_go_on() {
    let mut world = World::serving(3).await;
    world.put("planted", "right").await;
    world.settled().await;
    let node = world.follower().await.node();
    world.stop(node).await;
    plant(&world, node);
    world.start(node).await;
    let altered = world.running.remove(&node).unwrap();
    assert_eq!(value(&altered.machine(), "planted").as_deref(), Some("altered"));
    past_a_checkpoint(&world).await;
    eventually("the altered member to stop", || is_stopped(&altered.status()).then_some(())).await;
    let why = altered.status().failure.unwrap();
    assert!(why.contains(&format!("the state of node {node} differs from the majority")), "{why}");
    for replica in world.running.values() {
        let alarm = eventually("the alarm", || replica.audit().alarm).await;
        assert_eq!(alarm.others, [node]);
        assert_eq!(alarm.index, 1_000);
        assert!(!is_stopped(&replica.status()));
    }
    world.put("r", "goes on").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_majority_all_raise_the_alarm_and_none_stops() {
    let mut world = World::serving(3).await;
    world.put("planted", "right").await;
    world.settled().await;
    let nodes: Vec<NodeId> = world.running.keys().copied().collect();
    // given: one altered, one away: one against one
    world.stop(nodes[2]).await;
    world.stop(nodes[1]).await;
    plant(&world, nodes[1]);
    world.start(nodes[1]).await;
    past_a_checkpoint(&world).await;
    for (node, other) in [(nodes[0], nodes[1]), (nodes[1], nodes[0])] {
        let replica = &world.running[&node];
        let alarm = eventually("the alarm", || replica.audit().alarm).await;
        assert_eq!(alarm.others, [other]);
        assert!(!is_stopped(&replica.status()));
    }
    world.put("r", "goes on").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_clock_is_a_day_ahead_does_not_move_the_log() {
    let day = Duration::from_secs(86_400);
    let mut world = World::of(3);
    world.ahead = [(NodeId(1), day)].into();
    world.start_all().await;
    world.form().await;
    if world.leader().await.node() != NodeId(1) {
        world.leader().await.transfer_leadership(Some(NodeId(1))).await.unwrap();
    }
    world.put("r", "1").await;
    let leader = world.leader().await;
    assert_eq!(leader.node(), NodeId(1));
    assert!(leader.clock_ahead_ms() > 80_000_000, "{}", leader.clock_ahead_ms());
    let stamped = leader.machine().cluster().at;
    assert!(stamped.since(super::world::now()) < Duration::from_secs(10), "{stamped}");
    // Who leads next goes on from there.
    leader.transfer_leadership(None).await.unwrap();
    world.put("r", "2").await;
    assert_eq!(value(&world.leader().await.machine(), "r").as_deref(), Some("2"));
}
