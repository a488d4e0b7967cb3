//! Faults against real processes, and a verdict on what their clients saw. Decides what a run is: a plan from
//! a seed, a history, the checks over it, a report. Sees public interfaces only; everything but `run` is pure.

pub mod calls;
pub mod checks;
pub mod history;
pub mod linear;
pub mod options;
pub mod plan;
pub mod report;
pub mod run;
pub mod summary;
pub mod verdict;
