//! The nouns and the decisions of Tradewind. Decides everything that can be decided from values alone;
//! clocks, disks, networks and randomness stand in the crates around it and are passed in as values.
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "schema"))]
extern crate std;

pub mod calendar;
pub mod control;
pub mod ids;
pub mod limits;
pub mod money;
#[cfg(feature = "schema")]
mod schema;
pub mod time;
pub mod trading;
