//! Coming back: everything acknowledged is there again, whatever was written behind.
#![allow(clippy::unwrap_used)]

use super::world::{World, eventually, rows, value};
use crate::{Snapshots, StartError};
use std::{fs, path::PathBuf};
use tradewind_domain::ids::NodeId;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_all_keeps_all() {
    let mut world = World::serving(3).await;
    for n in 0..100 {
        world.put(&format!("r{n}"), &n.to_string()).await;
    }
    let before = rows(&world.settled().await[0]);
    for _ in 0..3 {
        world.stop_all().await;
        world.start_all().await;
        let machines = world.settled().await;
        assert!(machines.iter().all(|machine| rows(machine) == before));
    }
    world.put("r", "goes on").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_voter_that_is_back_takes_part_only_after_one_lease() {
    let mut world = World::serving(3).await;
    let node = world.follower().await.node();
    // Two of three are enough to serve: the third may not have heard of a leader yet.
    world.settled().await;
    world.stop(node).await;
    let begun = std::time::Instant::now();
    world.start(node).await;
    // What it answered before it went down may be what the leader relies on for so long.
    assert!(begun.elapsed() >= world.timing.lease());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whose_vote_is_gone_or_old_does_not_start() {
    let mut world = World::serving(3).await;
    let node = world.follower().await.node();
    let vote = world.directory(node).join("log/vote");
    let old = {
        // The group lives on in a later term: an old vote is kept from before.
        let old = fs::read(&vote).unwrap();
        let leader = world.leader().await;
        leader.transfer_leadership(None).await.unwrap();
        world.put("r", "in the new term").await;
        old
    };
    world.settled().await;
    world.stop_all().await;
    let sound = fs::read(&vote).unwrap();
    fs::remove_file(&vote).unwrap();
    let refused = world.try_start(node).await.unwrap_err();
    assert!(matches!(refused, StartError::VoteLost { .. }), "{refused}");
    assert!(refused.to_string().contains("join as a new member"));
    fs::write(&vote, old).unwrap();
    let refused = world.try_start(node).await.unwrap_err();
    assert!(matches!(refused, StartError::VoteLost { .. }), "{refused}");
    fs::write(&vote, sound).unwrap();
    world.start(node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_member_has_what_it_had_applied_before_any_leader_speaks() {
    let mut world = World::serving(3).await;
    for n in 0..30 {
        world.put(&format!("r{n}"), "kept").await;
    }
    let node = world.follower().await.node();
    let before = world.settled().await;
    world.stop_all().await;
    // Sled's files are lost, the journal and its commit index are not.
    fs::remove_dir_all(world.directory(node).join("state")).unwrap();
    world.start(node).await;
    let machine = world.running[&node].machine();
    assert_eq!(rows(&machine), rows(&before[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_that_will_not_open_is_rebuilt_from_snapshot_and_journal() {
    let mut world = World::of(1);
    world.snapshots = Snapshots { every: 50, keep_entries: 10 };
    world.start_all().await;
    world.form().await;
    let node = NodeId(1);
    let replica = world.running[&node].clone();
    let deadline = std::time::Instant::now() + 3 * super::world::PATIENCE;
    let mut n = 0;
    while n < 180 || replica.status().snapshot.is_none_or(|index| index < 50) {
        assert!(std::time::Instant::now() < deadline, "no second snapshot");
        world.put(&format!("r{}", n % 180), "kept").await;
        n += 1;
    }
    drop(replica);
    let before = rows(&world.settled().await[0]);
    world.stop_all().await;
    fs::write(world.directory(node).join("state/conf"), b"not sled's").unwrap();
    world.start(node).await;
    assert_eq!(rows(&world.settled().await[0]), before);
    assert!(world.directory(node).join("state.damaged-1").is_dir());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_state_and_newest_snapshot_damaged_the_one_before_and_the_journal_hold_everything() {
    // given: two snapshots, and a log that is purged as far as it may be
    let mut world = world_with_a_purged_log().await;
    let node = NodeId(1);
    let before = rows(&world.settled().await[0]);
    world.stop_all().await;
    let snapshots = snapshots(&world, node);
    assert_eq!(snapshots.len(), 2, "{snapshots:?}");
    let mut bytes = fs::read(&snapshots[1]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&snapshots[1], &bytes).unwrap();
    fs::write(world.directory(node).join("state/conf"), b"not sled's").unwrap();
    // when
    world.start(node).await;
    // then
    assert_eq!(rows(&world.settled().await[0]), before);
    let aside = format!("{}.damaged", snapshots[1].display());
    assert_eq!(fs::read(aside).unwrap(), bytes, "set aside as it was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_whose_installing_was_cut_short_is_installed_at_the_next_start() {
    // given: a follower that is away while the others go on and make a snapshot
    let mut world = World::of(3);
    world.snapshots = Snapshots { every: 50, keep_entries: 10 };
    world.start_all().await;
    world.form().await;
    world.put("early", "1").await;
    let node = world.follower().await.node();
    world.settled().await;
    world.stop(node).await;
    for n in 0..120 {
        world.put(&format!("r{n}"), "missed").await;
    }
    let leader = world.leader().await.node();
    eventually("a snapshot", || snapshots(&world, leader).pop()).await;
    world.stop_all().await;
    // when: it had received the snapshot, its file was durable, and the power went
    let sent = snapshots(&world, leader).pop().unwrap();
    let received = world.directory(node).join("snapshots").join(sent.file_name().unwrap());
    fs::copy(&sent, &received).unwrap();
    world.start(node).await;
    // then: it holds what the snapshot holds, and goes on from there
    let index: u64 = sent.file_name().unwrap().to_str().unwrap()[..20].parse().unwrap();
    let (revision, machine) = world.running[&node].machine_at();
    assert_eq!(revision.0, index);
    assert_eq!(value(&machine, "r10").as_deref(), Some("missed"));
    world.start(leader).await;
    world.put("late", "1").await;
    let machines = world.settled().await;
    assert!(machines.iter().all(|machine| rows(machine) == rows(&machines[0])));
}

/// Files of the snapshots this node keeps, oldest first.
fn snapshots(world: &World, node: NodeId) -> Vec<PathBuf> {
    let found = fs::read_dir(world.directory(node).join("snapshots")).unwrap();
    let files = found.map(|file| file.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|kind| kind == "snapshot")).collect();
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_is_taken_over_by_no_other_node_and_no_second_process() {
    let mut world = World::serving(1).await;
    world.put("r", "1").await;
    let taken = world.try_start(NodeId(1)).await.unwrap_err();
    assert!(matches!(taken, StartError::Log(_)), "{taken:?}");
    world.stop_all().await;
    let mut options = world.options(NodeId(1));
    options.node = NodeId(2);
    let other = crate::Replica::start(options, std::sync::Arc::new(Default::default)).await;
    assert!(matches!(other, Err(StartError::WrongIdentity { found_node: 1, .. })));
    let mut options = world.options(NodeId(1));
    options.cluster = "other".to_owned();
    let other = crate::Replica::start(options, std::sync::Arc::new(Default::default)).await;
    assert!(matches!(other, Err(StartError::WrongIdentity { .. })));
    world.start(NodeId(1)).await;
    world.leader().await;
    assert_eq!(value(&world.running[&NodeId(1)].machine(), "r").as_deref(), Some("1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_journal_keeps_the_member_from_starting_and_is_not_touched() {
    let mut world = World::serving(1).await;
    for n in 0..20 {
        world.put(&format!("r{n}"), "kept").await;
    }
    world.stop_all().await;
    let entries = world.directory(NodeId(1)).join("log/entries");
    let segment = fs::read_dir(&entries)
        .unwrap()
        .map(|file| file.unwrap().path())
        .find(|path| path.extension().is_some_and(|kind| kind == "segment"))
        .unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    bytes[100] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    let refused = world.try_start(NodeId(1)).await.unwrap_err();
    assert!(refused.to_string().contains("join as a new member"), "{refused}");
    assert_eq!(fs::read(&segment).unwrap(), bytes);
}

async fn world_with_a_purged_log() -> World {
    let mut world = World::of(1);
    world.snapshots = Snapshots { every: 50, keep_entries: 10 };
    world.start_all().await;
    world.form().await;
    let replica = world.running[&NodeId(1)].clone();
    let deadline = std::time::Instant::now() + 3 * super::world::PATIENCE;
    let mut n = 0;
    // A snapshot that was put off is made with later entries.
    while n < 180 || replica.status().purged.is_none_or(|index| index <= 50) {
        assert!(std::time::Instant::now() < deadline, "nothing is purged");
        world.put(&format!("r{}", n % 180), "kept").await;
        n += 1;
    }
    drop(replica);
    // A restart tells what is purged on disk, not only in memory.
    eventually("the purge mark", || {
        fs::metadata(world.directory(NodeId(1)).join("log/purged")).is_ok().then_some(())
    })
    .await;
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_snapshot_is_made_anew_from_the_state() {
    let mut world = world_with_a_purged_log().await;
    let before = rows(&world.settled().await[0]);
    world.stop_all().await;
    fs::remove_dir_all(world.directory(NodeId(1)).join("snapshots")).unwrap();
    world.start_all().await;
    assert_eq!(rows(&world.settled().await[0]), before);
    let status = world.running[&NodeId(1)].status();
    assert!(status.snapshot >= status.purged, "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_state_and_snapshot_lost_a_member_does_not_start_half_empty() {
    let mut world = world_with_a_purged_log().await;
    world.stop_all().await;
    fs::remove_dir_all(world.directory(NodeId(1)).join("snapshots")).unwrap();
    fs::remove_dir_all(world.directory(NodeId(1)).join("state")).unwrap();
    let refused = world.try_start(NodeId(1)).await.unwrap_err();
    assert!(matches!(refused, StartError::StateLost { .. }), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_its_log_lost_a_member_does_not_start_as_if_it_had_never_voted() {
    let mut world = World::serving(3).await;
    world.put("r", "1").await;
    world.stop(NodeId(1)).await;
    let log = world.directory(NodeId(1)).join("log");
    fs::rename(&log, world.directory(NodeId(1)).join("lost")).unwrap();
    let refused = world.try_start(NodeId(1)).await.unwrap_err();
    assert!(matches!(refused, StartError::LogGone { .. }), "{refused:?}");
    assert!(!log.exists());
}
