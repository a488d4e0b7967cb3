//! Claims about changes of the group that are asked for again under their key: what was done by the first is not done again,
//! whatever has become of it since, and whoever watches is told once.

use super::{
    eventually,
    group::{Group, SOON},
    members::{gone, members},
};
use serde_json::{Value, json};
use std::time::Instant;
use tradewind_link::rest::Method;
use tradewind_protocol::{
    control::{IDEMPOTENCY_KEY, format_key},
    terms::{WHO, WHY},
};

/// A change in somebody's name, asked for again and again under one key.
struct Ask {
    method: Method,
    path: String,
    body: Value,
    headers: Vec<(&'static str, String)>,
}

impl Ask {
    fn new(group: &Group, method: Method, path: &str, body: Value) -> Self {
        let key = (IDEMPOTENCY_KEY, format_key(&group.keys.next()));
        let headers = vec![key, (WHO, "ann".to_owned()), (WHY, "a test".to_owned())];
        Self { method, path: path.to_owned(), body, headers }
    }

    async fn at(&self, group: &Group, member: usize) -> (u16, Value) {
        let Self { method, path, body, headers } = self;
        let (status, _, answer) = group.ask(member, method.clone(), path, headers, body).await;
        (status, answer)
    }

    /// The same, once somebody leads.
    async fn led(&self, group: &Group, member: usize) -> Value {
        let deadline = Instant::now() + SOON;
        loop {
            let (status, answer) = self.at(group, member).await;
            if answer["code"] != "no_leader" {
                assert!([200, 202].contains(&status), "{} {}: {answer}", self.method, self.path);
                return answer;
            }
            assert!(Instant::now() < deadline, "nobody leads: {answer}");
        }
    }
}

async fn founded(group: &Group) {
    eventually("the group is founded", SOON, async || {
        members(group, 0).await.is_ok_and(|told| told.voters_wanted.is_some())
    })
    .await;
}

/// What was asked of the group in somebody's name, as a member tells it.
async fn asked(group: &Group, member: usize) -> Vec<Value> {
    let told = group.told(member, "group_audited").await;
    for event in &told {
        assert_eq!((&event["who"], &event["why"]), (&json!("ann"), &json!("a test")));
    }
    told.into_iter().map(|mut event| event["ask"].take()).collect()
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_join_repeated_under_its_key_is_not_let_in_anew_once_it_was_removed() {
    // given: a member that was let in and removed
    let group = Group::of(1).await;
    founded(&group).await;
    let body = json!({
        "cluster": "test", "disk": "000000000000000000000000000000ab",
        "peer_address": "127.0.0.1:9", "api_address": "127.0.0.1:8",
    });
    let join = Ask::new(&group, Method::POST, "/v1/members", body.clone());
    for _ in 0..2 {
        assert_eq!(join.led(&group, 0).await["node"], 2);
    }
    let remove =
        async || Ask::new(&group, Method::DELETE, "/v1/members/2", Value::Null).at(&group, 0).await;
    eventually("it can be removed", SOON, async || remove().await.0 == 202).await;
    gone(&group, 0, 2).await;
    // when, then
    let (status, answer) = join.at(&group, 0).await;
    assert_eq!((status, &answer["code"]), (409, &json!("conflict")), "{answer}");
    assert!(answer["detail"].as_str().unwrap().contains("removed again meanwhile"), "{answer}");
    let anew = Ask::new(&group, Method::POST, "/v1/members", body).led(&group, 0).await;
    assert_eq!(anew["node"], 3);
    let admitted = group.told(0, "member_admitted").await;
    let of = |event: &&Value| event["node"] != 1;
    let nodes: Vec<&Value> = admitted.iter().filter(of).map(|event| &event["node"]).collect();
    assert_eq!(nodes, [&json!(2), &json!(3)]);
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn what_a_member_tells_again_under_its_key_is_not_told_anew() {
    // given: a member that says nothing more itself
    let mut group = Group::of(3).await;
    let away = group.followers().await[0];
    let (node, address) = (away + 1, group.address(away));
    let known = async |group: &Group, member: usize| {
        let known = group.told(member, "member_known").await;
        known.iter().filter(|event| event["node"] == node).count()
    };
    eventually("it has told of itself", SOON, async || known(&group, 0).await == 1).await;
    group.kill(away).await;
    let (leader, other) = (group.leader().await, group.followers().await[0]);
    let tell = |digit: &str| {
        let body = json!({ "api_address": address, "public_key": digit.repeat(64) });
        Ask::new(&group, Method::PUT, &format!("/v1/members/{node}"), body)
    };
    let (first, second) = (tell("0"), tell("1"));
    let before = first.led(&group, other).await["applied"].clone();
    let after = second.led(&group, leader).await["applied"].clone();
    assert!(before.as_u64() < after.as_u64());
    // when, then: told anew the first key would be back
    for member in [leader, other] {
        assert_eq!(first.led(&group, member).await["applied"], before);
        assert_eq!(second.led(&group, member).await["applied"], after);
    }
    assert_eq!(known(&group, leader).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_removal_repeated_under_its_key_is_done_and_told_once() {
    // given
    let group = Group::of(3).await;
    let (leader, others) = (group.leader().await, group.followers().await);
    founded(&group).await;
    let node = others[1] + 1;
    let path = format!("/v1/members/{node}");
    let remove = Ask::new(&group, Method::DELETE, &path, Value::Null);
    // when: while it goes, and once it is gone
    let first = remove.led(&group, others[0]).await["applied"].clone();
    assert_eq!(remove.led(&group, leader).await["applied"], first);
    gone(&group, leader, node as u64).await;
    for member in [leader, others[0]] {
        assert_eq!(remove.led(&group, member).await["applied"], first);
    }
    // then: asked anew there is nobody to remove
    let (status, answer) =
        Ask::new(&group, Method::DELETE, &path, Value::Null).at(&group, leader).await;
    assert_eq!((status, &answer["code"]), (404, &json!("not_found")), "{answer}");
    assert_eq!(
        asked(&group, leader).await,
        [json!({ "remove": { "node": node, "forced": false } })]
    );
    for name in ["member_removing", "member_removed"] {
        assert_eq!(group.told(leader, name).await.len(), 1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_hand_over_repeated_under_its_key_is_done_and_told_once() {
    // given
    let group = Group::of(3).await;
    let (leader, others) = (group.leader().await, group.followers().await);
    founded(&group).await;
    let path = "/v1/leader/transfer";
    let term = async |member: usize| group.status(member).await.unwrap().stand.term;
    let leads = async |heir: usize| {
        eventually("the heir leads", SOON, async || group.leader().await == heir).await;
    };
    // when: to whoever has most of the log
    let away = Ask::new(&group, Method::POST, path, json!({ "to": null }));
    let heir = away.led(&group, others[0]).await["to"].clone();
    let led_by = usize::try_from(heir.as_u64().unwrap()).unwrap() - 1;
    leads(led_by).await;
    let begun = term(led_by).await;
    // then
    for member in 0..3 {
        assert_eq!(away.led(&group, member).await["to"], heir);
    }
    assert_eq!((group.leader().await, term(led_by).await), (led_by, begun));
    // and: back to who led before, the first one hands nothing over either
    let back = Ask::new(&group, Method::POST, path, json!({ "to": leader + 1 }));
    assert_eq!(back.led(&group, others[0]).await["to"], leader + 1);
    leads(leader).await;
    let begun = term(leader).await;
    for member in 0..3 {
        for ask in [&away, &back] {
            assert_eq!(ask.led(&group, member).await["to"], leader + 1);
        }
    }
    assert_eq!((group.leader().await, term(leader).await), (leader, begun));
    let expected =
        [json!({ "transfer": { "to": null } }), json!({ "transfer": { "to": leader + 1 } })];
    assert_eq!(asked(&group, leader).await, expected);
}
