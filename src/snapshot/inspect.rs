//! `snapshot inspect`: what a saved file holds. Decides the form in which it is told; a damaged file is an
//! error, and nothing of it is told.

use super::args::InspectArgs;
use crate::cli::Format;
use serde::Serialize;
use std::{collections::BTreeMap, process::ExitCode};
use tradewind_control_server::backup::Backup;
use tradewind_domain::control::{Machine, Row};

#[derive(Debug, Serialize)]
pub(super) struct Contents {
    format: u32,
    cluster: String,
    incarnation: Option<u64>,
    saved_at: String,
    revision: u64,
    term: u64,
    members: Vec<MemberContents>,
    /// How many rows of each kind; told only when all of them were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<BTreeMap<&'static str, u64>>,
    bytes: u64,
    crc32: String,
}

#[derive(Debug, Serialize)]
struct MemberContents {
    node: u64,
    peer_address: String,
    api_address: String,
    voter: bool,
}

impl Contents {
    pub(super) fn of(backup: &Backup, machine: Option<&Machine>) -> Self {
        let info = backup.info();
        let members = info.members.iter().map(|(node, member)| MemberContents {
            node: node.0,
            peer_address: member.peer_address.to_string(),
            api_address: member.api_address.clone(),
            voter: info.voters.contains(node),
        });
        Self {
            format: info.format,
            cluster: info.cluster.clone(),
            incarnation: info.incarnation.map(|incarnation| incarnation.0),
            saved_at: info.saved_at.to_string(),
            revision: info.revision.0,
            term: info.term,
            members: members.collect(),
            rows: machine.map(rows_by_kind),
            bytes: info.bytes,
            crc32: format!("{:08x}", info.crc),
        }
    }
}

pub(crate) fn run(args: &InspectArgs) -> anyhow::Result<ExitCode> {
    let backup = Backup::open(&args.file)?;
    let machine = backup.load()?;
    print(&Contents::of(&backup, Some(&machine)), args.output)
}

pub(super) fn print(contents: &Contents, output: Format) -> anyhow::Result<ExitCode> {
    match output {
        Format::Json | Format::Jsonl => println!("{}", serde_json::to_string(contents)?),
        Format::Table => {
            let incarnation = contents.incarnation.map_or("none".to_string(), |i| i.to_string());
            println!("cluster      {}, incarnation {incarnation}", contents.cluster);
            println!("revision     {}, term {}", contents.revision, contents.term);
            println!("saved at     {}", contents.saved_at);
            println!("size         {} bytes, crc32 {}", contents.bytes, contents.crc32);
            for member in &contents.members {
                let MemberContents { node, peer_address, api_address, voter } = member;
                let role = if *voter { "voter" } else { "learner" };
                println!("member       {node} {role}, peer {peer_address}, api {api_address}");
            }
            for (kind, count) in contents.rows.iter().flatten() {
                println!("rows         {kind:<10} {count}");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn rows_by_kind(machine: &Machine) -> BTreeMap<&'static str, u64> {
    let mut rows = BTreeMap::new();
    for row in machine.rows() {
        *rows.entry(kind(&row)).or_default() += 1;
    }
    rows
}

fn kind(row: &Row) -> &'static str {
    match row {
        Row::Cluster(_) => "cluster",
        Row::Member(_) => "member",
        Row::Manager(_) => "manager",
        Row::Account(_) => "account",
        Row::Broker(_) => "broker",
        Row::Customer(_) => "customer",
        Row::Market(_) => "market",
        Row::Trader(_) => "trader",
        Row::Register(_) => "register",
        Row::Answered(_) | Row::AnsweredTo(_) => "answered",
        Row::Client(_) => "client",
        Row::Group(_) => "group",
        Row::Admission(_) => "admission",
        Row::Forgotten(_) => "forgotten",
        Row::Location(_) => "location",
        Row::Exchange(_) => "exchange",
        Row::Drain(_) => "drain",
        Row::Dropped(_) => "dropped",
        Row::Rebalance(_) => "rebalance",
        Row::Risk(_) => "risk",
        Row::TradingState(_) => "trading_state",
        Row::Scale(_) => "scale",
        Row::Provision(_) => "provision",
        Row::HandedBack(_) => "handed_back",
        Row::ManagerDisk(_) => "manager_disk",
        Row::FormerVenues(_) => "former_venues",
        Row::TraderRun(_) => "trader_run",
        Row::Fencing(_) => "fencing",
        Row::Attachment(_) => "attachment",
        Row::Copies(_) => "copies",
        Row::Abandoned(_) => "abandoned",
        Row::Level(_) => "level",
        Row::MemberLevel(_) => "member_level",
        Row::ManagerLevel(_) => "manager_level",
        Row::HoursUnknown(_) => "hours_unknown",
    }
}
