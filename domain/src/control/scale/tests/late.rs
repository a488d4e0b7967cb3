//! Managers that come late, or in part: what is registered of an implementation stays where it is, and what is taken
//! away does not come back.

use super::town::{Broken, Step, Town, exec, spec};
use crate::{
    control::{
        Command, EventKind, Observed, Outcome, Refusal,
        command::DownReason,
        drain::DrainState,
        group::{Founder, GroupCommand, MemberAddress},
        machine::world::{SECOND, name},
        plan::plan,
        scale::{Offered, ProvisionRow, ProvisionState, Provisioner, ScaleCommand, ScaleSpec},
    },
    ids::NodeId,
    time::Monotonic,
};
use alloc::{format, string::ToString, vec::Vec};

fn only(town: &Town) -> ProvisionRow {
    town.world.machine.provisions().next().cloned().unwrap()
}

/// Asked for in vain, on the first leader's machine or by its program.
fn in_vain(provisioner: Provisioner) -> Town {
    let mut town = Town::new(ScaleSpec { provisioner, ..spec(80, 30, 1, 3) });
    town.customers(8);
    town.broken = Some(Broken::Hangs);
    town.seconds(3);
    town
}

#[test]
fn an_implementation_of_which_something_has_checked_in_is_started_again_where_it_is() {
    // given: its BrokerManager has come, and may have a Broker with a ledger
    let mut town = in_vain(Provisioner::Process { capacity: 10 });
    let row = only(&town);
    town.world.check_in(&format!("{}.broker-manager", row.implementation), 1);
    // when: the others are late, and another member leads
    town.leader = 2;
    town.seconds(60);
    // then
    let now = only(&town);
    assert!(now.attempts > 0 || now.failure.is_some(), "{now:?}");
    assert_eq!((row.node, now.node), (Some(NodeId(1)), Some(NodeId(1))));
}

#[test]
fn a_drain_of_what_is_too_much_that_does_not_end_raises_an_alarm_and_forces_nothing() {
    // given: a session stays at what begins to go
    let mut town = Town::new(spec(80, 30, 1, 3));
    town.customers(8);
    town.seconds(30);
    town.customers(1);
    let round = |town: &mut Town| {
        town.provisioners_work();
        let mut observed = town.observed();
        for (manager, seen) in &mut observed.managers {
            let stays = town.world.machine.empties(manager);
            seen.told.iter_mut().filter(|_| stays).for_each(|told| told.held = Some(1));
        }
        let commands = plan(&town.world.machine, &observed, Monotonic(0));
        let applied = commands.into_iter().map(|command| town.world.apply(command));
        let kinds: Vec<EventKind> =
            applied.flat_map(|applied| applied.events).map(|event| event.kind).collect();
        town.world.at += SECOND;
        kinds
    };
    let is_alarm = |kind: &EventKind| matches!(kind, EventKind::DrainOverdue { .. });
    for _ in 0..60 {
        assert!(!round(&mut town).iter().any(is_alarm));
    }
    let drain = town.world.machine.drains().next().unwrap().clone();
    assert_eq!(drain.state, DrainState::Draining);
    // when
    town.world.at += u64::try_from(crate::limits::RETIRED_WITHIN.as_nanos()).unwrap();
    // then: once
    assert_eq!(round(&mut town).iter().filter(|kind| is_alarm(kind)).count(), 1);
    assert!(!round(&mut town).iter().any(is_alarm));
    let now = town.world.machine.drain(&drain.target).unwrap();
    assert_eq!((now.state, now.epoch), (DrainState::Draining, drain.epoch));
    assert_eq!(only(&town).state, ProvisionState::Retiring);
}

