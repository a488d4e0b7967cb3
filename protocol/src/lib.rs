//! Every message between processes, and between Tradewind and algos. Decides shapes and names on the
//! wire; how messages travel and what is done about them is decided by the crates that use this one.
//! A message embeds domain nouns; unknown fields are refused where something is written.

pub mod admission;
pub mod asks;
pub mod attach;
pub mod bars;
pub mod calendar;
pub mod check_in;
pub mod control;
pub mod copies;
pub mod drains;
pub mod events;
pub mod history;
pub mod instruments;
pub mod judge;
pub mod link;
pub mod managers;
pub mod members;
pub mod orders;
pub mod placed;
pub mod problem;
pub mod rebalance;
pub mod resources;
pub mod scale;
pub mod session;
pub mod stream;
pub mod supervision;
pub mod terms;
pub mod token;
pub mod trade;
pub mod venue;

pub use problem::{Code, Problem, Retry};
pub use tradewind_domain as domain;
