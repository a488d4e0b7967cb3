//! Starts, kills, pauses and awaits Tradewind's processes on one machine: used by the demo, the cluster
//! tests and the fault harness. Decides ports, names and order; knows processes, ports, links and readiness
//! only. Of what the processes say it reads the status, to find whom a fault hits.

mod cluster;
mod descendants;
mod directory;
mod door;
mod draw;
mod nemesis;
mod ports;
mod process;
mod sockets;

pub use cluster::{Cluster, Implementation, Infrastructure, Plan};
pub use descendants::{adopt_orphans, kill_process, process_is_alive};
pub use directory::DataDirectory;
pub use door::{Door, Passing};
pub use draw::Draw;
pub use nemesis::{Part, Victim, Whole, victim};
pub use ports::Ports;
pub use process::{Process, Spec, StartError};
pub use sockets::lies_unread;
