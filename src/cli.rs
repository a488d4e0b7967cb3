//! The command line: one binary, every role a subcommand. Decides names and forms of the flags; what
//! they do stands with the roles.

pub(crate) mod apply;
pub(crate) mod drain;
pub(crate) mod logs;
pub(crate) mod member;
pub(crate) mod rebalance;
pub(crate) mod resource;
pub(crate) mod sim;
pub(crate) mod venue;
pub(crate) mod wait;

pub(crate) use resource::Format;

use crate::snapshot::{RecoverArgs, SnapshotArgs};
use clap::{Args, Parser, Subcommand};
use std::{net::SocketAddr, path::PathBuf, time::Duration};
use tradewind_domain::{
    control::level::FeatureLevel,
    ids::{ImplementationId, InstrumentId, LocationId, NodeName, ProgramId},
    limits,
};

#[derive(Debug, Parser)]
#[command(
    name = "tradewind",
    version,
    about = "Highly available trading infrastructure for algos",
    after_help = crate::exit::HELP,
    infer_subcommands = false,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// A whole cluster on this machine, trading on recorded data; kill what you like
    Demo(DemoArgs),
    /// Members, leader, Managers and services, asked of any InfrastructureManager
    Status(StatusArgs),
    /// Save, check and restore the state of a whole cluster
    Snapshot(SnapshotArgs),
    /// Begin a new group of the one member that is left
    Recover(RecoverArgs),
    /// What happened in the replicated state, and what happens next
    Events(EventsArgs),
    /// An InfrastructureManager: a member of the Raft group
    Infra(InfraArgs),
    /// Members of the Raft group: list, remove, how many voters, who leads
    Member(member::MemberArgs),
    /// Empties an implementation or a Manager before it stops, and shows how far it is; without a name: all drains
    Drain(drain::DrainArgs),
    /// Ends a drain: its target is active again
    Undrain(drain::UndrainArgs),
    /// Evens out TraderManagers: shows what would be moved, does it, and shows each move
    Rebalance(rebalance::RebalanceArgs),
    #[command(flatten)]
    Resource(resource::ResourceCommand),
    /// Waits until something is as it should be
    Wait(wait::WaitArgs),
    /// Makes the cluster what a file declares: prints a plan, then does it
    Apply(apply::ApplyArgs),
    /// A BrokerManager: spins Brokers up and down
    BrokerManager(ManagerArgs),
    /// A MarketManager: spins Markets up and down; algos connect here
    MarketManager(MarketManagerArgs),
    /// A TraderManager: spins Traders up and down
    TraderManager(ManagerArgs),
    /// The sim venue: recorded market data and a matching engine with its own ledger
    SimVenue(SimVenueArgs),
    /// Simulators of real venues, speaking their protocols: for adapters and other people's clients
    Sim(sim::SimArgs),
    /// Looks at a venue from this machine
    Venue(venue::VenueArgs),
    /// Measures on this machine: the replicated writes and reads, the journal
    Bench(crate::bench::BenchArgs),
    /// The public interface of InfrastructureManagers as an OpenAPI 3.1 document
    Openapi,
    /// The sample algo of examples/sample_algo.rs
    SampleAlgo,
    /// Runs a command that ends with its parent (used by Traders)
    #[command(hide = true)]
    Exec {
        /// Program and arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Stop after this time, such as 20s; without it the demo runs until q or Ctrl-C
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub(crate) run_for: Option<Duration>,
    /// Compare the algo's view with the venue's ledger at the end; exit 1 if anything is wrong
    #[arg(long)]
    pub(crate) check: bool,
    /// Kill leader, MarketManager, Market and Broker in turn, one every TIME
    #[arg(long, value_name = "TIME", value_parser = chaos)]
    pub(crate) chaos: Option<Duration>,
    /// Order and moments of the kills
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How it is shown: for people, as one JSON document, or as JSON lines
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Format,
    /// Keep all data here (default: a directory that is removed at the end)
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The first port (default: free ones)
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port_base: Option<u16>,
    /// InfrastructureManagers
    #[arg(long, default_value_t = 3, value_parser = nodes)]
    pub(crate) nodes: u64,
    #[command(flatten)]
    pub(crate) venue: venue::DemoVenueArgs,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// API addresses of InfrastructureManagers, any of them
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', default_value = "127.0.0.1:4001")]
    pub(crate) addr: Vec<String>,
    /// How it is shown: for people, as one JSON document, or as JSON lines
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Format,
    /// What the asked member knows, without asking the leader
    #[arg(long)]
    pub(crate) stale: bool,
    /// Show it again whenever it has changed, until Ctrl-C
    #[arg(short, long)]
    pub(crate) watch: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// API addresses of InfrastructureManagers, any of them
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', default_value = "127.0.0.1:4001")]
    pub(crate) addr: Vec<String>,
    /// Go on with what happens next, at another member when this one goes, until Ctrl-C
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only what came after this revision; without it everything that is still kept
    #[arg(long, value_name = "REVISION")]
    pub(crate) since: Option<u64>,
    /// The life of the cluster that this revision is of, `cluster` in `status -o json`: in another one it is refused
    #[arg(long, value_name = "INCARNATION", requires = "since")]
    pub(crate) cluster: Option<u64>,
    /// Only events of these names, such as manager_down,drained
    #[arg(long, value_name = "EVENT", value_delimiter = ',')]
    pub(crate) kind: Vec<String>,
    /// Only events in which this name stands: a1 is told of a1.trader-manager too
    #[arg(long, value_name = "NAME")]
    pub(crate) about: Option<String>,
    /// How it is shown: for people, as one JSON document, or as JSON lines
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

#[derive(Debug, Args)]
pub(crate) struct InfraArgs {
    /// Which of the members named by --init this one is; with --join the group gives the number
    #[arg(long)]
    pub(crate) node: Option<u64>,
    /// Name of the cluster: members of another one are refused
    #[arg(long, default_value = "tradewind")]
    pub(crate) cluster: String,
    /// Where clients, Managers and other members reach the API
    #[arg(long, default_value = "127.0.0.1:4001")]
    pub(crate) listen: SocketAddr,
    /// Where other members dial for Raft
    #[arg(long, default_value = "127.0.0.1:4101")]
    pub(crate) peer_listen: SocketAddr,
    /// The directory of this member's journal and state; made if missing
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Host and port where clients and Managers reach the API, if it is not --listen
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) advertise: Option<String>,
    /// Address where other members dial for Raft, if it is not --peer-listen
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) advertise_peer: Option<SocketAddr>,
    /// A member of a group that is to be formed: NODE=PEER_ADDRESS,API_ADDRESS; name all, on all. Of no
    /// account once this member belongs to a group
    #[arg(long, value_name = "MEMBER")]
    pub(crate) init: Vec<String>,
    /// API addresses of any members of a group to join with an empty directory. Of no account once this
    /// member belongs to a group
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', conflicts_with_all = ["init", "node"])]
    pub(crate) join: Vec<String>,
    /// Make a snapshot after so many entries of the log
    #[arg(long, value_name = "ENTRIES", default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(100..))]
    pub(crate) snapshot_every: u64,
    /// Between two heartbeats of the leader; the same on all members, best
    #[arg(long, value_name = "TIME", default_value = "50ms", value_parser = duration)]
    pub(crate) heartbeat: Duration,
    /// Silence of a leader after which a member campaigns, at least. Longer for far sites and slow disks: several
    /// round trips with their syncs must fit
    #[arg(long, value_name = "TIME", default_value = "150ms", value_parser = duration)]
    pub(crate) election_min: Duration,
    /// And at most: 4 heartbeats to 750ms. Half of it is the lease that members give a leader
    #[arg(long, value_name = "TIME", default_value = "300ms", value_parser = duration)]
    pub(crate) election_max: Duration,
    /// While it leads this member may start implementations on its machine, with their data and logs below this
    /// directory; they outlive it
    #[arg(long, value_name = "DIR")]
    pub(crate) provision_process: Option<PathBuf>,
    /// While it leads this member may run this program under this name to have implementations started and taken away
    #[arg(long, value_name = "NAME=PATH", value_parser = program)]
    pub(crate) provision_exec: Vec<(ProgramId, PathBuf)>,
    /// Serve /v1/registers, the test range of the replicated state
    #[arg(long)]
    pub(crate) enable_registers: bool,
    /// Understand no more than this feature level, as an older build: for tests of upgrades
    #[arg(long, value_name = "LEVEL", hide = true, default_value_t = FeatureLevel::KNOWN.0,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(FeatureLevel::KNOWN.0)))]
    pub(crate) feature_level: u32,
    /// Listen beyond the loopback although nothing is encrypted and nobody is asked who he is
    #[arg(long)]
    pub(crate) insecure: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ManagerArgs {
    /// The implementation this Manager belongs to
    #[arg(long)]
    pub(crate) implementation: ImplementationId,
    /// The place that can fail as a whole
    #[arg(long)]
    pub(crate) location: LocationId,
    /// Where InfrastructureManagers, services and algos reach it; port 0 is any that is free
    #[arg(long, default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// Where InfrastructureManagers and algos reach it, if that is not where it listens
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) advertise: Option<String>,
    /// The machine it is on: Managers that name one fail together (default: the host of its address)
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Option<NodeName>,
    /// API addresses of InfrastructureManagers, any of them
    #[arg(long, value_delimiter = ',', required = true)]
    pub(crate) members: Vec<String>,
    /// The directory of this Manager's state and of its services'; made if missing
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// How many services it takes
    #[arg(long, default_value_t = 1_000)]
    pub(crate) capacity: u32,
    /// Listen beyond the loopback although nothing is encrypted and nobody is asked who he is
    #[arg(long)]
    pub(crate) insecure: bool,
}

