//! Lagging members: entries while they are kept, a snapshot when they are gone.
#![allow(clippy::unwrap_used)]

use super::{
    cutting::Cutting,
    world::{World, eventually, put, rows, value},
};
use crate::Snapshots;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tradewind_domain::ids::NodeId;

async fn lagging_world() -> World {
    let mut world = World::of(3);
    world.snapshots = Snapshots { every: 100, keep_entries: 20 };
    world.start_all().await;
    world.form().await;
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_missed_a_little_gets_entries() {
    let mut world = World::serving(3).await;
    let node = world.follower().await.node();
    world.stop(node).await;
    for n in 0..50 {
        world.put(&format!("r{n}"), "missed").await;
    }
    world.start(node).await;
    let machines = world.settled().await;
    assert!(machines.iter().all(|machine| rows(machine) == rows(&machines[0])));
    assert_eq!(world.running[&node].status().snapshot, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whose_entries_are_purged_gets_a_snapshot_and_keeps_it() {
    let mut world = lagging_world().await;
    let node = world.follower().await.node();
    world.put("early", "1").await;
    world.settled().await;
    world.stop(node).await;
    let leader = world.leader().await;
    let deadline = std::time::Instant::now() + 3 * super::world::PATIENCE;
    let mut n = 0;
    // A snapshot that was put off is made with later entries.
    while n < 350 || leader.status().purged.is_none_or(|index| index <= 100) {
        assert!(std::time::Instant::now() < deadline, "the leader does not purge");
        world.put(&format!("r{}", n % 350), "missed").await;
        n += 1;
    }
    world.start(node).await;
    let machines = world.settled().await;
    assert!(machines.iter().all(|machine| rows(machine) == rows(&machines[0])));
    assert_eq!(value(&machines[0], "early").as_deref(), Some("1"));
    let installed = eventually("the snapshot to show", || world.running[&node].status().snapshot);
    assert!(installed.await >= 100);

    // What came by snapshot is as durable as what came by entries.
    world.put("late", "1").await;
    let before = rows(&world.settled().await[0]);
    world.stop_all().await;
    world.start_all().await;
    let machines = world.settled().await;
    assert!(machines.iter().all(|machine| rows(machine) == before));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journal_gives_its_space_back_once_state_and_snapshot_are_durable() {
    let mut world = World::of(1);
    world.snapshots = Snapshots { every: 100, keep_entries: 20 };
    world.start_all().await;
    world.form().await;
    let large = "x".repeat(1_000);
    let entries = world.directory(NodeId(1)).join("log/entries");
    for _ in 0..100 {
        let batch = (0..50).map(|n| world.propose(put(&format!("r{n}"), &large)));
        futures_util::future::join_all(batch).await;
    }
    let first_is_there = || {
        let names = std::fs::read_dir(&entries).unwrap();
        let mut names = names.map(|file| file.unwrap().file_name());
        names.any(|name| name.to_string_lossy().starts_with("00000000000000000000."))
    };
    // A snapshot that was put off is made with later entries.
    let deadline = std::time::Instant::now() + 3 * super::world::PATIENCE;
    while first_is_there() {
        assert!(std::time::Instant::now() < deadline, "the first segment stays");
        world.put("later", "1").await;
    }
    let before = rows(&world.settled().await[0]);
    world.stop_all().await;
    world.start_all().await;
    assert_eq!(rows(&world.settled().await[0]), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_cut_in_the_middle_goes_on_where_it_was_while_writes_go_on() {
    // given: two of three, whose log begins behind a snapshot of some megabytes, and writes that go on
    const CUT_AFTER: u64 = 3_500_000;
    let node = NodeId(3);
    let mut world = World::of(3);
    world.snapshots = Snapshots { every: 6_000, keep_entries: 20 };
    let real = world.members[&node].peer_address;
    let (way, address) = Cutting::to(real, CUT_AFTER).await;
    world.members.get_mut(&node).unwrap().peer_address = address;
    world.start(NodeId(1)).await;
    world.start(NodeId(2)).await;
    world.form().await;
    let large = "x".repeat(1_000);
    for batch in 0..65 {
        let puts = (0..100).map(|n| world.propose(put(&format!("r{batch}-{n}"), &large)));
        futures_util::future::join_all(puts).await;
    }
    let leader = world.leader().await;
    eventually("the leader to purge", || leader.status().purged.filter(|index| *index > 5_000))
        .await;
    let writing = {
        let (leader, stop) = (leader.clone(), Arc::new(AtomicBool::new(false)));
        let stopped = stop.clone();
        let writer = tokio::spawn(async move {
            let mut written = 0;
            while !stopped.load(Ordering::SeqCst) {
                leader.propose(put("during", &written.to_string())).await.unwrap();
                written += 1;
            }
            written
        });
        (stop, writer)
    };
    // when: the third comes, and its snapshot is cut in the middle
    world.start(node).await;
    let third = world.running[&node].clone();
    eventually("the third to have the snapshot", || {
        (value(&third.machine(), "r0-0").is_some() && way.was_cut()).then_some(())
    })
    .await;
    writing.0.store(true, Ordering::SeqCst);
    assert!(writing.1.await.unwrap() > 0, "writes went on");
    // then: it has everything, and little was sent twice
    let machines = world.settled().await;
    assert!(machines.iter().all(|machine| rows(machine) == rows(&machines[0])));
    let files = std::fs::read_dir(world.directory(leader.node()).join("snapshots")).unwrap();
    let bytes = files.map(|file| file.unwrap().metadata().unwrap().len()).max().unwrap();
    assert!(bytes > CUT_AFTER + 2_000_000, "{bytes}");
    let carried = way.carried();
    assert!(carried < bytes + 2_500_000, "{carried} bytes went for a snapshot of {bytes}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_snapshot_is_sent_the_log_behind_it_is_kept_and_afterwards_let_go() {
    // given: two of three, whose log begins behind a snapshot of two megabytes, and a third that gets a part
    const EVERY: u64 = 200;
    let node = NodeId(3);
    let mut world = World::of(3);
    world.snapshots = Snapshots { every: EVERY, keep_entries: 20 };
    let real = world.members[&node].peer_address;
    let (way, address) = Cutting::holding(real, 500_000).await;
    world.members.get_mut(&node).unwrap().peer_address = address;
    world.start(NodeId(1)).await;
    world.start(NodeId(2)).await;
    world.form().await;
    let large = "x".repeat(1_000);
    let write = async |world: &World, batches: std::ops::Range<u64>, value: &str| {
        for batch in batches {
            let puts = (0..100).map(|n| world.propose(put(&format!("r{batch}-{n}"), value)));
            futures_util::future::join_all(puts).await;
        }
    };
    write(&world, 0..20, &large).await;
    let leader = world.leader().await;
    // One that is being made when the sending begins still counts: none may be, nor be due.
    let rests = || {
        let status = leader.status();
        let (made, purged) = (status.snapshot?, status.purged?);
        (purged > 1_500 && purged + 20 >= made && made + EVERY / 2 > status.applied?).then_some(())
    };
    let deadline = std::time::Instant::now() + super::world::PATIENCE;
    while rests().is_none() {
        assert!(std::time::Instant::now() < deadline, "a snapshot is always being made");
        world.put("before", "1").await;
    }
    world.start(node).await;
    let third = world.running[&node].clone();
    eventually("the snapshot to be on its way", || way.was_cut().then_some(())).await;
    let sent = leader.status().snapshot.unwrap();
    // when: more is written than would make many snapshots
    write(&world, 20..30, "x").await;
    // then: what the third needs next is there
    let purged = leader.status().purged.unwrap();
    assert!(purged <= sent, "purged up to {purged}, the snapshot sent reaches {sent}");
    way.let_go();
    let machines = world.settled().await;
    assert!(machines.iter().all(|machine| rows(machine) == rows(&machines[0])));
    drop(third);
    let deadline = std::time::Instant::now() + super::world::PATIENCE;
    while leader.status().purged.is_none_or(|purged| purged <= sent) {
        assert!(std::time::Instant::now() < deadline, "the log is kept for ever");
        world.put("later", "1").await;
    }
}
