//! Starts, kills, pauses and awaits Tradewind's processes on one machine: used by the demo, the cluster
//! tests and the fault harness. Decides ports, names and order; knows processes, ports and readiness
//! only, nothing of what the processes say to each other.

mod cluster;
mod descendants;
mod directory;
mod ports;
mod process;

pub use cluster::{Cluster, Implementation, Infrastructure, Plan};
pub use descendants::{adopt_orphans, kill_process, process_is_alive};
pub use directory::DataDirectory;
pub use ports::Ports;
pub use process::{Process, Spec, StartError};
