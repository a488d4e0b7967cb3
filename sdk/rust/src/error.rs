//! What can go wrong for an algo. One variant a thing it can do about it.

use tradewind_protocol::{
    Problem,
    domain::ids::{ClientOrderId, InvalidName},
    domain::money::InvalidAmount,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Set what is named and start again.
    #[error("{0}")]
    Configuration(String),
    /// The request was understood and refused; the problem says why.
    #[error(transparent)]
    Refused(Box<Problem>),
    /// Nobody could be reached for as long as was allowed; nothing was changed.
    #[error("no {whom} could be reached within {within_ms} ms; the last trouble: {}", said(last))]
    Unreachable { whom: &'static str, within_ms: u128, last: String },
    /// The algo's orders, or their fills, had not come to their end in time; what is open stays open.
    #[error("not all orders have ended within {within_ms} ms; the last trouble: {}", said(last))]
    StillOpen { within_ms: u128, last: String },
    #[error(transparent)]
    Order(#[from] OrderError),
    #[error(transparent)]
    InvalidName(#[from] InvalidName),
    #[error(transparent)]
    InvalidAmount(#[from] InvalidAmount),
    /// The session was closed by its owner.
    #[error("the session is closed")]
    Closed,
}

/// The two ways in which an order was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// Surely not placed.
    #[error("{client_order_id} was refused: {problem}")]
    Refused { client_order_id: ClientOrderId, problem: Box<Problem> },
    /// It may or may not be at the venue. Submit the same request again to learn which: it cannot be
    /// placed twice.
    #[error("the outcome of {client_order_id} is not known: {last}")]
    Unknown { client_order_id: ClientOrderId, last: String },
}

fn said(last: &str) -> &str {
    if last.is_empty() { "none" } else { last }
}
