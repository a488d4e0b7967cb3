//! Trading as values: quotes, orders, fills. Decides which states follow which and what counts as lost
//! Trading as values: quotes, orders, fills. Decides which states follow which and what counts as lost
//! or doubled, when a ledger's record is in both its copies, over which connection, and which shard of its Market, an instrument
//! comes, which session is gone, and what bars trades make; sending, journaling and showing are left to the data plane.

pub mod bars;
pub mod conditions;
pub mod copies;
pub mod exposure;
pub mod fill;
pub mod invariants;
pub mod order;
pub mod presence;
pub mod quote;
pub mod replace;
pub mod risk;
pub mod shards;
pub mod spread;
pub mod trade;

pub use bars::Bar;
pub use conditions::Conditions;
pub use fill::Fill;
pub use order::{NewOrder, Order, OrderState, OrderType, Side, TimeInForce};
pub use presence::CancelOnDisconnect;
pub use quote::Quote;
pub use replace::{ReplaceOrder, Replacement};
pub use trade::Trade;
