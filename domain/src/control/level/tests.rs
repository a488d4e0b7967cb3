//! Claims about feature levels: who is asked, who is let in, and what waits.

mod variants;

use super::*;
use crate::{
    control::{
        Outcome,
        command::DownReason,
        drain::{By, DrainCommand},
        group::{Founder, GroupCommand, MemberAddress},
        machine::world::{World, name},
        plan::plan,
    },
    time::Monotonic,
};
use alloc::collections::BTreeMap;

const SECOND: FeatureLevel = FeatureLevel::SECOND;

/// A group of three, which has said nothing.
fn group() -> World {
    let mut world = World::at_the_first_level();
    let member = |n: u64| {
        let address = MemberAddress { peer: format!("h:{n}"), api: format!("h:1{n}") };
        (NodeId(n), Founder { address, disk: Some(DiskId(u128::from(n))) })
    };
    let members: BTreeMap<_, _> = (1..=3).map(member).collect();
    world.accept(Command::Group(GroupCommand::Found { voters_wanted: 3, members }));
    world
}

fn know(world: &mut World, node: u64, level: FeatureLevel) -> Outcome {
    world.apply(Command::Level(LevelCommand::Know { node: NodeId(node), level })).outcome
}

fn raise(world: &mut World, to: FeatureLevel) -> Outcome {
    world.apply(Command::Level(LevelCommand::Raise { to })).outcome
}

fn check_in(world: &mut World, incarnation: u64, level: FeatureLevel) -> Outcome {
    let told = CheckInKnowing {
        manager: name("a.trader-manager"),
        location: name("here"),
        address: "h:1".to_string(),
        incarnation: Incarnation(incarnation),
        capacity: 5,
        disk: Some(DiskId(9)),
        node: Some(name("n")),
        level,
    };
    world.apply(Command::Level(LevelCommand::CheckIn(told))).outcome
}

fn refusal(outcome: Outcome) -> Refusal {
    match outcome {
        Outcome::Refused { refusal } => refusal,
        Outcome::Accepted { .. } => panic!("accepted"),
    }
}

/// What a leader of this build raises by itself.
fn planned(world: &World, knows: FeatureLevel) -> Vec<Command> {
    let mut observed = world.observed(&[]);
    observed.knows = knows;
    plan(&world.machine, &observed, Monotonic(0))
}

#[test]
fn the_level_is_raised_when_the_last_member_knows_it_and_not_before() {
    let mut world = group();
    for node in [1, 2] {
        know(&mut world, node, SECOND);
        assert_eq!(planned(&world, SECOND), []);
    }
    let refused = refusal(raise(&mut world, SECOND));
    assert_eq!(refused, Refusal::LevelNotKnownBy { level: SECOND, by: "member 3".to_string() });
    know(&mut world, 3, SECOND);
    assert_eq!(planned(&world, FeatureLevel::FIRST), [], "the leader was another build");
    let now = planned(&world, SECOND);
    assert_eq!(now, [Command::Level(LevelCommand::Raise { to: SECOND })]);
    let applied = world.apply(now[0].clone());
    assert_eq!(applied.events[0].kind, EventKind::LevelRaised { level: SECOND });
    assert_eq!(world.machine.level(), SECOND);
    assert_eq!(planned(&world, SECOND), []);
}

#[test]
fn a_live_manager_of_an_older_build_is_waited_for_and_a_dead_one_is_not() {
    let mut world = group();
    (1..=3).for_each(|node| drop(know(&mut world, node, SECOND)));
    check_in(&mut world, 1, FeatureLevel::FIRST);
    let by = "a.trader-manager".to_string();
    assert_eq!(refusal(raise(&mut world, SECOND)), Refusal::LevelNotKnownBy { level: SECOND, by });
    let row = world.machine.manager(&name("a.trader-manager")).expect("there").clone();
    let (manager, incarnation, epoch) = (row.manager, row.incarnation, row.epoch);
    let why = DownReason::Silent;
    world.accept(Command::ExpireManager { manager, incarnation, epoch, why });
    world.accept(Command::Level(LevelCommand::Raise { to: SECOND }));
    // One that comes back as it was is told to be another build; as another build it is let in.
    let (needed, known) = (SECOND, FeatureLevel::FIRST);
    let refused = refusal(check_in(&mut world, 2, known));
    assert_eq!(refused, Refusal::LevelNotKnown { needed, known });
    assert!(refused.to_string().contains("start the build"), "{refused}");
    assert!(matches!(check_in(&mut world, 3, SECOND), Outcome::Accepted { .. }));
    assert_eq!(world.machine.manager_level(&name("a.trader-manager")), Some(SECOND));
}

