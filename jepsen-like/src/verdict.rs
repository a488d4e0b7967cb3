//! The verdict on a run: valid, invalid, or unknown. Decides it from the plan and the history alone, so that a stored
//! run can be judged again. What proves nothing is unknown, never valid: too little load, a fault that did not happen,
//! a check that could not decide.

use crate::{
    calls::{Call, Outcome, calls},
    checks::{self, Finding, Tally},
    history::{HistoryError, Operation, is_fault},
    options::{Nemesis, Workload},
    plan::{Fault, Plan, QUIET_START_MS},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    Valid,
    Invalid,
    Unknown,
}

impl Judgement {
    /// The exit code of a run.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Valid => 0,
            Self::Invalid => 1,
            Self::Unknown => 2,
        }
    }

    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Unknown => "unknown",
        }
    }
}

/// What became of a planned fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultDone {
    pub nemesis: Nemesis,
    /// `installed`, `skipped`, `indeterminate`, or `missing` where the history says nothing of it.
    pub state: String,
    pub text: String,
    /// Milliseconds from the first operation.
    pub from_ms: u64,
    pub to_ms: u64,
    /// The longest time without a successful operation that touches the fault.
    pub outage_ms: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub verdict: Judgement,
    pub workload: Workload,
    pub nemeses: Vec<Nemesis>,
    pub nodes: u64,
    pub seed: u64,
    pub operations: BTreeMap<String, Tally>,
    /// Acknowledged operations a second before the first fault.
    pub load: u64,
    pub faults: Vec<FaultDone>,
    pub findings: Vec<Finding>,
    /// Why it is unknown.
    pub undecided: Vec<String>,
}

impl Verdict {
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        let load = self.operations.iter().filter(|(f, _)| LOAD.contains(&f.as_str()));
        load.map(|(_, tally)| tally.ok).sum()
    }

    #[must_use]
    pub fn worst_outage_ms(&self) -> Option<u64> {
        self.faults.iter().filter_map(|fault| fault.outage_ms).max()
    }

    /// Whether a planned fault did not happen.
    #[must_use]
    pub fn did_not_bite(&self) -> bool {
        self.faults.iter().any(|fault| fault.state != "installed")
    }
}

/// Those that the processes did while the load lasted: bare ones, and the reads at the end, are no load.
pub fn load(calls: &[Call]) -> impl Iterator<Item = &Call> {
    calls.iter().filter(|call| LOAD.contains(&call.f.as_str()))
}

const LOAD: [&str; 10] = [
    "write", "read", "cas", "acquire", "check-in", "submit", "cancel", "change", "connect", "login",
];

/// Judges a run.
pub fn judge(plan: &Plan, history: &[Operation]) -> Result<Verdict, HistoryError> {
    let calls = calls(history)?;
    let checked = checks::check(history)?;
    let (mut findings, mut undecided) = (checked.findings, checked.undecided);
    let began = begin(history);
    let mut ok: Vec<u64> = load(&calls)
        .filter(|call| call.outcome == Outcome::Ok)
        .filter_map(|call| call.ended_at)
        .collect();
    ok.sort_unstable();
    let faults = faults(plan, history, began, &ok);
    for fault in faults.iter().filter(|fault| fault.state != "installed") {
        let why =
            format!("{} did not happen: {} {}", fault.nemesis.name(), fault.state, fault.text);
        undecided.push(why);
    }
    let quiet_ms = faults.first().map_or(plan.options.time_ms, |fault| fault.from_ms);
    let quiet_ms = quiet_ms.min(plan.options.time_ms).max(QUIET_START_MS / 3);
    let quiet_ns = began.saturating_add(quiet_ms * 1_000_000);
    let before = ok.iter().filter(|at| **at < quiet_ns).count() as u64;
    let load = before * 1_000 / quiet_ms;
    if load < plan.options.floor {
        undecided.push(format!(
            "{load} acknowledged operations a second before the first fault; a run needs {}",
            plan.options.floor
        ));
    }
    match rest(history) {
        Some((true, _)) => {}
        Some((false, why)) => findings.push(Finding {
            invariant: "progress".to_string(),
            text: format!("after everything was healed the cluster did not come to rest: {why}"),
            operations: Vec::new(),
        }),
        None => undecided.push("the history ends before everything was healed".to_string()),
    }
    let verdict = match (findings.is_empty(), undecided.is_empty()) {
        (false, _) => Judgement::Invalid,
        (true, false) => Judgement::Unknown,
        (true, true) => Judgement::Valid,
    };
    let options = &plan.options;
    Ok(Verdict {
        verdict,
        workload: options.workload,
        nemeses: options.nemeses.clone(),
        nodes: options.nodes,
        seed: options.seed,
        operations: checks::tally(&calls),
        load,
        faults,
        findings,
        undecided,
    })
}

/// When the load began, in the history's nanoseconds.
#[must_use]
pub fn begin(history: &[Operation]) -> u64 {
    let load = history.iter().find(|operation| is_fault(operation) && operation.f == "load");
    load.or(history.first()).map_or(0, |operation| operation.time)
}

/// Whether the cluster came to rest after the heal, and what was said of it.
fn rest(history: &[Operation]) -> Option<(bool, String)> {
    let said =
        history.iter().rev().find(|operation| is_fault(operation) && operation.f == "at-rest");
    said.map(|operation| {
        let part = |name: &str| operation.value[name].as_str().unwrap_or_default().to_string();
        (part("state") == "installed", part("text"))
    })
}

fn faults(plan: &Plan, history: &[Operation], began: u64, ok: &[u64]) -> Vec<FaultDone> {
    let said = |number: usize| {
        history.iter().filter(move |operation| {
            is_fault(operation) && operation.value["fault"].as_u64() == Some(number as u64)
        })
    };
    let end = history.last().map_or(began, |operation| operation.time);
    let load_ends = history
        .iter()
        .rev()
        .find(|operation| is_fault(operation) && operation.f == "load")
        .map_or(end, |operation| operation.time);
    let done = |(number, fault): (usize, &Fault)| {
        let state = |operation: &&Operation, state: &str| operation.value["state"] == state;
        let at = |wanted: &str| said(number).find(|operation| state(operation, wanted));
        let outcome = ["installed", "skipped", "indeterminate"]
            .into_iter()
            .find_map(|name| at(name).map(|operation| (name, operation)));
        let from = at("begins").map_or(began, |operation| operation.time);
        let to = at("healed").map_or(end, |operation| operation.time);
        let text = |value: &Value| value["text"].as_str().unwrap_or_default().to_string();
        FaultDone {
            nemesis: fault.nemesis,
            state: outcome.map_or("missing", |(name, _)| name).to_string(),
            text: outcome.map_or_else(String::new, |(_, operation)| text(&operation.value)),
            from_ms: from.saturating_sub(began) / 1_000_000,
            to_ms: to.saturating_sub(began) / 1_000_000,
            outage_ms: silence(ok, from, to, load_ends).map(|ns| ns / 1_000_000),
        }
    };
    plan.faults.iter().enumerate().map(done).collect()
}

/// The longest time without a success that touches `from..to`, which lasts up to `end` if nothing follows; `None`
/// without any success before.
fn silence(ok: &[u64], from: u64, to: u64, end: u64) -> Option<u64> {
    let mut before: Option<u64> = None;
    let mut longest = None;
    for at in ok.iter().copied().chain([end]) {
        if let Some(last) = before
            && at > from
            && last < to
        {
            longest = longest.max(Some(at.saturating_sub(last)));
        }
        before = before.max(Some(at));
    }
    longest
}

#[cfg(test)]
mod tests;
