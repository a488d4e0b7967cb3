//! Claims about the brake as it is told: by the status of any member and by the leader's figures.

use super::{
    eventually,
    group::{Group, SOON},
    manager::Manager,
};
use futures_util::future::join_all;
use tradewind_link::rest::{HeaderMap, Method};

/// How many nodes a member counts as held.
async fn counted(group: &Group, member: usize) -> Option<u64> {
    let (address, headers) = (group.address(member), HeaderMap::new());
    let asked = group.rest.raw(Method::GET, &address, "/metrics", headers, <_>::default(), SOON);
    let text = String::from_utf8(asked.await.unwrap().2.to_vec()).unwrap();
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix("tradewind_braked_nodes "))?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_fall_silent_together_are_held_and_counted_by_the_leader_alone() {
    // given: a Manager on each of three machines
    let group = Group::of(3).await;
    let (leader, follower) = (group.leader().await, group.followers().await[0]);
    let hosts = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
    let managers = hosts.iter().zip(["a", "b", "c"]).map(async |(host, name)| {
        Manager::at(host, &group, &format!("{name}.market-manager"), 1).await
    });
    let managers = join_all(managers).await;
    eventually("all beat", SOON, async || managers.iter().all(|one| one.answered() > 0)).await;
    assert_eq!(counted(&group, leader).await, Some(0));
    // when
    managers[0].stand_still();
    managers[2].stand_still();
    // then
    eventually("two are counted", SOON, async || counted(&group, leader).await == Some(2)).await;
    let held = async || {
        let brake = group.status(follower).await.unwrap().brake;
        brake.into_iter().map(|node| node.host).collect::<Vec<String>>()
    };
    assert_eq!(held().await, ["127.0.0.1", "127.0.0.3"]);
    assert_eq!(counted(&group, follower).await, Some(0));
    // and when they go on
    managers[0].go_on();
    managers[2].go_on();
    eventually("none is counted", SOON, async || counted(&group, leader).await == Some(0)).await;
    assert_eq!(held().await, [""; 0]);
}