#[test]
fn a_level_never_falls_nor_skips_one_and_a_member_below_it_is_refused() {
    let mut world = group();
    let third = FeatureLevel(3);
    (1..=3).for_each(|node| drop(know(&mut world, node, third)));
    assert_eq!(refusal(raise(&mut world, third)), Refusal::Superseded);
    world.accept(Command::Level(LevelCommand::Raise { to: SECOND }));
    assert_eq!(refusal(raise(&mut world, SECOND)), Refusal::Superseded);
    assert_eq!(refusal(raise(&mut world, FeatureLevel::FIRST)), Refusal::Superseded);
    let (needed, known) = (SECOND, FeatureLevel::FIRST);
    let refused = refusal(know(&mut world, 1, known));
    assert_eq!(refused, Refusal::LevelNotKnown { needed, known });
    // Down to the level of the state a build may go back.
    assert!(matches!(know(&mut world, 1, SECOND), Outcome::Accepted { .. }));
    let unknown = refusal(know(&mut world, 9, SECOND));
    assert_eq!(unknown, Refusal::NotFound { what: Noun::Member });
}

#[test]
fn a_command_of_a_higher_level_waits_for_it_with_a_sentence() {
    let mut world = group();
    let by = By { who: "me".to_string(), why: "test".to_string() };
    let abandon = DrainCommand::Abandon { target: name("a"), at: None, by };
    let abandon = Command::Drain(abandon);
    let refused = world.machine.admits(&abandon).expect_err("too early");
    assert!(refused.to_string().contains("feature level 2 and the cluster is at 1"), "{refused}");
    assert_eq!(refusal(world.apply(abandon.clone()).outcome), refused);
    (1..=3).for_each(|node| drop(know(&mut world, node, SECOND)));
    world.accept(Command::Level(LevelCommand::Raise { to: SECOND }));
    let then = refusal(world.apply(abandon).outcome);
    assert_eq!(then, Refusal::NotFound { what: Noun::Drain });
}

#[test]
fn a_new_member_is_waited_for_and_one_that_was_removed_is_not() {
    let mut world = group();
    (1..=3).for_each(|node| drop(know(&mut world, node, SECOND)));
    let address = MemberAddress { peer: "h:4".to_string(), api: "h:14".to_string() };
    world.accept(Command::Group(GroupCommand::Admit { disk: DiskId(4), address }));
    assert_eq!(world.machine.not_knowing(SECOND), Some("member 4".to_string()));
    let node = NodeId(4);
    know(&mut world, 4, FeatureLevel::FIRST);
    world.accept(Command::Group(GroupCommand::Remove { node, forced: true }));
    world.accept(Command::Group(GroupCommand::Forget { node }));
    assert_eq!(world.machine.not_knowing(SECOND), None);
    assert_eq!(world.machine.member_level(node), None);
}

#[test]
fn a_new_life_of_the_cluster_goes_on_at_the_level_that_its_rows_need() {
    let mut world = group();
    (1..=3).for_each(|node| drop(know(&mut world, node, SECOND)));
    world.accept(Command::Level(LevelCommand::Raise { to: SECOND }));
    let anew = world.machine.clone().begin_new_life();
    assert_eq!(anew.level(), SECOND);
    assert_eq!(anew.member_level(NodeId(1)), None, "its members are others");
}

#[test]
fn a_manager_that_comes_back_as_a_build_that_says_nothing_holds_the_raise() {
    let mut world = group();
    (1..=3).for_each(|node| drop(know(&mut world, node, SECOND)));
    check_in(&mut world, 1, SECOND);
    // when: its next life is of a build that knows of no levels
    let silent = |incarnation| Command::CheckInFrom {
        manager: name("a.trader-manager"),
        location: name("here"),
        address: "h:1".to_string(),
        incarnation: Incarnation(incarnation),
        capacity: 5,
        disk: DiskId(9),
        node: name("n"),
    };
    world.accept(silent(2));
    // then
    assert_eq!(world.machine.not_knowing(SECOND), Some("a.trader-manager".to_string()));
    let by = "a.trader-manager".to_string();
    assert_eq!(refusal(raise(&mut world, SECOND)), Refusal::LevelNotKnownBy { level: SECOND, by });
}
