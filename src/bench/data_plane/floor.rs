//! What the data plane is measured beside in the same run: the least that its figures could be. Decides what that is: for a
//! Manager whose services do nothing, a process that sends back one frame a second on each of as many sockets; for a service
//! that is there again, this program begun once and one connect on the loopback.

use crate::bench::{cpu, measured::hundredths, trading};
use anyhow::{Context as _, bail, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    process::Command,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval_at, sleep},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, Utf8Bytes},
};
use tradewind_node::{descriptors::Descriptors, limits::SERVICE_BEAT_EVERY};
use tradewind_protocol::supervision::{FromService, ServiceState};

type Beating = JoinSet<anyhow::Result<()>>;

/// Beats that are answered, and nothing else.
#[derive(Serialize)]
pub(super) struct Echo {
    sockets: u32,
    /// Sent and answered.
    frames_per_s: f64,
    /// Of the process that answers; of one core.
    pub(super) cpu_percent: f64,
}

pub(super) async fn echo(data: &Path, sockets: u32, length: Duration) -> anyhow::Result<Echo> {
    // Of each connection one end is here, and what is started from here has as many.
    Descriptors::raise()?;
    let peer = trading::start_peer(data, &["echo"]).await?;
    let address: SocketAddr = peer.address().parse()?;
    let (mut dialled, frame) = (Vec::new(), frame()?);
    for _ in 0..sockets {
        dialled.push(trading::dial_peer(address).await?);
    }
    let answered = Arc::new(AtomicU64::new(0));
    let (mut beating, begin) = (Beating::new(), Instant::now());
    for (number, socket) in (0..sockets).zip(dialled) {
        // Spread over the time between two, as those of services that were started one after the other.
        let first = begin + SERVICE_BEAT_EVERY * number / sockets;
        beating.spawn(beat(socket, first, frame.clone(), answered.clone()));
    }
    // By then each has begun.
    all_beat(&mut beating, SERVICE_BEAT_EVERY).await?;
    let (frames, used) = (answered.load(Ordering::Relaxed), cpu::used(peer.pid()));
    let began = Instant::now();
    all_beat(&mut beating, length).await?;
    let seconds = began.elapsed().as_secs_f64();
    let used = cpu::used(peer.pid()).saturating_sub(used);
    let frames = answered.load(Ordering::Relaxed) - frames;
    Ok(Echo {
        sockets,
        frames_per_s: hundredths(frames as f64 / seconds),
        cpu_percent: hundredths(100.0 * used.as_secs_f64() / seconds),
    })
}

/// Lets so much time pass; an error if one of them ends.
async fn all_beat(beating: &mut Beating, length: Duration) -> anyhow::Result<()> {
    tokio::select! {
        () = sleep(length) => Ok(()),
        Some(ended) = beating.join_next() => {
            ended??;
            bail!("a connection to the echo has ended")
        }
    }
}

/// As large as a beat of a Trader that is live.
fn frame() -> anyhow::Result<Utf8Bytes> {
    let beat = FromService::Beat {
        n: 1_000,
        state: ServiceState::Live,
        detail: "running as 100000 at epoch 1000".to_string(),
        handed_back: None,
        fenced: BTreeMap::new(),
        venue: None,
        ledger: None,
        load: None,
    };
    Ok(serde_json::to_string(&beat)?.into())
}

/// Beats until it is dropped, or the echo fails it.
async fn beat(
    mut socket: WebSocketStream<TcpStream>,
    first: Instant,
    frame: Utf8Bytes,
    answered: Arc<AtomicU64>,
) -> anyhow::Result<()> {
    let mut due = interval_at(first, SERVICE_BEAT_EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        socket.send(Message::Text(frame.clone())).await?;
        let answer = socket.next().await.context("the echo has closed")??;
        ensure!(answer.is_text(), "the echo said something else: {answer:?}");
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// This program, begun again and again and ended at once, and a connect after each.
pub(super) struct Starts {
    binary: PathBuf,
    listener: TcpListener,
    address: SocketAddr,
    took: Vec<Duration>,
}

#[derive(Serialize)]
pub(super) struct Start {
    times: usize,
    pub(super) median_ms: f64,
    pub(super) worst_ms: f64,
}

/// With three kills there are fifteen: enough for a median, over in less than a kill's quiet time.
const IN_A_TURN: u32 = 5;

impl Starts {
    pub(super) async fn new() -> anyhow::Result<Self> {
        let binary = std::env::current_exe().context("this program's own path")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        Ok(Self { binary, listener, address, took: Vec::new() })
    }

    pub(super) async fn turn(&mut self) -> anyhow::Result<()> {
        for _ in 0..IN_A_TURN {
            let began = Instant::now();
            let mut program = Command::new(&self.binary);
            program.arg("--version").stdin(Stdio::null()).stdout(Stdio::null());
            let ended = program.status().await.context("this program")?;
            ensure!(ended.success(), "this program does not tell its version: {ended}");
            tokio::try_join!(TcpStream::connect(self.address), self.listener.accept())?;
            self.took.push(began.elapsed());
        }
        Ok(())
    }

    /// Of all turns; there was one at least.
    pub(super) fn measured(mut self) -> Start {
        self.took.sort_unstable();
        let millis = |took: Duration| hundredths(took.as_secs_f64() * 1e3);
        let times = self.took.len();
        let (median_ms, worst_ms) = (millis(self.took[times / 2]), millis(self.took[times - 1]));
        Start { times, median_ms, worst_ms }
    }
}
