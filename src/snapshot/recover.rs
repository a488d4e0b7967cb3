//! `recover --new-cluster`: a new group of the one member that is left. Decides what the operator is told
//! may be lost before anything is changed, and that it takes his word to go on.

use super::args::RecoverArgs;
use crate::cli::Format;
use serde::Serialize;
use std::{path::PathBuf, process::ExitCode};
use tradewind_control_server::{RAFT_DIRECTORY, backup::Survivor};

/// Told when nothing was done for want of `--yes`.
const ASKED: u8 = 2;

#[derive(Serialize)]
struct Told {
    node: u64,
    cluster: String,
    term: u64,
    /// Known to be committed, so surely kept.
    committed: Option<u64>,
    /// The last entry there is; above it everything is lost.
    last: u64,
    /// Entries that are kept although this member never heard that they were committed.
    kept_unconfirmed: u64,
    others: Vec<u64>,
    done: bool,
    /// Where the directory as it was is kept.
    kept: Option<PathBuf>,
}

pub(crate) fn run(args: &RecoverArgs) -> anyhow::Result<ExitCode> {
    let survivor = Survivor::examine(&args.data.join(RAFT_DIRECTORY))?;
    let committed = survivor.committed.map(|revision| revision.0);
    let last = survivor.last.0;
    let own = survivor.node;
    let mut told = Told {
        node: own.0,
        cluster: args.cluster.clone().unwrap_or_else(|| survivor.cluster.clone()),
        term: survivor.term,
        committed,
        last,
        kept_unconfirmed: last.saturating_sub(committed.unwrap_or(0)),
        others: survivor.voters.iter().filter(|node| **node != own).map(|node| node.0).collect(),
        done: false,
        kept: None,
    };
    if args.yes {
        told.kept = Some(survivor.found_anew(args.cluster.clone())?);
        told.done = true;
    }
    match args.output {
        Format::Json | Format::Jsonl => println!("{}", serde_json::to_string(&told)?),
        Format::Table => print(&told),
    }
    Ok(if told.done { ExitCode::SUCCESS } else { ExitCode::from(ASKED) })
}

fn print(told: &Told) {
    let Told { node, cluster, last, kept_unconfirmed, others, .. } = told;
    println!("Node {node} of cluster {cluster} holds every entry up to {last}.");
    println!(
        "Kept:      all of them, also {kept_unconfirmed} of which this member never heard that they were \
         committed."
    );
    println!(
        "Lost:      whatever nodes {others:?} acknowledged above {last} without this member. How much that \
         is, only they could tell."
    );
    println!(
        "Afterwards: a group of node {node} alone, in a new life of the cluster: rights given in the old one \
         are void. Never start nodes {others:?} on their old directories again: the new group refuses them, under \
         the same name too, but a majority of them would be the old one. Let them join with empty directories, \
         under new numbers."
    );
    match &told.kept {
        Some(kept) => println!("Done. The directory as it was: {}", kept.display()),
        None => println!("Nothing was changed. To go on, say --yes."),
    }
}
