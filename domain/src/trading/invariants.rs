//! What must hold between an algo, a ledger and a venue: O1 (no order twice), O2 (no fill lost or
//! doubled), O3 (every gap told). Written once; the demo, the cluster tests and the fault harness call it.

use crate::ids::{ClientOrderId, ExecId};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use serde::{Deserialize, Serialize};

/// What one algo saw, in the order it saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlgoView {
    /// Orders it asked for, whatever the answer.
    pub submitted: Vec<ClientOrderId>,
    /// Orders answered with a state of `accepted` or beyond.
    pub acknowledged: Vec<ClientOrderId>,
    /// Orders answered with a refusal: they must not be at the venue.
    pub refused: Vec<ClientOrderId>,
    /// Fills as handed to the algo.
    pub fills: Vec<ExecId>,
    /// Holes in a private stream that no `gap` message told of.
    pub untold_gaps: u64,
}

/// What the venue's own ledger says of the same algo.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VenueTruth {
    /// Every order in order of arrival, named again if it came again.
    pub arrivals: Vec<ClientOrderId>,
    pub fills: Vec<ExecId>,
}

/// Counts of what must be zero. The names are those of the demo's last line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violations {
    /// O1: orders that reached the venue more than once.
    pub duplicate_orders: u64,
    /// O1: orders acknowledged, never refused, and not at the venue. The caller leaves out orders whose
    /// ledger says `rejected`: those were told.
    pub lost_orders: u64,
    /// O1: orders that were refused and are at the venue nevertheless.
    pub refused_but_placed: u64,
    /// O1: orders at the venue that the algo never asked for.
    pub invented_orders: u64,
    /// O2: fills at the venue that the algo never saw.
    pub lost_fills: u64,
    /// O2: fills the algo saw more than once.
    pub duplicate_fills: u64,
    /// O2: fills the algo saw and the venue never made.
    pub invented_fills: u64,
    /// O3.
    pub untold_gaps: u64,
}

impl Violations {
    #[must_use]
    pub fn none(&self) -> bool {
        *self == Self::default()
    }
}

fn repeated<T: Ord>(all: &[T]) -> u64 {
    let mut counts = BTreeMap::<&T, u64>::new();
    for one in all {
        *counts.entry(one).or_default() += 1;
    }
    counts.values().map(|n| n - 1).sum()
}

fn missing<T: Ord>(wanted: &[T], there: &[T]) -> u64 {
    let there: BTreeSet<&T> = there.iter().collect();
    let wanted: BTreeSet<&T> = wanted.iter().collect();
    wanted.difference(&there).count() as u64
}

/// Compares one algo's view with the venue's truth after all has come to rest.
#[must_use]
pub fn check(algo: &AlgoView, venue: &VenueTruth) -> Violations {
    let placed: BTreeSet<_> = venue.arrivals.iter().collect();
    Violations {
        duplicate_orders: repeated(&venue.arrivals),
        lost_orders: missing(&algo.acknowledged, &venue.arrivals),
        refused_but_placed: algo.refused.iter().filter(|id| placed.contains(id)).count() as u64,
        invented_orders: missing(&venue.arrivals, &algo.submitted),
        lost_fills: missing(&venue.fills, &algo.fills),
        duplicate_fills: repeated(&algo.fills),
        invented_fills: missing(&algo.fills, &venue.fills),
        untold_gaps: algo.untold_gaps,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn order(name: &str) -> ClientOrderId {
        ClientOrderId::new(name).expect("legal")
    }

    fn exec(name: &str) -> ExecId {
        ExecId::new(name).expect("legal")
    }

    fn whole() -> (AlgoView, VenueTruth) {
        let algo = AlgoView {
            submitted: vec![order("1"), order("2"), order("3")],
            acknowledged: vec![order("1"), order("2")],
            refused: vec![order("3")],
            fills: vec![exec("a"), exec("b")],
            untold_gaps: 0,
        };
        let venue = VenueTruth {
            arrivals: vec![order("1"), order("2")],
            fills: vec![exec("a"), exec("b")],
        };
        (algo, venue)
    }

    #[test]
    fn a_whole_history_has_no_violation() {
        let (algo, venue) = whole();
        assert!(check(&algo, &venue).none());
    }

    #[test]
    fn every_planted_fault_is_counted_under_its_own_name() {
        type Plant = fn(&mut AlgoView, &mut VenueTruth);
        type Count = fn(&Violations) -> u64;
        let planted: [(Plant, Count); 8] = [
            (|_, v| v.arrivals.push(order("1")), |c| c.duplicate_orders),
            (|a, _| a.acknowledged.push(order("9")), |c| c.lost_orders),
            (|_, v| v.arrivals.push(order("3")), |c| c.refused_but_placed),
            (|_, v| v.arrivals.push(order("8")), |c| c.invented_orders),
            (|a, _| drop(a.fills.pop()), |c| c.lost_fills),
            (|a, _| a.fills.push(exec("a")), |c| c.duplicate_fills),
            (|a, _| a.fills.push(exec("z")), |c| c.invented_fills),
            (|a, _| a.untold_gaps += 1, |c| c.untold_gaps),
        ];
        for (number, (plant, count)) in planted.into_iter().enumerate() {
            let (mut algo, mut venue) = whole();
            plant(&mut algo, &mut venue);
            assert_eq!(count(&check(&algo, &venue)), 1, "planted fault {number}");
        }
    }
}
