//! Claims about scaling: by example, and with a leader that is lost at any moment.

mod any;
mod late;
mod table;
mod town;

use super::*;
use crate::{
    control::{
        Command, Machine, Outcome, Refusal,
        drain::{By, DrainCommand},
        machine::world::{SECOND, World, name},
        resource::{Condition, Declaration, Resource, ResourceCommand},
        row::{Row, TraderSpec, TraderWish},
    },
    ids::{DrainTarget, ManagerKind},
    limits,
};
use alloc::{string::ToString, vec, vec::Vec};
use town::{Broken, Step, Town, exec, spec, ways};

#[test]
fn a_full_location_gets_one_more_and_loses_it_by_drain_when_the_load_is_gone() {
    let mut town = Town::new(spec(80, 30, 1, 3));
    town.customers(7);
    town.seconds(30);
    assert_eq!(town.told, vec![], "70 % is between the marks");
    // when: at the mark
    town.customers(8);
    town.seconds(60);
    assert_eq!((town.count(Step::Asked), town.states()), (1, vec![ProvisionState::There]));
    let row = town.world.machine.provisions().next().cloned().unwrap();
    assert_eq!(row.shortage, Shortage::Load { kind: ManagerKind::TraderManager, percent: 80 });
    assert_eq!(town.implementations(), 2);
    // when: the load goes, between the marks and then below them
    town.customers(6);
    town.seconds(60);
    assert_eq!(town.states(), [ProvisionState::There], "30 % of 20 is not below the mark");
    town.customers(3);
    town.seconds(60);
    // then: what was provisioned is gone, and the operator's own stays
    assert_eq!(town.states(), [ProvisionState::Released]);
    assert_eq!((town.implementations(), town.count(Step::Retired)), (1, 1));
    assert!(town.world.machine.managers().all(|m| m.manager.implementation == name("own")));
    let drain = town.world.machine.drains().next().unwrap();
    assert_eq!(drain.by.who, "scale");
    let held = town.world.machine.customers().all(|row| row.affinity.is_some());
    assert!(held, "nobody has lost his place");
}

#[test]
fn what_finds_no_place_counts_as_full_at_once_and_one_that_no_manager_could_take_does_not() {
    let mut town = Town::new(spec(100, 10, 1, 3));
    town.customers(12);
    town.second();
    let row = town.world.machine.provisions().next().cloned().unwrap();
    // Full, and what waits is not needed to say so.
    assert!(matches!(row.shortage, Shortage::Load { percent: 100, .. }), "{row:?}");
    let mut town = Town::new(spec(100, 10, 1, 3));
    town.customers(1);
    give_traders(&mut town, "c0", 6);
    town.seconds(2);
    assert_eq!(town.told, vec![]);
    town.customers(2);
    give_traders(&mut town, "c1", 6);
    town.seconds(2);
    let row = town.world.machine.provisions().next().cloned().unwrap();
    assert_eq!(
        row.shortage,
        Shortage::Waiting { kind: ManagerKind::TraderManager, count: 1 },
        "60 % and no room for six"
    );
    let mut town = Town::new(spec(100, 10, 1, 3));
    town.customers(1);
    give_traders(&mut town, "c0", 11);
    town.seconds(60);
    assert_eq!(town.told, vec![], "more than any Manager takes");
}

fn give_traders(town: &mut Town, customer: &str, count: usize) {
    for n in 0..count {
        let (customer, command) = (name(customer), vec!["algo".to_string()]);
        let spec = TraderSpec { customer, command, state: TraderWish::Running };
        let trader = name(&alloc::format!("{}-t{n}", spec.customer));
        town.world.accept(Command::PutTrader { trader, spec });
    }
}

#[test]
fn sessions_count_by_what_managers_tell_and_nothing_follows_from_a_picture_that_is_not_whole() {
    let mut town = Town::new(spec(80, 30, 1, 3));
    town.sessions = 9;
    let mut unheard = town.observed();
    unheard.managers.remove(&name("own.market-manager"));
    let now = crate::time::Monotonic(0);
    let planned = crate::control::plan(&town.world.machine, &unheard, now);
    assert_eq!(planned, vec![]);
    town.second();
    let row = town.world.machine.provisions().next().cloned().unwrap();
    assert_eq!(row.shortage, Shortage::Load { kind: ManagerKind::MarketManager, percent: 90 });
}

