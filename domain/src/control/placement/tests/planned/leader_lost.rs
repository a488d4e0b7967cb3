//! Claim: a leader that is lost in the middle of a reassignment changes nothing of its outcome, at whichever step
//! it was; and who comes back is given nothing of what he had.

use super::*;
use crate::control::{Observed, drain::DrainState};

const A: &str = "a.trader-manager";
const B: &str = "b.trader-manager";

/// One Manager is gone and another one is emptied, so that all customers of both move to the two that are left.
/// `lost_after`: so many commands later another member leads, who has heard of nobody yet. Gives how many there were.
fn reassigned(lost_after: Option<usize>) -> (World, usize) {
    let mut world = World::new();
    for implementation in ["a", "b", "c", "d"] {
        world.manager(&format!("{implementation}.trader-manager"), 40);
    }
    (0..9).for_each(|n| world.customer(&format!("c{n}"), 2));
    world.settle(&[]);
    let begin = DrainCommand::Begin {
        target: name(B),
        by: by(),
        deadline: None,
        drop: DropSchedule::Never,
    };
    let epoch = Epoch(world.accept(Command::Drain(begin)).0);
    let told = Told { cordons: [epoch].into(), held: Some(0), ..Told::default() };
    world.told.insert(B, told);
    let mut steps = 0;
    loop {
        if lost_after == Some(steps) {
            let now = Monotonic(1_000_000_000);
            let unheard = Observed { leader_since: now, ..Observed::default() };
            for command in plan(&world.machine, &unheard, now) {
                // What was begun goes on; nobody is expired and no customer moves on no word at all.
                assert!(matches!(command, Command::AssignTrader { .. }), "{command:?}");
                world.accept(command);
            }
        }
        let mut commands = plan(&world.machine, &world.observed(&[A]), Monotonic(0)).into_iter();
        let Some(next) = commands.next() else { return (world, steps) };
        world.accept(next);
        steps += 1;
        assert!(steps < 500, "the planner does not come to rest");
    }
}

fn places(world: &World) -> BTreeMap<CustomerId, ManagerId> {
    world.homes().into_iter().map(|(customer, (manager, _))| (customer, manager)).collect()
}

#[test]
fn a_leader_lost_at_any_step_of_a_reassignment_changes_nothing_of_its_outcome() {
    // given
    let (undisturbed, steps) = reassigned(None);
    assert!(steps > 12, "only {steps} steps");
    for step in 0..=steps {
        // when
        let (mut world, _) = reassigned(Some(step));
        // then
        assert_eq!(places(&world), places(&undisturbed), "after step {step}");
        world.assert_whole();
        let drain = world.machine.drain(&name(B)).map(|row| row.state);
        assert_eq!(drain, Some(DrainState::Drained), "after step {step}");
        // And the one that was lost comes back: nothing is wanted there, and nothing moves to it.
        world.manager(A, 40);
        world.settle(&[]);
        assert_eq!(places(&world), places(&undisturbed), "after step {step}");
        let wanted = desired(&world.machine, Revision(world.revision), &name(A));
        assert_eq!(
            wanted.map(|d| d.work),
            Some(Work::Traders { traders: vec![], access: Default::default() })
        );
    }
}