#[test]
fn a_manager_that_comes_when_its_implementation_is_taken_away_is_told_to_stop() {
    // given: it is not needed any more, and given up
    let mut town = in_vain(exec());
    let row = only(&town);
    town.customers(0);
    town.seconds(60);
    let released = [ProvisionState::Releasing, ProvisionState::Released];
    assert!(released.contains(&only(&town).state), "{:?}", only(&town));
    // when, then
    for kind in ["broker-manager", "market-manager", "trader-manager"] {
        let manager = format!("{}.{kind}", row.implementation);
        let outcome = town.world.check_in(&manager, 1);
        assert!(
            matches!(outcome, Outcome::Refused { refusal: Refusal::Dropped { .. } }),
            "{manager}: {outcome:?}"
        );
    }
}

#[test]
fn a_leader_without_the_program_says_so_of_what_another_was_asked_for_and_tries_later_and_later() {
    // given: the member that was asked leads no more, and the one that does has no programs
    let mut town = in_vain(exec());
    town.leader = 2;
    let without = |town: &Town| {
        let offered = Offered { node: Some(NodeId(2)), ..Offered::default() };
        plan(&town.world.machine, &Observed { offered, ..town.observed() }, Monotonic(0))
    };
    // when: a quarter of an hour
    let mut failures = Vec::new();
    for second in 0..900 {
        for command in without(&town) {
            if matches!(command, Command::Scale(ScaleCommand::Fail { .. })) {
                failures.push(second);
            }
            town.world.apply(command);
        }
        town.world.at += SECOND;
    }
    // then
    let row = only(&town);
    assert_eq!(failures.first(), Some(&0), "at once: {failures:?}");
    assert!((5..12).contains(&failures.len()), "{failures:?}");
    assert!(row.failure.unwrap().contains("--provision-exec nomad=PATH"));
    town.broken = None;
    town.seconds(310);
    assert_eq!(only(&town).state, ProvisionState::There);
}

#[test]
fn what_nobody_takes_away_is_said_after_its_deadline_and_again() {
    // given: an implementation on the machine of a member that is away
    let mut town = in_vain(Provisioner::Process { capacity: 10 });
    town.customers(0);
    town.silent_provisioners = true;
    let admit = |node| {
        let address = MemberAddress { peer: "h:1".to_string(), api: "h:2".to_string() };
        (NodeId(node), Founder { address, disk: None })
    };
    let members = [1, 2, 3].map(admit).into();
    town.world.accept(Command::Group(GroupCommand::Found { voters_wanted: 3, members }));
    town.leader = 2;
    town.seconds(40);
    assert_eq!(only(&town).state, ProvisionState::Releasing);
    let before = only(&town).attempts;
    // when
    town.seconds(120);
    // then
    let row = only(&town);
    assert!(row.attempts > before && row.attempts < before + 4, "{row:?}");
    assert!(row.failure.unwrap().contains("node 1 has not said so"));
}

#[test]
fn a_manager_that_was_provisioned_and_ends_has_the_time_to_be_started_again() {
    // given: a location with one of its own and one that was provisioned, as full as two may be
    let mut town = Town::new(spec(80, 30, 1, 3));
    town.customers(8);
    town.seconds(30);
    town.customers(15);
    town.seconds(30);
    let row = only(&town);
    assert_eq!((row.state, town.count(Step::Asked)), (ProvisionState::There, 1));
    // when: its TraderManager ends
    let down = |town: &mut Town, row: &ProvisionRow| {
        let manager = format!("{}.trader-manager", row.implementation);
        let held = town.world.machine.manager(&name(&manager)).cloned().unwrap();
        let (incarnation, epoch, why) = (held.incarnation, held.epoch, DownReason::Refused);
        town.world.accept(Command::ExpireManager {
            manager: held.manager,
            incarnation,
            epoch,
            why,
        });
    };
    down(&mut town, &row);
    town.seconds(12);
    assert_eq!(town.count(Step::Asked), 1);
    // then: it is back, and none was asked for
    town.world.check_in(&format!("{}.trader-manager", row.implementation), 2);
    town.seconds(30);
    assert_eq!(town.count(Step::Asked), 1);
    // One that does not come back is made up for.
    down(&mut town, &row);
    town.seconds(40);
    assert_eq!(town.count(Step::Asked), 2);
}
