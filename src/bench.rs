//! `tradewind bench`: measures on this machine, with real processes and on its disk. Decides which
//! benchmark runs and in what runtime: one thread, so that the load generator leaves the cores to what
//! it measures.

mod args;
mod control;
mod data_plane;
#[cfg(feature = "compare-etcd")]
mod etcd;
mod failover;
mod http;
mod journal;
mod large;
mod load;
mod measured;
mod members;
mod report;
mod restart;
mod snapshot;
mod takeover;
mod trading;
mod writes;

pub(crate) use args::BenchArgs;

use crate::telemetry;
use args::Benchmark;
use std::process::ExitCode;
use tokio::task::LocalSet;
use tradewind_node::cpu;

pub(crate) fn run(args: BenchArgs) -> anyhow::Result<ExitCode> {
    telemetry::install("error,tradewind_launcher=warn");
    // What the others measure with has more than one thread.
    let benchmark = match args.benchmark {
        Benchmark::Peer(args) => return trading::run_peer(args),
        benchmark => benchmark,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match benchmark {
        Benchmark::Control(args) => {
            LocalSet::new().block_on(&runtime, control::run(&args))?;
        }
        Benchmark::Takeover(args) => runtime.block_on(takeover::run(&args))?,
        Benchmark::DataPlane(args) => runtime.block_on(data_plane::run(&args))?,
        Benchmark::Restart(args) => runtime.block_on(restart::run(&args))?,
        Benchmark::Snapshot(args) => {
            LocalSet::new().block_on(&runtime, snapshot::run(&args))?;
        }
        Benchmark::Trading(args) => {
            LocalSet::new().block_on(&runtime, trading::run(&args))?;
        }
        Benchmark::Journal(args) => journal::run(&args)?,
        Benchmark::Peer(_) => {}
    }
    Ok(ExitCode::SUCCESS)
}
