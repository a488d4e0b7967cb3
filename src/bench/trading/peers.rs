//! Processes that benches start beside the cluster: what their figures are compared with, and who sends and
//! reads. Decides their command lines and how they are started; each stands in a file of its own.

use super::{broadcast, crowd, echo, relay, source};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
};
use tokio::net::TcpListener;
use tradewind_launcher::{Process, Spec};

#[derive(Debug, Args)]
pub(crate) struct PeerArgs {
    #[command(subcommand)]
    peer: Peer,
}

#[derive(Debug, Subcommand)]
enum Peer {
    /// Parses and writes each order anew on its way to the next relay; the last one answers
    Relay {
        /// The next relay
        #[arg(long)]
        to: Option<SocketAddr>,
    },
    /// Sends the same frame to all connections, over and over, in one write what has come together
    Broadcast {
        /// The frame
        #[arg(long)]
        frame: String,
        /// Frames a second; 0: as many as there can be
        #[arg(long)]
        rate: u32,
    },
    /// Sends each frame back as it came
    Echo,
    /// A venue that has nothing but quotes
    Source {
        /// Quotes a second; 0: as many as are taken
        #[arg(long)]
        rate: u32,
        /// Where it listens; any free port if not told
        #[arg(long)]
        listen: Option<SocketAddr>,
    },
    /// Sessions of the SDK that read quotes; what they saw is asked for on standard input
    Crowd {
        /// How many
        #[arg(long)]
        sessions: usize,
        /// One of them trades, and leaves its history there
        #[arg(long)]
        history: Option<PathBuf>,
    },
}

pub(crate) fn run(args: PeerArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match args.peer {
            Peer::Relay { to } => relay::run(to).await,
            Peer::Broadcast { frame, rate } => broadcast::run(frame, rate).await,
            Peer::Echo => echo::run().await,
            Peer::Source { rate, listen } => source::run(rate, listen).await,
            Peer::Crowd { sessions, history } => crowd::run(sessions, history).await,
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Listens, and says so in the one line that whoever started this waits for.
pub(super) async fn listen(at: Option<SocketAddr>) -> anyhow::Result<TcpListener> {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = TcpListener::bind(at.unwrap_or(any)).await.context("a peer's port")?;
    println!(
        "{}",
        serde_json::json!({"ready": true, "address": listener.local_addr()?.to_string()})
    );
    Ok(listener)
}

/// Starts a peer of this very program; it ends when it is dropped, or when this process does.
pub(in crate::bench) async fn start(data: &Path, arguments: &[&str]) -> anyhow::Result<Process> {
    let name = arguments.first().copied().unwrap_or_default().to_string();
    let (binary, mut ended) = ending_with_us()?;
    ended.push(binary.display().to_string());
    ended.extend(["bench", "peer"].iter().chain(arguments).map(ToString::to_string));
    let log = data.join(format!("{name}.log"));
    let spec = Spec { binary, arguments: ended, environment: Vec::new(), log, name };
    Ok(Process::start(&spec, Stdio::null()).await?)
}

/// A program that becomes the command it is given, and which the kernel ends with this process; and its first arguments.
pub(super) fn ending_with_us() -> anyhow::Result<(PathBuf, Vec<String>)> {
    let binary = std::env::current_exe().context("this program's own path")?;
    Ok((binary, vec!["exec".to_string(), "--".to_string()]))
}