#[test]
fn a_request_that_is_not_needed_any_more_is_given_up() {
    let mut town = Town::new(spec(80, 30, 1, 3));
    town.broken = Some(Broken::Says);
    town.customers(9);
    town.seconds(5);
    assert_eq!(town.states(), [ProvisionState::Failed]);
    town.customers(1);
    town.seconds(60);
    assert_eq!(town.states(), [ProvisionState::Released]);
    assert_eq!(town.count(Step::Asked), 1);
}

#[test]
fn a_leader_that_offers_nothing_says_so_and_one_that_does_goes_on() {
    let mut town = Town::new(spec(80, 30, 1, 3));
    town.customers(9);
    let mut observed = town.observed();
    observed.offered = Offered { node: Some(crate::ids::NodeId(1)), ..Offered::default() };
    for _ in 0..3 {
        let now = crate::time::Monotonic(0);
        let planned = crate::control::plan(&town.world.machine, &observed, now);
        town.carry_out(planned);
    }
    let row = town.world.machine.provisions().next().cloned().unwrap();
    assert_eq!(row.state, ProvisionState::Failed);
    assert!(row.failure.unwrap().contains("--provision-exec nomad=PATH"));
    town.seconds(30);
    assert_eq!(town.states(), [ProvisionState::There]);
}

#[test]
fn a_drain_that_an_operator_cancels_leaves_the_implementation_where_it_is_for_a_while() {
    let mut town = Town::new(spec(80, 30, 1, 3));
    town.customers(8);
    town.seconds(30);
    town.customers(1);
    while town.count(Step::Retired) == 0 {
        town.provisioners_work();
        let planned = town.planned();
        town.carry_out(planned);
        town.world.at += SECOND;
    }
    let target = DrainTarget::Implementation(
        town.world.machine.provisions().next().unwrap().implementation.clone(),
    );
    let by = By { who: "ann".to_string(), why: "no".to_string() };
    town.world.accept(Command::Drain(DrainCommand::Cancel { target, at: None, by }));
    town.seconds(5);
    assert_eq!((town.states(), town.count(Step::Retired)), (vec![ProvisionState::There], 1));
    town.seconds(60);
    assert_eq!((town.states(), town.count(Step::Retired)), (vec![ProvisionState::Released], 2));
}

#[test]
fn an_implementation_with_a_broker_is_not_drained() {
    let mut town = Town::new(spec(80, 30, 1, 3));
    town.customers(8);
    town.seconds(30);
    let there = town.world.machine.provisions().next().unwrap().implementation.clone();
    let spec = crate::control::row::AccountSpec {
        venue: name("sim"),
        adapter: "sim".to_string(),
        endpoint: "h:1".to_string(),
        customers: [].into(),
    };
    town.world.accept(Command::PutAccount { account: name("k"), spec });
    town.world.accept(Command::AssignBroker {
        account: name("k"),
        shard: 0,
        manager: name(&alloc::format!("{there}.broker-manager")),
        replaces: None,
    });
    town.customers(0);
    town.seconds(100);
    assert_eq!(town.states(), [ProvisionState::There]);
}

#[test]
fn settings_that_cannot_work_are_refused_with_the_reason() {
    let good = spec(80, 30, 1, 3);
    assert_eq!(good.fault(), None);
    let faults = [
        (spec(80, 80, 1, 3), ScaleFault::Marks),
        (spec(101, 30, 1, 3), ScaleFault::Marks),
        (spec(0, 0, 1, 3), ScaleFault::Marks),
        (spec(80, 30, 4, 3), ScaleFault::Counts),
        (spec(80, 30, 0, 0), ScaleFault::Counts),
        (spec(80, 30, 0, limits::SCALED_MAX + 1), ScaleFault::Counts),
        (ScaleSpec { cool_down_seconds: 0, ..good.clone() }, ScaleFault::Times),
        (ScaleSpec { deadline_seconds: 90_000, ..good.clone() }, ScaleFault::Times),
        (ScaleSpec { sessions_each: 0, ..good.clone() }, ScaleFault::Capacity),
        (
            ScaleSpec { provisioner: Provisioner::Process { capacity: 0 }, ..good.clone() },
            ScaleFault::Capacity,
        ),
        (
            ScaleSpec { drop: crate::control::drain::DropSchedule::Never, ..good.clone() },
            ScaleFault::Drop,
        ),
    ];
    for (spec, fault) in faults {
        assert_eq!(spec.fault(), Some(fault), "{spec:?}");
        let what = Declaration::Scale { location: name("here"), spec };
        let put = ResourceCommand::Put { what, on: Condition::Always };
        let outcome = World::new().apply(Command::Resource(put)).outcome;
        let refusal = Refusal::ScaleNotPossible { fault };
        assert_eq!(outcome, Outcome::Refused { refusal });
    }
    let Provisioner::Exec { program, .. } = exec() else { panic!("exec is exec") };
    let arguments = [("a".to_string(), "x".repeat(limits::SCALE_ARGUMENT_BYTES + 1))].into();
    let long = ScaleSpec { provisioner: Provisioner::Exec { program, arguments }, ..good };
    assert_eq!(long.fault(), Some(ScaleFault::Arguments));
}

