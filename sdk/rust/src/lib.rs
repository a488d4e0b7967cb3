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
//!
//! What it reads are `Stream`s, too. [`Session::submit_tracked`] gives a handle of an order, with futures for what becomes of it;
//! [`Session::on_event`] tells the curious what happens to the session.
//!
//! An algo that its customer runs himself names its Trader (`TRADEWIND_TRADER` beside `TRADEWIND_API_KEY`, or
//! [`Builder::trader`]): it is then attached at his TraderManager, seen and fenced like those that are spawned there.
//! [`Session::attachment`] tells what becomes of it.

mod access;
mod attach;
mod attachment;
mod bars;
mod brakes;
mod builder;
mod calendar;
mod clock;
mod connection;
mod dial;
mod edges;
mod error;
mod events;
mod history;
mod home;
mod instruments;
mod orders;
mod positions;
mod requests;
mod session;
mod streams;
mod subscriptions;
mod tape;
mod tracked;

pub use attachment::{Attachment, Ended, TraderEvent};
pub use builder::Builder;
pub use calendar::CalendarOf;
pub use error::{Error, OrderError};
pub use events::{SessionEvent, SessionEvents};
pub use orders::{OrderRequest, ReplaceRequest};
pub use session::{OrderHandle, Session};
pub use streams::{Fills, OrderUpdates, Quotes};
pub use tape::{TradeEvent, Trades};
pub use tradewind_protocol::{
    Code, Problem, Retry,
    bars::Bars,
    calendar::{CalendarDay, CalendarTold},
    domain::{
        calendar::{Day, Exchange, MinuteOfDay},
        control::risk::TradingState,
        ids::{AccountId, ClientOrderId, Epoch, InstrumentId, MarketId, OrderId, TraderId},
        money::{Price, Quantity},
        time::UnixNanos,
        trading::{
            Bar, Fill, Order, OrderState, OrderType, Quote, Side, TimeInForce, Trade,
            bars::{Gap, Timeframe},
        },
    },
    instruments::InstrumentInfo,
    orders::{AccountPositions, Held},
    stream::Topic,
};
