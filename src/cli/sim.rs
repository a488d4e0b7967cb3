//! `tradewind sim ...`: simulators of real venues, which speak their protocols. Decides names and forms of the
//! flags; what they do stands in the simulators' crates.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct SimArgs {
    #[command(subcommand)]
    pub(crate) venue: SimVenue,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SimVenue {
    /// Kraken: REST under /0/ and WebSocket v2 at /v2, with faults on demand under /sim/
    Kraken(KrakenArgs),
}

#[derive(Debug, Args)]
pub(crate) struct KrakenArgs {
    /// Where it listens, for REST and WebSocket
    #[arg(long, default_value = "127.0.0.1:4301")]
    pub(crate) listen: SocketAddr,
    /// The directory of the simulator's ledger; made if missing
    #[arg(long, value_name = "DIR", default_value = "kraken-sim")]
    pub(crate) data: PathBuf,
    /// The one API key it knows
    #[arg(long, value_name = "KEY")]
    pub(crate) api_key: String,
    /// Its secret; made up for the simulator, never a real one: whoever sees the process list sees it
    #[arg(long, value_name = "BASE64")]
    pub(crate) api_secret: String,
    /// How many times as fast as it was recorded the market data is played
    #[arg(long, default_value_t = 5)]
    pub(crate) speed: u32,
    /// The account's tier: it sets the limits of orders and calls
    #[arg(long, value_enum, default_value_t)]
    pub(crate) tier: KrakenTier,
    /// What the prices that are not recorded are drawn from
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Listen beyond the loopback although nothing is encrypted
    #[arg(long)]
    pub(crate) insecure: bool,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum KrakenTier {
    Starter,
    Intermediate,
    #[default]
    Pro,
}
