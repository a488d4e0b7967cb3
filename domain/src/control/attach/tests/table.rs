//! Claims about the states of an attachment: nobody has attached, a copy has, its right was taken from it; and what each
//! change makes of them.

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    Unattached,
    /// Copy `one` has its right.
    Attached,
    /// It was stopped, and runs again: nobody has the right.
    Fenced,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A copy, and whether it takes over.
    Attach(&'static str, bool),
    Stop,
    Pause,
    Delete,
    /// It is spawned from now on.
    Spawn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comes {
    /// As it stands, under the same right.
    Same,
    /// The copy that asks has a right of its own.
    Taken,
    Refused,
    /// Nobody has the right of this entry.
    Fenced,
    Forgotten,
}

const STANDS: [Stands; 3] = [Stands::Unattached, Stands::Attached, Stands::Fenced];

const STEPS: [Step; 8] = [
    Step::Attach("one", false),
    Step::Attach("one", true),
    Step::Attach("two", false),
    Step::Attach("two", true),
    Step::Stop,
    Step::Pause,
    Step::Delete,
    Step::Spawn,
];

fn standing(stands: Stands) -> World {
    let mut world = world();
    match stands {
        Stands::Unattached => {}
        Stands::Attached => {
            attached(&mut world, "one");
        }
        Stands::Fenced => {
            attached(&mut world, "one");
            is_to_be(&mut world, TraderWish::Stopped);
            is_to_be(&mut world, TraderWish::Running);
        }
    }
    world
}

fn taken(stands: Stands, step: Step) -> Comes {
    let mut world = standing(stands);
    let before = world.machine.attachment(&name("t")).cloned();
    let mut copy = None;
    let on = Condition::Always;
    let outcome = match step {
        Step::Attach(named, takes_over) => {
            copy = Some(name(named));
            let ask = ask(&world, named, takes_over);
            world.apply(Command::Trader(TraderCommand::Attach(ask))).outcome
        }
        Step::Stop | Step::Pause => {
            let stops = matches!(step, Step::Stop);
            let state = if stops { TraderWish::Stopped } else { TraderWish::Paused };
            let (trader, spec, run) = (name("t"), spec(&[], state), TraderRun::default());
            let what = Declaration::SelfManaged { trader, spec, run };
            world.apply(Command::Resource(ResourceCommand::Put { what, on })).outcome
        }
        Step::Delete => {
            let (what, release) = (Resource::Trader(name("t")), false);
            let delete = ResourceCommand::Delete { what, on, release };
            world.apply(Command::Resource(delete)).outcome
        }
        Step::Spawn => {
            let (trader, spec) = (name("t"), spec(&["algo"], TraderWish::Running));
            world.apply(Command::PutTrader { trader, spec }).outcome
        }
    };
    let after = world.machine.attachment(&name("t")).cloned();
    let Outcome::Accepted { revision } = outcome else {
        assert_eq!(after, before, "{stands:?} {step:?}");
        return Comes::Refused;
    };
    let epoch = Epoch(revision.0);
    match &after {
        same if *same == before => Comes::Same,
        None => Comes::Forgotten,
        Some(held) if held.epoch == epoch && held.copy.is_none() => Comes::Fenced,
        Some(held) if held.epoch == epoch && held.copy == copy => Comes::Taken,
        Some(held) => panic!("{stands:?} {step:?}: {held:?}"),
    }
}

#[test]
fn every_state_takes_exactly_the_changes_of_the_table() {
    use Comes::{Fenced, Forgotten, Refused, Same, Taken};
    let table = [
        [Refused, Taken, Refused, Taken, Same, Same, Same, Same],
        [Same, Same, Refused, Taken, Fenced, Same, Fenced, Forgotten],
        [Refused, Taken, Refused, Taken, Same, Same, Same, Forgotten],
    ];
    for (stands, expected) in STANDS.into_iter().zip(table) {
        assert_eq!(STEPS.map(|step| taken(stands, step)), expected, "{stands:?}");
    }
}
