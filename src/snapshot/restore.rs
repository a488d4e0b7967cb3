//! `snapshot restore`: the directory of a member of a new group. Decides nothing but what the operator is
//! told to do next.

use super::args::RestoreArgs;
use crate::{cli::Format, roles::member};
use anyhow::Context as _;
use std::{fs, process::ExitCode};
use tradewind_control_server::{
    RAFT_DIRECTORY,
    backup::{Backup, FoundError, Member, NewGroup},
};
use tradewind_domain::ids::NodeId;

pub(crate) fn run(args: &RestoreArgs) -> anyhow::Result<ExitCode> {
    let backup = Backup::open(&args.file)?;
    let mut members = std::collections::BTreeMap::new();
    for text in &args.init {
        let named = member(text)?;
        let address = Member {
            peer_address: named.peer_address,
            api_address: named.api_address,
            // Made at its first start, and bound when it tells the group.
            disk: None,
        };
        members.insert(named.node, address);
    }
    let data = &args.data;
    // The whole directory must be new: keys and identities in it would be another member's.
    if fs::read_dir(data).is_ok_and(|mut found| found.next().is_some()) {
        return Err(FoundError::NotEmpty { directory: data.clone() }.into());
    }
    let group = NewGroup { node: NodeId(args.node), cluster: args.cluster.clone(), members };
    fs::create_dir_all(data).with_context(|| format!("cannot make {}", data.display()))?;
    backup.restore(&data.join(RAFT_DIRECTORY), &group)?;
    let revision = backup.info().revision.0;
    match args.output {
        Format::Json | Format::Jsonl => {
            let told = serde_json::json!({
                "node": args.node, "cluster": args.cluster, "revision": revision, "data": data,
                "members": group.members.len(),
            });
            println!("{told}");
        }
        Format::Table => {
            println!(
                "{} holds node {} of cluster {} at revision {revision}.",
                data.display(),
                args.node,
                args.cluster
            );
            println!(
                "Restore the same file for each of the {} members, then start them: tradewind infra \
                 --node {} --cluster {} --data {} ...",
                group.members.len(),
                args.node,
                args.cluster,
                data.display()
            );
            println!(
                "Members of a cluster {} from before must not run any more, nor be started again: their life of it \
                 is over. Those that are started all the same are refused, and stop.",
                args.cluster
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}
