//! V1: a trading state is loosened only under a higher version, and no version is above the entry that gave it.
//! Decides it from a state and one before it.

use crate::{control::machine::Machine, ids::Revision};
use alloc::{format, string::String, vec::Vec};

pub(super) fn violations(before: &Machine, after: &Machine, to: Revision) -> Vec<String> {
    let mut found = Vec::new();
    for row in after.trading_states_after(None) {
        let scope = &row.scope;
        if row.version > row.revision || row.revision > to {
            found.push(format!("V1: the trading state {scope} has a version from nowhere"));
        }
        let Some(held) = before.trading_state(scope) else { continue };
        if row.version < held.version {
            found.push(format!("V1: the version of the trading state {scope} went back"));
        }
        if row.state < held.state && row.version == held.version {
            found.push(format!("V1: trading was loosened in {scope} without a higher version"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        control::{
            Row,
            risk::{TradingState, TradingStateRow},
        },
        ids::Scope,
    };

    fn machine(state: TradingState, version: u64) -> Machine {
        let (version, revision) = (Revision(version), Revision(9));
        let row = TradingStateRow { scope: Scope::Global, state, version, by: None, revision };
        Machine::from_rows([Row::TradingState(row)])
    }

    #[test]
    fn a_loosening_that_no_version_tells_is_found() {
        let halted = machine(TradingState::Halted, 5);
        let found = |after: &Machine| violations(&halted, after, Revision(9)).len();
        assert_eq!(found(&machine(TradingState::Active, 5)), 1);
        assert_eq!(found(&machine(TradingState::Reducing, 4)), 1);
        assert_eq!(found(&machine(TradingState::Halted, 10)), 1);
        assert_eq!(found(&machine(TradingState::Active, 6)), 0);
        assert_eq!(found(&halted), 0);
    }
}
