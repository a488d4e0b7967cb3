//! A running demo as a test sees it: from outside, by its command line, its ports and its processes.
//! Decides where the binary is found and how long things may take; the claims stand in `tests/`.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

pub mod beside;
pub mod copies;
pub mod group;
pub mod load;
pub mod members;
pub mod operator;
pub mod other_venue;
pub mod reader;
pub mod runbook;
pub mod saw;
pub mod sharded;
pub mod site;
pub mod started;
pub mod states;
pub mod ticker;
pub mod town;
pub mod watcher;
pub mod whole;
pub mod wire;

use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The program under test: `TRADEWIND_BINARY`, or the one cargo has built beside the tests.
#[must_use]
pub fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("TRADEWIND_BINARY") {
        return named.into();
    }
    let mut beside = std::env::current_exe().unwrap();
    beside.pop();
    if beside.ends_with("deps") {
        beside.pop();
    }
    let binary = beside.join("tradewind");
    assert!(binary.exists(), "{} is not built: cargo build --bin tradewind", binary.display());
    binary
}

/// A number from the environment, for tests that can be run longer than the gate has time for.
#[must_use]
pub fn asked(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

/// Waits until the condition holds.
pub fn eventually(what: &str, within: Duration, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < within, "{what}: not within {within:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until the condition holds, for claims that ask over the network.
pub async fn eventually_async<F: Future<Output = bool>>(
    what: &str,
    within: Duration,
    mut condition: impl FnMut() -> F,
) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < within, "{what}: not within {within:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One cluster at a time, also where all tests run in one process.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A demo of the real binary. Killed with all below it when dropped.
pub struct Demo {
    pub child: Child,
    /// Where it makes its temporary files: empty when it has gone as promised.
    pub temporary: TempDir,
    /// Where it keeps its data, if it was told to.
    pub data: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Demo {
    /// Starts `tradewind demo` with these arguments; `{data}` in one stands for the data directory.
    #[must_use]
    pub fn start(arguments: &[&str], stdin: Stdio, stdout: Stdio) -> Self {
        let turn = turn();
        let (temporary, data) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let place = |text: &&str| text.replace("{data}", data.path().to_str().unwrap());
        let child = Command::new(binary())
            .arg("demo")
            .args(arguments.iter().map(place))
            .env("TMPDIR", temporary.path())
            .stdin(stdin)
            .stdout(stdout)
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        Self { child, temporary, data, _turn: turn }
    }

    /// A demo that keeps its data where the test can see it, and runs until it is dropped.
    #[must_use]
    pub fn trading() -> Self {
        let arguments = ["--for", "600s", "-o", "json", "--data", "{data}"];
        let demo = Self::start(&arguments, Stdio::null(), Stdio::null());
        eventually("the demo's algo trades", Duration::from_secs(30), || demo.fills() > 0);
        demo
    }

    /// Lines of the algo's history that tell of a fill.
    #[must_use]
    pub fn fills(&self) -> usize {
        let text = fs::read_to_string(self.data.path().join("history.jsonl")).unwrap_or_default();
        text.lines().filter(|line| line.contains(r#""f":"fill""#)).count()
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        serde_json::from_slice(&fs::read(self.data.path().join("ports.json")).unwrap()).unwrap()
    }

    /// API addresses of the three InfrastructureManagers.
    #[must_use]
    pub fn members(&self) -> Vec<String> {
        self.addresses().chunks(2).take(3).map(|pair| pair[0].to_string()).collect()
    }

    /// Addresses of the two MarketManagers.
    #[must_use]
    pub fn market_managers(&self) -> Vec<String> {
        let managers = self.addresses()[6..12].to_vec();
        vec![managers[1].to_string(), managers[4].to_string()]
    }

    /// Where its sim venue listens.
    #[must_use]
    pub fn venue(&self) -> String {
        self.addresses()[12].to_string()
    }

    /// Every process whose environment names this demo's directory for temporary files.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        marked(self.temporary.path())
    }

    /// Processes of this demo with this word as their subcommand.
    #[must_use]
    pub fn processes_of(&self, role: &str) -> Vec<u32> {
        let is_role = |pid: &u32| {
            let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split('\0').nth(1) == Some(role)
        };
        self.processes().into_iter().filter(is_role).collect()
    }

    pub fn signal(&self, signal: Signal) {
        send(self.child.id(), signal);
    }

    /// Waits for the demo to end, and then for nothing of it to be left.
    pub fn ends_and_leaves_nothing(mut self) {
        let within = Duration::from_secs(40);
        eventually("the demo ends", within, || self.child.try_wait().unwrap().is_some());
        eventually("no process is left", Duration::from_secs(10), || self.processes().is_empty());
        let left: Vec<_> = fs::read_dir(self.temporary.path()).unwrap().collect();
        assert!(left.is_empty(), "files are left: {left:?}");
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // The demo goes first: it would take its processes for crashed.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in self.processes() {
            send(pid, Signal::KILL);
        }
    }
}

pub fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).unwrap();
    // A process that has gone is no failure of the test.
    let _ = kill_process(pid, signal);
}

/// Every process whose environment names this directory for temporary files.
#[must_use]
pub fn marked(directory: &Path) -> Vec<u32> {
    let mark = format!("TMPDIR={}", directory.display());
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        let Some(pid) = pid else { continue };
        // Read as bytes: an environment need not be text. A zombie has none.
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        if environment.split(|byte| *byte == 0).any(|part| part == mark.as_bytes()) {
            found.push(pid);
        }
    }
    found
}
