//! Who may open a pipe: identity, purpose, version, life and right.

use super::{
    Accepted, Said, Server, dial, eventually, hello, next, pipe_server, quick, taken, until,
};
use crate::{
    Failure,
    listen::Limits,
    pipe::{Diallers, Event, Lost, dial_with_secret},
};
use axum::{Router, http::HeaderMap, routing::get};
use futures_util::FutureExt as _;
use tokio::sync::mpsc;
use tradewind_domain::ids::ClusterIncarnation;
use tradewind_protocol::{
    Code, Problem,
    link::{Hello, PROTOCOL, ProtocolRange},
};

async fn refusal(server: &super::Server, hello: Hello) -> Problem {
    let (_sender, mut events) = dial(server.address, hello, quick());
    match next(&mut events).await {
        Some(Event::Down(Lost::RefusedBy(problem))) => problem,
        other => panic!("{other:?}"),
    }
}

async fn up(server: &super::Server, hello: Hello) -> super::Dialled {
    let (sender, mut events) = dial(server.address, hello, quick());
    let event = next(&mut events).await;
    assert!(matches!(event, Some(Event::Up { .. })), "{event:?}");
    (sender, events)
}

async fn start(diallers: Diallers) -> (super::Server, mpsc::Receiver<Accepted>) {
    let (server, _, accepted) = pipe_server(diallers, quick(), Limits::default()).await;
    (server, accepted)
}

#[tokio::test]
async fn another_purpose_another_child_and_no_name_are_refused() {
    let (server, _accepted) = start(Diallers::One).await;
    let purpose = Hello { purpose: "trade".to_string(), ..hello("parent", 1, 1) };
    let to = Hello { to: "other".to_string(), ..hello("parent", 1, 1) };
    assert!(refusal(&server, purpose).await.detail.contains("`trade`"));
    assert!(refusal(&server, to).await.detail.contains("`child`"));
    for name in [String::new(), "x".repeat(1_000)] {
        assert_eq!(refusal(&server, hello(&name, 1, 1)).await.code, Code::MalformedRequest);
    }
}

#[tokio::test]
async fn no_version_in_common_is_refused_with_both_ranges() {
    let (server, _accepted) = start(Diallers::One).await;
    let (ours, next) = (PROTOCOL.max, PROTOCOL.max + 1);
    let range = ProtocolRange { min: next, max: next + 1 };
    let newer = Hello { protocol: range, ..hello("parent", 1, 1) };
    let problem = refusal(&server, newer).await;
    assert_eq!(problem.code, Code::Unsupported);
    let (spoken, offered) = (format!("1 to {ours}"), format!("{next} to {}", next + 1));
    assert!(problem.detail.contains(&spoken) && problem.detail.contains(&offered), "{problem}");
}

#[tokio::test]
async fn of_one_holder_a_higher_fence_ends_the_lower_which_never_comes_back() {
    let (server, mut accepted) = start(Diallers::One).await;
    let (_one, mut events) = up(&server, hello("member.1", 1, 4)).await;
    let mut first = taken(&mut accepted).await;

    let (_two, _its_events) = up(&server, hello("member.2", 1, 5)).await;

    assert_eq!(next(&mut first.events).await, Some(Event::Down(Lost::Closed)));
    assert_eq!(next(&mut first.events).await, None);
    assert_eq!(next(&mut events).await, Some(Event::Down(Lost::Closed)));
    for _ in 0..3 {
        let Some(Event::Down(Lost::RefusedBy(problem))) = next(&mut events).await else { panic!() };
        assert_eq!(problem.code, Code::StaleEpoch);
        assert!(problem.detail.contains("Epoch 4 was superseded here by 5"), "{}", problem.detail);
    }
}

#[tokio::test]
async fn many_diallers_stand_side_by_side_and_each_has_its_own_fence() {
    let (server, mut accepted) = start(Diallers::Many).await;
    let (high, _high_events) = up(&server, hello("market.a", 1, 9)).await;
    let (low, _low_events) = up(&server, hello("market.b", 1, 3)).await;
    let (_first, _second) = (taken(&mut accepted).await, taken(&mut accepted).await);
    assert!(high.is_up() && low.is_up());
    assert_eq!(refusal(&server, hello("market.a", 2, 8)).await.code, Code::StaleEpoch);
    assert!(high.is_up());
}

