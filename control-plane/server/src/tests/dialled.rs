//! Claims about a new leader's pipes: it dials all Managers at once, and waits for none of them before another.

use super::{
    eventually,
    group::{Group, SOON},
    manager::Manager,
};
use futures_util::future::join_all;
use serde_json::json;
use tokio::net::TcpListener;
use tradewind_domain::{
    control::{level::FeatureLevel, row::ManagerState},
    ids::{Epoch, Incarnation},
    limits::{DIAL_WITHIN, SELF_FENCE_AFTER},
};
use tradewind_link::rest::Method;
use tradewind_protocol::{
    check_in::ManagerCheckIn,
    control::{IDEMPOTENCY_KEY, format_key},
};

/// One after the other they would be dialled for three times as long as a Manager acts without an answer.
const LOST: usize = 12;
const _: () = assert!(DIAL_WITHIN.as_millis() * LOST as u128 >= SELF_FENCE_AFTER.as_millis() * 3);
const WELL: usize = 12;

/// A Manager that has checked in and says nothing to whoever dials it.
async fn lost(group: &Group, n: usize, address: String) {
    let check_in = ManagerCheckIn {
        manager: format!("a{n}.market-manager").parse().unwrap(),
        location: "here".parse().unwrap(),
        address,
        incarnation: Incarnation(1),
        capacity: 1,
        services: vec![],
        disk: None,
        node: None,
        level: Some(FeatureLevel::KNOWN),
    };
    group.client().check_in(&check_in, &group.keys.next(), SOON).await.accepted().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_leader_answers_beats_while_it_still_dials_managers_that_say_nothing() {
    // given: Managers that are well, and by name before all of them others where connections are never taken
    let group = Group::of(3).await;
    let names = (0..WELL).map(|n| format!("b{n}.market-manager"));
    let well = join_all(names.map(async |id| Manager::check_in(&group, &id, 1).await)).await;
    eventually("they beat", SOON, async || well.iter().all(|one| one.answered() > 0)).await;
    let hole = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = hole.local_addr().unwrap().to_string();
    join_all((0..LOST).map(|n| lost(&group, n, address.clone()))).await;
    let right = |one: &Manager| one.told.lock().unwrap().leader.map(|fence| fence.epoch);
    let before: Option<Epoch> = well.iter().filter_map(right).max();
    // when
    let heir = group.followers().await[0];
    let (path, to) = ("/v1/leader/transfer", json!({ "to": heir + 1 }));
    let headers = [(IDEMPOTENCY_KEY, format_key(&group.keys.next()))];
    let (_, _, answer) = group.ask(heir, Method::POST, path, &headers, &to).await;
    assert_eq!(answer["to"], heir + 1, "{answer}");
    let answered: Vec<u64> = well.iter().map(Manager::answered).collect();
    // then: before any of them would fence itself
    eventually("all that are well are answered by it", SELF_FENCE_AFTER, async || {
        let mut all = well.iter().zip(&answered);
        all.all(|(one, answered)| right(one) > before && one.answered() > *answered)
    })
    .await;
    // and: the others are still dialled
    let managers = group.status(heir).await.unwrap().managers.into_iter();
    let live = managers.filter(|row| row.state == ManagerState::Live);
    let lost = live.filter(|row| row.manager.to_string().starts_with('a')).count();
    assert_eq!(lost, LOST);
}
