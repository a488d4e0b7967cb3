//! Claims about a drain as its operator sees it by REST, with Managers that beat.

use super::{
    eventually,
    group::{Group, SOON},
    manager::Manager,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tradewind_domain::ids::Revision;
use tradewind_link::rest::Method;
use tradewind_protocol::{
    Code,
    check_in::ManagerCheckIn,
    control::{IDEMPOTENCY_KEY, format_key},
};

async fn begin(group: &Group, manager: &Manager, drop: &str) -> (u16, Option<String>) {
    let body = json!({ "who": "ann", "why": "an upgrade", "drop": drop });
    let path = format!("/v1/managers/{}/drain", manager.id);
    let headers = [(IDEMPOTENCY_KEY, format_key(&group.keys.next()))];
    let (status, headers, _) = group.ask(0, Method::POST, &path, &headers, &body).await;
    let place = headers.get("location").and_then(|place| place.to_str().ok());
    (status, place.map(str::to_owned))
}

async fn drain(group: &Group, member: usize, manager: &Manager) -> Value {
    let path = format!("/v1/drains/{}", manager.id);
    let (_, _, mut told) = group.ask(member, Method::GET, &path, &[], &Value::Null).await;
    told["drain"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_goes_from_a_confirmed_cordon_to_dropped_as_its_manager_empties() {
    let group = Group::of(3).await;
    let manager = Manager::check_in(&group, "a1.market-manager", 1).await;
    let follower = group.followers().await[0];
    eventually("it beats", SOON, async || manager.answered() > 0).await;
    let (status, place) = begin(&group, &manager, "when_idle").await;
    assert_eq!(status, 202);
    assert_eq!(place.as_deref(), Some("/v1/drains/a1.market-manager"));
    // A second one is the first, and one that differs is told how.
    assert_eq!(begin(&group, &manager, "when_idle").await.0, 202);
    assert_eq!(begin(&group, &manager, "never").await.0, 409);
    let state = async || drain(&group, follower, &manager).await;
    eventually("what it holds is told", SOON, async || {
        let told = state().await;
        told["state"] == "draining" && told["remaining"]["held"] == 5
    })
    .await;
    let told = state().await;
    assert_eq!((&told["acknowledged"], &told["drop"]), (&json!(true), &json!("when_idle")));
    assert_eq!(told["by"], json!({ "who": "ann", "why": "an upgrade" }));
    let told = || manager.desired().is_some_and(|desired| desired.empties);
    eventually("it is told to empty itself", SOON, async || told()).await;
    // when: the last session has gone
    *manager.sessions.lock().unwrap() = 0;
    eventually("it is dropped", SOON, async || state().await["state"] == "dropped").await;
    let path = "/v1/status";
    let (_, _, status) = group.ask(follower, Method::GET, path, &[], &Value::Null).await;
    assert_eq!(status["managers"], json!([]));
    // then: one that is over takes no change any more
    let by = json!({ "who": "ann", "why": "too late" });
    let mut schedule = by.clone();
    schedule["drop"] = "never".into();
    let place = format!("/v1/drains/{}", manager.id);
    for (method, path, body) in [
        (Method::DELETE, place.clone(), &by),
        (Method::POST, format!("{place}/force"), &by),
        (Method::PUT, format!("{place}/drop"), &schedule),
    ] {
        let headers = [(IDEMPOTENCY_KEY, format_key(&group.keys.next()))];
        let (status, _, answer) = group.ask(follower, method, &path, &headers, body).await;
        assert_eq!((status, &answer["code"]), (409, &json!("conflict")), "{path}: {answer}");
    }
    // then: this life of it does not come back, the next one does
    let check_in = |incarnation| ManagerCheckIn {
        manager: manager.id.clone(),
        location: "here".parse().unwrap(),
        address: "127.0.0.1:1".to_owned(),
        incarnation: tradewind_domain::ids::Incarnation(incarnation),
        capacity: 1,
        services: vec![],
        disk: None,
        node: None,
        level: Some(tradewind_domain::control::level::FeatureLevel::KNOWN),
    };
    let ask = async |incarnation| {
        let (client, asked) = (group.client(), check_in(incarnation));
        client.check_in(&asked, &group.keys.next(), SOON).await.accepted()
    };
    assert_eq!(ask(1).await.unwrap_err().code, Code::Dropped);
    ask(2).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_manager_keeps_a_cordon_unconfirmed_until_its_lease_is_over() {
    let group = Group::of(1).await;
    let manager = Manager::check_in(&group, "a1.market-manager", 1).await;
    eventually("it beats", SOON, async || manager.answered() > 0).await;
    manager.stand_still();
    let began = Instant::now();
    begin(&group, &manager, "never").await;
    let told = drain(&group, 0, &manager).await;
    assert_eq!((&told["state"], &told["acknowledged"]), (&json!("cordoned"), &json!(false)));
    eventually("it is down", SOON, async || {
        drain(&group, 0, &manager).await["acknowledged"] == json!(true)
    })
    .await;
    assert!(began.elapsed() > Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_watches_a_drain_is_answered_by_its_next_change() {
    let group = Group::of(1).await;
    let manager = Manager::check_in(&group, "a1.market-manager", 1).await;
    eventually("it beats", SOON, async || manager.answered() > 0).await;
    begin(&group, &manager, "never").await;
    eventually("it is draining", SOON, async || {
        drain(&group, 0, &manager).await["state"] == "draining"
    })
    .await;
    let revision = drain(&group, 0, &manager).await["revision"].as_u64().unwrap();
    let path = format!("/v1/drains/{}?after={}", manager.id, Revision(revision));
    let watched = async {
        let (_, _, told) = group.ask(0, Method::GET, &path, &[], &Value::Null).await;
        told["drain"]["state"].clone()
    };
    let emptied = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        *manager.sessions.lock().unwrap() = 0;
    };
    let (state, ()) = tokio::join!(watched, emptied);
    assert_eq!(state, "drained");
}
