//! The best bid and ask of an instrument at one moment. Decides nothing; a state, not a change: only
//! the latest matters.

use crate::{
    money::{Price, Quantity},
    time::UnixNanos,
};
use serde::{Deserialize, Serialize};

/// Best prices with the quantity at each, and when the venue had them. A side may be empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    pub bid: Option<Price>,
    pub bid_size: Quantity,
    pub ask: Option<Price>,
    pub ask_size: Quantity,
    pub at: UnixNanos,
}
