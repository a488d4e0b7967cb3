//! Claims about how Traders are declared to be run.

use super::*;
use crate::control::{
    Command, Outcome, StateHash,
    machine::world::{World, name},
    resource::{Condition, Declaration, Resource, ResourceCommand},
};
use alloc::{borrow::ToOwned, string::ToString};

fn spec(state: TraderWish) -> TraderSpec {
    TraderSpec { customer: name("acme"), command: vec!["algo".to_owned()], state }
}

fn run() -> TraderRun {
    let from = EnvironmentValue::From("file:/run/key".to_owned());
    let plain = EnvironmentValue::Value("debug".to_owned());
    TraderRun {
        environment: [("KEY".to_owned(), from), ("LEVEL".to_owned(), plain)].into(),
        directory: Some("/opt".to_owned()),
        limits: TraderLimits { memory_mib: Some(64), open_files: Some(64), nice: Some(5) },
        restart: RestartPolicy::Never,
        restarts: 1,
    }
}

fn put(spec: TraderSpec, run: TraderRun) -> Command {
    let what = Declaration::TraderRun { trader: name("t"), spec, run };
    Command::Resource(ResourceCommand::Put { what, on: Condition::Always })
}

fn world() -> World {
    let mut world = World::new();
    let customer = Declaration::Customer { customer: name("acme"), key_hashes: None };
    let on = Condition::Always;
    world.accept(Command::Resource(ResourceCommand::Put { what: customer, on }));
    world
}

fn declared(world: &World) -> Revision {
    world.machine.declared_at(&Resource::Trader(name("t"))).unwrap_or_default()
}

#[test]
fn a_change_of_how_it_is_run_is_a_change_of_the_trader_and_the_same_again_is_none() {
    // given
    let mut world = world();
    world.accept(put(spec(TraderWish::Running), TraderRun::default()));
    let first = declared(&world);
    // when, then
    world.accept(put(spec(TraderWish::Running), run()));
    let second = declared(&world);
    assert!(second > first);
    assert_eq!(world.machine.trader_run(&name("t")), run());
    world.accept(put(spec(TraderWish::Running), run()));
    assert_eq!(declared(&world), second, "the same again is a change");
    // and: what is not named is as by default
    world.accept(put(spec(TraderWish::Running), TraderRun::default()));
    assert!(declared(&world) > second);
    assert_eq!(world.machine.trader_run(&name("t")), TraderRun::default());
    assert!(world.machine.rows().all(|row| !matches!(row, Row::TraderRun(_))));
    assert_eq!(world.machine.state_hash(), StateHash::of_rows(world.machine.rows()));
}

#[test]
fn how_a_trader_is_run_goes_with_it() {
    let mut world = world();
    world.accept(put(spec(TraderWish::Running), run()));
    let what = Resource::Trader(name("t"));
    let delete = ResourceCommand::Delete { what, on: Condition::Always, release: false };
    world.accept(Command::Resource(delete));
    assert!(world.machine.rows().all(|row| !matches!(row, Row::TraderRun(_))));
    world.accept(put(spec(TraderWish::Running), TraderRun::default()));
    assert!(world.machine.trader_run(&name("t")).is_default(), "it came back with what was set");
}

#[test]
fn what_cannot_be_is_refused_and_says_why() {
    type Spoil = fn(&mut TraderRun);
    let variable = |name: &str, value: EnvironmentValue| TraderRun {
        environment: [(name.to_owned(), value)].into(),
        ..TraderRun::default()
    };
    let plain = |text: &str| EnvironmentValue::Value(text.to_owned());
    let from = |text: &str| EnvironmentValue::From(text.to_owned());
    let key = || "KEY".to_owned();
    let long = "x".repeat(limits::VARIABLE_BYTES + 1);
    let mut faults = vec![
        (variable("1KEY", plain("x")), TraderFault::Name),
        (variable("", plain("x")), TraderFault::Name),
        (variable("A=B", plain("x")), TraderFault::Name),
        (
            variable("TRADEWIND_TRADER", plain("x")),
            TraderFault::Reserved { name: "TRADEWIND_TRADER".to_owned() },
        ),
        (variable("KEY", plain("a\0b")), TraderFault::Value { name: key() }),
        (variable("KEY", plain(&long)), TraderFault::Value { name: key() }),
    ];
    let references = [
        "",
        "secret",
        "file:",
        "file:relative",
        "exec:ls",
        "env:",
        "env:TRADEWIND_SERVICE_TOKEN",
        "credential:../key",
        "credential:",
        "vault:/key",
    ];
    let wrong = references.map(|text| (variable("KEY", from(text)), ()));
    faults.extend(wrong.map(|(run, ())| (run, TraderFault::Reference { name: key() })));
    let spoils: [(Spoil, TraderFault); 6] = [
        (|run| run.directory = Some("opt".to_owned()), TraderFault::Directory),
        (|run| run.limits.memory_mib = Some(15), TraderFault::Memory),
        (|run| run.limits.open_files = Some(1 << 21), TraderFault::OpenFiles),
        (|run| run.limits.nice = Some(20), TraderFault::Nice),
        (
            |run| {
                let names = (0..=limits::VARIABLES).map(|n| alloc::format!("K{n}"));
                let empty = EnvironmentValue::Value(String::new());
                run.environment = names.map(|name| (name, empty.clone())).collect();
            },
            TraderFault::Environment,
        ),
        (
            |run| {
                let names = (0..9).map(|n| alloc::format!("K{n}"));
                let large = EnvironmentValue::Value("x".repeat(limits::VARIABLE_BYTES));
                run.environment = names.map(|name| (name, large.clone())).collect();
            },
            TraderFault::Environment,
        ),
    ];
    faults.extend(spoils.map(|(spoil, fault)| {
        let mut run = run();
        spoil(&mut run);
        (run, fault)
    }));
    for (run, fault) in faults {
        assert_eq!(run.fault(), Some(fault.clone()), "{run:?}");
        let outcome = world().apply(put(spec(TraderWish::Running), run)).outcome;
        assert_eq!(outcome, Outcome::Refused { refusal: Refusal::TraderNotPossible { fault } });
    }
    assert_eq!(run().fault(), None);
    assert!(!TraderFault::Name.to_string().is_empty());
}

#[test]
fn a_declaration_is_its_two_parts() {
    let whole = TraderDeclaration::of(spec(TraderWish::Paused), run());
    assert_eq!(whole.parts(), (spec(TraderWish::Paused), run()));
}
