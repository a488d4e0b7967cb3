//! A rebalance keeps to locations, as placement does; and what is whole once the planner is at rest.

use super::*;

#[test]
fn a_rebalance_evens_out_each_location_by_itself_and_moves_nobody_to_another() {
    // given: a full TraderManager here, another that was added, and an empty one far away
    let mut world = loaded();
    let before = world.homes();
    world.manager("b.trader-manager", 100);
    let far = Command::CheckIn {
        manager: name("far.trader-manager"),
        location: name("there"),
        address: "h:1".to_string(),
        incarnation: Incarnation(1),
        capacity: 100,
    };
    world.accept(far);
    // when
    let moves = rebalance(&world.machine, &world.observed(&[]), Monotonic(0));
    // then
    let to: BTreeSet<ManagerId> = moves.iter().map(|each| each.to.clone()).collect();
    assert_eq!(to, [name("b.trader-manager")].into());
    assert!(before.values().all(|(at, _)| at.implementation == name("a")), "{before:?}");
}

/// All Traders of a customer are where he is, if that is a place that takes something new and has room.
pub(super) fn assert_whole_where_there_is_a_home(world: &World) {
    for row in world.machine.traders() {
        let home = world.machine.customer(&row.spec.customer).and_then(|c| c.affinity.as_ref());
        let Some(home) = home else { continue };
        let manager = world.machine.manager(&home.manager);
        let live = manager.filter(|row| row.state == crate::control::row::ManagerState::Live);
        let Some(live) = live.filter(|_| world.machine.cordon(&home.manager).is_none()) else {
            continue;
        };
        let at = row.assignment.as_ref().map(|at| &at.manager);
        // Only where there is no room it waits.
        let waits = world.machine.room_for_traders(live) == 0;
        assert!(at == Some(&home.manager) || waits, "{} does not follow its customer", row.trader);
    }
}
