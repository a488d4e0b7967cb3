//! Claims about `solve`: over random problems, and by example where one preference comes before another.

mod planned;

use super::*;
use alloc::{
    collections::BTreeSet,
    format,
    string::{String, ToString},
    vec,
};
use proptest::prelude::*;

fn manager(text: &str) -> ManagerId {
    text.parse().expect("a legal name")
}

fn place(location: &str, capacity: u32) -> Place {
    let location = location.parse().expect("a legal name");
    Place { location, door: Door::Open, passing: false, capacity, held: 0, moving: 0 }
}

fn customer(name: &str) -> Item {
    Item::Customer { customer: name.parse().expect("a legal name") }
}

fn broker(account: &str, shard: u16) -> Item {
    Item::Broker { account: account.parse().expect("a legal name"), shard }
}

fn any_item() -> impl Strategy<Value = (Item, u32)> {
    prop_oneof![
        ("[a-j]", 1_u32..4).prop_map(|(name, weight)| (customer(&name), weight)),
        ("[xy]", 0_u16..4).prop_map(|(account, shard)| (broker(&account, shard), 1)),
    ]
}

fn any_manager() -> impl Strategy<Value = ManagerId> {
    let kinds = prop::sample::select(vec!["broker-manager", "trader-manager"]);
    ("[a-e]", kinds).prop_map(|(implementation, kind)| manager(&format!("{implementation}.{kind}")))
}

fn any_place() -> impl Strategy<Value = Place> {
    let doors = prop::sample::select(vec![Door::Open, Door::Open, Door::Shut, Door::Leaving]);
    ("[pq]", 0_u32..8, doors, 0_u32..6, any::<bool>()).prop_map(
        |(location, capacity, door, moving, passing)| Place {
            door,
            moving,
            passing,
            ..place(&location, capacity)
        },
    )
}

prop_compose! {
    /// Items at places of their kind, some of which are gone.
    fn any_case()(
        places in prop::collection::btree_map(any_manager(), any_place(), 1..8),
        items in prop::collection::btree_map(0_u8..40, any_item(), 1..24),
        homes in prop::collection::vec(prop::option::of(any_manager()), 24),
        gone in prop::collection::btree_map(any_manager(), "[pq]", 0..3),
    ) -> (Problem, Placed) {
        let items: BTreeMap<Item, u32> = items.into_values().collect();
        let homes = items.keys().zip(homes);
        let at_home = homes.filter_map(|(item, home)| {
            let home = home.filter(|home| home.kind == item.kind())?;
            Some((item.clone(), home))
        });
        let previous = at_home.collect();
        let gone = gone.into_iter().map(|(manager, at)| (manager, at.parse().expect("legal")));
        (Problem { places, items, moves_at_once: 4, gone: gone.collect() }, previous)
    }
}

/// Whether what is there may stay.
fn keeps(problem: &Problem, at: &ManagerId) -> bool {
    problem.places.get(at).is_some_and(|place| place.door != Door::Leaving)
}

fn weight_at(problem: &Problem, placed: &Placed, at: &ManagerId) -> u32 {
    let here = placed.iter().filter(|(_, manager)| *manager == at);
    here.map(|(item, _)| problem.items[item]).sum()
}

fn without_caps((mut problem, previous): (Problem, Placed)) -> (Problem, Placed) {
    problem.moves_at_once = u32::MAX;
    (problem, previous)
}

