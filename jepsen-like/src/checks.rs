//! What must hold of a history. Decides which check reads which operations; each check is a pure function of the
//! calls, and calls the invariants of `domain` where those say the same.

pub mod affinity;
pub mod drain;
pub mod lease;
pub mod linearizable;
pub mod orders;
pub mod watch;

use crate::{
    calls::{Call, Outcome, calls},
    history::{HistoryError, Operation},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// As in the design's list: `R1`, `O2`, ...
    pub invariant: String,
    pub text: String,
    /// Positions in the history of the operations that show it.
    pub operations: Vec<u64>,
}

impl Finding {
    fn new(invariant: &str, text: String, operations: impl IntoIterator<Item = u64>) -> Self {
        let operations = operations.into_iter().collect();
        Self { invariant: invariant.to_string(), text, operations }
    }
}

/// What the checks found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    pub findings: Vec<Finding>,
    /// What could not be decided, and why.
    pub undecided: Vec<String>,
}

impl Checked {
    fn found(&mut self, finding: Option<Finding>) {
        self.findings.extend(finding);
    }

    fn and(&mut self, other: Self) {
        self.findings.extend(other.findings);
        self.undecided.extend(other.undecided);
    }
}

/// How often each operation ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub ok: u64,
    pub fail: u64,
    pub info: u64,
}

#[must_use]
pub fn tally(calls: &[Call]) -> BTreeMap<String, Tally> {
    let mut by_name = BTreeMap::<String, Tally>::new();
    for call in calls {
        let tally = by_name.entry(call.f.clone()).or_default();
        match call.outcome {
            Outcome::Ok => tally.ok += 1,
            Outcome::Fail => tally.fail += 1,
            Outcome::Info => tally.info += 1,
        }
    }
    by_name
}

/// Every check, each over those operations that are its own: a history tells by its operations what it is about.
pub fn check(history: &[Operation]) -> Result<Checked, HistoryError> {
    let calls = calls(history)?;
    let mut all = Checked::default();
    for each in [
        linearizable::check,
        drain::check,
        affinity::check,
        watch::check,
        orders::check,
        lease::check,
    ] {
        all.and(each(&calls));
    }
    Ok(all)
}

/// Calls of one name, those that surely did not happen left out.
fn named<'a>(calls: &'a [Call], f: &'a str) -> impl Iterator<Item = &'a Call> {
    calls.iter().filter(move |call| call.f == f && call.outcome != Outcome::Fail)
}

/// A value's part as text: of a string itself, of anything else its JSON.
fn text(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_string)
}
