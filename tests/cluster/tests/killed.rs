//! S1 and R1 under `kill -9` of every member in turn, under load. `TRADEWIND_KILLS` says how often; without it
//! as often as the gate has time for.
#![allow(clippy::unwrap_used)]

use std::time::Duration;
use tradewind_tests_cluster::{
    asked,
    group::Group,
    load::{Load, all_hold},
};

const KILLS: u64 = 24;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_write_is_lost_when_members_are_killed_in_turn_under_load() {
    let mut group = Group::started().await;
    let load = Load::start(&group, 16, 200);
    let kills = asked("TRADEWIND_KILLS", KILLS);
    let (mut leaders, patience) = (0, Duration::from_secs(20));
    for kill in 0..kills {
        load.goes_on(60, patience).await;
        let node = kill % 3 + 1;
        leaders += u64::from(group.leader().await == node);
        group.member(node).kill();
        // Half of them come back only after the others have gone on without.
        if kill % 2 == 0 {
            load.goes_on(30, patience).await;
        }
        group.start(node).await;
    }
    load.goes_on(60, patience).await;
    let acknowledged = load.acknowledged();
    let registers = load.finish().await;
    all_hold(&group, &registers, Duration::from_secs(30)).await;
    println!(
        "{kills} kills, {leaders} of them of the leader; {acknowledged} writes acknowledged, 0 lost; \
         {} registers equal on all members",
        registers.len()
    );
}
