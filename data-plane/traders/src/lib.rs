//! Traders: the TraderManager, which gets each of its Traders a session and has it run, or lets those attach that their
//! customers run themselves, and the Trader service, which runs the customer's command. Decides when a copy of an algo
//! may start and how it ends; what the algo does is the customer's, whose Traders are where is decided by the leader.
//!
//! T1: the service runs one copy at a time; the next one starts after the last has ended. That no copy
//! of an earlier epoch trades is the Brokers' work.

mod algo;
mod attach;
mod attachments;
mod environment;
pub mod exec;
pub mod limits;
mod manager;
mod record;
mod sessions;
mod trader;

pub use manager::{TraderManager, trader_manager};
pub use trader::{Error, trader};