#[derive(Debug, Args)]
pub(crate) struct MarketManagerArgs {
    #[command(flatten)]
    pub(crate) manager: ManagerArgs,
    /// Processes of one Market here, at most (default: as many as this machine has cores)
    #[arg(long, value_name = "NUMBER",
          value_parser = clap::value_parser!(u16).range(1..=i64::from(limits::SHARDS_PER_MARKET)))]
    pub(crate) shards: Option<u16>,
    /// A Market's process that takes so much of a core gets another one beside it
    #[arg(long, value_name = "PERCENT", default_value_t = limits::SHARD_BUSY / 10,
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) shard_busy: u32,
}

#[derive(Debug, Args)]
pub(crate) struct SimVenueArgs {
    /// Where Brokers reach it
    #[arg(long, default_value = "127.0.0.1:4201")]
    pub(crate) listen: SocketAddr,
    /// The directory of the venue's ledger; made if missing
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// How many times as fast as it was recorded the market data is played
    #[arg(long, default_value_t = 5)]
    pub(crate) speed: u32,
    /// Refuse more connects than so many from one address within `--connects-within`
    #[arg(long, value_name = "COUNT")]
    pub(crate) connects: Option<u32>,
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration,
          help = "The time in which no more than `--connects` are let in")]
    pub(crate) connects_within: Duration,
    /// Instruments that one connection may subscribe to
    #[arg(long, value_name = "COUNT", default_value_t = tradewind_sim::limits::SUBSCRIPTIONS)]
    pub(crate) subscriptions: u32,
    /// Plays data generated from this seed in place of the recording: each instrument has its own
    #[arg(long, value_name = "SEED")]
    pub(crate) generated: Option<u64>,
    /// Trades this beside BTC/USD, on the same street if that is recorded; may be given several times
    #[arg(long = "instrument", value_name = "INSTRUMENT")]
    pub(crate) instruments: Vec<InstrumentId>,
    /// What a fill costs who took, in hundredths of a percent of its worth
    #[arg(long, value_name = "BPS", default_value_t = 0,
          value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub(crate) taker_fee_bps: u32,
    /// What a fill costs who was there
    #[arg(long, value_name = "BPS", default_value_t = 0,
          value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub(crate) maker_fee_bps: u32,
    /// Listen beyond the loopback although nothing is encrypted and nobody is asked who he is
    #[arg(long)]
    pub(crate) insecure: bool,
}

