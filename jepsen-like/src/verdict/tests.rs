//! What makes a run valid, invalid or unknown, on histories made by hand.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::{options::Options, plan::plan};
use serde_json::json;

const SECOND: u64 = 1_000_000_000;

fn planned() -> Plan {
    let options = Options {
        workload: Workload::Register,
        nemeses: vec![Nemesis::KillLeader],
        nodes: 3,
        time_ms: 9_000,
        rate: 100,
        seed: 3,
        floor: 50,
    };
    let mut plan = plan(&options).unwrap();
    plan.faults =
        vec![Fault { at_ms: 3_000, lasts_ms: 2_000, nemesis: Nemesis::KillLeader, choice: 1 }];
    plan
}

/// A run that went well: a write every 10 ms, none for a second after the fault.
struct Story {
    lines: Vec<(u64, Value)>,
}

impl Story {
    fn well() -> Self {
        let mut story = Self { lines: Vec::new() };
        story.nemesis(0, "load", json!({"state": "begins"}));
        for n in 0..900_u64 {
            let at = n * SECOND / 100;
            if (300..400).contains(&n) {
                continue;
            }
            let value = json!(["a", n]);
            story.line(at, json!({"process": 0, "type": "invoke", "f": "write", "value": value}));
            story.line(at + 1, json!({"process": 0, "type": "ok", "f": "write", "value": value}));
        }
        for (at, state) in [(3_000, "begins"), (3_010, "installed"), (5_000, "healed")] {
            let value = json!({"fault": 0, "state": state, "text": "member 1"});
            story.nemesis(at * 1_000_000, "kill-leader", value);
        }
        story.nemesis(9 * SECOND, "load", json!({"state": "ends"}));
        story.nemesis(9 * SECOND, "at-rest", json!({"state": "installed", "text": "1 leads"}));
        story
    }

    fn line(&mut self, at: u64, line: Value) {
        self.lines.push((at, line));
    }

    fn nemesis(&mut self, at: u64, f: &str, value: Value) {
        self.line(at, json!({"process": "nemesis", "type": "info", "f": f, "value": value}));
    }

    fn judged(mut self) -> Verdict {
        self.lines.sort_by_key(|(at, _)| *at);
        let operations = self.lines.into_iter().enumerate().map(|(index, (at, mut line))| {
            line["index"] = json!(index);
            line["time"] = json!(1_000_000 + at);
            serde_json::from_value(line).unwrap()
        });
        judge(&planned(), &operations.collect::<Vec<_>>()).unwrap()
    }
}

#[test]
fn a_run_that_went_well_is_valid_and_its_outage_is_measured() {
    let verdict = Story::well().judged();
    assert_eq!(verdict.verdict, Judgement::Valid, "{verdict:?}");
    assert_eq!(verdict.load, 100);
    assert_eq!(verdict.worst_outage_ms(), Some(1_010));
    assert!(!verdict.did_not_bite());
}

#[test]
fn a_fault_that_did_not_happen_makes_it_unknown() {
    let mut story = Story::well();
    story.lines.retain(|(_, line)| line["value"]["state"] != "installed" || line["f"] == "at-rest");
    let value = json!({"fault": 0, "state": "skipped", "text": "nobody leads"});
    story.nemesis(3 * SECOND, "kill-leader", value);
    let verdict = story.judged();
    assert_eq!(verdict.verdict, Judgement::Unknown);
    assert!(verdict.did_not_bite() && verdict.undecided[0].contains("nobody leads"), "{verdict:?}");
}

#[test]
fn too_little_load_or_an_end_that_is_not_told_makes_it_unknown() {
    let mut story = Story::well();
    let mut kept = 0;
    story.lines.retain(|(_, line)| {
        kept += 1;
        line["process"] == "nemesis" || kept % 6 < 2
    });
    let verdict = story.judged();
    assert!(verdict.verdict == Judgement::Unknown && verdict.load < 50, "{verdict:?}");
    let mut story = Story::well();
    story.lines.retain(|(_, line)| line["f"] != "at-rest");
    assert_eq!(story.judged().verdict, Judgement::Unknown);
}

#[test]
fn what_does_not_hold_makes_it_invalid_whatever_else_is_unknown() {
    let mut story = Story::well();
    let value = json!(["a", 5]);
    story.line(9 * SECOND, json!({"process": 1, "type": "invoke", "f": "read", "value": value}));
    story.line(9 * SECOND, json!({"process": 1, "type": "ok", "f": "read", "value": value}));
    story.lines.retain(|(_, line)| line["f"] != "at-rest");
    let verdict = story.judged();
    assert_eq!(verdict.verdict, Judgement::Invalid);
    assert_eq!(verdict.findings[0].invariant, "R1");
    let mut story = Story::well();
    story.lines.retain(|(_, line)| line["f"] != "at-rest");
    story.nemesis(9 * SECOND, "at-rest", json!({"state": "failed", "text": "states differ"}));
    let verdict = story.judged();
    assert_eq!(verdict.verdict, Judgement::Invalid);
    assert!(verdict.findings[0].text.contains("states differ"));
}
