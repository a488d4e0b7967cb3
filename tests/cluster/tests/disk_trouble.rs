//! A member whose disk fails while it works leaves, and says what to do; the others go on; when the disk is well
//! again it comes back and has lost nothing.
#![allow(clippy::unwrap_used)]

use std::time::Duration;
use tradewind_faulty_disk::FaultyDisk;
use tradewind_tests_cluster::{
    group::Group,
    load::{Load, all_hold},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Three members at work, each on a disk that obeys rules.
async fn under_load() -> (Group, Vec<FaultyDisk>, Load) {
    let mut group = Group::new();
    let mut disks = Vec::new();
    for member in &mut group.members {
        let disk = FaultyDisk::of(&member.data).unwrap();
        member.environment = disk.environment();
        disks.push(disk);
    }
    group.start_all().await;
    let load = Load::start(&group, 8, 200);
    load.goes_on(100, PATIENCE).await;
    (group, disks, load)
}

/// Lets `rule` hold for the leader's disk, then for a follower's.
async fn leaves_and_comes_back(rule: &str, says: &[&str]) {
    let (mut group, disks, load) = under_load().await;
    for leads in [true, false] {
        let leader = group.leader().await;
        let node = if leads { leader } else { leader % 3 + 1 };
        let disk = &disks[node as usize - 1];
        disk.rules(rule).unwrap();

        let status = group.member(node).ended(PATIENCE);
        assert_eq!(status.code(), Some(1), "member {node}, leading: {leads}");
        let log = group.member(node).log();
        let last = log.lines().last().unwrap_or_default();
        for words in says {
            assert!(last.contains(words), "{words:?} is not in the last line: {last}");
        }
        load.goes_on(100, PATIENCE).await;

        disk.rules("").unwrap();
        group.start(node).await;
        load.goes_on(100, PATIENCE).await;
    }
    let registers = load.finish().await;
    all_hold(&group, &registers, PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whose_disk_is_full_leaves_and_the_others_go_on() {
    let says = ["No space left", "free space", "start it again"];
    leaves_and_comes_back("fail write ENOSPC raft/", &says).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whose_disk_cannot_sync_leaves_and_the_others_go_on() {
    let says = ["Input/output error", "the disk", "new member"];
    leaves_and_comes_back("fail sync EIO raft/log", &says).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whose_disk_has_become_read_only_leaves_and_the_others_go_on() {
    let says = ["Read-only file system", "mount it writable"];
    leaves_and_comes_back("fail sync EROFS raft/\nfail write EROFS raft/", &says).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whose_state_cannot_be_written_leaves_and_the_others_go_on() {
    let says = ["state", "No space left", "free space"];
    leaves_and_comes_back("fail write ENOSPC raft/state", &says).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whose_state_cannot_be_synced_leaves_and_the_others_go_on() {
    let says = ["state", "Input/output error"];
    leaves_and_comes_back("fail sync EIO raft/state", &says).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_disk_does_not_answer_hands_over_and_the_others_go_on() {
    let (mut group, disks, load) = under_load().await;
    let leader = group.leader().await;
    let disk = &disks[leader as usize - 1];
    // Longer than anybody's patience here: no error ever comes.
    disk.rules("slow sync 60000 raft/log").unwrap();
    load.goes_on(500, PATIENCE).await;
    assert_ne!(group.leader().await, leader);
    let log = group.member(leader).log();
    assert!(log.contains("disk does not answer"), "{log}");

    group.member(leader).kill();
    disk.rules("").unwrap();
    group.start(leader).await;
    load.goes_on(100, PATIENCE).await;
    let registers = load.finish().await;
    all_hold(&group, &registers, PATIENCE).await;
}
