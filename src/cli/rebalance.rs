//! `tradewind rebalance`: evening out TraderManagers. Decides names and forms of the flags.

use super::{drain::Who, resource::Whom};
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct RebalanceArgs {
    /// Show what would be moved, and what is under way; changes nothing. The same as to name nothing
    #[arg(long, conflicts_with_all = ["apply", "cancel"])]
    pub(crate) plan: bool,
    /// Move customers, each with all his Traders, until TraderManagers are as even as that makes them
    #[arg(long, requires = "why", conflicts_with = "cancel")]
    pub(crate) apply: bool,
    /// End the one that is under way: who has not moved stays
    #[arg(long, requires = "why")]
    pub(crate) cancel: bool,
    /// Why, for whoever looks at it later
    #[arg(long, value_name = "TEXT")]
    pub(crate) why: Option<String>,
    #[command(flatten)]
    pub(crate) who: Who,
    /// Begin and leave it to itself
    #[arg(long, requires = "apply")]
    pub(crate) detach: bool,
    /// Show it again whenever it has changed, until Ctrl-C
    #[arg(short, long, conflicts_with_all = ["apply", "cancel"])]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) whom: Whom,
}
