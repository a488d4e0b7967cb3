//! `tradewind venue ...`: looking at venues from this machine; and where the demo trades. Decides names and forms of the flags; what is looked at
//! stands with the adapters.

use super::Format;
use clap::{Args, Subcommand, ValueEnum};
use tradewind_domain::ids::InstrumentId;

#[derive(Debug, Args)]
pub(crate) struct VenueArgs {
    #[command(subcommand)]
    pub(crate) action: VenueAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum VenueAction {
    /// Whether a venue can be reached from here, and what it says
    Check {
        /// Which one
        venue: CheckedVenue,
        /// Look at what needs no API key: its time and state by REST, a proven book by WebSocket
        #[arg(long, required = true)]
        public: bool,
        /// Where it is, for REST and, at /v2, WebSocket (default: Kraken itself); plain http for the loopback alone
        #[arg(long, value_name = "URL")]
        url: Option<String>,
        /// Whose book is looked at
        #[arg(long, default_value = "BTC/USD")]
        instrument: InstrumentId,
        /// How it is shown: for people, as one JSON document, or as JSON lines
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
}

/// Venues that can be looked at.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum CheckedVenue {
    /// Kraken (spot)
    Kraken,
}

#[derive(Debug, Args)]
pub(crate) struct DemoVenueArgs {
    /// Where it trades
    #[arg(long, value_enum, default_value_t)]
    pub(crate) venue: DemoVenue,
    /// At kraken: live public data and simulated fills, without an account
    #[arg(long, required_if_eq("venue", "kraken"))]
    pub(crate) public: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum DemoVenue {
    /// The sim venue, on recorded data
    #[default]
    Sim,
    /// The simulator that speaks Kraken's protocol, on recorded data
    KrakenSim,
    /// Kraken's live data; orders go to the sim venue
    Kraken,
}
