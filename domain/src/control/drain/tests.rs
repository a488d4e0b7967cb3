//! Claims about drains: the table of states, what is refused behind a cordon, and how a drain goes its way
//! by the planner alone, whoever leads.

mod abandon;
mod way;

use super::*;
use crate::{
    calendar::{Exchange, Hours},
    control::{
        Applied, Command, EventKind, Observed, Outcome, Refusal,
        invariants::violations,
        machine::world::{SECOND, World, name},
        plan::{Told, plan},
        row::{
            AccountSpec, Assignment, BrokerRow, CustomerSpec, LocationSpec, ManagerState, Row,
            TraderSpec, TraderWish,
        },
    },
    ids::AccountId,
    time::Monotonic,
};
use alloc::{collections::BTreeSet, format, string::ToString, vec, vec::Vec};

fn by(why: &str) -> By {
    By { who: "operator".to_string(), why: why.to_string() }
}

fn begin(target: &str, drop: DropSchedule) -> Command {
    let (target, by) = (name(target), by("maintenance"));
    Command::Drain(DrainCommand::Begin { target, by, deadline: None, drop })
}

fn put_account(world: &mut World, account: &str) {
    let (venue, customers) = (name("sim"), BTreeSet::new());
    let (adapter, endpoint) = ("sim".to_string(), "h:1".to_string());
    let spec = AccountSpec { venue, adapter, endpoint, customers };
    world.accept(Command::PutAccount { account: name(account), spec });
}

/// Two implementations, a customer with a Trader on the first, all at rest.
fn serving() -> World {
    serving_in(World::new())
}

fn serving_in(world: World) -> World {
    let mut world = world.and_a_customer_and_a_trader();
    for manager in ["a.broker-manager", "b.broker-manager", "a.market-manager", "b.market-manager"]
    {
        world.check_in(manager, 1);
    }
    world.settle(&[]);
    assert_eq!(home(&world), "a.trader-manager");
    world
}

fn home(world: &World) -> alloc::string::String {
    let row = world.machine.customer(&name("acme")).expect("there");
    row.affinity.as_ref().expect("placed").manager.to_string()
}

fn state(world: &World, target: &str) -> Option<DrainState> {
    world.machine.drain(&name(target)).map(|row| row.state)
}

fn epoch(world: &World, target: &str) -> Epoch {
    world.machine.drain(&name(target)).expect("there").epoch
}

/// What the Managers of `a` say: that they know of the drain, and how much they hold.
fn tell(world: &mut World, held: [Option<u64>; 3]) {
    let cordons: BTreeSet<Epoch> = world.machine.drains().map(|row| row.epoch).collect();
    let managers = ["a.broker-manager", "a.market-manager", "a.trader-manager"];
    for (manager, held) in managers.into_iter().zip(held) {
        world.told.insert(manager, Told { cordons: cordons.clone(), held, ..Told::default() });
    }
}

fn idle(world: &mut World) {
    tell(world, [Some(0); 3]);
}

fn refused(applied: Applied) -> Refusal {
    match applied.outcome {
        Outcome::Refused { refusal } => refusal,
        Outcome::Accepted { .. } => panic!("accepted"),
    }
}

#[test]
fn every_state_takes_exactly_the_steps_of_the_table() {
    use {DrainState as S, Step as T};
    let steps = [
        T::Acknowledge,
        T::Empty,
        T::Force,
        T::Drop,
        T::Cancel,
        T::Reschedule,
        T::Overdue,
        T::Abandon,
        T::HoursUnknown,
    ];
    let to = |state| Some(Next::State(state));
    let active = Some(Next::Active);
    let (cordoned, draining, drained) = (to(S::Cordoned), to(S::Draining), to(S::Drained));
    let table = [
        (S::Cordoned, [draining, None, drained, None, active, cordoned, cordoned, cordoned, None]),
        (S::Draining, [None, drained, drained, None, active, draining, draining, draining, None]),
        (
            S::Drained,
            [None, None, drained, to(S::Dropped), active, drained, None, drained, drained],
        ),
        (S::Dropped, [None, None, None, None, None, None, None, to(S::Dropped), None]),
    ];
    for (state, expected) in table {
        assert_eq!(steps.map(|step| state.after(step)), expected, "{state}");
    }
    assert_eq!(table.map(|(state, _)| state), DrainState::ALL);
}

