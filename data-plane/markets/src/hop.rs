//! One hop of the trading link, as a Market and as the gateway both make it: towards the venue some
//! pipes, towards the algos some receivers. Decides numbers, positions, what is asked for again after a
//! loss and what is told meanwhile; values in, [`Act`]s out. Pipes and sockets are left to the shells.

pub(crate) mod cursor;
pub(crate) mod line;
pub(crate) mod outbox;
pub(crate) mod privates;
pub(crate) mod quotes;
pub(crate) mod requests;
pub(crate) mod ring;
pub(crate) mod trades;

use tradewind_protocol::{
    Code, Problem,
    trade::{TradeDown, TradeUp},
};

use crate::limits;

/// One who gets frames: a pipe of a Market, a session of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ReceiverId(pub(crate) u64);

/// What is to be sent. `U` names a pipe towards the venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act<U> {
    Up { via: U, frame: TradeDown },
    Down { to: ReceiverId, frame: TradeUp },
}

/// What was surely not sent.
pub(crate) fn unavailable(detail: impl Into<String>) -> Problem {
    Problem::new(Code::Unavailable, detail).retry_after_ms(limits::RETRY_AFTER_MS)
}

/// What may have been done.
pub(crate) fn unknown(detail: impl Into<String>) -> Problem {
    Problem::new(Code::Unknown, detail)
}
