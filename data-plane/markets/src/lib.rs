//! Markets: the MarketManager with its gateway, where algos connect, and the Market service behind it,
//! which knows the routes. Decides where orders and subscriptions go and what an algo is told; grants,
//! ledgers and venues are the Brokers' matter.

mod clock;
mod gateway;
mod hop;
mod limits;
mod manager;
mod market;
#[cfg(test)]
mod world;

pub use manager::market_manager;
pub use market::{Error as MarketError, run as market};