proptest! {
    #[test]
    fn nothing_moves_without_a_cause((problem, previous) in any_case()) {
        let placed = solve(&problem, &previous);
        for (item, at) in previous.iter().filter(|(_, at)| keeps(&problem, at)) {
            prop_assert_eq!(placed.get(item), Some(at));
        }
        // And nothing that had a holder is left without one, nor is anything invented.
        prop_assert!(previous.keys().all(|item| placed.contains_key(item)));
        prop_assert!(placed.keys().all(|item| problem.items.contains_key(item)));
    }

    #[test]
    fn what_is_placed_anew_is_at_an_open_place_of_its_kind_that_has_room((problem, previous) in any_case()) {
        let placed = solve(&problem, &previous);
        let anew = placed.iter().filter(|(item, to)| previous.get(*item) != Some(*to));
        for (item, to) in anew {
            let place = &problem.places[to];
            prop_assert_eq!(place.door, Door::Open, "a cordoned place gets nothing");
            prop_assert_eq!(to.kind, item.kind());
            prop_assert!(weight_at(&problem, &placed, to) <= place.capacity);
        }
    }

    #[test]
    fn no_more_moves_go_to_a_place_than_may_be_under_way((problem, previous) in any_case()) {
        let placed = solve(&problem, &previous);
        for (to, place) in &problem.places {
            let moved = placed.iter().filter(|(item, at)| {
                *at == to && previous.get(*item).is_some_and(|from| from != to)
            });
            let moved = u32::try_from(moved.count()).expect("few");
            prop_assert!(moved == 0 || place.moving + moved <= problem.moves_at_once);
        }
    }

    #[test]
    fn what_was_solved_is_solved((problem, previous) in any_case().prop_map(without_caps)) {
        let placed = solve(&problem, &previous);
        prop_assert_eq!(solve(&problem, &placed), placed);
    }

    #[test]
    fn nothing_waits_for_which_there_is_room((problem, previous) in any_case().prop_map(without_caps)) {
        let placed = solve(&problem, &previous);
        for (item, weight) in &problem.items {
            let settled = placed.get(item).is_some_and(|at| keeps(&problem, at));
            let room = problem.places.iter().any(|(to, place)| {
                let held = weight_at(&problem, &placed, to);
                to.kind == item.kind() && place.door == Door::Open && held + weight <= place.capacity
            });
            prop_assert!(settled || !room, "{item:?} waits");
        }
    }

    #[test]
    fn a_new_place_takes_nothing_from_the_others((problem, previous) in any_case()) {
        let before = solve(&problem, &previous);
        let mut more = problem.clone();
        more.places.insert(manager("f.trader-manager"), place("p", 100));
        more.places.insert(manager("f.broker-manager"), place("p", 100));
        let after = solve(&more, &before);
        for (item, at) in before.iter().filter(|(_, at)| keeps(&problem, at)) {
            prop_assert_eq!(after.get(item), Some(at));
        }
    }

    #[test]
    fn customers_that_stay_may_be_left_out_of_the_problem((problem, previous) in any_case()) {
        let mut whole = problem;
        whole.items.retain(|item, _| item.kind() == ManagerKind::TraderManager);
        let mut few = whole.clone();
        for (item, at) in previous.iter().filter(|(_, at)| keeps(&whole, at)) {
            if let Some(weight) = few.items.remove(item) {
                few.places.get_mut(at).expect("there").held += weight;
            }
        }
        let of = |problem: &Problem| -> Placed {
            let known = previous.iter().filter(|(item, _)| problem.items.contains_key(*item));
            known.map(|(item, at)| (item.clone(), at.clone())).collect()
        };
        let (all, some) = (solve(&whole, &of(&whole)), solve(&few, &of(&few)));
        for item in few.items.keys() {
            prop_assert_eq!(all.get(item), some.get(item));
        }
    }
}

fn problem(places: &[(&str, Place)], items: &[(Item, u32)]) -> Problem {
    let places = places.iter().map(|(name, place)| (manager(name), place.clone()));
    let items = items.iter().cloned().collect();
    Problem { places: places.collect(), items, moves_at_once: 4, gone: BTreeMap::new() }
}

fn solved(problem: &Problem, previous: &[(Item, &str)]) -> BTreeMap<Item, String> {
    let previous = previous.iter().map(|(item, at)| (item.clone(), manager(at))).collect();
    solve(problem, &previous).into_iter().map(|(item, at)| (item, at.to_string())).collect()
}

