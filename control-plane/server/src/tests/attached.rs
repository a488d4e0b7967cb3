//! Claims about the right of a copy that its customer runs himself, as its TraderManager asks for it by REST.

use super::{
    eventually,
    group::{Group, SOON},
    manager::Manager,
};
use serde_json::{Value, json};
use tradewind_domain::ids::KeyHash;
use tradewind_link::rest::Method;
use tradewind_protocol::control::{IDEMPOTENCY_KEY, format_key};

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn an_attachment_repeated_under_its_key_takes_no_place_again() {
    // given: a Trader without a command, where its customer is
    let group = Group::of(3).await;
    group.raised().await;
    let (leader, follower) = (group.leader().await, group.followers().await[0]);
    let _manager = Manager::check_in(&group, "a1.trader-manager", 1).await;
    let (api_key, trader) = (KeyHash::of("secret"), "/v1/traders/own");
    let keys = [(); 4].map(|()| format_key(&group.keys.next()));
    let ask = async |member: usize, key: &str, (method, path): (Method, &str), body: Value| {
        let headers = [(IDEMPOTENCY_KEY, key.to_owned())];
        let (status, _, answer) = group.ask(member, method, path, &headers, &body).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer["applied"].clone()
    };
    let customer = (Method::PUT, "/v1/customers/acme");
    ask(follower, &keys[0], customer, json!({ "key_hashes": [api_key.0] })).await;
    let declared = json!({ "customer": "acme", "command": [], "state": "running" });
    ask(follower, &keys[1], (Method::PUT, trader), declared).await;
    let shown = async || {
        let (_, _, mut told) = group.ask(leader, Method::GET, trader, &[], &Value::Null).await;
        told["item"].take()
    };
    eventually("it has a place", SOON, async || {
        shown().await["assignment"]["manager"] == "a1.trader-manager"
    })
    .await;
    let attach = async |member: usize, key: &str, copy: &str, replaces: &Value| {
        let body = json!({
            "manager": "a1.trader-manager", "incarnation": 1, "copy": copy,
            "key_id": api_key.key_id(), "takes_over": true, "replaces": replaces,
        });
        ask(member, key, (Method::POST, "/v1/traders/own/attachments"), body).await
    };
    // and: a copy, and another one that took its place
    let first = attach(follower, &keys[2], "one", &Value::Null).await;
    let second = attach(leader, &keys[3], "two", &first).await;
    // when, then: asked anew it would be refused, or take the place back
    for member in [leader, follower] {
        assert_eq!(attach(member, &keys[2], "one", &Value::Null).await, first);
        assert_eq!(attach(member, &keys[3], "two", &first).await, second);
    }
    let attached = &shown().await["attached"];
    assert_eq!((&attached["copy"], &attached["epoch"]), (&json!("two"), &second));
    let copies = group.told(leader, "trader_attached").await;
    let copies: Vec<&Value> = copies.iter().map(|event| &event["copy"]).collect();
    assert_eq!(copies, [&json!("one"), &json!("two")]);
}
