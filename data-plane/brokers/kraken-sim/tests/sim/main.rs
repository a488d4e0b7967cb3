//! The simulator over real sockets, as an adapter sees it: `market` is public data, `orders` the lives of orders,
//! `faults` what may go wrong, `restart` what the ledger keeps.
#![allow(clippy::unwrap_used)]

mod client;
mod faults;
mod market;
mod orders;
mod restart;
