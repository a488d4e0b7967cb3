//! One process: how it is started, known to be ready, and ended. Decides that a process is ready when it
//! has said so in one line on its standard output: `{"ready":true,"address":"..."}`.

use crate::descendants::{self, process_is_alive};
use rustix::process::Signal;
use std::{
    fs::File,
    io,
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// How a process is started; started again from the same value it is the same process.
#[derive(Clone, Debug)]
pub struct Spec {
    pub name: String,
    pub binary: PathBuf,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
    /// What it says on standard error is appended here.
    pub log: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{name} could not be started: {source}")]
    Spawn { name: String, source: io::Error },
    #[error("{name} ended before it was ready ({status}); its last words: {last}")]
    Ended { name: String, status: String, last: String },
    #[error("{name} was not ready within {within:?}; see {log}", log = log.display())]
    NotReady { name: String, within: Duration, log: PathBuf },
}

/// A process that was ready once. Killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    spec: Spec,
    child: Child,
    pid: u32,
    address: String,
}

const READY_WITHIN: Duration = Duration::from_secs(15);

impl Process {
    /// Starts it and waits until it is ready. `stdin` is what all processes of a launcher share: they
    /// end when its other side is closed.
    pub async fn start(spec: &Spec, stdin: Stdio) -> Result<Self, StartError> {
        let spawn = |source| StartError::Spawn { name: spec.name.clone(), source };
        let log = File::options().append(true).create(true).open(&spec.log).map_err(spawn)?;
        let mut child = Command::new(&spec.binary)
            .args(&spec.arguments)
            .envs(spec.environment.iter().cloned())
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(spawn)?;
        let pid = child.id().unwrap_or_default();
        let mut lines = child.stdout.take().map(|stdout| BufReader::new(stdout).lines());
        let ready = async {
            while let Some(lines) = &mut lines {
                match lines.next_line().await {
                    Ok(Some(line)) => {
                        if let Some(address) = ready_address(&line) {
                            return Some(address);
                        }
                    }
                    Ok(None) | Err(_) => return None,
                }
            }
            None
        };
        match timeout(READY_WITHIN, ready).await {
            Ok(Some(address)) => Ok(Self { spec: spec.clone(), child, pid, address }),
            Ok(None) => {
                let status = timeout(Duration::from_secs(1), child.wait()).await;
                let status = match status {
                    Ok(Ok(status)) => status.to_string(),
                    _ => "still running".to_string(),
                };
                Err(StartError::Ended { name: spec.name.clone(), status, last: last_words(spec) })
            }
            Err(_) => Err(StartError::NotReady {
                name: spec.name.clone(),
                within: READY_WITHIN,
                log: spec.log.clone(),
            }),
        }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Host and port it said it listens on.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    #[must_use]
    pub fn is_alive(&self) -> bool {
        process_is_alive(self.pid)
    }

    /// SIGKILL to this process alone, and its end awaited: what it started lives on.
    pub async fn kill(&mut self) {
        descendants::kill_process(self.pid);
        if let Err(error) = self.child.wait().await {
            tracing::warn!(name = %self.spec.name, %error, "a killed process could not be reaped");
        }
    }

    /// Stops it in its tracks (SIGSTOP) until [`Process::resume`].
    pub fn pause(&self) {
        descendants::signal(self.pid, Signal::STOP);
    }

    pub fn resume(&self) {
        descendants::signal(self.pid, Signal::CONT);
    }

    /// Asks it to stop (SIGTERM); kills it if it has not within the time. True if it went by itself.
    pub async fn stop(&mut self, within: Duration) -> bool {
        self.ask_to_stop();
        self.stopped(Instant::now() + within).await
    }

    pub(crate) fn ask_to_stop(&self) {
        descendants::signal(self.pid, Signal::TERM);
    }

    pub(crate) async fn stopped(&mut self, deadline: Instant) -> bool {
        let ended = timeout(deadline.saturating_duration_since(Instant::now()), self.child.wait());
        if ended.await.is_ok() {
            return true;
        }
        self.kill().await;
        false
    }
}

fn ready_address(line: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    (value.get("ready")? == true).then(|| value.get("address")?.as_str().map(str::to_string))?
}

/// The end of a process' log, for the error that tells of its end.
fn last_words(spec: &Spec) -> String {
    let text = std::fs::read_to_string(&spec.log).unwrap_or_default();
    let mut lines: Vec<&str> = text.lines().rev().take(5).collect();
    lines.reverse();
    lines.join(" | ")
}
