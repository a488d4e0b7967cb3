//! Random logs of commands: `domain` alone, without group, network and disk, so that a second has thousands of
//! them. Decides that one seed is one log, and how many are judged at once; what is drawn is decided in `draw`,
//! what must hold in `judge`, and in `planted` what it must be able to find.

mod draw;
mod judge;
mod names;
mod planted;

pub use judge::{Judged, judge};
pub use planted::LogBug;

use std::{
    ops::Range,
    panic,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// The sum of many logs.
#[derive(Clone, Debug, Default)]
pub struct Logs {
    pub logs: u64,
    pub entries: u64,
    pub accepted: u64,
    /// Seeds of logs after which something does not hold, and what does not.
    pub failed: Vec<(u64, Vec<String>)>,
}

/// Seeds taken at a time: a log is so short that asking for each would cost more.
const BLOCK: u64 = 64;

/// Judges the logs of all seeds of a range, so many at once.
#[must_use]
pub fn logs(seeds: Range<u64>, at_once: usize) -> Logs {
    let next = AtomicU64::new(seeds.start);
    let sum = Mutex::new(Logs::default());
    thread::scope(|scope| {
        for _ in 0..at_once.max(1) {
            scope.spawn(|| {
                let mut own = Logs::default();
                loop {
                    let first = next.fetch_add(BLOCK, Ordering::Relaxed);
                    if first >= seeds.end {
                        break;
                    }
                    (first..seeds.end.min(first + BLOCK)).for_each(|seed| own.judge(seed));
                }
                sum.lock().unwrap_or_else(PoisonError::into_inner).add(own);
            });
        }
    });
    let mut sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    sum.failed.sort();
    sum
}

impl Logs {
    fn judge(&mut self, seed: u64) {
        self.logs += 1;
        match panic::catch_unwind(|| judge(seed, None, |_, _| {})) {
            Ok(judged) => {
                self.entries += judged.entries;
                self.accepted += judged.accepted;
                if !judged.violations.is_empty() {
                    self.failed.push((seed, judged.violations));
                }
            }
            // What it was has been printed by the panic itself.
            Err(_) => self.failed.push((seed, vec!["`apply` is total, and panicked".to_owned()])),
        }
    }

    fn add(&mut self, other: Self) {
        self.logs += other.logs;
        self.entries += other.entries;
        self.accepted += other.accepted;
        self.failed.extend(other.failed);
    }
}
