//! `tradewind member ...`: the members of the InfrastructureManagers' group. Decides names and forms of the
//! flags; what they do stands in `crate::member`.

use super::{Format, resource::Reason};
use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct MemberArgs {
    #[command(subcommand)]
    pub(crate) action: MemberAction,
}

/// Whom to ask and how to answer.
#[derive(Debug, Args)]
pub(crate) struct Asked {
    /// API addresses of InfrastructureManagers, any of them
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', default_value = "127.0.0.1:4001")]
    pub(crate) addr: Vec<String>,
    /// How it is shown: for people, as one JSON document, or as JSON lines
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MemberAction {
    /// All members: role, addresses, disk, how far each has come
    #[command(visible_alias = "ls")]
    List {
        /// Show it again whenever it has changed, until Ctrl-C
        #[arg(short, long)]
        watch: bool,
        #[command(flatten)]
        asked: Asked,
    },
    /// One member
    #[command(visible_alias = "get")]
    Show {
        /// Its number
        node: u64,
        /// Show it again whenever it has changed, until Ctrl-C
        #[arg(short, long)]
        watch: bool,
        #[command(flatten)]
        asked: Asked,
    },
    /// Remove a member and wait until it is gone; its number is never given again
    #[command(visible_aliases = ["rm", "delete"])]
    Remove {
        /// Its number
        node: u64,
        /// Also where the voters that remain are too few to decide: the group may stand still then
        #[arg(long)]
        force: bool,
        /// Do not wait until it is done
        #[arg(long)]
        no_wait: bool,
        #[command(flatten)]
        reason: Reason,
        #[command(flatten)]
        asked: Asked,
    },
    /// How many voters there should be; learners are promoted up to it
    Voters {
        /// 3 or 5
        #[arg(value_parser = super::nodes)]
        voters: u64,
        #[command(flatten)]
        reason: Reason,
        #[command(flatten)]
        asked: Asked,
    },
    /// Hand leadership to a voter (without NODE: to the one that has most of the log)
    Transfer {
        /// Its number
        node: Option<u64>,
        #[command(flatten)]
        reason: Reason,
        #[command(flatten)]
        asked: Asked,
    },
}
