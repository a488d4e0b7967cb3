//! Claims about a rebalance as its operator sees it by REST, with TraderManagers that beat.

use super::{
    eventually,
    group::{Group, SOON},
    manager::Manager,
};
use serde_json::{Value, json};
use tradewind_link::rest::Method;
use tradewind_protocol::{
    control::{IDEMPOTENCY_KEY, format_key},
    resources::{IF_MATCH, IF_NONE_MATCH},
};

const PATH: &str = "/v1/rebalance";

async fn get(group: &Group, member: usize) -> Value {
    group.ask(member, Method::GET, PATH, &[], &Value::Null).await.2
}

async fn ask(group: &Group, member: usize, method: Method, why: &str) -> (u16, Value) {
    let body = json!({ "who": "ann", "why": why });
    let headers = [(IDEMPOTENCY_KEY, format_key(&group.keys.next()))];
    let (status, _, answer) = group.ask(member, method, PATH, &headers, &body).await;
    (status, answer)
}

/// How many customers each TraderManager has.
async fn homes(group: &Group) -> [usize; 2] {
    let path = "/v1/customers?limit=1000";
    let (_, _, page) = group.ask(0, Method::GET, path, &[], &Value::Null).await;
    let items = page["items"].as_array().unwrap();
    ["a1.trader-manager", "b1.trader-manager"]
        .map(|name| items.iter().filter(|item| item["affinity"]["manager"] == name).count())
}

