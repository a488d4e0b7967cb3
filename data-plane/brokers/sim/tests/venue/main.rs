//! The whole venue over real sockets: what a Broker sees of it, and what its ledger says afterwards.

#![allow(clippy::unwrap_used)]

mod client;
mod faults;
mod hostile;
mod market;
mod orders;
mod restart;