#[test]
fn deleted_settings_leave_what_is_there_and_give_up_what_is_not() {
    let mut town = Town::new(spec(80, 30, 1, 5));
    town.customers(8);
    town.seconds(30);
    town.broken = Some(Broken::Says);
    town.customers(17);
    town.seconds(16);
    assert_eq!(town.states(), [ProvisionState::There, ProvisionState::Failed]);
    let (what, on) = (Resource::Scale(name("here")), Condition::Always);
    let delete = ResourceCommand::Delete { what, on, release: false };
    town.world.accept(Command::Resource(delete));
    town.customers(0);
    town.seconds(60);
    assert_eq!(town.states(), [ProvisionState::There, ProvisionState::Released]);
}

#[test]
fn a_failure_is_tried_again_later_and_later_and_never_sooner_than_its_pause() {
    for broken in [Broken::Says, Broken::Hangs] {
        let mut town = Town::new(spec(80, 30, 1, 3));
        town.broken = Some(broken);
        town.customers(9);
        town.seconds(3_600);
        assert_eq!((town.count(Step::Asked), town.implementations()), (1, 1));
        let mut failures = 0;
        let mut failed_at = None;
        for (at, step) in &town.told {
            match (step, failed_at) {
                (Step::Failed, _) => (failures, failed_at) = (failures + 1, Some(*at)),
                (Step::Started, Some(failed)) => {
                    assert!(*at >= failed + decide::backoff(failures).as_secs(), "{:?}", town.told);
                    failed_at = None;
                }
                (Step::Started, None) => assert_eq!(failures, 0, "started twice"),
                (Step::Asked | Step::Retired, _) => {}
            }
        }
        assert!((10..25).contains(&failures), "{failures} attempts in an hour");
        // when: it works again
        town.broken = None;
        town.seconds(310);
        assert_eq!(town.states(), [ProvisionState::There]);
    }
}

#[test]
fn a_lost_leader_at_any_step_changes_nothing_of_what_comes_of_it() {
    for lost_at in 0..60 {
        let mut town = Town::new(spec(80, 30, 1, 3));
        let mut stale = Vec::new();
        for second in 0..200 {
            match second {
                5 => town.customers(8),
                60 => town.customers(1),
                _ => {}
            }
            if second % 60 == lost_at {
                // It has planned, and nobody knows whether it was carried out; its successor plans anew, and what
                // the first one had proposed arrives late.
                stale = town.planned();
                if second % 2 == 0 {
                    town.carry_out(stale.clone());
                }
                town.leader += 1;
            }
            town.second();
            if second % 60 == (lost_at + 1) % 60 {
                town.carry_out(core::mem::take(&mut stale));
            }
        }
        assert_eq!(town.count(Step::Asked), 1, "lost at {lost_at}: {:?}", town.told);
        assert_eq!(town.count(Step::Retired), 1, "lost at {lost_at}: {:?}", town.told);
        assert_eq!(town.count(Step::Failed), 0, "lost at {lost_at}: {:?}", town.told);
        assert_eq!(town.states(), [ProvisionState::Released], "lost at {lost_at}");
        assert_eq!(town.implementations(), 1);
    }
}

