//! What all Managers share ([`manager`]: check-in, the leader's pipe, lease, supervision of services)
//! and what all services share ([`service`]: check-in, the Manager's pipe, stop). Decides how processes
//! of the data plane live and die; what a Broker, a Market or a Trader does is left to their crates.

pub mod clock;
pub mod cpu;
pub mod descriptors;
mod disk;
pub mod files;
mod health;
mod incarnation;
pub mod limits;
pub mod log_file;
pub mod manager;
mod metrics;
pub mod process;
pub mod reference;
mod secret;
pub mod service;
pub mod supervision;

pub use disk::Error as DiskError;
pub use incarnation::Error as IncarnationError;
