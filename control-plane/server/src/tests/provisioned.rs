//! Claims about how locations scale and what was asked for there, as any member lists it and as it is told what came of it.

use super::{
    eventually,
    group::{Group, SOON},
};
use serde_json::{Value, json};
use std::time::Instant;
use tradewind_link::rest::Method;
use tradewind_protocol::{
    control::{IDEMPOTENCY_KEY, format_key},
    terms::{WHO, WHY},
};

async fn items(group: &Group, path: &str) -> Vec<Value> {
    let member = group.followers().await[0];
    let (status, _, mut answer) = group.ask(member, Method::GET, path, &[], &Value::Null).await;
    assert_eq!(status, 200, "{path}: {answer}");
    std::mem::take(answer["items"].as_array_mut().unwrap())
}

async fn names(group: &Group, path: &str, name: &str) -> Vec<String> {
    let items = items(group, path).await;
    items.iter().map(|item| item[name].as_str().unwrap().to_owned()).collect()
}

/// Each is to have so many implementations, by a program that no member here knows.
async fn scaled(group: &Group, locations: &[(&str, u32)]) {
    for (location, least) in locations {
        let marks = json!({ "out_percent": 80, "in_percent": 30 });
        let spec = json!({
            "provisioner": { "exec": { "program": "nobody", "arguments": {} } }, "least": least,
            "most": 1, "traders": marks, "cool_down_seconds": 60,
        });
        let headers = [(IDEMPOTENCY_KEY, format_key(&group.keys.next()))];
        let path = format!("/v1/locations/{location}/scale");
        let (status, _, answer) = group.ask(0, Method::PUT, &path, &headers, &spec).await;
        assert_eq!(status, 200, "{answer}");
    }
}

/// The one request, once an attempt has failed.
async fn failed(group: &Group, attempts: u64) -> Value {
    eventually("an attempt fails", SOON, async || {
        let all = items(group, "/v1/provisioning").await;
        all.len() == 1 && all[0]["attempts"].as_u64() >= Some(attempts)
    })
    .await;
    items(group, "/v1/provisioning").await.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_and_requests_are_listed_as_they_are_chosen() {
    let group = Group::of(3).await;
    scaled(&group, &[("here", 1), ("there", 0)]).await;
    for (query, expected) in
        [("", &["here", "there"][..]), ("?limit=1", &["here"]), ("?after=here", &["there"])]
    {
        let path = format!("/v1/scale{query}");
        assert_eq!(names(&group, &path, "location").await, expected, "{path}");
    }
    let request = failed(&group, 1).await["request"].clone();
    let after = format!("after={request}");
    for (query, expected) in [
        ("location=here", &["here"][..]),
        ("location=there", &[]),
        ("state=failed&location=here", &["here"]),
        ("state=released", &[]),
        ("after=1", &["here"]),
        (after.as_str(), &[]),
    ] {
        let path = format!("/v1/provisioning?{query}");
        assert_eq!(names(&group, &path, "location").await, expected, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn what_came_of_a_request_is_told_once_and_as_it_was_seen() {
    let group = Group::of(3).await;
    // Builds before could not read who said it.
    group.raised().await;
    let (leader, follower) = (group.leader().await, group.followers().await[0]);
    scaled(&group, &[("here", 1)]).await;
    let request = failed(&group, 1).await["request"].clone();
    let path = format!("/v1/provisioning/{request}");
    let tell = async |member: usize, key: &str, body: &Value| {
        let said = [(WHO, "ann".to_owned()), (WHY, "seen".to_owned())];
        let headers: Vec<_> = said.into_iter().chain([(IDEMPOTENCY_KEY, key.to_owned())]).collect();
        let (status, _, answer) = group.ask(member, Method::PUT, &path, &headers, body).await;
        (status, answer)
    };
    let told = |revision: &Value| json!({ "revision": revision, "result": { "failed": { "why": "no quota" } } });
    // given: the next attempt may fail between the look and the word
    let deadline = Instant::now() + SOON;
    let (key, body, first) = loop {
        let seen = items(&group, "/v1/provisioning").await.remove(0);
        let (key, body) = (format_key(&group.keys.next()), told(&seen["revision"]));
        let (status, answer) = tell(follower, &key, &body).await;
        if status == 200 {
            break (key, body, answer["applied"].clone());
        }
        assert_eq!(answer["code"], "conflict", "{answer}");
        assert!(Instant::now() < deadline, "the word is not taken");
    };
    // when, then: asked anew it is of a state that is no more
    for member in [leader, follower] {
        let (status, again) = tell(member, &key, &body).await;
        assert_eq!((status, &again["applied"]), (200, &first), "{again}");
        let (status, anew) = tell(member, &format_key(&group.keys.next()), &body).await;
        assert_eq!((status, &anew["code"]), (409, &json!("conflict")), "{anew}");
    }
    let said = json!({ "failed": { "why": "no quota" } });
    let audited = json!({ "request": request, "said": said, "who": "ann", "why": "seen" });
    assert_eq!(group.told(leader, "provision_audited").await, [audited]);
}
