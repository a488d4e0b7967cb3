//! One trade as everybody sees it: the tape of an instrument. Decides nothing; whose orders traded is not said.

use crate::{
    money::{Price, Quantity},
    time::UnixNanos,
    trading::Side,
};
use serde::{Deserialize, Serialize};

/// A quantity that changed hands at a venue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trade {
    pub price: Price,
    pub quantity: Quantity,
    /// Of the one who came and took what was there.
    pub taker: Side,
    /// By the venue's clock.
    pub at: UnixNanos,
}