#[test]
fn the_machine_itself_refuses_what_was_decided_on_another_state() {
    let mut town = Town::new(spec(80, 30, 1, 3));
    let settings = town.world.machine.scale(&name("here")).unwrap().revision;
    let ask = |settings| {
        let shortage = Shortage::Least { there: 0 };
        Command::Scale(ScaleCommand::Ask { location: name("here"), settings, shortage })
    };
    let refused = |town: &mut Town, command| match town.world.apply(command).outcome {
        Outcome::Refused { refusal } => refusal,
        Outcome::Accepted { .. } => panic!("accepted"),
    };
    let older = crate::ids::Revision(settings.0 - 1);
    assert_eq!(refused(&mut town, ask(older)), Refusal::Superseded);
    town.customers(9);
    town.seconds(3);
    assert_eq!(refused(&mut town, ask(settings)), Refusal::NotDue, "within the pause");
    town.world.at += 60 * SECOND;
    assert_eq!(refused(&mut town, ask(settings)), Refusal::Superseded, "one is open");
    town.seconds(30);
    town.world.at += 60 * SECOND;
    assert_eq!(town.implementations(), 2);
    town.set(spec(80, 30, 1, 2));
    let settings = town.world.machine.scale(&name("here")).unwrap().revision;
    assert_eq!(refused(&mut town, ask(settings)), Refusal::Superseded, "as many as there may be");
    let row = town.world.machine.provisions().next().cloned().unwrap();
    let (request, revision) = (row.request, row.revision);
    let retire = Command::Scale(ScaleCommand::Retire { request, revision, settings });
    assert_eq!(refused(&mut town, retire.clone()), Refusal::NotDue, "it was not quiet");
    let quiet = ScaleCommand::Quiet { location: name("here"), settings, quiet: true };
    town.world.accept(Command::Scale(quiet.clone()));
    assert_eq!(refused(&mut town, Command::Scale(quiet)), Refusal::Superseded);
    assert_eq!(refused(&mut town, retire.clone()), Refusal::NotDue, "not for long enough");
    town.world.at += 60 * SECOND;
    let release = Command::Scale(ScaleCommand::Release { request, revision });
    assert_eq!(refused(&mut town, release), Refusal::StillHeld);
    town.set(spec(80, 30, 2, 2));
    let settings = town.world.machine.scale(&name("here")).unwrap().revision;
    let quiet = ScaleCommand::Quiet { location: name("here"), settings, quiet: true };
    town.world.accept(Command::Scale(quiet));
    town.world.at += 60 * SECOND;
    let retire = Command::Scale(ScaleCommand::Retire { request, revision, settings });
    assert_eq!(refused(&mut town, retire), Refusal::Superseded, "the least");
}

#[test]
fn what_runs_on_a_machine_is_not_taken_over_by_another_leader() {
    let process = Provisioner::Process { capacity: 10 };
    let mut town = Town::new(ScaleSpec { provisioner: process, ..spec(80, 30, 1, 3) });
    town.customers(8);
    town.broken = Some(Broken::Hangs);
    town.seconds(3);
    let first = town.world.machine.provisions().next().unwrap().node;
    town.leader = 2;
    town.seconds(10);
    let row = town.world.machine.provisions().next().cloned().unwrap();
    assert_eq!((row.state, row.node), (ProvisionState::Starting, first));
    // when: it has failed there
    town.seconds(20);
    let row = town.world.machine.provisions().next().cloned().unwrap();
    assert_eq!((row.state, row.node), (ProvisionState::Starting, Some(crate::ids::NodeId(2))));
    assert!(row.failure.unwrap().contains("trader-manager"));
}

#[test]
fn the_table_leads_everywhere_and_out_of_released_nowhere() {
    assert!(ways().iter().all(|(state, _, to)| *state != ProvisionState::Released || to.is_none()));
    for wanted in ProvisionState::ALL {
        let reached = ways().iter().any(|(_, _, to)| *to == Some(wanted));
        assert!(reached || wanted == ProvisionState::Asked, "{wanted} is never reached");
    }
}

#[test]
fn the_checkers_see_two_open_requests_and_a_way_that_is_not_in_the_table() {
    let mut town = Town::new(spec(80, 30, 1, 3));
    town.broken = Some(Broken::Hangs);
    town.customers(8);
    town.seconds(2);
    let machine = town.world.machine.clone();
    let row = machine.provisions().next().cloned().unwrap();
    let with = |row: &ProvisionRow| {
        Machine::from_rows(machine.rows().chain([Row::Provision(row.clone())]))
    };
    let second = ProvisionRow { request: Epoch(row.request.0 + 1), ..row.clone() };
    assert!(violations(&machine, &with(&second))[0].starts_with("SC1"));
    let released = with(&ProvisionRow { state: ProvisionState::Released, ..row.clone() });
    assert!(violations(&released, &machine)[0].starts_with("SC2"));
    assert_eq!(violations(&machine, &released), Vec::<String>::new());
}
