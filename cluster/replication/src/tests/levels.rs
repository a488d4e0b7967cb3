//! A build that does not understand the state stops, refuses to start, and damages nothing.
#![allow(clippy::unwrap_used)]

use super::world::{World, eventually, is_stopped, now, request, rows};
use crate::{Replica, StartError, StateError};
use std::{collections::BTreeMap, sync::Arc};
use tradewind_domain::{
    control::{
        Command, Outcome,
        group::{Founder, GroupCommand, MemberAddress},
        level::{FeatureLevel, LevelCommand},
    },
    ids::{DiskId, NodeId},
};

const NODE: NodeId = NodeId(1);

/// A member of a build that knows the first level alone.
async fn start_old(world: &World, node: NodeId) -> Result<Replica, StartError> {
    let mut options = world.options(node);
    options.environment.knows = FeatureLevel::FIRST;
    Replica::start(options, Arc::new(now)).await
}

async fn accept(world: &World, command: Command) {
    let outcome = world.propose(request(command)).await.outcome;
    assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
}

/// All of a group say that they know the second level, whatever they are, and it is raised.
async fn raise(world: &World) {
    let founder = |node: NodeId| {
        let address = MemberAddress { peer: format!("h:{node}"), api: format!("api-{node}") };
        (node, Founder { address, disk: Some(DiskId(u128::from(node.0))) })
    };
    let members: BTreeMap<_, _> = world.members.keys().copied().map(founder).collect();
    accept(world, Command::Group(GroupCommand::Found { voters_wanted: 3, members })).await;
    let level = FeatureLevel::SECOND;
    for node in world.members.keys().copied() {
        accept(world, Command::Level(LevelCommand::Know { node, level })).await;
    }
    accept(world, Command::Level(LevelCommand::Raise { to: level })).await;
}

fn is_level(error: &StartError) -> bool {
    matches!(error, StartError::State(StateError::LevelNotKnown(_)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_below_the_level_of_the_state_refuses_to_start_and_damages_nothing() {
    // given
    let mut world = World::serving(1).await;
    raise(&world).await;
    world.put("r", "kept").await;
    let before = rows(&world.settled().await[0]);
    world.stop(NODE).await;
    // when
    let refused = start_old(&world, NODE).await.map(drop).unwrap_err();
    // then
    assert!(is_level(&refused), "{refused:?}");
    let mut said = String::new();
    let mut error: Option<&dyn std::error::Error> = Some(&refused);
    while let Some(now) = error {
        said += &now.to_string();
        error = now.source();
    }
    assert!(said.contains("feature level 2 and this build knows 1"), "{said}");
    // The build that was there finds everything.
    world.start(NODE).await;
    world.leader().await;
    assert_eq!(rows(&world.settled().await[0]), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_was_made_an_older_build_stops_before_it_applies_the_raise() {
    // given: it is behind, and its group raises the level without it
    let mut world = World::serving(3).await;
    let node = world.follower().await.node();
    world.stop(node).await;
    let old = start_old(&world, node).await.unwrap();
    world.running.insert(node, old.clone());
    // when
    raise(&world).await;
    // then
    let status = old.watch_status();
    let failure = eventually("it stops", || {
        let status = status.borrow();
        is_stopped(&status).then(|| status.failure.clone().unwrap_or_default())
    })
    .await;
    assert!(failure.contains("this build knows 1"), "{failure}");
    assert_eq!(old.machine().level(), FeatureLevel::FIRST);
    // The others go on, and so does it as another build.
    world.put("r", "without it").await;
    old.shutdown().await;
    world.running.remove(&node);
    world.start(node).await;
    world.put("r", "with it").await;
    let machines = world.settled().await;
    assert!(machines.iter().all(|machine| machine.level() == FeatureLevel::SECOND));
}