/// A time with its unit: `250ms`, `20s`, `5m`, `12h`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 =
        number.parse().map_err(|_| "a number and a unit, such as 250ms, 20s or 5m".to_string())?;
    let millis = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        "" => return Err(format!("needs a unit: {number}s? {number}ms?")),
        other => return Err(format!("`{other}` is no unit of time: ms, s, m or h")),
    };
    millis.map(Duration::from_millis).ok_or_else(|| "too long".to_string())
}

fn program(text: &str) -> Result<(ProgramId, PathBuf), String> {
    let (name, path) = text.split_once('=').ok_or("such as nomad=/etc/tradewind/nomad.sh")?;
    let name =
        name.parse().map_err(|error: tradewind_domain::ids::InvalidName| error.to_string())?;
    let path = PathBuf::from(path);
    if path.is_absolute() { Ok((name, path)) } else { Err("the path begins with /".to_string()) }
}

fn chaos(text: &str) -> Result<Duration, String> {
    let every = duration(text)?;
    if every < Duration::from_secs(1) { Err("at least 1s".to_string()) } else { Ok(every) }
}

fn nodes(text: &str) -> Result<u64, String> {
    match text {
        "3" => Ok(3),
        "5" => Ok(5),
        _ => Err("a group has 3 or 5 members: 4 bear no more failures than 3".to_string()),
    }
}

#[cfg(test)]
mod documented;
#[cfg(test)]
mod tests;