#[test]
fn from_its_commit_on_nothing_new_is_placed_behind_a_cordon_until_it_is_cancelled() {
    let mut world = serving();
    put_account(&mut world, "one");
    world.accept(begin("a", DropSchedule::Never));
    let spec = CustomerSpec { key_hashes: BTreeSet::new() };
    world.accept(Command::PutCustomer { customer: name("zeta"), spec });
    let spec = TraderSpec {
        customer: name("acme"),
        command: vec!["algo".to_string()],
        state: TraderWish::Running,
    };
    world.accept(Command::PutTrader { trader: name("second"), spec });
    let assign = [
        Command::AssignBroker {
            account: name("one"),
            shard: 0,
            manager: name("a.broker-manager"),
            replaces: None,
        },
        Command::AssignCustomer {
            customer: name("zeta"),
            manager: name("a.trader-manager"),
            replaces: None,
        },
        Command::AssignTrader {
            trader: name("second"),
            manager: name("a.trader-manager"),
            replaces: None,
        },
    ];
    for command in &assign {
        let refusal = refused(world.apply(command.clone()));
        assert_eq!(refusal, Refusal::Cordoned { target: name("a") });
    }
    // Nor does the planner try: the Broker and the new customer go elsewhere, the new Trader waits for his.
    world.settle(&[]);
    let broker = world.machine.brokers().next().and_then(|row| row.assignment.clone());
    assert_eq!(broker.map(|a| a.manager), Some(name("b.broker-manager")));
    assert_eq!(world.machine.trader(&name("second")).and_then(|t| t.assignment.clone()), None);
    let cancel = DrainCommand::Cancel { target: name("a"), at: None, by: by("changed my mind") };
    world.accept(Command::Drain(cancel));
    world.accept(assign[2].clone());
}

#[test]
fn a_cordon_is_acknowledged_once_every_live_manager_has_confirmed_it_in_its_life() {
    let mut world = serving();
    world.accept(begin("a", DropSchedule::Never));
    // Not while one is silent, nor by a life that is over, nor for another drain.
    tell(&mut world, [None; 3]);
    world.told.remove("a.market-manager");
    world.settle(&[]);
    assert_eq!(state(&world, "a"), Some(DrainState::Cordoned));
    let confirmed = [("a.broker-manager", 1), ("a.market-manager", 1), ("a.trader-manager", 1)];
    let acknowledge = |world: &World, epoch| {
        let confirmed = confirmed.map(|(m, life)| (name(m), Incarnation(life))).into();
        let epoch = Epoch(epoch_of(world).0 + epoch);
        Command::Drain(DrainCommand::Acknowledge { target: name("a"), epoch, confirmed })
    };
    let other = acknowledge(&world, 1);
    assert_eq!(refused(world.apply(other)), Refusal::Superseded);
    world.check_in("a.market-manager", 2);
    let stale = acknowledge(&world, 0);
    assert_eq!(refused(world.apply(stale)), Refusal::NotConfirmed);
    // One whose lease is over counts as confirmed.
    world.settle(&["a.market-manager"]);
    assert_eq!(state(&world, "a"), Some(DrainState::Draining));
}

fn epoch_of(world: &World) -> Epoch {
    epoch(world, "a")
}

#[test]
fn a_second_drain_is_the_first_one() {
    let mut world = serving();
    world.accept(begin("a", DropSchedule::Never));
    let first = world.machine.drain(&name("a")).cloned();
    let command = DrainCommand::Begin {
        target: name("a"),
        by: by("something else"),
        deadline: Some(UnixNanos(1)),
        drop: DropSchedule::WhenIdle,
    };
    let second = world.apply(Command::Drain(command));
    assert!(matches!(second.outcome, Outcome::Accepted { .. }));
    assert!(second.events.is_empty());
    assert_eq!(world.machine.drain(&name("a")).cloned(), first);
    let unknown = begin("q", DropSchedule::Never);
    let what = crate::control::refusal::Noun::Manager;
    assert_eq!(refused(world.apply(unknown)), Refusal::NotFound { what });
}

