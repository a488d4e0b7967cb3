//! Operations paired: what was asked and what came of it. Decides what a well-formed history is; anything else is
//! refused, since a verdict over it would mean nothing.

use crate::history::{HistoryError, Operation, OperationType, is_fault};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    /// It surely did not happen.
    Fail,
    /// It may have happened, at any time after it was asked for, or may yet.
    Info,
}

/// One thing asked for. Positions are places in the history.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub process: String,
    pub f: String,
    pub asked: Value,
    /// The value of what ended it, if anything did.
    pub told: Value,
    pub outcome: Outcome,
    pub begun: u64,
    /// `None` if nothing ended it.
    pub ended: Option<u64>,
    /// Nanoseconds, as the history has them.
    pub begun_at: u64,
    pub ended_at: Option<u64>,
}

/// Told without having been asked for.
pub const BARE: [&str; 6] = ["event", "resume", "beat", "final", "accepted", "untold-gap"];

/// All calls, in the order in which they were begun, those of the nemesis left out.
pub fn calls(history: &[Operation]) -> Result<Vec<Call>, HistoryError> {
    let mut calls: Vec<Call> = Vec::new();
    let mut open = BTreeMap::<String, usize>::new();
    let mut gone = BTreeSet::<String>::new();
    let mut last = None;
    for (position, operation) in (0_u64..).zip(history) {
        let wrong = |text: String| HistoryError::Order { index: operation.index, text };
        if last.is_some_and(|last| last >= operation.index) {
            return Err(wrong("its index is not above that of the one before".to_string()));
        }
        last = Some(operation.index);
        if is_fault(operation) {
            continue;
        }
        let process = operation.process.to_string();
        let mut call = Call {
            process: process.clone(),
            f: operation.f.clone(),
            asked: operation.value.clone(),
            told: operation.value.clone(),
            outcome: Outcome::Info,
            begun: position,
            ended: None,
            begun_at: operation.time,
            ended_at: None,
        };
        let outcome = match operation.kind {
            OperationType::Invoke if gone.contains(&process) => {
                return Err(wrong(format!("process {process} has ended in `info` before")));
            }
            OperationType::Invoke => {
                if open.insert(process.clone(), calls.len()).is_some() {
                    return Err(wrong(format!("process {process} is still busy")));
                }
                calls.push(call);
                continue;
            }
            OperationType::Ok => Outcome::Ok,
            OperationType::Fail => Outcome::Fail,
            OperationType::Info => Outcome::Info,
        };
        if BARE.contains(&operation.f.as_str()) {
            (call.ended, call.ended_at) = (Some(position), Some(operation.time));
            call.outcome = outcome;
            calls.push(call);
            continue;
        }
        let Some(begun) = open.remove(&process).map(|place| &mut calls[place]) else {
            return Err(wrong(format!("process {process} was told what it has not asked for")));
        };
        if begun.f != operation.f {
            return Err(wrong(format!("process {process} asked for `{}`", begun.f)));
        }
        if outcome == Outcome::Info {
            gone.insert(process);
        }
        begun.told = operation.value.clone();
        begun.outcome = outcome;
        (begun.ended, begun.ended_at) = (Some(position), Some(operation.time));
    }
    Ok(calls)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn history(lines: &[(u64, &str, &str)]) -> Vec<Operation> {
        let line = |(index, (process, kind, f)): (usize, &(u64, &str, &str))| {
            let value = json!({"index": index, "time": index, "process": process, "type": kind,
                "f": f, "value": ["k", 1]});
            serde_json::from_value(value).unwrap()
        };
        lines.iter().enumerate().map(line).collect()
    }

    #[test]
    fn what_was_asked_and_what_came_of_it_are_one_call() {
        let lines = [(1, "invoke", "write"), (2, "invoke", "read"), (2, "ok", "read")];
        let calls = calls(&history(&lines)).unwrap();
        assert_eq!(calls.len(), 2);
        assert_eq!((calls[0].outcome, calls[0].ended), (Outcome::Info, None));
        assert_eq!((calls[1].outcome, calls[1].ended), (Outcome::Ok, Some(2)));
    }

    #[test]
    fn a_history_that_cannot_be_is_refused() {
        let unsound: [&[(u64, &str, &str)]; 4] = [
            &[(1, "invoke", "write"), (1, "invoke", "write")],
            &[(1, "ok", "write")],
            &[(1, "invoke", "write"), (1, "ok", "read")],
            &[(1, "invoke", "write"), (1, "info", "write"), (1, "invoke", "write")],
        ];
        for lines in unsound {
            assert!(calls(&history(lines)).is_err(), "{lines:?}");
        }
        let mut twice = history(&[(1, "invoke", "write"), (1, "ok", "write")]);
        twice[1].index = 0;
        assert!(calls(&twice).is_err());
    }
}
