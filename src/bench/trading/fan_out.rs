//! One instrument to many sessions: how many messages a second a MarketManager's sessions get when quotes come as fast
//! as they are taken, and how old a message is at a set pace. Decides what stands beside it in the same run: a bare
//! broadcast of the same frame, and NATS where a program of it is named.
//!
//! Ours is the whole way from a venue: its quotes pass a Broker and a Market, each a process on the same machine; the
//! others begin at the process that fans out. A session of ours that is behind gets the latest, not all.

use super::{
    nats::{self, Nats},
    peers,
    readers::{Framing, Readers},
    site::{CROWD, INSTRUMENT, Site, below},
};
use crate::bench::{cpu, measured::hundredths};
use anyhow::Context as _;
use serde::Serialize;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use tradewind_launcher::Ports;

/// Until all sessions have had a message; they are opened one by one.
const BEGUN_WITHIN: Duration = Duration::from_secs(60);
const WARM_UP: Duration = Duration::from_millis(500);
/// The set pace: messages a second, to so many sessions.
const PACE: u32 = 1_000;
const PACED_SESSIONS: usize = 100;

#[derive(Debug, Serialize)]
pub(super) struct FanOut {
    runs: Vec<Run>,
    paced: Paced,
}

#[derive(Debug, Serialize)]
struct Run {
    sessions: usize,
    tradewind: Rate,
    broadcast: Rate,
    #[serde(skip_serializing_if = "Option::is_none")]
    nats: Option<Rate>,
    /// Ours by the bare broadcast's: the target is 0.8.
    by_broadcast: f64,
    /// Ours by NATS': the target is 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    by_nats: Option<f64>,
}

/// Messages that arrived, of all sessions together.
#[derive(Clone, Copy, Debug, Serialize)]
struct Rate {
    messages_per_s: f64,
    /// CPU of the readers, of a core; the rest of the machine is what is measured.
    readers_cpu_percent: f64,
}

/// Ages of messages at a set pace, in microseconds.
#[derive(Debug, Serialize)]
struct Paced {
    sessions: usize,
    per_s: u32,
    /// From the venue.
    tradewind: Ages,
    broadcast: Ages,
    #[serde(skip_serializing_if = "Option::is_none")]
    nats: Option<Ages>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Ages {
    messages_per_s: f64,
    p50_us: u32,
    p99_us: u32,
}

/// Somebody to read from.
struct Source<'a> {
    address: SocketAddr,
    framing: Framing,
    token: &'a str,
    hello: String,
}

pub(super) async fn measure(
    data: &Path,
    sessions: &[usize],
    length: Duration,
    nats: Option<&PathBuf>,
) -> anyhow::Result<FanOut> {
    let directory = below(data, "fan-out")?;
    let server = match nats {
        Some(program) => Some(Nats::start(program, &directory).await?),
        None => None,
    };
    let venue = Ports::new(None).take()?.to_string();
    let source = |rate: u32| {
        let (directory, venue) = (directory.clone(), venue.clone());
        async move {
            let rate = rate.to_string();
            peers::start(&directory, &["source", "--rate", &rate, "--listen", &venue]).await
        }
    };
    let full = source(0).await?;
    let site = Site::start(1, &below(&directory, "cluster")?, Some(venue.clone())).await?;
    let opened = site.session(CROWD).await?;
    let edge = opened.market_managers.first().context("no MarketManager")?.address.parse()?;
    let hello = format!(r#"{{"type":"subscribe","channel":"quotes","instrument":"{INSTRUMENT}"}}"#);
    let ours = Source { address: edge, framing: Framing::WebSocket, token: &opened.token, hello };
    let mut runs = Vec::new();
    let mut frame = String::new();
    for sessions in sessions.iter().copied() {
        let (tradewind, told) = rate(&ours, sessions, length).await?;
        frame = told;
        let peer =
            peers::start(&directory, &["broadcast", "--rate", "0", "--frame", &frame]).await?;
        let bare = bare(peer.address())?;
        let (broadcast, _) = rate(&bare, sessions, length).await?;
        drop(peer);
        let mut nats = None;
        if let Some(server) = &server {
            let _publisher = server.publish(&frame, 0)?;
            nats = Some(rate(&of(server), sessions, length).await?.0);
        }
        let by = |other: Rate| hundredths(tradewind.messages_per_s / other.messages_per_s.max(1.0));
        let (by_broadcast, by_nats) = (by(broadcast), nats.map(by));
        runs.push(Run { sessions, tradewind, broadcast, nats, by_broadcast, by_nats });
    }
    drop(full);
    let _paced = source(PACE).await?;
    let tradewind = ages(&ours, length).await?;
    let pace = PACE.to_string();
    let peer = peers::start(&directory, &["broadcast", "--rate", &pace, "--frame", &frame]).await?;
    let broadcast = ages(&bare(peer.address())?, length).await?;
    drop(peer);
    let mut nats = None;
    if let Some(server) = &server {
        let _publisher = server.publish(&frame, PACE)?;
        nats = Some(ages(&of(server), length).await?);
    }
    site.cluster.stop().await;
    let paced = Paced { sessions: PACED_SESSIONS, per_s: PACE, tradewind, broadcast, nats };
    Ok(FanOut { runs, paced })
}

fn bare(address: &str) -> anyhow::Result<Source<'static>> {
    let (address, hello) = (address.parse()?, "all".to_string());
    Ok(Source { address, framing: Framing::WebSocket, token: "none", hello })
}

fn of(server: &Nats) -> Source<'static> {
    let hello = nats::SUBSCRIBE.to_string();
    Source { address: server.address, framing: Framing::Nats, token: "none", hello }
}

async fn open(source: &Source<'_>, sessions: usize) -> anyhow::Result<Readers> {
    let Source { address, framing, token, hello } = source;
    let mut readers = Readers::open(*address, sessions, *framing, token, hello).await?;
    readers.all_begun(sessions, BEGUN_WITHIN).await?;
    tokio::time::sleep(WARM_UP).await;
    Ok(readers)
}

/// Messages a second, and what one of them was.
async fn rate(
    source: &Source<'_>,
    sessions: usize,
    length: Duration,
) -> anyhow::Result<(Rate, String)> {
    let mut readers = open(source, sessions).await?;
    let before = cpu::own();
    let began = std::time::Instant::now();
    let messages = readers.count(length).await?;
    let took = began.elapsed().as_secs_f64();
    let used = cpu::own().saturating_sub(before).as_secs_f64();
    let rate = Rate {
        messages_per_s: (messages as f64 / took).round(),
        readers_cpu_percent: (100.0 * used / took).round(),
    };
    let last = readers.counted.last.borrow().clone();
    Ok((rate, last))
}

async fn ages(source: &Source<'_>, length: Duration) -> anyhow::Result<Ages> {
    let mut readers = open(source, PACED_SESSIONS).await?;
    readers.counted.ages_kept.set(true);
    readers.count(length).await?;
    let measured = readers.counted.ages.take().measured(length);
    let (p50_us, p99_us) = (measured.p50_us, measured.p99_us);
    Ok(Ages { messages_per_s: measured.per_s, p50_us, p99_us })
}
