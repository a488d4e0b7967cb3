//! What is traded, as algos ask for it at a MarketManager. Decides the bodies: an instrument and the venues of its route;
//! what nobody has told the gateway, such as ticks and lots, is left out.

use serde::{Deserialize, Serialize};
use tradewind_domain::ids::{InstrumentId, MarketId, VenueId};

/// `GET /v1/instruments?market=&after=`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstrumentQuery {
    /// Of this Market alone.
    #[serde(default)]
    pub market: Option<MarketId>,
    /// Only what comes later in the order of the names.
    #[serde(default)]
    pub after: Option<InstrumentId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instruments {
    /// In the order of their names.
    pub instruments: Vec<InstrumentInfo>,
    /// There are more: `after` for what follows.
    pub next: Option<InstrumentId>,
}

/// `GET /v1/instruments/{instrument}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstrumentInfo {
    pub instrument: InstrumentId,
    /// That orders for it go through.
    pub market: MarketId,
    /// Where its quotes and trades come from.
    pub data_venue: VenueId,
    /// Where new orders go.
    pub order_venue: VenueId,
}
