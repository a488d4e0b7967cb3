//! One instrument to many sessions: how many messages a second a MarketManager's sessions get, and how old a message is
//! at a set pace. Decides what stands beside it in the same run: a bare broadcast of the same frame as fast as it can, and
//! NATS where a program of it is named; quotes for ours come as fast as that broadcast has delivered.
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
use tradewind_launcher::Process;

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
    /// That the venue had, for ours: as many as the bare broadcast has delivered to each.
    quotes_per_s: u32,
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
    let mut venue = Venue::start(&directory, PACE).await?;
    let endpoint = venue.process.address().to_string();
    let site = Site::start(1, &below(&directory, "cluster")?, Some(endpoint)).await?;
    let opened = site.session(CROWD).await?;
    let edge = opened.market_managers.first().context("no MarketManager")?.address.parse()?;
    let hello = format!(r#"{{"type":"subscribe","channel":"quotes","instrument":"{INSTRUMENT}"}}"#);
    let ours = Source { address: edge, framing: Framing::WebSocket, token: &opened.token, hello };
    let peers = Peers { directory: &directory, server: server.as_ref() };
    let (paced, frame) = paced(&ours, &peers, length).await?;
    let mut runs = Vec::new();
    for sessions in sessions.iter().copied() {
        let peer = peers.broadcast(&frame, 0).await?;
        let broadcast = rate(&bare(peer.address())?, sessions, length).await?;
        drop(peer);
        let mut nats = None;
        if let Some(server) = &server {
            let _publisher = server.publish(&frame, 0)?;
            nats = Some(rate(&of(server), sessions, length).await?);
        }
        // What the bare broadcast has delivered is what is to be delivered.
        let quotes_per_s = (broadcast.messages_per_s / sessions.max(1) as f64).ceil() as u32;
        venue = venue.at(quotes_per_s).await?;
        let tradewind = rate(&ours, sessions, length).await?;
        let by = |other: Rate| hundredths(tradewind.messages_per_s / other.messages_per_s.max(1.0));
        let (by_broadcast, by_nats) = (by(broadcast), nats.map(by));
        runs.push(Run {
            sessions,
            quotes_per_s,
            tradewind,
            broadcast,
            nats,
            by_broadcast,
            by_nats,
        });
    }
    site.cluster.stop().await;
    Ok(FanOut { runs, paced })
}

/// The venue of a measurement: at another pace it is another process at the same address.
struct Venue {
    process: Process,
    directory: PathBuf,
}

impl Venue {
    async fn start(directory: &Path, per_s: u32) -> anyhow::Result<Self> {
        let process = peers::start(directory, &["source", "--rate", &per_s.to_string()]).await?;
        Ok(Self { process, directory: directory.to_owned() })
    }

    async fn at(mut self, per_s: u32) -> anyhow::Result<Self> {
        let (address, rate) = (self.process.address().to_string(), per_s.max(1).to_string());
        // Gone before the next takes its port.
        self.process.kill().await;
        let arguments = ["source", "--rate", &rate, "--listen", &address];
        self.process = peers::start(&self.directory, &arguments).await?;
        Ok(self)
    }
}

/// What ours is measured beside.
struct Peers<'a> {
    directory: &'a Path,
    server: Option<&'a Nats>,
}

impl Peers<'_> {
    async fn broadcast(&self, frame: &str, per_s: u32) -> anyhow::Result<Process> {
        let rate = per_s.to_string();
        peers::start(self.directory, &["broadcast", "--rate", &rate, "--frame", frame]).await
    }
}

/// Ages at the set pace, and what a frame of ours is.
async fn paced(
    ours: &Source<'_>,
    peers: &Peers<'_>,
    length: Duration,
) -> anyhow::Result<(Paced, String)> {
    let (tradewind, frame) = ages(ours, length).await?;
    let peer = peers.broadcast(&frame, PACE).await?;
    let (broadcast, _) = ages(&bare(peer.address())?, length).await?;
    drop(peer);
    let mut nats = None;
    if let Some(server) = peers.server {
        let _publisher = server.publish(&frame, PACE)?;
        nats = Some(ages(&of(server), length).await?.0);
    }
    let paced = Paced { sessions: PACED_SESSIONS, per_s: PACE, tradewind, broadcast, nats };
    Ok((paced, frame))
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

/// Messages a second.
async fn rate(source: &Source<'_>, sessions: usize, length: Duration) -> anyhow::Result<Rate> {
    let mut readers = open(source, sessions).await?;
    let before = cpu::own();
    let began = std::time::Instant::now();
    let messages = readers.count(length).await?;
    let took = began.elapsed().as_secs_f64();
    let used = cpu::own().saturating_sub(before).as_secs_f64();
    Ok(Rate {
        messages_per_s: (messages as f64 / took).round(),
        readers_cpu_percent: (100.0 * used / took).round(),
    })
}

/// And what one of the messages was.
async fn ages(source: &Source<'_>, length: Duration) -> anyhow::Result<(Ages, String)> {
    let mut readers = open(source, PACED_SESSIONS).await?;
    readers.counted.ages_kept.set(true);
    readers.count(length).await?;
    let measured = readers.counted.ages.take().measured(length);
    let (p50_us, p99_us) = (measured.p50_us, measured.p99_us);
    let first = readers.counted.first.borrow().clone();
    Ok((Ages { messages_per_s: measured.per_s, p50_us, p99_us }, first))
}
