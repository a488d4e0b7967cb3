//! The command line of `snapshot` and `recover`. Decides names and forms of the flags.

use crate::cli::Format;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct SnapshotArgs {
    #[command(subcommand)]
    pub(crate) command: SnapshotCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotCommand {
    /// Save the state of the cluster to a file: everything acknowledged before the call is in it
    Save(SaveArgs),
    /// Check a saved file, byte for byte, and tell what is in it
    Inspect(InspectArgs),
    /// Make the directory of a member of a new group that begins with a saved file
    Restore(RestoreArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SaveArgs {
    /// The API address of any InfrastructureManager
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:4001")]
    pub(crate) addr: String,
    /// The file to make; one that exists is never written over
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// How it is shown: for people, as one JSON document, or as JSON lines
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// A file that `snapshot save` has made
    pub(crate) file: PathBuf,
    /// How it is shown: for people, as one JSON document, or as JSON lines
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// A file that `snapshot save` has made: the same one for every member of the new group
    pub(crate) file: PathBuf,
    /// The new member's directory: must be missing or empty
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Number of this member in the new group
    #[arg(long)]
    pub(crate) node: u64,
    /// Name of the new cluster
    #[arg(long, default_value = "tradewind")]
    pub(crate) cluster: String,
    /// A member of the new group: NODE=PEER_ADDRESS,API_ADDRESS; name all, the same for every member
    #[arg(long, value_name = "MEMBER", required = true)]
    pub(crate) init: Vec<String>,
    /// How it is shown: for people, as one JSON document, or as JSON lines
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

#[derive(Debug, Args)]
pub(crate) struct RecoverArgs {
    /// Begin a new group of this member alone: for when a majority is lost for good
    #[arg(long, required = true)]
    pub(crate) new_cluster: bool,
    /// The directory of the member that is left; it must be stopped
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// A new name for the cluster: then no member of the old group is ever mistaken for one of the new
    #[arg(long, value_name = "NAME")]
    pub(crate) cluster: Option<String>,
    /// Do it; without this only what may be lost is told
    #[arg(long)]
    pub(crate) yes: bool,
    /// How it is shown: for people, as one JSON document, or as JSON lines
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Format,
}
