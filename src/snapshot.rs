//! `tradewind snapshot` and `tradewind recover`: the state of a whole cluster in a file, and clusters that
//! begin anew. Decides what the operator is told and asked; what is checked and made is
//! `cluster/replication`'s.

mod args;
mod inspect;
mod recover;
mod restore;
mod save;

pub(crate) use args::{RecoverArgs, SnapshotArgs};

use args::SnapshotCommand;
use std::process::ExitCode;

pub(crate) async fn run(args: SnapshotArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        SnapshotCommand::Save(args) => save::run(&args).await,
        SnapshotCommand::Inspect(args) => inspect::run(&args),
        SnapshotCommand::Restore(args) => restore::run(&args),
    }
}

pub(crate) fn recover(args: &RecoverArgs) -> anyhow::Result<ExitCode> {
    recover::run(args)
}