#[test]
fn a_move_stays_in_its_location_before_it_looks_for_the_least_loaded() {
    let leaving = Place { door: Door::Leaving, ..place("near", 9) };
    let near = Place { held: 5, ..place("near", 9) };
    let far = place("far", 9);
    let names = ["a.trader-manager", "b.trader-manager", "c.trader-manager"];
    let places: Vec<_> = names.into_iter().zip([leaving, near, far]).collect();
    let one = customer("one");
    let mut here = problem(&places, &[(one.clone(), 1)]);
    let moved = |problem: &Problem| {
        solved(problem, &[(one.clone(), "a.trader-manager")]).remove(&one).expect("placed")
    };
    assert_eq!(moved(&here), "b.trader-manager");
    // Also when the place it came from is not there any more.
    here.places.remove(&manager("a.trader-manager"));
    assert_eq!(moved(&here), "c.trader-manager");
    here.gone.insert(manager("a.trader-manager"), "near".parse().expect("legal"));
    assert_eq!(moved(&here), "b.trader-manager");
    here.places.insert(manager("b.trader-manager"), place("near", 0));
    assert_eq!(moved(&here), "c.trader-manager");
}

#[test]
fn an_accounts_brokers_are_spread_before_loads_are_compared() {
    let full = Place { held: 50, ..place("p", 99) };
    let places = [("a.broker-manager", place("p", 99)), ("b.broker-manager", full)];
    let shards = [0, 1, 2, 3].map(|shard| (broker("x", shard), 1));
    let placed = solved(&problem(&places, &shards), &[(broker("x", 0), "a.broker-manager")]);
    let holders: BTreeMap<_, _> = shards.iter().map(|(item, _)| (item, &placed[item])).collect();
    let of_a = holders.values().filter(|at| at.as_str() == "a.broker-manager").count();
    assert_eq!((of_a, placed[&broker("x", 1)].as_str()), (2, "b.broker-manager"));
}

#[test]
fn places_of_different_size_fill_alike_and_of_equals_the_first_by_name_is_taken() {
    let places = [("a.trader-manager", place("p", 2)), ("b.trader-manager", place("q", 8))];
    let customers: Vec<_> = (0..5).map(|n| (customer(&format!("c{n}")), 1)).collect();
    let placed = solved(&problem(&places, &customers), &[]);
    assert_eq!(placed[&customer("c0")], "a.trader-manager");
    let of_b: BTreeSet<_> = placed.iter().filter(|(_, at)| at.starts_with('b')).collect();
    assert_eq!(of_b.len(), 4);
}

#[test]
fn brokers_come_to_what_was_provisioned_only_where_nothing_else_has_room_and_customers_do_not_mind()
{
    // given: the operator's own is fuller than the one that was provisioned
    let solved = |capacity: u32, item: Item| {
        let of = |implementation: &str| match item.kind() {
            ManagerKind::BrokerManager => manager(&format!("{implementation}.broker-manager")),
            _ => manager(&format!("{implementation}.trader-manager")),
        };
        let own = Place { held: 5, ..place("p", capacity) };
        let scaled = Place { passing: true, ..place("p", 9) };
        let problem = Problem {
            places: [(of("own"), own), (of("scaled"), scaled)].into(),
            items: [(item.clone(), 1)].into(),
            moves_at_once: 4,
            gone: BTreeMap::new(),
        };
        solve(&problem, &Placed::new()).remove(&item).map(|at| at.implementation.to_string())
    };
    // when, then
    assert_eq!(solved(9, broker("x", 0)).as_deref(), Some("own"));
    assert_eq!(solved(5, broker("x", 0)).as_deref(), Some("scaled"), "own is full");
    assert_eq!(solved(9, customer("c")).as_deref(), Some("scaled"));
}
