//! Simulation: real `domain`, `cluster/replication` and `cluster/journal` of a whole group in one thread, on
//! turmoil's network and time, a disk that forgets what was not synced, and a map in sled's place. Decides
//! that one seed is one run, exactly repeatable: faults first, then repair and progress, the invariants after
//! every step. What the members agree on and how is theirs to decide; nothing of it is replaced here.

mod builds;
mod caller;
mod chance;
mod checks;
mod disk;
mod faults;
mod forged;
mod forgery;
mod grouping;
mod history;
mod joining;
mod leader;
mod log_id;
mod logs;
mod manager;
mod managers;
mod member;
mod network;
mod operators;
mod overseen;
mod planted;
mod provided;
mod registers;
mod report;
mod rows;
mod run;
mod scene;
mod settled;
mod sites;
mod stories;
mod sweep;
mod watchers;
mod wire;
mod world;

pub use logs::{Judged, LogBug, Logs, judge, logs};
pub use planted::Planted;
pub use report::{Report, VIOLATION};
pub use run::{Plan, run};
pub use scene::Scene;
pub use sweep::{Sweep, judged, sweep};
