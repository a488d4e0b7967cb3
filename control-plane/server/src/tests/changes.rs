//! Claims about changes and reads at any member.

use super::{
    doors::{Doors, Planted},
    eventually,
    group::{Group, SOON, now, problem},
};
use axum::http::HeaderMap;
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::{task::JoinSet, time::sleep};
use tradewind_control_client::{Answer, ControlClient, KeySource};
use tradewind_domain::ids::NodeId;
use tradewind_link::rest::Method;
use tradewind_protocol::{
    Code, Problem, Retry,
    control::{Changed, IDEMPOTENCY_KEY, MemberRole, PutRegister, Status, format_key},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_change_at_a_follower_is_done_by_the_leader_and_a_repeat_anywhere_gets_the_first_revision()
 {
    let group = Group::of(3).await;
    let (leader, follower) = (group.leader().await, group.followers().await[0]);
    let key = group.keys.next();
    let first = group.write(follower, "x", "one", &key).await.unwrap();
    assert_eq!(first.stand.leader, Some(NodeId(leader as u64 + 1)));
    let other = group.write(leader, "x", "two", &group.keys.next()).await.unwrap();
    assert!(other.applied > first.applied);
    for member in 0..3 {
        let again = group.write(member, "x", "one", &key).await.unwrap();
        assert_eq!(again.applied, first.applied);
        assert_eq!(group.read(member, "x").await.unwrap().as_deref(), Some("two"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_swapped_only_over_the_one_that_is_expected() {
    let group = Group::of(1).await;
    let cas = async |expected: Option<&str>, value: &str| {
        let body = json!({ "value": value, "expected": expected });
        let (path, key) = ("/v1/registers/x/cas", group.keys.next());
        group.request::<_, Changed>(0, Method::POST, path, Some(&key), Some(&body)).await
    };
    group.write(0, "x", "one", &group.keys.next()).await.unwrap();
    cas(Some("one"), "two").await.unwrap();
    assert_eq!(problem(cas(Some("one"), "three").await).code, Code::Conflict);
    assert_eq!(problem(cas(None, "three").await).code, Code::MalformedRequest);
    assert_eq!(group.read(0, "x").await.unwrap().as_deref(), Some("two"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_or_is_not_there_is_refused_with_its_own_code() {
    let group = Group::with(1, false).await;
    let refused = async |method: Method, path: &str, keyed: bool, body: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        if keyed {
            let key = format_key(&group.keys.next());
            headers.insert(IDEMPOTENCY_KEY, key.parse().unwrap());
        }
        let (address, body) = (group.address(0), body.as_bytes().to_vec().into());
        let within = Duration::from_secs(5);
        let (status, headers, answer) =
            group.rest.raw(method, &address, path, headers, body, within).await.unwrap();
        assert_eq!(headers.get("content-type").unwrap(), "application/problem+json", "{path}");
        assert!(headers.contains_key("tradewind-term"), "{path}");
        let problem: Problem = serde_json::from_slice(&answer).unwrap();
        assert_eq!(problem.status, status.as_u16());
        problem.code
    };
    let (put, acme) = (Method::PUT, "/v1/customers/acme");
    let good = r#"{"key_hashes":[]}"#;
    assert_eq!(refused(put.clone(), acme, false, good).await, Code::IdempotencyKeyMissing);
    for bad in ["", "{", "[]", r#"{"key_hashes":[],"more":1}"#, r#"{"key_hashes":7}"#] {
        assert_eq!(refused(put.clone(), acme, true, bad).await, Code::MalformedRequest, "{bad}");
    }
    let illegal = refused(put.clone(), "/v1/customers/Acme", true, good).await;
    assert_eq!(illegal, Code::MalformedRequest);
    assert_eq!(refused(Method::POST, acme, true, good).await, Code::MethodNotAllowed);
    assert_eq!(refused(put.clone(), "/v1/nowhere", true, good).await, Code::NotFound);
    let account = r#"{"venue":"schwab","adapter":"schwab","endpoint":"","customers":[]}"#;
    assert_eq!(refused(put.clone(), "/v1/accounts/k", true, account).await, Code::Unsupported);
    let stranger = r#"{"venue":"sim","adapter":"sim","endpoint":"x:1","customers":["nobody"]}"#;
    assert_eq!(refused(put.clone(), "/v1/accounts/k", true, stranger).await, Code::NotFound);
    let value = r#"{"value":"1"}"#;
    assert_eq!(refused(put, "/v1/registers/x", true, value).await, Code::NotFound);
    assert_eq!(refused(Method::GET, "/v1/registers/x", false, "").await, Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_member_tells_the_same_status_and_says_who_it_is() {
    let group = Group::of(3).await;
    group.put_customer("acme", "key").await;
    let leader = NodeId(group.leader().await as u64 + 1);
    for member in 0..3 {
        let status = group.status(member).await.unwrap();
        assert_eq!(status.node, NodeId(member as u64 + 1));
        assert_eq!(status.stand.leader, Some(leader));
        assert!(status.cluster.is_some());
        assert_eq!(status.customers.len(), 1);
        let roles: Vec<_> = status.members.iter().map(|member| member.role).collect();
        assert_eq!(roles.iter().filter(|role| **role == MemberRole::Leader).count(), 1);
        assert!(!roles.contains(&MemberRole::Unreachable), "{roles:?}");
        let path = "/v1/status?consistency=stale";
        let stale = group.request::<(), Status>(member, Method::GET, path, None, None).await;
        assert_eq!(stale.unwrap().node, NodeId(member as u64 + 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_no_leader_is_said_only_of_what_was_not_handed_to_one() {
    let mut group = Group::of(3).await;
    let (leader, followers) = (group.leader().await, group.followers().await);
    let before = group.keys.next();
    group.write(leader, "x", "kept", &before).await.unwrap();
    // In this order: the other way round those two might elect one of them in between, to whom something is handed.
    group.kill(followers[0]).await;
    group.kill(leader).await;
    // Whoever is left reaches nobody: nothing is handed to anyone.
    let refused = problem(group.write(followers[1], "x", "lost", &group.keys.next()).await);
    assert_eq!((refused.code, refused.retry), (Code::NoLeader, Retry::After));
    assert!(refused.retry_after_ms.is_some());
    assert_eq!(problem(group.read(followers[1], "x").await).code, Code::NoLeader);
    group.start_again(leader).await;
    group.leader().await;
    assert_eq!(group.read(followers[1], "x").await.unwrap().as_deref(), Some("kept"));
}

const OF_KEYS: [Code; 2] = [Code::KeyExpired, Code::KeyFromFuture];

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_refused_leaves_the_fate_of_an_attempt_before_unknown() {
    let doors = Doors::default();
    let group = Group::behind(&doors, 3).await;
    let follower = group.followers().await[0];
    let write = async |register: &str| {
        let asked = group.write(follower, register, "there", &group.keys.next()).await;
        assert_eq!(doors.left(), 0, "not all of what was planted was met");
        asked
    };
    for code in OF_KEYS {
        // Alone it is what it says: nothing was done, and nothing may be.
        doors.plant(&[Planted::Answer(code)]);
        assert_eq!(problem(write("alone").await).code, code);
        // The first may have been proposed by a leader that is gone.
        doors.plant(&[Planted::Answer(Code::Unknown), Planted::Answer(code)]);
        let told = problem(write("after").await);
        assert_eq!((told.code, told.status, told.retry), (Code::Unknown, 504, Retry::SameId));
        // The first is still out when the member gives up.
        doors.plant(&[Planted::Late(Duration::from_secs(2)), Planted::Answer(code)]);
        assert_eq!(problem(write("beside").await).code, Code::Unknown);
        // The first surely was not proposed.
        doors.plant(&[Planted::Answer(Code::NoLeader), Planted::Answer(code)]);
        assert_eq!(problem(write("later").await).code, code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_is_still_out_is_waited_for_when_the_next_ones_key_is_refused() {
    let doors = Doors::default();
    let group = Group::behind(&doors, 3).await;
    let follower = group.followers().await[0];
    for code in OF_KEYS {
        doors.plant(&[Planted::Late(Duration::from_millis(500)), Planted::Answer(code)]);
        let written = group.write(follower, "x", "there", &group.keys.next()).await;
        assert!(written.is_ok(), "{written:?}");
        assert_eq!(doors.left(), 0);
    }
}

/// Writes to registers of its own, one after the other, until one is not accepted.
async fn until_not_accepted(
    client: ControlClient,
    keys: Arc<KeySource>,
    writer: usize,
) -> (usize, Answer<Changed>) {
    for n in 0.. {
        let body = PutRegister { value: "there".to_owned(), expected: None };
        let (path, within) = (format!("/v1/registers/w{writer}-{n}"), Duration::from_millis(1_200));
        let answer = client.change(Method::PUT, &path, &body, &keys.next(), within).await;
        if !matches!(answer, Answer::Accepted(_)) {
            return (n, answer);
        }
    }
    unreachable!("a quorum is lost while this runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_quorum_is_lost_what_was_accepted_is_kept_and_what_was_refused_was_never_done() {
    let mut group = Group::of(3).await;
    let (leader, followers) = (group.leader().await, group.followers().await);
    let keys = Arc::new(KeySource::new("load".parse().unwrap(), Arc::new(now)));
    let mut writers = JoinSet::new();
    for writer in 0..16 {
        let client = ControlClient::new(vec![group.address(leader)], group.rest.clone());
        let keys = keys.clone();
        writers.spawn(async move { (writer, until_not_accepted(client, keys, writer).await) });
    }
    sleep(Duration::from_millis(200)).await;
    for follower in &followers {
        group.kill(*follower).await;
    }
    let ends = writers.join_all().await;
    for follower in followers {
        group.start_again(follower).await;
    }
    eventually("the group reads again", SOON, async || group.read(leader, "w0-0").await.is_ok())
        .await;
    for (writer, (count, end)) in ends {
        for n in 0..count {
            let held = group.read(leader, &format!("w{writer}-{n}")).await.unwrap();
            assert!(held.is_some(), "acknowledged and lost: writer {writer}, {n}");
        }
        let last = group.read(leader, &format!("w{writer}-{count}")).await.unwrap();
        match end {
            Answer::Refused(problem) => assert_eq!((problem.code, last), (Code::NoLeader, None)),
            Answer::Unknown(problem) => assert_eq!(problem.retry, Retry::SameId),
            Answer::Accepted(_) => unreachable!("it was the end"),
        }
    }
}
