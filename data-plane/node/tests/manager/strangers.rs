//! Claims about the secret that a Manager presents to its services: nobody else opens their pipes, and what the Manager must
//! know of it outlives the Manager.

use crate::world::{World, alive};
use futures_util::FutureExt as _;
use serde_json::Value;
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};
use tradewind_domain::ids::{ClusterIncarnation, Epoch, Fence, Incarnation};
use tradewind_link::pipe::{self, Event, Lost};
use tradewind_protocol::{
    Code, Problem,
    link::{Hello, PROTOCOL},
    supervision::{FromService, ToService},
};

fn records(state_dir: &Path) -> Value {
    serde_json::from_slice(&fs::read(state_dir.join("services.json")).unwrap()).unwrap()
}

/// What a stranger is told who says that he is the next life of the service's Manager.
async fn refusal(address: String, secret: Option<String>) -> Problem {
    let target = move || {
        let path = format!("{address}/v1/pipe");
        async move { Ok(path) }.boxed()
    };
    let hello = || Hello {
        protocol: PROTOCOL,
        purpose: "service".to_owned(),
        from: "a1.broker-manager".to_owned(),
        to: "broker.good.0".to_owned(),
        incarnation: Incarnation(u64::MAX),
        fence: Fence { cluster: ClusterIncarnation(7), epoch: Epoch(1_000) },
    };
    let (_sender, mut events) = pipe::dial_with_secret::<ToService, FromService>(
        secret,
        target,
        hello,
        pipe::Options::default(),
    );
    let event = tokio::time::timeout(Duration::from_secs(10), events.next()).await.unwrap();
    let Some(Event::Down(Lost::RefusedBy(problem))) = event else { panic!("{event:?}") };
    problem
}

#[tokio::test]
async fn nobody_else_opens_the_pipe_of_a_service_and_the_next_life_of_its_manager_does() {
    // given
    let mut world = World::start().await;
    world.want(&["good"]);
    let good = world.until_live("good").await;
    let record = records(&world.state_dir())["broker.good.0"].clone();
    let own = |name: &str| record[name].as_str().unwrap().to_owned();
    assert_ne!(own("token"), own("pipe_token"), "what it presents is not what is presented to it");
    let mode = fs::metadata(world.state_dir().join("services.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // when, then
    for secret in [None, Some(own("token")), Some("0".repeat(32))] {
        let problem = refusal(good.address.clone().unwrap(), secret).await;
        assert_eq!(problem.code, Code::Unauthorized, "{problem}");
        assert!(!problem.to_string().contains(&own("pipe_token")), "{problem}");
    }
    let now = world.report("good").unwrap();
    assert_eq!((now.state, now.pid, now.crashes), (good.state, good.pid, 0));
    // when: its Manager crashes, and has to know it again
    world.crash().await;
    world.start_again().await;
    // then
    let again = world.until_live("good").await;
    assert_eq!((again.pid, again.crashes), (good.pid, 0));
    assert_eq!(records(&world.state_dir())["broker.good.0"]["pipe_token"], own("pipe_token"));
    world.stop().await;
}

#[tokio::test]
async fn one_of_a_build_that_knows_no_secret_is_attended_and_taken_over() {
    // given
    let mut world = World::start().await;
    world.want(&["older"]);
    let older = world.until_live("older").await;
    // when: nor did the build know it that has started it
    world.crash().await;
    let path = world.state_dir().join("services.json");
    let mut before = records(&world.state_dir());
    let record = before["broker.older.0"].as_object_mut().unwrap();
    assert!(record.remove("pipe_token").is_some());
    fs::write(&path, before.to_string()).unwrap();
    world.start_again().await;
    // then
    let again = world.until_live("older").await;
    assert_eq!((again.pid, again.crashes), (older.pid, 0));
    assert!(alive(older.pid.unwrap()));
    world.stop().await;
}
