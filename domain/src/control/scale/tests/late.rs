//! Managers that come late, or in part: what is registered of an implementation stays where it is, and what is taken
//! away does not come back.

use super::town::{Broken, Town, exec, spec};
use crate::{
    control::{
        Outcome, Refusal,
        scale::{ProvisionRow, ProvisionState, Provisioner, ScaleSpec},
    },
    ids::NodeId,
};
use alloc::format;

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
