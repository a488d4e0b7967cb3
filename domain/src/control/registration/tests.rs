//! Claims about registrations: the table of states, and that the machine goes by it.

use super::*;
use crate::{
    control::{
        Command, Outcome,
        drain::{By, DrainCommand, DropSchedule},
        machine::world::{World, name},
    },
    ids::{DrainTarget, Revision},
};
use Ordering::{Equal, Greater, Less};
use RegistrationStep::{CheckIn, Drop, Expire};
use alloc::string::String;

const STEPS: [RegistrationStep; 6] = [
    CheckIn(Less),
    CheckIn(Equal),
    CheckIn(Greater),
    Expire { as_it_is: true },
    Expire { as_it_is: false },
    Drop,
];

/// The life on record.
const LIFE: u64 = 5;

const MANAGER: &str = "a.trader-manager";

#[test]
fn every_state_takes_exactly_the_steps_of_the_table() {
    use Registered as R;
    let (anew, again) = (Some(Next::Anew), Some(Next::Again));
    let (down, dropped) = (Some(Next::Down), Some(Next::Dropped));
    let table = [
        (R::Absent, [anew, anew, anew, None, None, None]),
        (R::Live, [None, again, anew, down, None, dropped]),
        (R::Down, [None, anew, anew, None, None, dropped]),
        (R::Dropped, [None, None, anew, None, None, None]),
    ];
    for (stands, expected) in table {
        assert_eq!(STEPS.map(|step| stands.after(step)), expected, "{stands:?}");
    }
    assert_eq!(table.map(|(stands, _)| stands), R::ALL);
}

/// A Manager that stands so.
fn world(stands: Registered) -> World {
    let mut world = World::new();
    match stands {
        Registered::Absent => {}
        Registered::Live => {
            world.check_in(MANAGER, LIFE);
        }
        Registered::Down => {
            world.check_in(MANAGER, LIFE);
            let (incarnation, epoch) = (Incarnation(LIFE), held(&world).expect("live").epoch);
            world.accept(expiry(incarnation, epoch));
        }
        Registered::Dropped => {
            world.check_in(MANAGER, LIFE);
            let epoch = begin_and_force(&mut world);
            world.accept(drop_by(epoch));
        }
    }
    assert_eq!(world.machine.registered(&name(MANAGER)).0, stands);
    world
}

fn held(world: &World) -> Option<ManagerRow> {
    world.machine.manager(&name(MANAGER)).cloned()
}

fn expiry(incarnation: Incarnation, epoch: Epoch) -> Command {
    let (manager, why) = (name(MANAGER), DownReason::Silent);
    Command::ExpireManager { manager, incarnation, epoch, why }
}

fn begin_and_force(world: &mut World) -> Epoch {
    let target: DrainTarget = name(MANAGER);
    let by = || By { who: String::from("ann"), why: String::from("a test") };
    let (deadline, drop) = (None, DropSchedule::WhenIdle);
    let begin = DrainCommand::Begin { target: target.clone(), by: by(), deadline, drop };
    let begun = world.accept(Command::Drain(begin));
    world.accept(Command::Drain(DrainCommand::Force { target, at: None, by: by() }));
    Epoch(begun.0)
}

fn drop_by(epoch: Epoch) -> Command {
    Command::Drain(DrainCommand::Drop { target: name(MANAGER), epoch, within: None })
}

/// What a step makes of the Manager; `None`: it is refused.
fn taken(stands: Registered, step: RegistrationStep) -> Option<Next> {
    let mut world = world(stands);
    let before = held(&world);
    let (life, right) = match &before {
        Some(row) => (row.incarnation, row.epoch),
        None => (Incarnation(LIFE), Epoch(1)),
    };
    let outcome = match step {
        CheckIn(Less) => world.check_in(MANAGER, LIFE - 1),
        CheckIn(Equal) => world.check_in(MANAGER, LIFE),
        CheckIn(Greater) => world.check_in(MANAGER, LIFE + 1),
        Expire { as_it_is: true } => world.apply(expiry(life, right)).outcome,
        Expire { as_it_is: false } => {
            // Neither of an earlier life nor of an earlier right.
            let other = world.apply(expiry(Incarnation(life.0 - 1), right)).outcome;
            assert!(matches!(other, Outcome::Refused { .. }), "{stands:?}");
            world.apply(expiry(life, Epoch(right.0 + 99))).outcome
        }
        Drop if stands == Registered::Absent || stands == Registered::Dropped => {
            // There is nothing that a drain could drop.
            let before = world.machine.state_hash();
            world.machine.drop_manager(UnixNanos(world.at), name(MANAGER));
            assert_eq!(world.machine.state_hash(), before, "{stands:?}");
            return None;
        }
        Drop => {
            let epoch = begin_and_force(&mut world);
            world.apply(drop_by(epoch)).outcome
        }
    };
    let Outcome::Accepted { revision } = outcome else {
        assert_eq!(held(&world), before, "{stands:?} {step:?}");
        return None;
    };
    Some(what_it_is(&world, revision, before))
}

fn what_it_is(world: &World, revision: Revision, before: Option<ManagerRow>) -> Next {
    let (stands, _) = world.machine.registered(&name(MANAGER));
    match (stands, held(world)) {
        (Registered::Live, Some(row)) if row.epoch == Epoch(revision.0) => Next::Anew,
        (Registered::Live, Some(row)) if Some(&row) == before.as_ref() => Next::Again,
        (Registered::Down, Some(_)) => Next::Down,
        (Registered::Dropped, None) => Next::Dropped,
        (stands, row) => panic!("{stands:?} is no place to go to: {row:?}"),
    }
}

#[test]
fn the_machine_goes_by_the_table() {
    for stands in Registered::ALL {
        for step in STEPS {
            assert_eq!(taken(stands, step), stands.after(step), "{stands:?} {step:?}");
        }
    }
}
