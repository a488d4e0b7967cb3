//! What a run will do: which operation is asked for when by whom, and which fault happens when. Decides it from the
//! options and the seed alone: equal options, equal plan.

use crate::options::{Nemesis, Options, Workload};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tradewind_launcher::Draw;

/// Clients at work at once.
pub const PROCESSES: u64 = 10;
/// Before the first fault the load is measured.
pub const QUIET_START_MS: u64 = 3_000;
/// No fault is under way in the end: progress must be seen.
pub const QUIET_END_MS: u64 = 1_500;
const KEYS: u64 = 8;
const WATCHERS: u64 = 3;
/// Implementations of a run that has Managers.
pub const IMPLEMENTATIONS: u64 = 2;
/// Customers who log in.
pub const CUSTOMERS: u64 = 6;
/// Lives are numbered from here: above those of any real Manager's clock there is no room, below there is.
const FIRST_LIFE: u64 = 1_000;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub options: Options,
    pub operations: Vec<Timed>,
    pub faults: Vec<Fault>,
}

/// One operation. What cannot be known before, such as an epoch that will have been given, is left `null`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timed {
    /// From the start of the load.
    pub at_us: u64,
    /// Whose turn it is; the history's numbers differ once an answer has not come.
    pub process: u64,
    pub f: String,
    pub value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// From the start of the load.
    pub at_ms: u64,
    /// Until it is healed.
    pub lasts_ms: u64,
    pub nemesis: Nemesis,
    /// Chooses among those that it could hit.
    pub choice: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error(
        "{0}: this needs Managers, which the workload `{1}` does not have; run it with `orders`"
    )]
    HitsNobody(String, String),
    #[error("{asked} nemeses need {needed} s; give them more with --time, or name fewer")]
    TooShort { asked: usize, needed: u64 },
    #[error("there are 3 or 5 InfrastructureManagers, not {0}")]
    Nodes(u64),
}

/// The plan of these options.
pub fn plan(options: &Options) -> Result<Plan, PlanError> {
    if ![3, 5].contains(&options.nodes) {
        return Err(PlanError::Nodes(options.nodes));
    }
    let mut draw = Draw::new(options.seed);
    let faults = faults(options, &mut draw)?;
    let operations = operations(options, &mut draw);
    Ok(Plan { options: options.clone(), operations, faults })
}

fn faults(options: &Options, draw: &mut Draw) -> Result<Vec<Fault>, PlanError> {
    let possible = options.workload.nemeses();
    let mut named: Vec<Nemesis> = options.nemeses.clone();
    named.retain(|nemesis| *nemesis != Nemesis::None);
    if let Some(nobody) =
        named.iter().find(|nemesis| **nemesis != Nemesis::Mixed && !possible.contains(nemesis))
    {
        return Err(PlanError::HitsNobody(nobody.name(), options.workload.name()));
    }
    let mixed = named.contains(&Nemesis::Mixed);
    if mixed {
        named = possible;
    }
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let (mut faults, mut at_ms) = (Vec::new(), QUIET_START_MS);
    let mut turn = Vec::new();
    loop {
        if turn.is_empty() {
            turn.clone_from(&named);
            draw.shuffle(&mut turn);
        }
        let lasts_ms = 1_500 + draw.below(2_000);
        let (choice, rest) = (draw.number(), 1_500 + draw.below(1_000));
        if at_ms + lasts_ms + QUIET_END_MS > options.time_ms {
            break;
        }
        let Some(nemesis) = turn.pop() else { break };
        faults.push(Fault { at_ms, lasts_ms, nemesis, choice });
        at_ms += lasts_ms + rest;
    }
    let all = named.iter().all(|nemesis| faults.iter().any(|fault| fault.nemesis == *nemesis));
    if faults.is_empty() || (!mixed && !all) {
        let needed = (QUIET_START_MS + QUIET_END_MS + 6_000 * named.len() as u64).div_ceil(1_000);
        return Err(PlanError::TooShort { asked: options.nemeses.len(), needed });
    }
    Ok(faults)
}

fn operations(options: &Options, draw: &mut Draw) -> Vec<Timed> {
    let count = options.time_ms * options.rate / 1_000;
    let mut operations = Vec::new();
    let mut last = vec![0_i64; usize::try_from(KEYS).unwrap_or(0)];
    if options.workload == Workload::Watch {
        for process in 0..WATCHERS {
            let value = json!({"watcher": format!("w{}", process + 1)});
            let process = PROCESSES + process;
            operations.push(Timed { at_us: 0, process, f: "watch".to_string(), value });
        }
    }
    for n in 0..count {
        let jitter = draw.below(1_000_000 / options.rate.max(1));
        let at_us = n * 1_000_000 / options.rate.max(1) + jitter;
        let process = draw.below(PROCESSES);
        let (f, value) = match options.workload {
            Workload::Register => register(draw, &mut last),
            Workload::Registry => registry(draw, n),
            Workload::Orders => order(draw),
            Workload::Watch => ("change", json!(format!("c{}", draw.below(KEYS)))),
            // The other one stays: without a success is then an outage.
            Workload::Drain => drained(draw, "market-manager", 1)
                .unwrap_or_else(|| ("connect", json!({"conn": n}))),
            Workload::Affinity => {
                drained(draw, "trader-manager", IMPLEMENTATIONS).unwrap_or_else(|| {
                    let customer = format!("algo{}", draw.below(CUSTOMERS) + 1);
                    (
                        "login",
                        json!({"customer": customer, "trader": format!("trader-of-{customer}")}),
                    )
                })
            }
        };
        operations.push(Timed { at_us, process, f: f.to_string(), value });
    }
    operations.sort_by_key(|operation| operation.at_us);
    operations
}

