//! A member whose clock is set back by an hour, or forth: it says so and leads no longer; writes go on being
//! accepted throughout, by keys of clients whose clocks are right. Clocks that are all set go on together, and an
//! operator's wrong clock does no harm.
#![allow(clippy::unwrap_used)]

use std::{process::Command, time::Duration};
use tradewind_control_client::ControlClient;
use tradewind_faulty_disk::FaultyDisk;
use tradewind_tests_cluster::{
    binary, eventually_async,
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
    let (mut group, disks) = with_clocks().await;
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

/// A group of which every member's clock can be set.
async fn with_clocks() -> (Group, Vec<FaultyDisk>) {
    let mut group = Group::new();
    let mut disks = Vec::new();
    for member in &mut group.members {
        let disk = FaultyDisk::of(&member.data).unwrap();
        member.environment = disk.environment();
        disks.push(disk);
    }
    group.start_all().await;
    (group, disks)
}

/// What time the group has, as a member tells it.
async fn group_time(client: &ControlClient) -> u64 {
    client.learn_time(PATIENCE).await.unwrap();
    client.time().now().unwrap().0 / 1_000_000_000
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_are_all_set_forth_are_followed_without_a_restart() {
    // given: machines that were paused together, say, and whose calendars are then put right
    let (group, disks) = with_clocks().await;
    let before = group_time(&group.client()).await;
    // when
    for disk in &disks {
        disk.rules("clock 900").unwrap();
    }
    // then: none keeps to the time it had
    let client = group.client();
    eventually_async("the group goes by the new time", PATIENCE, || async {
        group_time(&client).await >= before + 900
    })
    .await;
    for member in &group.members {
        eventually_async("each member says so", PATIENCE, || async {
            member.log().contains("the calendar's step is followed")
        })
        .await;
    }
    assert!(group_time(&client).await < before + 1_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operators_commands_are_taken_although_his_clock_is_wrong() {
    let group = Group::started().await;
    for (rule, voters) in [("clock -3600", "5"), ("clock 3600", "3")] {
        let disk = FaultyDisk::of(group.home.path()).unwrap();
        disk.rules(rule).unwrap();
        let addresses = group.addresses().join(",");
        let done = Command::new(binary())
            .args(["member", "voters", voters, "--addr", &addresses])
            .envs(disk.environment())
            .output()
            .unwrap();
        assert!(done.status.success(), "{rule}: {}", String::from_utf8_lossy(&done.stderr));
    }
}
