//! Claims about the two copies of a ledger, searched in every order to a bound; and that the search finds what is
//! planted. `TRADEWIND_COPIES="orders results faults entries"` searches to other bounds: five million states take some
//! gigabytes.

use stateright::{Checker, HasDiscoveries, Model, UniformChooser};
use std::{collections::BTreeSet, time::Instant};
use tradewind_tests_copies::{Bounds, Plant, Search, Start};

const THREADS: usize = 2;
/// States of the runs at random.
const LONG_RUNS: usize = 40_000;

fn search(start: Start, bounds: Bounds, plant: Option<Plant>) -> Search {
    Search { start, bounds, plant, goes_on: false }
}

/// Orders, results, faults, entries.
fn bounds(text: &str) -> Bounds {
    let numbers: Vec<u8> = text.split(' ').filter_map(|number| number.parse().ok()).collect();
    let [orders, results, faults, entries] = numbers[..] else { panic!("four numbers: {text:?}") };
    Bounds { orders, results, faults, entries }
}

/// Bounds of the gate, or others from the environment.
fn asked(start: Start, text: &str) -> Search {
    let wider = std::env::var("TRADEWIND_COPIES");
    search(start, bounds(wider.as_deref().unwrap_or(text)), None)
}

/// Searches all of it. Gives which of the states that should be reached were.
fn holds(search: Search) -> Vec<&'static str> {
    let begun = Instant::now();
    let told = format!("{search:?}");
    let checker = search.checker().threads(THREADS).spawn_bfs().join();
    let (states, seconds) = (checker.unique_state_count(), begun.elapsed().as_secs_f32());
    println!("{told}: {states} states, depth {}, {seconds:.1} s", checker.max_depth());
    sound(&checker)
}

fn sound(checker: &impl Checker<Search>) -> Vec<&'static str> {
    for (name, path) in checker.discoveries() {
        assert!(!Search::CLAIMS.contains(&name), "not {name:?}, by {:#?}", path.into_actions());
    }
    checker.discoveries().into_keys().collect()
}

#[test]
fn no_order_is_lost_or_doubled_with_a_copy_that_has_joined() {
    let searches = ["1 1 0 2", "2 0 0 2", "1 0 1 2", "1 0 0 3"];
    let reached: BTreeSet<_> =
        searches.into_iter().flat_map(|text| holds(asked(Start::Joined, text))).collect();
    // Otherwise the search would say nothing of what it is for.
    assert_eq!(reached, Search::REACHED.into());
}

#[test]
fn no_order_is_lost_or_doubled_while_a_copy_is_filled() {
    for text in ["1 0 1 1", "1 0 0 2"] {
        holds(asked(Start::Named, text));
    }
}

#[test]
fn from_every_state_the_account_goes_on_once_nothing_fails() {
    for (start, text) in [(Start::Joined, "1 0 1 1"), (Start::Named, "1 0 1 0")] {
        holds(Search { goes_on: true, ..search(start, bounds(text), None) });
    }
}

/// Deeper than every order can be searched: runs at random, the same ones each time.
#[test]
fn no_order_is_lost_or_doubled_in_long_runs_at_random() {
    for start in [Start::Joined, Start::Named] {
        let bounds = Bounds { orders: 2, results: 2, faults: 4, entries: 8 };
        let search = Search { goes_on: true, ..search(start, bounds, None) };
        let checker = search.checker().target_state_count(LONG_RUNS);
        let checker = checker.spawn_simulation(1, UniformChooser).join();
        sound(&checker);
        println!("{start:?}: {} states, depth {}", checker.state_count(), checker.max_depth());
    }
}

/// The least bounds within which it shows.
fn shows(plant: Plant) -> (Start, &'static str) {
    match plant {
        Plant::SentBeforeTheCopyHasIt => (Start::Joined, "1 0 0 0"),
        Plant::SingleOnItsOwn
        | Plant::FilledAgainUnderOneNaming
        | Plant::NobodyNamedForALostCopy => (Start::Joined, "1 0 1 0"),
        Plant::PutsBeforeItHasGreeted => (Start::Joined, "2 0 1 0"),
        Plant::AcknowledgedAfterTheSeal | Plant::ActsBeforeItIsLive => (Start::Joined, "1 0 0 1"),
        Plant::CatchUpTakenAsComplete => (Start::Joined, "1 0 0 2"),
        Plant::SealNotSynced => (Start::Joined, "1 0 1 2"),
        Plant::NamedWhileItIsContinued | Plant::LiveThoughGivenUp => (Start::Joined, "1 0 0 3"),
        Plant::JoinsBeforeItIsOnTheOwnDisk => (Start::Named, "1 0 1 0"),
    }
}

#[test]
fn each_planted_fault_is_found() {
    let mut missed = Vec::new();
    for plant in Plant::ALL {
        let (start, text) = shows(plant);
        let search = search(start, bounds(text), Some(plant));
        let goes_on = plant == Plant::NobodyNamedForALostCopy;
        let search = Search { goes_on, ..search };
        let claims = HasDiscoveries::AnyOf(Search::CLAIMS.into());
        let checker = search.checker().threads(THREADS).finish_when(claims).spawn_bfs().join();
        let states = checker.unique_state_count();
        let mut wrong = checker.discoveries().into_iter();
        match wrong.find(|(name, _)| Search::CLAIMS.contains(name)) {
            None => missed.push((plant, states)),
            Some((name, path)) => {
                let steps = path.into_actions();
                println!("{plant:?}: not {name:?}, after {states} states, by {steps:?}");
            }
        }
    }
    assert_eq!(missed, []);
}
