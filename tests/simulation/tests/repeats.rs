//! The same seed is the same run.
#![allow(clippy::unwrap_used)]

use simulation::{Plan, judged};
use std::{collections::BTreeSet, path::Path};

#[test]
fn a_seed_twice_gives_one_trace_and_two_seeds_give_two() {
    let program = Path::new(env!("CARGO_BIN_EXE_simulation"));
    let mut traces = BTreeSet::new();
    for seed in 1..6 {
        let plan = Plan { seed, planted: None, told: false };
        let (once, again) = (judged(program, plan).unwrap(), judged(program, plan).unwrap());
        assert_eq!(once.violations, Vec::<String>::new());
        assert!(once.operations > 50 && once.crashes + once.partitions > 3, "{once:?}");
        assert_eq!(once.trace_hash, again.trace_hash, "seed {seed}");
        traces.insert(once.trace_hash);
    }
    assert_eq!(traces.len(), 5);
}
