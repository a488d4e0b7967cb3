//! Claims about a rolling upgrade: the level is raised when the last one is new, and nobody goes back behind it.

use super::{
    eventually,
    group::{Group, SOON},
};
use crate::RunError;
use serde_json::{Value, json};
use tradewind_domain::{control::level::FeatureLevel, ids::NodeId};
use tradewind_link::rest::Method;
use tradewind_protocol::{
    Code,
    check_in::ManagerCheckIn,
    control::{IDEMPOTENCY_KEY, format_key},
    members::{JoinMember, MemberJoined, Members},
};
use tradewind_replication::{StartError, StateError};

const OLD: FeatureLevel = FeatureLevel::FIRST;
const NEW: FeatureLevel = FeatureLevel::KNOWN;

async fn members(group: &Group, at: usize) -> Option<Members> {
    group.request::<(), _>(at, Method::GET, "/v1/members", None, None).await.ok()
}

/// What each member says that it knows, in the order of their nodes.
async fn known(group: &Group, at: usize) -> Vec<Option<FeatureLevel>> {
    let told = members(group, at).await;
    told.map(|told| told.members.iter().map(|member| member.level).collect()).unwrap_or_default()
}

async fn level(group: &Group, at: usize) -> Option<FeatureLevel> {
    group.status(at).await.ok()?.level
}

async fn abandon(group: &Group, at: usize) -> Value {
    let body = json!({ "who": "ann", "why": "test" });
    let headers = [(IDEMPOTENCY_KEY, format_key(&group.keys.next()))];
    group.ask(at, Method::POST, "/v1/drains/a1/abandon", &headers, &body).await.2
}

#[tokio::test(flavor = "multi_thread")]
async fn the_level_is_raised_when_the_last_member_is_new_and_none_starts_behind_it() {
    // given: a group of an older build
    let mut group = Group::knowing(3, OLD).await;
    eventually("all say what they know", SOON, async || known(&group, 0).await == [Some(OLD); 3])
        .await;
    let refused = abandon(&group, 0).await;
    assert_eq!(refused["code"], json!("refused"), "{refused}");
    assert!(refused["detail"].as_str().unwrap().contains("needs feature level 2"), "{refused}");
    // when: one after the other becomes new
    for member in [0, 1] {
        group.kill(member).await;
        group.build(member, NEW);
        group.start_again(member).await;
        eventually("it says that it is new", SOON, async || {
            known(&group, member).await.get(member) == Some(&Some(NEW))
        })
        .await;
        group.write(member, "r", &format!("{member}"), &group.keys.next()).await.unwrap();
        let told = members(&group, member).await.unwrap();
        assert_eq!((told.level, told.members[2].node), (Some(OLD), NodeId(3)));
        assert!(told.next_level_waits_for.is_some_and(|who| who.starts_with("member ")));
    }
    group.kill(2).await;
    group.build(2, NEW);
    group.start_again(2).await;
    // then
    eventually("the level is raised", SOON, async || level(&group, 0).await == Some(NEW)).await;
    assert_eq!(abandon(&group, 0).await["code"], json!("not_found"));
    assert_eq!(members(&group, 1).await.unwrap().next_level_waits_for, None);
    // One that is made old again does not start, and as a new one it does.
    eventually("it has it too", SOON, async || group.server(2).applied_level() == NEW).await;
    group.stop(2).await;
    group.build(2, OLD);
    let refused = group.try_start_again(2).await;
    let level_not_known =
        matches!(&refused, Err(RunError::Replica(StartError::State(StateError::LevelNotKnown(_)))));
    assert!(level_not_known, "{refused:?}");
    group.build(2, NEW);
    group.start_again(2).await;
    group.write(2, "r", "goes on", &group.keys.next()).await.unwrap();
    // Nor is one let in that was never here.
    let join = JoinMember {
        cluster: "test".to_owned(),
        disk: "000000000000000000000000000000ab".parse().unwrap(),
        peer_address: "127.0.0.1:9".to_owned(),
        api_address: "127.0.0.1:8".to_owned(),
        level: Some(OLD),
    };
    let key = group.keys.next();
    let asked =
        group.request::<_, MemberJoined>(0, Method::POST, "/v1/members", Some(&key), Some(&join));
    let refused = asked.await.unwrap_err().into_problem();
    assert!(refused.detail.contains("this build knows 1"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_of_an_older_build_is_told_which_one_to_start() {
    let group = Group::of(3).await;
    eventually("the level is raised", SOON, async || level(&group, 0).await == Some(NEW)).await;
    let check_in = |level| ManagerCheckIn {
        manager: "a1.trader-manager".parse().unwrap(),
        location: "here".parse().unwrap(),
        address: "127.0.0.1:1".to_owned(),
        incarnation: tradewind_domain::ids::Incarnation(5),
        capacity: 1,
        services: vec![],
        disk: None,
        node: None,
        level,
    };
    let ask = async |level| {
        let (client, asked) = (group.client(), check_in(level));
        client.check_in(&asked, &group.keys.next(), SOON).await.accepted()
    };
    let refused = ask(Some(OLD)).await.unwrap_err();
    assert_eq!(refused.code, Code::Refused);
    assert!(refused.detail.contains("at feature level 3 and this build knows 1"), "{refused}");
    ask(Some(NEW)).await.unwrap();
    let path = "/v1/managers/a1.trader-manager";
    let (_, _, told) = group.ask(0, Method::GET, path, &[], &Value::Null).await;
    assert_eq!(told["item"]["level"], json!(NEW), "{told}");
}
