//! A member whose clock is set back by an hour, or forth: it says so and leads no longer; writes go on being
//! accepted throughout, by keys of clients whose clocks are right.
#![allow(clippy::unwrap_used)]

use std::time::Duration;
use tradewind_faulty_disk::FaultyDisk;
use tradewind_tests_cluster::{
    eventually_async,
    group::Group,
    load::{Load, all_hold},
};

const PATIENCE: Duration = Duration::from_secs(20);

async fn follows(group: &Group, node: u64) {
    eventually_async(&format!("another member than {node} leads"), PATIENCE, || async {
        group.leader().await != node
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_clock_is_stepped_hands_over_and_writes_go_on() {
    let mut group = Group::new();
    let mut disks = Vec::new();
    for member in &mut group.members {
        let disk = FaultyDisk::of(&member.data).unwrap();
        member.environment = disk.environment();
        disks.push(disk);
    }
    group.start_all().await;
    let load = Load::start(&group, 4, 100);
    load.goes_on(100, PATIENCE).await;
    for (rule, says) in [("clock -3600", "was set back"), ("clock 3600", "was set forth")] {
        let node = group.leader().await;
        let disk = &disks[node as usize - 1];
        disk.rules(rule).unwrap();
        follows(&group, node).await;
        let log = group.member(node).log();
        assert!(log.contains(says) && log.contains("chronyc tracking"), "{log}");
        load.goes_on(200, PATIENCE).await;
        disk.rules("").unwrap();
        load.goes_on(100, PATIENCE).await;
    }

    // Started again with a clock an hour behind it serves, and does not keep the lead.
    let node = group.leader().await;
    group.member(node).kill();
    disks[node as usize - 1].rules("clock -3600").unwrap();
    load.goes_on(100, PATIENCE).await;
    group.start(node).await;
    eventually_async("the member says what is wrong with its clock", PATIENCE, || async {
        group.members[node as usize - 1].log().contains("is behind the log's time")
    })
    .await;
    for other in [1, 2, 3].into_iter().filter(|other| *other != node) {
        // It may be elected for a moment when the others are restarted.
        group.member(other).kill();
        group.start(other).await;
        load.goes_on(50, PATIENCE).await;
    }
    follows(&group, node).await;
    load.goes_on(200, PATIENCE).await;
    let registers = load.finish().await;
    all_hold(&group, &registers, PATIENCE).await;
}