/// Each value is written once, so that a read tells which write it saw.
fn register(draw: &mut Draw, last: &mut [i64]) -> (&'static str, Value) {
    let place = usize::try_from(draw.below(last.len() as u64)).unwrap_or(0);
    let key = format!("r{place}");
    match draw.below(10) {
        0..4 => ("read", json!([key, null])),
        4..7 => {
            last[place] += 1;
            ("write", json!([key, last[place]]))
        }
        _ => {
            // Of the values written last one may still be there.
            let from = last[place] - i64::try_from(draw.below(2)).unwrap_or(0);
            last[place] += 1;
            ("cas", json!([key, [from, last[place]]]))
        }
    }
}

fn registry(draw: &mut Draw, n: u64) -> (&'static str, Value) {
    let key = format!("m{}", draw.below(4));
    match draw.below(10) {
        0..2 => ("acquire", json!([key, (FIRST_LIFE + n).to_string()])),
        2..6 => ("check-in", json!([key, null])),
        _ => ("read", json!([key, null])),
    }
}

/// Now and then one of the first so many Managers of this kind is drained, or taken back.
fn drained(draw: &mut Draw, kind: &str, of: u64) -> Option<(&'static str, Value)> {
    let f = match draw.below(100) {
        0 => "drain",
        1 | 2 => "undrain",
        _ => return None,
    };
    let number = draw.below(of) + 1;
    Some((f, json!(format!("implementation-{number}.{kind}"))))
}

/// A side, and whether it is to rest and be canceled.
fn order(draw: &mut Draw) -> (&'static str, Value) {
    let side = if draw.below(2) == 0 { "buy" } else { "sell" };
    ("submit", json!({"side": side, "rests": draw.below(4) == 0}))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn options(workload: Workload, nemeses: &[Nemesis], seed: u64) -> Options {
        let (nodes, time_ms, rate, floor) = (3, 30_000, 100, 50);
        Options { workload, nemeses: nemeses.to_vec(), nodes, time_ms, rate, seed, floor }
    }

    #[test]
    fn equal_options_are_an_equal_plan_and_another_seed_is_another() {
        for workload in Workload::ALL {
            let of = |seed| plan(&options(workload, &[Nemesis::Mixed], seed)).unwrap();
            assert_eq!(of(7), of(7));
            assert_ne!(of(7), of(8));
            let text = serde_json::to_string(&of(7)).unwrap();
            assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), of(7));
        }
    }

    #[test]
    fn every_nemesis_named_has_its_turn_within_a_quiet_start_and_end() {
        let named = [Nemesis::KillLeader, Nemesis::Partition, Nemesis::Transfer];
        for seed in 1..200 {
            let plan = plan(&options(Workload::Register, &named, seed)).unwrap();
            for nemesis in named {
                assert!(plan.faults.iter().any(|fault| fault.nemesis == nemesis), "seed {seed}");
            }
            let mut free = QUIET_START_MS;
            for fault in &plan.faults {
                assert!(fault.at_ms >= free);
                free = fault.at_ms + fault.lasts_ms;
            }
            assert!(free + QUIET_END_MS <= plan.options.time_ms);
        }
    }

    #[test]
    fn no_value_is_written_twice_and_each_operation_has_a_time_within_the_run() {
        let plan = plan(&options(Workload::Register, &[], 1)).unwrap();
        assert_eq!(plan.operations.len(), 3_000);
        let mut written = std::collections::BTreeSet::new();
        for operation in &plan.operations {
            assert!(operation.at_us < 30_000_000);
            let value = match operation.f.as_str() {
                "write" => operation.value[1].clone(),
                "cas" => operation.value[1][1].clone(),
                _ => continue,
            };
            assert!(written.insert((operation.value[0].to_string(), value.to_string())));
        }
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        let hits_nobody = options(Workload::Register, &[Nemesis::KillMarket], 1);
        assert!(matches!(plan(&hits_nobody), Err(PlanError::HitsNobody(..))));
        let mut short = options(Workload::Register, &[Nemesis::KillLeader], 1);
        short.time_ms = 4_000;
        assert!(matches!(plan(&short), Err(PlanError::TooShort { .. })));
        let four = Options { nodes: 4, ..options(Workload::Register, &[], 1) };
        assert!(matches!(plan(&four), Err(PlanError::Nodes(4))));
    }
}
