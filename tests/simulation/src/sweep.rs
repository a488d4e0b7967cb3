//! Many seeds. Decides that each runs in a process of its own, as many at once as asked for: a panic in a
//! member's task takes the whole process along, and that too is a verdict.

use crate::{report::Report, run::Plan, scene::Scene};
use std::{
    io,
    ops::Range,
    path::Path,
    process::Command,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// The sum of many runs.
#[derive(Clone, Debug, Default)]
pub struct Sweep {
    pub seeds: u64,
    pub operations: u64,
    pub crashes: u64,
    pub partitions: u64,
    pub other_faults: u64,
    pub leaders: u64,
    pub installs: u64,
    pub virtual_ms: u64,
    /// Runs with violations, by seed.
    pub failed: Vec<Report>,
}

/// Runs a seed in a process of `program`, which is this crate's.
pub fn judged(program: &Path, plan: Plan) -> io::Result<Report> {
    let mut command = Command::new(program);
    command.args(["--seed", &plan.seed.to_string(), "--report"]).env("RUST_BACKTRACE", "0");
    command.args(plan.scene.flag());
    if let Some(planted) = plan.planted {
        command.args(["--planted", planted.name()]);
    }
    let output = command.output()?;
    let mut report = Report { seed: plan.seed, ..Report::default() };
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        report.read(line);
    }
    if !output.status.success() && report.violations.is_empty() {
        report.violations.push(format!("the process ended by itself: {}", output.status));
    }
    Ok(report)
}

/// Runs all seeds of the range, so many at once, telling each failure as it comes.
#[must_use]
pub fn sweep(
    program: &Path,
    seeds: Range<u64>,
    at_once: usize,
    scene: Scene,
    tell: &(dyn Fn(&Report) + Sync),
) -> Sweep {
    let next = AtomicU64::new(seeds.start);
    let sum = Mutex::new(Sweep::default());
    thread::scope(|scope| {
        for _ in 0..at_once.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let plan = Plan { seed, planted: None, scene, told: false };
                    let report = judged(program, plan).unwrap_or_else(|error| Report {
                        seed,
                        violations: vec![format!("the process did not start: {error}")],
                        ..Report::default()
                    });
                    if !report.violations.is_empty() {
                        tell(&report);
                    }
                    sum.lock().unwrap_or_else(PoisonError::into_inner).add(report);
                }
            });
        }
    });
    let mut sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    sum.failed.sort_by_key(|report| report.seed);
    sum
}

impl Sweep {
    fn add(&mut self, report: Report) {
        self.seeds += 1;
        self.operations += report.operations;
        self.crashes += report.crashes;
        self.partitions += report.partitions;
        self.other_faults += report.other_faults;
        self.leaders += report.leaders;
        self.installs += report.installs;
        self.virtual_ms += report.virtual_ms;
        if !report.violations.is_empty() {
            self.failed.push(report);
        }
    }
}
