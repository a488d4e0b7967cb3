//! Claims about who opens the pipe of a service, and what whoever else comes is told.

use super::*;
use tradewind_link::rest::{HeaderMap, Method, Rest};
use tradewind_protocol::Problem;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const MANAGER: &str = "a1.broker-manager";
const SERVICE: &str = "broker.sim-1.0";

/// What a plain request is told: its status and its body.
async fn asked(address: &str, path: &str, authorization: Option<&str>) -> (u16, String) {
    let mut headers = HeaderMap::new();
    if let Some(value) = authorization {
        headers.insert("authorization", value.parse().unwrap());
    }
    let (rest, body) = (Rest::default(), Default::default());
    let answer = rest.raw(Method::GET, address, path, headers, body, PATIENCE).await.unwrap();
    (answer.0.as_u16(), String::from_utf8_lossy(&answer.2).into_owned())
}

#[tokio::test]
async fn whoever_does_not_present_the_secret_is_refused_with_401_and_told_the_same() {
    // given: a service that its Manager attends
    let world = World::start_knowing(Some(SECRET), SERVICE, PATIENCE).await;
    let address = world.address.clone();
    let (sender, mut events) = present(Some(SECRET), MANAGER, SERVICE, address.clone(), 5);
    until(&mut events, |event| matches!(event, Event::Up { .. }).then_some(())).await;
    // when: others come in its name, with a higher right
    let mut told = Vec::new();
    let other = SECRET.replace('f', "e");
    for secret in [None, Some("secret"), Some(&SECRET[1..]), Some(other.as_str())] {
        let (_sender, mut events) = present(secret, MANAGER, SERVICE, address.clone(), 6);
        let refused = until(&mut events, |event| match event {
            Event::Down(Lost::RefusedBy(problem)) => Some(problem),
            event => panic!("{event:?}"),
        });
        told.push(refused.await);
    }
    // or ask otherwise: that it is no upgrade is not what is said first
    let wrong = format!("Basic {SECRET}");
    for authorization in [None, Some("Bearer"), Some("Bearer "), Some(wrong.as_str())] {
        let (status, text) = asked(&address, "/v1/pipe", authorization).await;
        assert_eq!(status, 401, "{text}");
        told.push(serde_json::from_str::<Problem>(&text).unwrap());
    }
    // then
    assert!(told.iter().all(|problem| problem.code == Code::Unauthorized && *problem == told[0]));
    let (_, figures) = asked(&address, "/metrics", None).await;
    let counted = figures.lines().find_map(|line| {
        line.strip_prefix("tradewind_service_pipes_refused_total ")?.parse::<f64>().ok()
    });
    assert!(counted.is_some_and(|count| count >= 8.0), "{figures}");
    // and its Manager is heard as before
    sender.send(configure(5)).await.unwrap();
    until_says(&mut events, "5").await;
    let known = format!("bearer {SECRET}");
    let (status, text) = asked(&address, "/v1/pipe", Some(&known)).await;
    assert_ne!(status, 401, "{text}");
    world.shutdown.cancel();
    assert!(world.ended().await.is_ok());
}

#[tokio::test]
async fn one_that_was_given_no_secret_takes_a_manager_that_presents_one_and_one_that_does_not() {
    for secret in [None, Some(SECRET)] {
        let world = World::start(PATIENCE).await;
        let (_sender, mut events) = present(secret, MANAGER, SERVICE, world.address.clone(), 5);
        until(&mut events, |event| matches!(event, Event::Up { .. }).then_some(())).await;
        world.shutdown.cancel();
        assert!(world.ended().await.is_ok());
    }
}
