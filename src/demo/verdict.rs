//! The demo's verdict: the algo's view against the venue's own ledger, and how long each failover took.
//! Decides what makes a run good and how the result is printed.

use super::{
    chaos::{Kill, Target},
    history::{History, longest_gap},
    probe::Probe,
};
use serde::Serialize;
use tradewind_domain::{
    ids::{AccountId, CustomerId},
    time::UnixNanos,
    trading::invariants::{self, Violations},
};
use tradewind_protocol::judge::VenueLedger;

/// The last line of `-o json`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) ok: bool,
    pub(crate) first_fill_ms: Option<u128>,
    pub(crate) orders: usize,
    pub(crate) fills: usize,
    #[serde(flatten)]
    pub(crate) violations: Violations,
    pub(crate) failovers: Vec<Failover>,
    /// What was wrong besides the counts.
    pub(crate) problems: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Failover {
    pub(crate) killed: &'static str,
    pub(crate) outage_ms: Option<u128>,
}

pub(crate) struct Evidence<'a> {
    pub(crate) started: UnixNanos,
    /// When the algo was asked to stop.
    pub(crate) ended: UnixNanos,
    pub(crate) history: &'a History,
    pub(crate) ledger: &'a VenueLedger,
    pub(crate) account: &'a AccountId,
    pub(crate) customer: &'a CustomerId,
    pub(crate) kills: &'a [Kill],
    pub(crate) probe: &'a Probe,
    pub(crate) problems: Vec<String>,
}

impl Evidence<'_> {
    pub(crate) fn report(mut self) -> Report {
        let history = self.history;
        let view = history.view();
        let truth = self.ledger.truth(&view, self.account, self.customer);
        let violations = invariants::check(&view, &truth);
        let accepted = self.probe.accepted();
        // An outage may come late, as when what was killed returns: up to the next kill nothing is left out.
        let next = self.kills.iter().skip(1).map(|kill| kill.at).chain([self.ended]);
        let failover = |(kill, until): (&Kill, UnixNanos)| {
            let times = match kill.target {
                Target::Leader => &accepted,
                Target::MarketManager | Target::Market | Target::Broker => &history.quotes,
            };
            let outage_ms = longest_gap(times, kill.at, until);
            Failover { killed: kill.target.name(), outage_ms }
        };
        let failovers: Vec<Failover> = self.kills.iter().zip(next).map(failover).collect();
        for each in failovers.iter().filter(|each| each.outage_ms.is_none()) {
            self.problems.push(format!("nothing came back after {} was killed", each.killed));
        }
        for error in &history.errors {
            self.problems.push(format!("the algo was shown an error: {error}"));
        }
        let first_fill = history.fill_times.iter().find(|at| **at >= self.started);
        let first_fill_ms = first_fill.map(|at| at.since(self.started).as_millis());
        if first_fill_ms.is_none() {
            self.problems.push("there was no fill".to_string());
        }
        Report {
            ok: violations.none() && self.problems.is_empty(),
            first_fill_ms,
            orders: view.acknowledged.len(),
            fills: view.fills.len(),
            violations,
            failovers,
            problems: self.problems,
        }
    }
}

impl Report {
    /// Of a demo that never came to its verdict.
    pub(crate) fn without_verdict(problem: String) -> Self {
        Self {
            ok: false,
            first_fill_ms: None,
            orders: 0,
            fills: 0,
            violations: Violations::default(),
            failovers: Vec::new(),
            problems: vec![problem],
        }
    }

    /// For a person.
    pub(crate) fn print(&self) {
        let of = &self.violations;
        println!("\n  {} orders accepted, {} fills", self.orders, self.fills);
        println!(
            "  doubled orders {}   lost orders {}   lost fills {}   doubled fills {}   untold gaps {}",
            of.duplicate_orders, of.lost_orders, of.lost_fills, of.duplicate_fills, of.untold_gaps
        );
        for failover in &self.failovers {
            let outage = failover.outage_ms.map_or("no end".to_string(), |ms| format!("{ms} ms"));
            println!("  killed {:<16} outage {outage}", failover.killed);
        }
        for problem in &self.problems {
            println!("  ! {problem}");
        }
        println!("  {}", if self.ok { "all is well" } else { "this is not as it should be" });
    }
}
