//! Brokers: the BrokerManager, and the Broker it spawns, one process for each account. Decides what
//! becomes of an order between an algo and a venue; who runs where is decided by the control plane.
//!
//! [`broker_manager`] and [`broker()`] are what the binary calls. Below them: [`ledger`] (pure), `store`
//! and `keeper` (the task that owns it), [`venue`] (the trait and its adapters), `connection`, `reconcile`,
//! `quotes`, `session` (a Market's pipe), `copies` (of a ledger, on another node).

mod broker;
mod connection;
mod connects;
mod copies;
mod keeper;
pub mod ledger;
pub mod limits;
mod manager;
mod quotes;
mod reconcile;
mod session;
mod standing;
mod store;
pub mod venue;

pub use broker::{Error, TRADE_PATH, broker};
pub use manager::{Brokers, broker_manager};
pub use store::StoreError;
