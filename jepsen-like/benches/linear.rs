//! How long the search takes for 10,000 operations of one key by ten processes, one in a hundred of which never
//! answered: valid, and with one stale read at the end. The bound is ten seconds.
#![allow(clippy::unwrap_used)]

use jepsen_like::linear::{
    Entry, STATES_MAX,
    register::{Register, RegisterOperation, noticed},
    search,
};
use std::time::Instant;
use tradewind_launcher::Draw;

const OPERATIONS: usize = 10_000;
const PROCESSES: usize = 10;

/// Operations of processes that overlap, as a register would answer them.
fn history(seed: u64) -> Vec<Entry<RegisterOperation>> {
    let mut draw = Draw::new(seed);
    let (mut held, mut clock, mut next) = (None, 0, 0);
    let mut busy: Vec<Option<usize>> = vec![None; PROCESSES];
    let mut entries: Vec<Entry<RegisterOperation>> = Vec::new();
    while entries.len() < OPERATIONS || busy.iter().any(Option::is_some) {
        clock += 1;
        let process = usize::try_from(draw.below(PROCESSES as u64)).unwrap();
        if let Some(entry) = busy[process].take() {
            if draw.below(100) > 0 {
                entries[entry].ended = Some(clock);
            }
            continue;
        }
        if entries.len() == OPERATIONS {
            continue;
        }
        let operation = match (draw.below(3), held) {
            (0, Some(from)) => {
                next += 1;
                held = Some(next);
                RegisterOperation::Cas(from, next)
            }
            (1, _) => RegisterOperation::Read(held),
            _ => {
                next += 1;
                held = Some(next);
                RegisterOperation::Write(next)
            }
        };
        busy[process] = Some(entries.len());
        entries.push(Entry { operation, begun: clock, ended: None });
    }
    entries
}

fn main() {
    let good = noticed(history(7));
    let mut bad = history(7);
    let last = bad.iter().filter_map(|entry| entry.ended).max().unwrap();
    let stale = RegisterOperation::Read(Some(1));
    bad.push(Entry { operation: stale, begun: last + 1, ended: Some(last + 2) });
    for (name, entries) in [("valid", good), ("one stale read at the end", noticed(bad))] {
        let began = Instant::now();
        let verdict = search(&Register, &entries, STATES_MAX);
        println!("{name}: {} operations, {verdict:?}, {:?}", entries.len(), began.elapsed());
    }
}
