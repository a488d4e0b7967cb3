//! Members of an earlier life of the cluster, under the same name and at the same addresses: they have no part in
//! the later one.
#![allow(clippy::unwrap_used)]

use super::world::{World, eventually, is_stopped, request, value};
use crate::{Backup, NewGroup, Survivor};
use std::{fs, path::Path, time::Duration};
use tradewind_domain::{
    control::{Command, Outcome},
    ids::{ClusterIncarnation, NodeId},
};

pub(super) async fn open(world: &World, incarnation: u64) {
    let incarnation = ClusterIncarnation(incarnation);
    let opened = world.propose(request(Command::OpenCluster { incarnation })).await;
    assert!(matches!(opened.outcome, Outcome::Accepted { .. }), "{opened:?}");
}

async fn save(world: &World, to: &Path) {
    let export = world.leader().await.export().await.unwrap();
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < export.bytes() {
        bytes.extend_from_slice(&export.chunk(bytes.len() as u64, 1 << 20).await.unwrap());
    }
    fs::write(to, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_of_an_earlier_life_is_neither_led_nor_heard() {
    // given: a group of three that was lost, and begins anew from a backup on two of its machines
    let mut world = World::serving(3).await;
    open(&world, 500).await;
    world.put("r", "saved").await;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("backup");
    save(&world, &file).await;
    world.put("r", "lost with the earlier life").await;
    world.settled().await;
    world.stop_all().await;
    let backup = Backup::open(&file).unwrap();
    let mut members = world.members.clone();
    members.values_mut().for_each(|member| member.disk = None);
    for node in [1, 2].map(NodeId) {
        world.wipe(node);
        let (cluster, members) = ("test".to_owned(), members.clone());
        backup.restore(&world.directory(node), &NewGroup { node, cluster, members }).unwrap();
    }
    // when: the third is started again on its old directory
    world.start_all().await;
    let running = |node| world.running[&NodeId(node)].clone();
    eventually("one of the two leads", || {
        [1, 2].into_iter().find(|node| running(*node).confirmed_leader())
    })
    .await;
    open(&world, 3).await;
    world.put("r", "of the later life").await;
    // then: it has no part in it, and says why it stops
    let old = running(3);
    eventually("it stops", || is_stopped(&old.status()).then_some(())).await;
    let why = old.status().failure.unwrap();
    assert!(why.contains("node 3 in the earlier life 500, which is over"), "{why}");
    let machine = old.machine();
    assert_eq!(value(&machine, "r").as_deref(), Some("lost with the earlier life"));
    assert_eq!(machine.cluster().opened(), Some(ClusterIncarnation(500)));
    let leader = world.leader().await;
    assert_eq!(leader.acknowledged_ago().get(&NodeId(3)).copied().flatten(), None);
    world.put("r", "undisturbed").await;
}

/// One machine recovered, the two others still in the earlier life: a majority there, and they serve.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_life_begun_too_early_stops_nobody_of_the_earlier_one() {
    let mut world = World::serving(3).await;
    open(&world, 500).await;
    let node = world.follower().await.node();
    world.settled().await;
    world.stop(node).await;
    Survivor::examine(&world.directory(node)).unwrap().found_anew(None).unwrap();
    // when
    world.start(node).await;
    let later = world.running.remove(&node).unwrap();
    eventually("it leads alone", || later.confirmed_leader().then_some(())).await;
    let mut request = crate::tests::world::put("r", "unused");
    request.command = Command::OpenCluster { incarnation: ClusterIncarnation(3) };
    later.propose(request).await.unwrap();
    // then: each life goes on by itself
    world.put("r", "of the earlier life").await;
    let leader = world.leader().await;
    eventually("the leader calls it and is not taken", || {
        let heard = leader.acknowledged_ago().get(&node).copied().flatten();
        heard.is_none_or(|age| age > Duration::from_secs(2)).then_some(())
    })
    .await;
    assert!(world.running.values().all(|replica| !is_stopped(&replica.status())));
    assert_eq!(value(&later.machine(), "r"), None);
    assert!(later.confirmed_leader());
    later.shutdown().await;
}
