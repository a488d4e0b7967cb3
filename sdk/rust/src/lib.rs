//! What an algo imports. Connects to a MarketManager, keeps the connection whatever dies behind it, and
//! hands out quotes, fills and order changes. Decides nothing about trading.
//!
//! ```no_run
//! # async fn run() -> Result<(), tradewind_sdk::Error> {
//! use tradewind_sdk::{OrderRequest, Session, Side};
//! let session = Session::builder().from_env()?.connect().await?;
//! let mut quotes = session.quotes("BTC/USD").await?;
//! let mut fills = session.fills().await?;
//! let quote = quotes.next().await?;
//! if let Some(ask) = quote.ask {
//!     session.submit(&OrderRequest::limit("BTC/USD", Side::Buy, "0.001", ask)?).await?;
//! }
//! let fill = fills.next().await?;
//! println!("{} at {}", fill.quantity, fill.price);
//! # Ok(())
//! # }
//! ```
//!
//! What holds: a fill is handed over once, in the ledger's order, across reconnects; an order is sent
//! again only under its own `client_order_id`; an outcome that is not known is said to be
//! [`OrderError::Unknown`], never guessed.

mod access;
mod brakes;
mod builder;
mod clock;
mod connection;
mod edges;
mod error;
mod history;
mod orders;
mod positions;
mod requests;
mod session;
mod streams;
mod subscriptions;

pub use builder::Builder;
pub use error::{Error, OrderError};
pub use orders::{OrderRequest, ReplaceRequest};
pub use session::Session;
pub use streams::{Fills, OrderUpdates, Quotes};
pub use tradewind_protocol::{
    Code, Problem, Retry,
    domain::{
        control::risk::TradingState,
        ids::{AccountId, ClientOrderId, InstrumentId, OrderId},
        money::{Price, Quantity},
        trading::{Fill, Order, OrderState, OrderType, Quote, Side, TimeInForce},
    },
    orders::{AccountPositions, Held},
};
