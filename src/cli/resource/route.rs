//! `tradewind route`. Decides names and forms of its flags; which routes a move changes is decided in
//! `crate::resource::route`.

use super::{On, Reason, Show, Whom};
use clap::{Args, Subcommand};
use tradewind_domain::ids::{InstrumentId, MarketId, VenueId};

#[derive(Debug, Subcommand)]
pub(crate) enum RouteAction {
    /// All routes of a Market, or those that are chosen
    #[command(visible_alias = "list")]
    Ls {
        /// The Market it is of
        market: MarketId,
        /// That name this venue
        #[arg(long)]
        venue: Option<VenueId>,
        #[command(flatten)]
        show: Show,
        #[command(flatten)]
        whom: Whom,
    },
    /// The route of an instrument
    #[command(visible_alias = "show")]
    Get {
        /// The Market it is of
        market: MarketId,
        /// Such as BTC/USD
        instrument: InstrumentId,
        #[command(flatten)]
        show: Show,
        #[command(flatten)]
        whom: Whom,
    },
    /// Declare the route of an instrument, new or instead of the one there is; the others stay
    #[command(visible_aliases = ["set", "declare"])]
    Put {
        /// The Market it is of
        market: MarketId,
        /// Such as BTC/USD
        instrument: InstrumentId,
        /// The venue that serves it
        #[arg(long)]
        venue: VenueId,
        /// Another venue for its orders
        #[arg(long, value_name = "VENUE")]
        orders: Option<VenueId>,
        #[command(flatten)]
        on: On,
        #[command(flatten)]
        reason: Reason,
        #[command(flatten)]
        whom: Whom,
    },
    /// Have another venue serve what one serves, all instruments or some, at once
    #[command(visible_alias = "mv")]
    Move(MoveRoutes),
    /// Delete the route of an instrument
    #[command(visible_aliases = ["remove", "delete"])]
    Rm {
        /// The Market it is of
        market: MarketId,
        /// Such as BTC/USD
        instrument: InstrumentId,
        /// Only if this is its revision, which is its Market's
        #[arg(long, value_name = "REVISION")]
        if_match: Option<u64>,
        #[command(flatten)]
        reason: Reason,
        #[command(flatten)]
        whom: Whom,
    },
}

#[derive(Debug, Args)]
pub(crate) struct MoveRoutes {
    /// The Market they are of
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
