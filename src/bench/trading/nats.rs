//! The other side of the fan-out: a NATS server of its own, spoken to in its protocol's plain lines. Decides how it is
//! started and that one publisher sends the same frame as fast as it is taken.

use super::{broadcast::around, peers, source::Pace};
use anyhow::{Context as _, bail};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    process::{Child, Command},
};
use tradewind_launcher::Ports;

const READY_WITHIN: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);
pub(super) const SUBSCRIBE: &str = "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB q 1\r\n";

/// Killed when it is dropped.
pub(super) struct Nats {
    pub(super) address: SocketAddr,
    _server: Child,
}

impl Nats {
    pub(super) async fn start(program: &PathBuf, data: &Path) -> anyhow::Result<Self> {
        let address = Ports::new(None).take()?;
        let log = std::fs::File::create(data.join("nats.log"))?;
        let (binary, arguments) = peers::ending_with_us()?;
        let server = Command::new(binary)
            .args(arguments)
            .arg(program)
            .args(["-a", &address.ip().to_string(), "-p", &address.port().to_string()])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} could not be started", program.display()))?;
        let began = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            if began.elapsed() > READY_WITHIN {
                bail!("NATS did not listen within {READY_WITHIN:?}");
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(Self { address, _server: server })
    }

    /// Publishes for ever. Runs on a thread of its own: the readers have the other.
    pub(super) fn publish(&self, frame: &str, rate: u32) -> anyhow::Result<Publisher> {
        let (before, after) = around(frame).context("the frame has no size of a bid")?;
        let (before, after) = (before.to_string(), after.to_string());
        let address = self.address;
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = std::thread::Builder::new().name("publisher".to_string());
        thread.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                tokio::select! {
                    published = publish(address, &before, &after, rate) => published,
                    _ = stopped => Ok(()),
                }
            })
        })?;
        Ok(Publisher { _stop: stop })
    }
}

/// Stops when it is dropped.
pub(super) struct Publisher {
    _stop: tokio::sync::oneshot::Sender<()>,
}

async fn publish(address: SocketAddr, before: &str, after: &str, rate: u32) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    stream.write_all(b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\n").await?;
    let mut pace = Pace::new(rate);
    let mut output = String::new();
    loop {
        output.clear();
        for _ in 0..pace.due().await {
            let frame = format!("{before}{}{after}", crate::clock::now().0 / 1_000);
            output.push_str(&format!("PUB q {}\r\n{frame}\r\n", frame.len()));
        }
        stream.write_all(output.as_bytes()).await?;
    }
}