#[tokio::test]
async fn a_newer_life_replaces_the_older_and_the_older_is_refused_from_then_on() {
    let (server, mut accepted) = start(Diallers::Many).await;
    let (_older, mut events) = up(&server, hello("market.a", 1, 1)).await;
    let mut first = taken(&mut accepted).await;

    let (newer, _newer_events) = up(&server, hello("market.a", 2, 1)).await;

    assert_eq!(next(&mut first.events).await, Some(Event::Down(Lost::Closed)));
    let refused = until(&mut events, |e| matches!(e, Event::Down(Lost::RefusedBy(_)))).await;
    let Event::Down(Lost::RefusedBy(problem)) = refused else { panic!() };
    assert!(
        problem.detail.contains("A newer life of `market.a` was here: 2"),
        "{}",
        problem.detail
    );
    assert!(newer.is_up());
}

#[tokio::test]
async fn the_same_life_dialling_again_replaces_its_own_pipe() {
    let (server, mut accepted) = start(Diallers::One).await;
    let (_one, events) = up(&server, hello("parent", 1, 1)).await;
    let mut first = taken(&mut accepted).await;
    let (two, _events) = up(&server, hello("parent", 1, 1)).await;
    assert_eq!(next(&mut first.events).await, Some(Event::Down(Lost::Closed)));
    drop(events);
    let second = taken(&mut accepted).await;
    eventually(|| two.is_up() && second.sender.is_up()).await;
}

#[tokio::test]
async fn a_right_of_another_life_of_the_cluster_is_not_comparable() {
    let (server, _gate, _accepted) = pipe_server(Diallers::One, quick(), Limits::default()).await;
    let (_one, _events) = up(&server, hello("parent", 1, 1)).await;
    let mut other = hello("parent", 2, 100);
    other.fence.cluster = ClusterIncarnation(2);
    assert!(refusal(&server, other).await.detail.contains("life 1 of the cluster, not to 2"));
}

#[tokio::test]
async fn a_refused_hello_leaves_no_trace() {
    let (server, gate, _accepted) = pipe_server(Diallers::One, quick(), Limits::default()).await;
    let foreign = Hello { to: "other".to_string(), ..hello("parent", 9, 9) };
    refusal(&server, foreign).await;
    assert_eq!(gate.highest_fence(), None);
    up(&server, hello("parent", 1, 1)).await;
    assert_eq!(gate.highest_fence(), Some(hello("parent", 1, 1).fence));
}

#[tokio::test]
async fn without_an_owner_pipes_are_refused_for_now() {
    let (server, accepted) = start(Diallers::One).await;
    drop(accepted);
    assert_eq!(refusal(&server, hello("parent", 1, 1)).await.code, Code::Unavailable);
}

#[tokio::test]
async fn a_secret_is_presented_as_a_bearers_with_the_upgrade_and_none_otherwise() {
    // given: one who lets nobody in and says what he was presented
    let refuse = async |headers: HeaderMap| -> Failure {
        let given = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
        Failure::new(Code::Unauthorized, format!("{given:?}"))
    };
    let server = Server::start(Router::new().route("/pipe", get(refuse)), Limits::default()).await;
    let address = server.address;
    for (secret, told) in [(Some("s3cret"), "Some(\"Bearer s3cret\")"), (None, "None")] {
        // when
        let target = move || async move { Ok(format!("{address}/pipe")) }.boxed();
        let secret = secret.map(ToOwned::to_owned);
        let (_sender, mut events) =
            dial_with_secret::<Said, Said>(secret, target, || hello("parent", 1, 1), quick());
        // then
        let event = next(&mut events).await;
        let Some(Event::Down(Lost::RefusedBy(problem))) = event else { panic!("{event:?}") };
        assert_eq!((problem.code, problem.detail.as_str()), (Code::Unauthorized, told));
    }
}