/// `a1` has all customers when `b1` comes.
async fn uneven(group: &Group, customers: usize) -> [Manager; 2] {
    let a1 = Manager::check_in(group, "a1.trader-manager", 1).await;
    for n in 0..customers {
        let path = format!("/v1/customers/c{n}");
        let headers = [(IDEMPOTENCY_KEY, format_key(&group.keys.next()))];
        let (status, _, answer) = group.ask(0, Method::PUT, &path, &headers, &json!({})).await;
        assert_eq!(status, 200, "{answer}");
    }
    eventually("all are placed", SOON, async || homes(group).await == [customers, 0]).await;
    let b1 = Manager::check_in(group, "b1.trader-manager", 1).await;
    eventually("it beats", SOON, async || b1.answered() > 0).await;
    [a1, b1]
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_moves_until_it_is_asked_for_and_then_as_the_plan_has_shown() {
    let group = Group::of(3).await;
    let _managers = uneven(&group, 6).await;
    let follower = group.followers().await[0];
    eventually("the plan evens out", SOON, async || {
        get(&group, follower).await["plan"].as_array().is_some_and(|plan| plan.len() == 3)
    })
    .await;
    let told = get(&group, follower).await;
    assert_eq!(told["under_way"], Value::Null);
    let first = &told["plan"][0];
    assert_eq!((&first["from"], &first["weight"]), (&json!("a1.trader-manager"), &json!(1)));
    // then: shown it has changed nothing
    assert_eq!(homes(&group).await, [6, 0]);
    // when
    let (status, begun) = ask(&group, follower, Method::POST, "a node was added").await;
    assert_eq!(status, 202, "{begun}");
    eventually("it is done", SOON, async || {
        get(&group, follower).await["under_way"] == Value::Null
    })
    .await;
    assert_eq!(homes(&group).await, [3, 3]);
    assert_eq!(get(&group, follower).await["plan"], json!([]));
    // then: who does not lead and asks nobody has no plan to tell
    let path = "/v1/rebalance?consistency=stale";
    let (_, _, stale) = group.ask(follower, Method::GET, path, &[], &Value::Null).await;
    assert_eq!(stale["plan"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_one_is_the_first_and_cancelled_it_moves_nobody_else() {
    let group = Group::of(1).await;
    let _managers = uneven(&group, 200).await;
    eventually("the plan is there", SOON, async || {
        get(&group, 0).await["plan"].as_array().is_some_and(|plan| plan.len() == 100)
    })
    .await;
    let (_, first) = ask(&group, 0, Method::POST, "a node was added").await;
    let (status, second) = ask(&group, 0, Method::POST, "to be sure").await;
    assert_eq!((status, &second["applied"]), (202, &first["applied"]), "{second}");
    let told = get(&group, 0).await;
    let under_way = &told["under_way"];
    assert_eq!(under_way["by"], json!({ "who": "ann", "why": "a node was added" }), "{told}");
    assert_eq!((&under_way["moves"], &under_way["epoch"]), (&json!(100), &first["applied"]));
    let (status, answer) = ask(&group, 0, Method::DELETE, "not now").await;
    assert_eq!(status, 200, "{answer}");
    let left = homes(&group).await;
    assert!(left[0] > 100, "{left:?}");
    let (status, answer) = ask(&group, 0, Method::DELETE, "again").await;
    assert_eq!(status, 404, "{answer}");
    // The leader has planned since: another change was decided by it.
    let third = Manager::check_in(&group, "c1.market-manager", 1).await;
    eventually("it beats", SOON, async || third.answered() > 0).await;
    assert_eq!(homes(&group).await, left);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_rebalance_that_was_seen_is_cancelled() {
    let group = Group::of(3).await;
    let _managers = uneven(&group, 200).await;
    let follower = group.followers().await[0];
    eventually("the plan is there", SOON, async || get(&group, 0).await["plan"].is_array()).await;
    let body = json!({ "who": "ann", "why": "to be sure" });
    let asked = async |method: Method, tag: &str| {
        let key = (IDEMPOTENCY_KEY, format_key(&group.keys.next()));
        let headers = [key, (IF_MATCH, tag.to_owned())];
        let (_, _, answer) = group.ask(follower, method, PATH, &headers, &body).await;
        answer["code"].as_str().unwrap_or("done").to_owned()
    };
    assert_eq!(asked(Method::DELETE, "\"1\"").await, "precondition_failed", "there is none");
    assert_eq!(asked(Method::POST, "\"1\"").await, "malformed_request");
    ask(&group, 0, Method::POST, "a node was added").await;
    assert_eq!(asked(Method::DELETE, "\"1\"").await, "precondition_failed", "another one");
    let (_, headers, _) = group.ask(follower, Method::GET, PATH, &[], &Value::Null).await;
    let tag = headers.get("etag").unwrap().to_str().unwrap().to_owned();
    assert_eq!(asked(Method::DELETE, &tag).await, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_is_begun_only_on_its_condition() {
    let group = Group::of(3).await;
    let manager = Manager::check_in(&group, "a1.market-manager", 1).await;
    let follower = group.followers().await[0];
    let path = format!("/v1/managers/{}/drain", manager.id);
    let begin = async |name: &'static str, tag: &str| {
        let body = json!({ "who": "ann", "why": "to be sure", "drop": "never" });
        let key = (IDEMPOTENCY_KEY, format_key(&group.keys.next()));
        let headers = [key, (name, tag.to_owned())];
        let (_, _, answer) = group.ask(follower, Method::POST, &path, &headers, &body).await;
        answer["code"].as_str().unwrap_or("done").to_owned()
    };
    assert_eq!(begin(IF_MATCH, "*").await, "precondition_failed", "there is none");
    assert_eq!(begin(IF_MATCH, "\"1\"").await, "precondition_failed");
    let (_, _, drains) = group.ask(0, Method::GET, "/v1/drains", &[], &Value::Null).await;
    assert_eq!(drains["drains"], json!([]));
    assert_eq!(begin(IF_NONE_MATCH, "*").await, "done");
    assert_eq!(begin(IF_NONE_MATCH, "*").await, "precondition_failed", "one goes on");
    assert_eq!(begin(IF_MATCH, "*").await, "done", "the first goes on");
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_cancel_repeated_under_its_key_ends_no_other_one() {
    // given: one that was cancelled, and another that was begun since
    let group = Group::of(3).await;
    let _managers = uneven(&group, 200).await;
    let (leader, follower) = (group.leader().await, group.followers().await[0]);
    eventually("the plan is there", SOON, async || get(&group, 0).await["plan"].is_array()).await;
    let (body, key) = (json!({ "who": "ann", "why": "not now" }), format_key(&group.keys.next()));
    let cancel = async |member: usize| {
        let headers = [(IDEMPOTENCY_KEY, key.clone())];
        let (status, _, answer) = group.ask(member, Method::DELETE, PATH, &headers, &body).await;
        assert_eq!(status, 200, "{answer}");
        answer["applied"].clone()
    };
    ask(&group, 0, Method::POST, "a node was added").await;
    let first = cancel(follower).await;
    let (_, second) = ask(&group, 0, Method::POST, "once more").await;
    // when
    for member in [leader, follower] {
        assert_eq!(cancel(member).await, first);
    }
    // then: that one was never cancelled, whether it goes on or is done
    let ended = group.told(leader, "rebalance_cancelled").await;
    let by: Vec<&Value> = ended.iter().map(|event| &event["by"]).collect();
    assert_eq!(by, [&body]);
    assert_ne!(ended[0]["epoch"], second["applied"]);
}
