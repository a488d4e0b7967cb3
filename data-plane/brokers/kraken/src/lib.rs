//! Kraken's protocol as values: how a request is signed and numbered, what a message says, what an error means
//! for an order, what a book and a stream of executions add up to, and how much may be asked for. Decides all
//! of that and reads neither clock nor network; connecting and trading are left to the adapter, answering to
//! the simulator. `docs/venues/kraken.md` says where each rule comes from.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod book;
pub mod executions;
pub mod limits;
pub mod nonce;
pub mod number;
pub mod outcome;
pub mod rate;
pub mod rest;
pub mod shard;
pub mod sign;
pub mod stamp;
pub mod symbol;
pub mod ws;