#[test]
fn a_passed_deadline_raises_one_alarm_and_forces_nothing() {
    let mut world = serving();
    let command = DrainCommand::Begin {
        target: name("a.trader-manager"),
        by: by("maintenance"),
        deadline: Some(UnixNanos(10 * SECOND)),
        drop: DropSchedule::WhenIdle,
    };
    world.accept(Command::Drain(command));
    world.settle(&[]);
    let overdue = |world: &World| {
        let row = world.machine.drain(&name("a.trader-manager")).expect("there");
        (row.overdue, row.state)
    };
    assert_eq!(overdue(&world), (None, DrainState::Cordoned));
    let early = DrainCommand::Overdue {
        target: name("a.trader-manager"),
        epoch: epoch(&world, "a.trader-manager"),
    };
    assert_eq!(refused(world.apply(Command::Drain(early.clone()))), Refusal::NotDue);
    world.at = 10 * SECOND;
    let commands = plan(&world.machine, &world.observed(&[]), Monotonic(0));
    assert_eq!(commands, [Command::Drain(early.clone())]);
    let alarm = world.apply(commands[0].clone());
    assert!(matches!(alarm.events[0].kind, EventKind::DrainOverdue { .. }));
    assert_eq!(overdue(&world), (Some(UnixNanos(10 * SECOND)), DrainState::Cordoned));
    world.settle(&[]);
    assert_eq!(refused(world.apply(Command::Drain(early))), Refusal::NotDue);
}

#[test]
fn force_counts_as_drained_and_drops_no_sooner() {
    let mut world = serving();
    world.accept(begin("a.trader-manager", DropSchedule::At(UnixNanos(20 * SECOND))));
    let revision = world.machine.drain(&name("a.trader-manager")).expect("there").revision;
    let force = |at| {
        let (target, by) = (name("a.trader-manager"), by("it hangs"));
        Command::Drain(DrainCommand::Force { target, at, by })
    };
    let stale = force(Some(Revision(revision.0 + 1)));
    assert_eq!(refused(world.apply(stale)), Refusal::NotAsExpected { held: Some(revision) });
    world.accept(force(Some(revision)));
    assert_eq!(state(&world, "a.trader-manager"), Some(DrainState::Drained));
    world.at = 20 * SECOND - 1;
    // The customer moves away even so, while there is time.
    world.settle(&[]);
    assert_eq!(state(&world, "a.trader-manager"), Some(DrainState::Drained));
    assert_eq!(home(&world), "b.trader-manager");
    world.at = 20 * SECOND;
    world.settle(&[]);
    assert_eq!(state(&world, "a.trader-manager"), Some(DrainState::Dropped));
}

#[test]
fn a_cancelled_drain_leaves_nothing_and_a_dropped_one_is_not_cancelled() {
    let mut world = serving();
    world.accept(begin("a", DropSchedule::WhenIdle));
    let cancel = || DrainCommand::Cancel { target: name("a"), at: None, by: by("no") };
    world.accept(Command::Drain(cancel()));
    assert_eq!(state(&world, "a"), None);
    world.accept(begin("a", DropSchedule::WhenIdle));
    idle(&mut world);
    world.settle(&[]);
    let refusal = refused(world.apply(Command::Drain(cancel())));
    assert_eq!(refusal, Refusal::WrongState { state: DrainState::Dropped });
}

