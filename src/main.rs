//! The one binary. Decides nothing: reads the command line and hands over to the role it names.

mod advice;
mod apply;
mod bench;
mod cli;
mod clock;
mod demo;
mod drain;
mod events;
mod exit;
mod logs;
mod member;
mod rebalance;
mod resource;
mod roles;
#[path = "../examples/sample_algo.rs"]
mod sample_algo;
mod snapshot;
mod status;
mod stopping;
mod telemetry;
mod venue;
mod wait;

use anyhow::bail;
use clap::Parser as _;
use cli::{Cli, Command};
use snapshot::{SnapshotArgs, SnapshotCommand};
use std::{io::Write as _, process::ExitCode};
use tikv_jemallocator::Jemalloc;
use tokio_util::sync::CancellationToken;

/// A sixth of a write's CPU less than with the system's allocator: decision 17.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let words: Vec<String> =
        std::env::args_os().map(|word| word.to_string_lossy().into()).collect();
    let command = if cli::logs::is_meant(&words) { None } else { Some(Cli::parse().command) };
    let done = match command {
        None => match cli::logs::parse(&words) {
            Ok(asked) => logs::run(asked),
            Err(error) => error.exit(),
        },
        Some(command) => done(command),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            let text = format!("{error:#}");
            let advice =
                advice::advice(&text).map_or_else(String::new, |advice| format!("; {advice}"));
            // Nobody may read it any more; the exit code says it too.
            let _ = writeln!(std::io::stderr(), "tradewind: {text}{advice}");
            exit::of_error(&error)
        }
    }
}

fn done(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        // These bring their own way of running.
        Command::SampleAlgo => {
            telemetry::install("info");
            sample_algo::main().map(|()| ExitCode::SUCCESS).map_err(anyhow::Error::from)
        }
        Command::Exec { command } => Ok(roles::exec(&command)),
        Command::Bench(args) => bench::run(args),
        Command::Openapi => openapi(),
        // Work on this machine's files: a signal ends it as it ends any program.
        Command::Recover(args) => {
            telemetry::install("error");
            snapshot::recover(&args)
        }
        Command::Snapshot(SnapshotArgs { command: SnapshotCommand::Inspect(args) }) => {
            telemetry::install("error");
            snapshot::inspect(&args)
        }
        Command::Snapshot(SnapshotArgs { command: SnapshotCommand::Restore(args) }) => {
            telemetry::install("error");
            snapshot::restore(&args)
        }
        command => run(command),
    }
}

fn openapi() -> anyhow::Result<ExitCode> {
    resource::say(&(tradewind_control_server::openapi().to_pretty_json()? + "\n"))?;
    Ok(ExitCode::SUCCESS)
}

#[tokio::main]
async fn run(command: Command) -> anyhow::Result<ExitCode> {
    telemetry::install(match &command {
        Command::Resource(command) if !roles::is_spawned(command) => "error",
        Command::Demo(_)
        | Command::Status(_)
        | Command::Member(_)
        | Command::Drain(_)
        | Command::Undrain(_)
        | Command::Apply(_)
        | Command::Rebalance(_)
        | Command::Wait(_)
        | Command::Events(_)
        | Command::Venue(_)
        | Command::Snapshot(_) => "error,tradewind_launcher=warn",
        _ => "info,openraft=error,sled=warn",
    });
    let stop = stopping::token()?;
    let asks = match command {
        Command::Demo(args) => return demo::run(args, stop).await,
        Command::Resource(command) if roles::is_spawned(&command) => {
            return role(Command::Resource(command), stop).await;
        }
        Command::Status(_)
        | Command::Wait(_)
        | Command::Snapshot(_)
        | Command::Member(_)
        | Command::Drain(_)
        | Command::Undrain(_)
        | Command::Resource(_)
        | Command::Apply(_)
        | Command::Rebalance(_)
        | Command::Venue(_)
        | Command::Events(_) => ask(command, stop.clone()),
        command => return role(command, stop).await,
    };
    stopping::unless_left(&stop, asks).await
}

async fn role(command: Command, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    roles::run(command, stop).await.map(|()| ExitCode::SUCCESS)
}

/// Of a cluster, or of a venue.
async fn ask(command: Command, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    match command {
        Command::Status(args) => status::run(&args, stop).await.map(|()| ExitCode::SUCCESS),
        Command::Wait(args) => wait::run(&args, stop).await,
        Command::Snapshot(SnapshotArgs { command: SnapshotCommand::Save(args) }) => {
            snapshot::save(&args, stop).await
        }
        Command::Member(args) => member::run(&args.action, &stop).await,
        Command::Drain(args) => drain::run(&args, stop).await,
        Command::Undrain(args) => drain::undrain(&args).await,
        Command::Resource(command) => resource::run(&command, &stop).await,
        Command::Apply(args) => apply::run(&args, stop).await,
        Command::Rebalance(args) => rebalance::run(&args, stop).await,
        Command::Venue(args) => venue::run(&args).await,
        Command::Events(args) => events::run(&args, stop).await.map(|()| ExitCode::SUCCESS),
        _ => bail!("asks nobody"),
    }
}
