//! A leader that is lost at any step of a change of who runs what changes nothing of its outcome: each story is told again
//! and again, the leader lost one step later each time, until it is over before that.
#![allow(clippy::unwrap_used)]

use simulation::{Plan, Scene, judged};
use std::path::Path;

/// Stories, in the order in which seeds name them, and how many steps each has at least.
const STORIES: u64 = 8;

/// More steps than any has.
const STEPS: u64 = 200;

/// After so many in a row that came too late there is no further step.
const OVER: u64 = 3;

fn at_every_step(story: u64, least: u64) {
    let program = Path::new(env!("CARGO_BIN_EXE_simulation"));
    let mut lost_in_all = 0;
    for (moment, when) in [(0, "after an entry"), (1, "as it proposes")] {
        let (mut lost, mut over) = (0, 0);
        for step in 0..STEPS {
            let seed = (step * 2 + moment) * STORIES + story;
            let plan = Plan { seed, planted: None, scene: Scene::Stories, told: false };
            let report = judged(program, plan).unwrap();
            assert_eq!(report.violations, Vec::<String>::new(), "--stories --seed {seed}");
            (lost, over) = if report.crashes == 0 { (lost, over + 1) } else { (lost + 1, 0) };
            if over == OVER {
                break;
            }
        }
        assert_eq!(over, OVER, "the story has more than {STEPS} steps");
        println!("story {story}: the leader was lost {lost} times {when}");
        lost_in_all += lost;
    }
    assert!(lost_in_all >= least, "the leader was lost {lost_in_all} times");
}

#[test]
fn a_machine_dies_and_comes_back() {
    at_every_step(0, 20);
}

#[test]
fn a_manager_is_emptied_dropped_and_comes_anew() {
    at_every_step(1, 20);
}

#[test]
fn an_implementation_is_asked_for() {
    at_every_step(2, 8);
}

#[test]
fn an_implementation_goes_that_was_asked_for() {
    at_every_step(3, 8);
}

#[test]
fn a_manager_gives_up_all_traders_of_a_customer() {
    at_every_step(4, 8);
}

#[test]
fn orders_go_to_another_venue() {
    at_every_step(5, 1);
}

#[test]
fn customers_are_evened_out() {
    at_every_step(6, 5);
}

#[test]
fn the_ledger_of_a_lost_node_is_continued() {
    at_every_step(7, 20);
}
