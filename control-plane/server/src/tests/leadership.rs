//! Claims about losing leaders and members.

use super::{
    eventually,
    group::{Group, SOON, now},
};
use crate::RunError;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{task::JoinSet, time::sleep};
use tradewind_control_client::{Answer, ControlClient, KeySource};
use tradewind_domain::ids::NodeId;
use tradewind_link::rest::Method;
use tradewind_protocol::control::{Changed, MemberRole, PutRegister};

#[tokio::test(flavor = "multi_thread")]
async fn after_the_leaders_death_another_member_takes_changes_and_has_all_that_was_acknowledged() {
    let mut group = Group::of(3).await;
    let (leader, followers) = (group.leader().await, group.followers().await);
    for n in 0..20 {
        let value = n.to_string();
        group.write(followers[0], &format!("r{n}"), &value, &group.keys.next()).await.unwrap();
    }
    group.kill(leader).await;
    let (key, since) = (group.keys.next(), Instant::now());
    eventually("a change is accepted", SOON, || async {
        group.write(followers[1], "after", "it", &key).await.is_ok()
    })
    .await;
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    for n in 0..20 {
        let held = group.read(followers[0], &format!("r{n}")).await.unwrap();
        assert_eq!(held, Some(n.to_string()));
    }
    let status = group.status(followers[0]).await.unwrap();
    let dead = status.members.iter().find(|member| member.node == NodeId(leader as u64 + 1));
    assert_eq!(dead.unwrap().role, MemberRole::Unreachable);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planned_stop_hands_leadership_over_and_writes_go_on() {
    let mut group = Group::of(3).await;
    let leader = group.leader().await;
    let follower = group.followers().await[0];
    group.stop(leader).await;
    let key = group.keys.next();
    group.write(follower, "x", "at once", &key).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_are_all_started_again_have_everything_and_form_no_second_group() {
    let mut group = Group::of(3).await;
    group.write(0, "x", "kept", &group.keys.next()).await.unwrap();
    let cluster = group.status(0).await.unwrap().cluster;
    for member in 0..3 {
        group.kill(member).await;
    }
    for member in 0..3 {
        group.start_again(member).await;
    }
    group.leader().await;
    eventually("the value is read", SOON, || async {
        group.read(1, "x").await.is_ok_and(|held| held.as_deref() == Some("kept"))
    })
    .await;
    assert_eq!(group.status(2).await.unwrap().cluster, cluster);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_whose_disk_is_gone_forms_no_second_group_in_the_firsts_name() {
    // given: the member that the list for --init lets form the group; it has voted and acknowledged
    let mut group = Group::of(3).await;
    group.write(0, "x", "kept", &group.keys.next()).await.unwrap();
    group.kill(0).await;
    group.wipe(0);
    // when, then
    let started = group.try_start_again(0).await;
    assert!(matches!(started, Err(RunError::DiskGone { .. })), "{started:?}");
    assert_eq!(group.read(1, "x").await.unwrap(), Some("kept".to_owned()));
}

/// Each writer swaps his own register from one number to the next: a write done twice or lost breaks
/// the chain.
async fn count_up(
    client: ControlClient,
    keys: Arc<KeySource>,
    writer: usize,
    until: Instant,
) -> u64 {
    let path = format!("/v1/registers/w{writer}/cas");
    let mut n = 0_u64;
    while Instant::now() < until {
        let body = PutRegister { value: (n + 1).to_string(), expected: Some(n.to_string()) };
        let (method, key) = (Method::POST, keys.next());
        let answer = client.change::<_, Changed>(method, &path, &body, &key, SOON).await;
        assert!(matches!(answer, Answer::Accepted(_)), "writer {writer} at {n}: {answer:?}");
        n += 1;
    }
    n
}

#[tokio::test(flavor = "multi_thread")]
async fn leaders_die_under_load_and_no_change_is_lost_or_done_twice() {
    let mut group = Group::of(3).await;
    let keys = Arc::new(KeySource::new("load".parse().unwrap(), Arc::new(now)));
    let until = Instant::now() + Duration::from_secs(4);
    let mut writers = JoinSet::new();
    for writer in 0..8 {
        group.write(0, &format!("w{writer}"), "0", &group.keys.next()).await.unwrap();
        let (client, keys) = (group.client(), keys.clone());
        writers.spawn(async move { (writer, count_up(client, keys, writer, until).await) });
    }
    for _ in 0..2 {
        sleep(Duration::from_millis(700)).await;
        let leader = group.leader().await;
        group.kill(leader).await;
        group.leader().await;
        group.start_again(leader).await;
    }
    for (writer, count) in writers.join_all().await {
        assert!(count > 0);
        let held = group.read(writer % 3, &format!("w{writer}")).await.unwrap();
        assert_eq!(held, Some(count.to_string()));
    }
}