#[test]
fn violations_of_d1_and_d2_are_found() {
    let mut world = serving();
    put_account(&mut world, "one");
    world.accept(begin("a", DropSchedule::Never));
    let revision = Revision(world.revision + 1);
    let found = |forge: &dyn Fn(&mut crate::control::Machine)| {
        let mut after = world.machine.clone();
        forge(&mut after);
        let found = violations(&world.machine, &after, revision);
        found.iter().map(|text| text[..2].to_string()).collect::<Vec<_>>()
    };
    let (manager, account): (ManagerId, AccountId) = (name("a.broker-manager"), name("one"));
    let placed = |epoch| {
        let assignment = Some(Assignment { manager: manager.clone(), epoch });
        Row::Broker(BrokerRow { account: account.clone(), shard: 0, assignment })
    };
    let cordon = world.machine.drain(&name("a")).cloned().expect("there");
    assert_eq!(found(&|m| m.tables.put(placed(Epoch(revision.0)))), ["D1"]);
    assert_eq!(found(&|m| m.tables.put(placed(Epoch(cordon.epoch.0 - 1)))), [""; 0]);
    let dropped = |drained, drop| {
        let since = UnixNanos(world.at);
        // Whatever is held was accepted as lost.
        let (state, forced) = (DrainState::Dropped, Some(by("lost")));
        Row::Drain(DrainRow { state, since, drained, drop, forced, ..cordon.clone() })
    };
    let then = Some(UnixNanos(world.at));
    assert_eq!(found(&|m| m.tables.put(dropped(None, DropSchedule::WhenIdle))), ["D2"]);
    assert_eq!(found(&|m| m.tables.put(dropped(then, DropSchedule::Never))), ["D2"]);
    assert_eq!(found(&|m| m.tables.put(dropped(then, DropSchedule::AfterHours))), ["D2"]);
    assert_eq!(found(&|m| m.tables.put(dropped(then, DropSchedule::WhenIdle))), [""; 0]);
    let later = DropSchedule::At(UnixNanos(world.at + 1));
    assert_eq!(found(&|m| m.tables.put(dropped(then, later))), ["D2"]);
    // A customer is still there.
    let drained = DrainRow { state: DrainState::Drained, drained: then, ..cordon.clone() };
    assert_eq!(found(&|m| m.tables.put(Row::Drain(drained.clone()))), ["D2"]);
}

#[test]
fn old_drains_make_room_and_running_ones_do_not() {
    let mut world = World::new();
    let target = |n: usize| format!("i{n}.market-manager");
    for n in 0..=crate::limits::DRAINS {
        world.check_in(&target(n), 1);
        if n < crate::limits::DRAINS {
            world.accept(begin(&target(n), DropSchedule::Never));
        }
    }
    let one_more = begin(&target(crate::limits::DRAINS), DropSchedule::Never);
    let what = crate::control::refusal::Noun::Drain;
    assert_eq!(refused(world.apply(one_more.clone())), Refusal::TooMany { what });
    let force = DrainCommand::Force { target: name(&target(7)), at: None, by: by("done") };
    world.accept(Command::Drain(force));
    let reschedule = DrainCommand::Reschedule {
        target: name(&target(7)),
        at: None,
        by: by("done"),
        drop: DropSchedule::WhenIdle,
    };
    world.accept(Command::Drain(reschedule));
    world.settle(&[]);
    assert_eq!(state(&world, &target(7)), Some(DrainState::Dropped));
    world.accept(one_more);
    assert_eq!(state(&world, &target(7)), None);
    let live = world.machine.managers().filter(|row| row.state == ManagerState::Live);
    assert_eq!(live.count(), crate::limits::DRAINS);
}

#[test]
fn a_drain_is_begun_on_its_condition_and_a_second_one_that_differs_is_told_how() {
    let mut world = serving();
    let on = |on, drop| {
        let (target, by) = (name("a.trader-manager"), by("an upgrade"));
        Command::Drain(DrainCommand::BeginOn { target, on, by, deadline: None, drop })
    };
    let there =
        |world: &World| world.machine.drain(&name("a.trader-manager")).map(|row| row.revision);
    let never = DropSchedule::Never;
    let none = Refusal::NotAsExpected { held: None };
    assert_eq!(refused(world.apply(on(Condition::Present, never))), none);
    assert_eq!(refused(world.apply(on(Condition::At(Revision(1)), never))), none);
    world.accept(on(Condition::Absent, never));
    let begun = there(&world);
    let held = Refusal::NotAsExpected { held: begun };
    assert_eq!(refused(world.apply(on(Condition::Absent, never))), held);
    // The same again is the first.
    world.accept(on(Condition::Always, never));
    world.accept(on(Condition::Present, never));
    assert_eq!(there(&world), begun);
    let differs = Refusal::AlreadyDraining { drop: never, deadline: None };
    let said = differs.to_string();
    assert!(said.contains("never dropped, without a deadline"), "{said}");
    assert_eq!(refused(world.apply(on(Condition::Always, DropSchedule::WhenIdle))), differs);
}
