//! Claims about the leader's hold over Managers.

use super::{
    eventually,
    group::{Group, SOON},
    manager::Manager,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tradewind_domain::{
    control::{IdempotencyKey, desired::Work, row::ManagerState},
    ids::{ManagerId, Revision},
    limits::{DOWN_AFTER, SELF_FENCE_AFTER},
};
use tradewind_link::rest::Method;
use tradewind_protocol::{
    Code, Problem,
    check_in::{ManagerCheckIn, ManagerCheckedIn},
    control::{Changed, Health, ManagerStatus},
};

async fn seen(group: &Group, manager: &ManagerId) -> Option<ManagerStatus> {
    let member = group.followers().await.first().copied().unwrap_or(0);
    let status = group.status(member).await.ok()?;
    status.managers.into_iter().find(|row| row.manager == *manager)
}

async fn status_revision(group: &Group) -> Revision {
    group.status(0).await.unwrap().stand.revision
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_is_told_what_to_run_and_its_beats_are_answered_across_a_change_of_leader() {
    let mut group = Group::of(3).await;
    let manager = Manager::check_in(&group, "a1.broker-manager", 1).await;
    assert_eq!(manager.checked_in.members.len(), 3);
    let account = json!({"venue":"sim","adapter":"sim","endpoint":"x:1","customers":[]});
    let (path, key) = ("/v1/accounts/one", group.keys.next());
    let put = group.request::<_, Changed>(0, Method::PUT, path, Some(&key), Some(&account)).await;
    put.unwrap();
    let runs_one = || {
        let desired = manager.desired();
        desired
            .is_some_and(|d| matches!(&d.work, Work::Brokers { brokers, .. } if brokers.len() == 1))
    };
    eventually("the Broker is given to the Manager", SOON, async || runs_one()).await;
    let before = manager.desired().unwrap();
    assert_eq!(before.fence, manager.checked_in.fence);
    let status = seen(&group, &manager.id).await.unwrap();
    assert_eq!((status.health, status.sessions), (Health::Well, 5));

    let right = || manager.told.lock().unwrap().leader.unwrap().epoch;
    let (first_right, acknowledged) = (right(), status_revision(&group).await);
    group.kill(group.leader().await).await;
    group.leader().await;
    let answered = manager.answered();
    eventually("the new leader answers beats", SOON, async || manager.answered() > answered).await;
    // Not the term: one term may see two leaders.
    assert!(right() > first_right && right().0 > acknowledged.0, "{first_right} {}", right());
    tokio::time::sleep(DOWN_AFTER + Duration::from_millis(500)).await;
    let after = seen(&group, &manager.id).await.unwrap();
    assert_eq!((after.state, after.epoch), (ManagerState::Live, before.fence.epoch));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_that_is_gone_is_down_at_once_and_its_next_life_gets_a_higher_epoch() {
    let group = Group::of(3).await;
    let manager = Manager::check_in(&group, "a1.trader-manager", 1).await;
    eventually("the pipe is up", SOON, async || manager.answered() > 0).await;
    let (id, epoch) = (manager.id.clone(), manager.checked_in.fence.epoch);
    manager.die().await;
    let since = Instant::now();
    eventually("it is down", SOON, async || {
        seen(&group, &id).await.is_some_and(|row| row.state == ManagerState::Down)
    })
    .await;
    assert!(since.elapsed() < SELF_FENCE_AFTER, "{:?}", since.elapsed());
    let next = Manager::check_in(&group, "a1.trader-manager", 2).await;
    assert!(next.checked_in.fence.epoch > epoch);
    eventually("the next life is answered", SOON, async || next.answered() > 0).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(seen(&group, &id).await.unwrap().state, ManagerState::Live);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_that_falls_silent_is_down_after_its_time_and_not_before() {
    let group = Group::of(1).await;
    let manager = Manager::check_in(&group, "a1.market-manager", 1).await;
    eventually("the pipe is up", SOON, async || manager.answered() > 0).await;
    manager.stand_still();
    let since = Instant::now();
    eventually("it is suspect", SOON, async || {
        seen(&group, &manager.id).await.is_some_and(|row| row.health == Health::Suspect)
    })
    .await;
    eventually("it is down", SOON, async || {
        seen(&group, &manager.id).await.is_some_and(|row| row.state == ManagerState::Down)
    })
    .await;
    let took = since.elapsed();
    assert!(took >= DOWN_AFTER - Duration::from_millis(100), "{took:?}");
    assert!(took < DOWN_AFTER * 2, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_life_of_a_manager_is_refused() {
    let group = Group::of(1).await;
    let manager = Manager::check_in(&group, "a1.market-manager", 2).await;
    let check_in = ManagerCheckIn {
        manager: manager.id.clone(),
        location: "here".parse().unwrap(),
        address: "127.0.0.1:1".to_owned(),
        incarnation: tradewind_domain::ids::Incarnation(1),
        capacity: 1,
        services: vec![],
        disk: None,
        node: None,
        level: Some(tradewind_domain::control::level::FeatureLevel::KNOWN),
    };
    let answer = group.client().check_in(&check_in, &group.keys.next(), SOON).await;
    let refused: Problem = answer.accepted().unwrap_err();
    assert_eq!(refused.code, Code::Superseded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_live_is_refused_to_whoever_comes_from_another_disk() {
    let group = Group::of(1).await;
    let check_in = async |disk: u128, incarnation: u64| {
        let check_in = ManagerCheckIn {
            manager: "a1.market-manager".parse().unwrap(),
            location: "here".parse().unwrap(),
            address: "127.0.0.1:1".to_owned(),
            incarnation: tradewind_domain::ids::Incarnation(incarnation),
            capacity: 1,
            services: vec![],
            disk: Some(tradewind_domain::ids::DiskId(disk)),
            node: None,
            level: Some(tradewind_domain::control::level::FeatureLevel::KNOWN),
        };
        group.client().check_in(&check_in, &group.keys.next(), SOON).await.accepted()
    };
    let first = check_in(1, 1).await.unwrap();
    let refused = check_in(2, 2).await.unwrap_err();
    assert_eq!(refused.code, Code::OtherDisk);
    assert!(refused.detail.contains("under another name"), "{}", refused.detail);
    assert!(check_in(1, 3).await.unwrap().fence.epoch > first.fence.epoch);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_beat_is_answered_before_the_manager_was_told_what_it_should_be() {
    let group = Group::of(1).await;
    for n in 0..8 {
        let manager = Manager::check_in(&group, &format!("a{n}.market-manager"), 1).await;
        eventually("it has a lease", SOON, async || manager.answered() > 0).await;
        assert_eq!(manager.told.lock().unwrap().answered_untold, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_check_in_repeated_under_its_key_is_that_of_its_life_whoever_came_since() {
    let group = Group::of(3).await;
    let (leader, follower) = (group.leader().await, group.followers().await[0]);
    let keys = [group.keys.next(), group.keys.next()];
    let check_in = async |member: usize, key: &IdempotencyKey, incarnation: u64| {
        let body = json!({
            "manager": "a1.market-manager", "location": "here", "address": "127.0.0.1:1",
            "incarnation": incarnation, "capacity": 1, "services": [],
            "level": tradewind_domain::control::level::FeatureLevel::KNOWN,
        });
        let path = "/v1/managers/check-in";
        let asked = group.request::<_, ManagerCheckedIn>(
            member,
            Method::POST,
            path,
            Some(key),
            Some(&body),
        );
        asked.await.unwrap().fence
    };
    // given
    let first = check_in(follower, &keys[0], 1).await;
    let second = check_in(leader, &keys[1], 2).await;
    assert!(second.epoch > first.epoch);
    // when, then: asked anew it would be refused as an older life
    for member in [leader, follower] {
        assert_eq!(check_in(member, &keys[0], 1).await, first);
        assert_eq!(check_in(member, &keys[1], 2).await, second);
    }
    let lives = group.told(leader, "manager_checked_in").await;
    let lives: Vec<&Value> = lives.iter().map(|event| &event["incarnation"]).collect();
    assert_eq!(lives, [&json!(1), &json!(2)]);
}
