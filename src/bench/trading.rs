//! `bench trading`: what algos live on, measured from their side, with real processes on this machine. Decides which
//! parts run and in which order: an order's round trip, the fan-out of quotes, a MarketManager killed under sessions.
//! Each stands beside its floor in the same run.

mod broadcast;
mod crowd;
mod echo;
mod failover;
mod fan_out;
mod nats;
mod orders;
mod peers;
mod readers;
mod relay;
mod site;
mod source;

pub(crate) use peers::{PeerArgs, run as run_peer};
// Of what other benches are measured beside.
pub(super) use {peers::start as start_peer, relay::dial as dial_peer};

use super::args::{TradingArgs, TradingPart};
use crate::cli::Format;
use serde::Serialize;
use std::time::Duration;
use tradewind_launcher::DataDirectory;
use tradewind_node::descriptors::Descriptors;

#[derive(Debug, Default, Serialize)]
struct Report {
    #[serde(skip_serializing_if = "Option::is_none")]
    orders: Option<orders::Orders>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fan_out: Option<fan_out::FanOut>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failover: Vec<failover::Failover>,
}

pub(super) async fn run(args: &TradingArgs) -> anyhow::Result<()> {
    // Ten thousand sessions have two ends each on this machine.
    Descriptors::raise()?;
    let data = DataDirectory::open(args.data.clone())?;
    let length = Duration::from_secs(args.seconds);
    let mut report = Report::default();
    for part in &args.parts {
        match part {
            TradingPart::Orders => {
                let measured = orders::measure(data.path(), &args.order_sessions, length).await?;
                report.orders = Some(measured);
            }
            TradingPart::FanOut => {
                let (sessions, nats) = (&args.readers, args.nats.as_ref());
                report.fan_out = Some(fan_out::measure(data.path(), sessions, length, nats).await?);
            }
            TradingPart::Failover => {
                for sessions in args.sessions.iter().copied() {
                    let measured = failover::measure(data.path(), sessions, args.kills).await?;
                    report.failover.push(measured);
                }
            }
        }
    }
    match args.output {
        Format::Json | Format::Jsonl => println!("{}", serde_json::to_string(&report)?),
        // Nested and few: as a document with indents it is easier to read than as columns.
        Format::Table => println!("{}", serde_json::to_string_pretty(&report)?),
    }
    Ok(())
}
