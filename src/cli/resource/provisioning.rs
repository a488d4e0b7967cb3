//! `tradewind provisioning`: requests of implementations. Decides names and forms of the flags.

use super::{Show, Whom};
use crate::cli::drain::Who;
use clap::{Args, Subcommand};
use serde::Serialize;
use tradewind_domain::{control::scale::ProvisionState, ids::LocationId};

/// Without an action all of them, or those that are chosen, are listed.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ProvisioningArgs {
    #[command(subcommand)]
    pub(crate) action: Option<ProvisioningAction>,
    #[command(flatten)]
    pub(crate) list: ListProvisioning,
}

#[derive(Debug, Args)]
pub(crate) struct ListProvisioning {
    #[command(flatten)]
    pub(crate) select: OfProvisioning,
    #[command(flatten)]
    pub(crate) show: Show,
    #[command(flatten)]
    pub(crate) whom: Whom,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProvisioningAction {
    /// All of them, or those that are chosen
    #[command(visible_alias = "list")]
    Ls(ListProvisioning),
    /// One of them: where it is, and why it does not go on
    #[command(visible_alias = "show")]
    Get {
        /// Its number, as `ls` shows it
        request: u64,
        #[command(flatten)]
        show: Show,
        #[command(flatten)]
        whom: Whom,
    },
    /// Say that nothing is left of what was to be taken away: you have seen to it
    Released(ToldProvisioning),
    /// Say that what is being started, or taken away, was not: it is tried again
    Failed {
        /// What went wrong, as it is shown with the request
        #[arg(long, value_name = "TEXT")]
        what: String,
        #[command(flatten)]
        told: ToldProvisioning,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ToldProvisioning {
    /// Its number, as `ls` shows it
    pub(crate) request: u64,
    /// Only if this is its revision; else the one it has now
    #[arg(long, value_name = "REVISION")]
    pub(crate) if_match: Option<u64>,
    /// Why, for whoever looks at it later
    #[arg(long, value_name = "TEXT")]
    pub(crate) why: String,
    #[command(flatten)]
    pub(crate) who: Who,
    #[command(flatten)]
    pub(crate) whom: Whom,
}

#[derive(Debug, Args, Serialize)]
pub(crate) struct OfProvisioning {
    /// For this location
    #[arg(long)]
    location: Option<LocationId>,
    /// asked, starting, failed, there, retiring, releasing or released
    #[arg(long, value_parser = super::scale::state)]
    state: Option<ProvisionState>,
}
