//! `tradewind apply`: a whole cluster from one file. Decides names and forms of the flags.

use super::resource::{Reason, Whom};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// What is declared, in TOML (- is the standard input, and needs --yes or --plan)
    pub(crate) file: PathBuf,
    /// Print what would be done, do nothing
    #[arg(long, conflicts_with = "yes")]
    pub(crate) plan: bool,
    /// Do it without asking
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Delete what is there and not in the file
    #[arg(long)]
    pub(crate) prune: bool,
    /// With --prune: also accounts. A Broker that a BrokerManager has of one is stopped; its ledger stays on that disk
    #[arg(long, requires = "prune")]
    pub(crate) release: bool,
    /// Also where a limit or a trading state is tighter than the file says, or with --prune is not in it
    #[arg(long)]
    pub(crate) loosen: bool,
    #[command(flatten)]
    pub(crate) reason: Reason,
    #[command(flatten)]
    pub(crate) whom: Whom,
}
