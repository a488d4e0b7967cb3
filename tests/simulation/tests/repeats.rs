//! The same seed is the same run.
#![allow(clippy::unwrap_used)]

use simulation::{Plan, Scene, judged};
use std::{collections::BTreeSet, path::Path};

fn repeats(scene: Scene) {
    let program = Path::new(env!("CARGO_BIN_EXE_simulation"));
    let (mut traces, mut faults) = (BTreeSet::new(), 0);
    for seed in 1..6 {
        let plan = Plan { seed, planted: None, scene, told: false };
        let (once, again) = (judged(program, plan).unwrap(), judged(program, plan).unwrap());
        assert_eq!(once.violations, Vec::<String>::new());
        assert!(once.operations > 50, "{once:?}");
        faults += once.crashes + once.partitions + once.other_faults;
        assert_eq!(once.trace_hash, again.trace_hash, "seed {seed}");
        traces.insert(once.trace_hash);
    }
    assert_eq!(traces.len(), 5);
    assert!(faults > 20, "{faults} faults in five runs");
}

#[test]
fn a_seed_twice_gives_one_trace_and_two_seeds_give_two() {
    repeats(Scene::Group);
}

#[test]
fn so_does_a_seed_with_managers() {
    repeats(Scene::Managers);
}

#[test]
fn and_one_with_changes_of_the_group() {
    repeats(Scene::Members);
}
