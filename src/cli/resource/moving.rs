//! Flags of `tradewind route move`. Decides their names; what is moved is decided in `resource::route`.

use super::{Reason, Whom};
use clap::Args;
use tradewind_domain::ids::{InstrumentId, MarketId, VenueId};

#[derive(Debug, Args)]
pub(crate) struct MoveRoutes {
    pub(crate) market: MarketId,
    /// The venue that is named now
    #[arg(long, value_name = "VENUE")]
    pub(crate) from: VenueId,
    /// The venue that is to be named
    #[arg(long, value_name = "VENUE")]
    pub(crate) to: VenueId,
    /// These alone; otherwise all that name the venue
    #[arg(long, value_name = "INSTRUMENT,...", value_delimiter = ',')]
    pub(crate) instruments: Vec<InstrumentId>,
    /// Where the data comes from; new orders go where they went
    #[arg(long, conflicts_with = "orders_only")]
    pub(crate) data_only: bool,
    /// Where new orders go; the data comes from where it came
    #[arg(long)]
    pub(crate) orders_only: bool,
    #[command(flatten)]
    pub(crate) reason: Reason,
    #[command(flatten)]
    pub(crate) whom: Whom,
}
