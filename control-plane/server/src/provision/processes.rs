//! Implementations on this machine: their three Managers as processes that outlive the member. Decides how each is
//! started and found again: by the directory on its command line, whoever started it and whenever, so that none is
//! started twice; a Manager itself refuses a directory that another one holds. Directories and logs stay when an
//! implementation is gone.

use super::program::UNTIL_STDIN_CLOSES;
use crate::{
    limits::{
        MANAGER_AGAIN_AFTER, MANAGER_GOES_WITHIN, MANAGER_LOG_TAIL_BYTES, MANAGER_LOOK_EVERY,
        MANAGER_STOPS_WITHIN,
    },
    options::ProcessOptions,
};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom},
    net::SocketAddr,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Mutex,
    time::Duration,
};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};
use tradewind_domain::{
    control::scale::{ProvisionRow, Provisioner},
    ids::{ImplementationId, ManagerKind},
};

pub(super) struct Processes {
    options: ProcessOptions,
    /// When each was last started again.
    revived: Mutex<BTreeMap<(ImplementationId, ManagerKind), Instant>>,
}

impl Processes {
    pub(super) fn new(options: ProcessOptions) -> Self {
        Self { options, revived: Mutex::default() }
    }

    fn home(&self, implementation: &ImplementationId) -> PathBuf {
        self.options.directory.join(implementation.as_str())
    }

    fn log(&self, implementation: &ImplementationId, kind: ManagerKind) -> PathBuf {
        self.home(implementation).join(format!("{kind}.log"))
    }

    /// All whose Managers, or some of them, run on this machine: one look through its processes.
    pub(super) async fn all_running(&self) -> BTreeSet<String> {
        let directory = self.options.directory.clone();
        look(move || {
            let home = |line: &Line| line.data()?.parent().map(Path::to_path_buf);
            let homes = lines()
                .filter_map(|(line, _)| home(&line).filter(|home| line.kind(home).is_some()));
            let own = homes.filter(|home| home.parent() == Some(&*directory));
            own.filter_map(|home| Some(home.file_name()?.to_str()?.to_owned())).collect()
        })
        .await
    }

    /// Starts what does not run and watches it. Returns when one of them has ended: then it has failed. Cancelled,
    /// they go on.
    pub(super) async fn provide(
        &self,
        row: &ProvisionRow,
        members: &[String],
    ) -> Result<(), String> {
        let running = self.running(&row.implementation).await;
        let mut children = BTreeMap::new();
        for kind in ManagerKind::ALL {
            if !running.contains_key(&kind) {
                children.insert(kind, self.start(row, kind, members)?);
            }
        }
        loop {
            for (kind, child) in &mut children {
                if let Ok(Some(status)) = child.try_wait() {
                    let said = tail(&self.log(&row.implementation, *kind));
                    return Err(format!("its {kind} has ended, {status}: {said}"));
                }
            }
            sleep(MANAGER_LOOK_EVERY).await;
        }
    }

    /// Starts again those that have ended, each after a pause.
    pub(super) async fn revive(
        &self,
        row: &ProvisionRow,
        kinds: &[ManagerKind],
        members: &[String],
    ) {
        let running = self.running(&row.implementation).await;
        for kind in kinds.iter().filter(|kind| !running.contains_key(kind)) {
            let key = (row.implementation.clone(), *kind);
            let mut revived =
                self.revived.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let again = revived.get(&key).is_none_or(|at| at.elapsed() >= MANAGER_AGAIN_AFTER);
            if !again {
                continue;
            }
            revived.insert(key, Instant::now());
            drop(revived);
            tracing::warn!(implementation = %row.implementation, %kind, "it has ended and is started again");
            if let Err(why) = self.start(row, *kind, members) {
                tracing::warn!(implementation = %row.implementation, %kind, why, "not started");
            }
        }
    }

    fn start(
        &self,
        row: &ProvisionRow,
        kind: ManagerKind,
        members: &[String],
    ) -> Result<Child, String> {
        let home = self.home(&row.implementation);
        let log = self.log(&row.implementation, kind);
        let opened = fs::create_dir_all(&home)
            .and_then(|()| File::options().append(true).create(true).open(&log))
            .and_then(|log| Ok((log.try_clone()?, log)));
        let (out, err) = opened.map_err(|error| format!("{}: {error}", log.display()))?;
        let mut command = Command::new(&self.options.binary);
        command
            .arg(kind.as_str())
            .args(["--implementation", row.implementation.as_str()])
            .args(["--location", row.location.as_str()])
            .args(["--listen", &SocketAddr::new(self.options.listen, 0).to_string()])
            .args(["--members", &members.join(",")])
            .arg("--data")
            .arg(home.join(kind.as_str()))
            .args(&self.options.arguments);
        match (&row.provisioner, kind) {
            (
                Provisioner::Process { capacity },
                ManagerKind::BrokerManager | ManagerKind::TraderManager,
            ) => {
                command.args(["--capacity", &capacity.to_string()]);
            }
            (Provisioner::Process { .. }, ManagerKind::MarketManager)
            | (Provisioner::Exec { .. }, _) => {}
        }
        // A group of its own: what is sent to the member's does not reach it.
        command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .env_remove(UNTIL_STDIN_CLOSES)
            .process_group(0);
        let binary = self.options.binary.display();
        command.spawn().map_err(|error| format!("{binary} {kind} cannot be started: {error}"))
    }

    /// Its Managers that run on this machine.
    async fn running(&self, implementation: &ImplementationId) -> BTreeMap<ManagerKind, u32> {
        let home = self.home(implementation);
        look(move || lines().filter_map(|(line, pid)| Some((line.kind(&home)?, pid))).collect())
            .await
    }

    /// Waits for those that were dropped to go by themselves, then asks, then kills.
    pub(super) async fn stop(&self, implementation: &ImplementationId) -> Result<(), String> {
        let steps = [
            (None, MANAGER_GOES_WITHIN),
            (Some(Signal::TERM), MANAGER_STOPS_WITHIN),
            (Some(Signal::KILL), MANAGER_GOES_WITHIN),
        ];
        for (signal, within) in steps {
            if let Some(signal) = signal {
                let home = self.home(implementation);
                let running = self.running(implementation).await;
                running.values().for_each(|pid| send(&home, *pid, signal));
            }
            if self.gone(implementation, within).await {
                return Ok(());
            }
        }
        let left = self.running(implementation).await;
        Err(format!(
            "still there: {}",
            left.keys().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
        ))
    }

    async fn gone(&self, implementation: &ImplementationId, within: Duration) -> bool {
        let until = Instant::now() + within;
        while !self.running(implementation).await.is_empty() {
            if Instant::now() >= until {
                return false;
            }
            sleep(MANAGER_LOOK_EVERY).await;
        }
        true
    }
}

/// A machine may have many processes, and reading of each takes its time: away from what must answer.
async fn look<T: Default + Send + 'static>(through: impl FnOnce() -> T + Send + 'static) -> T {
    // An error only as the program ends.
    tokio::task::spawn_blocking(through).await.unwrap_or_default()
}

/// A command line. A zombie has none.
struct Line(Vec<u8>);

impl Line {
    fn of(pid: u32) -> Option<Self> {
        fs::read(format!("/proc/{pid}/cmdline")).ok().map(Self)
    }

    fn words(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == 0)
    }

    /// The directory that it names.
    fn data(&self) -> Option<&Path> {
        let mut words = self.words().skip_while(|word| *word != b"--data");
        words.nth(1).map(|word| Path::new(OsStr::from_bytes(word)))
    }

    /// Which Manager it is of the implementation whose directory this is.
    fn kind(&self, home: &Path) -> Option<ManagerKind> {
        let word = self.words().nth(1)?;
        let kind = ManagerKind::ALL.into_iter().find(|kind| word == kind.as_str().as_bytes())?;
        (self.data() == Some(&*home.join(kind.as_str()))).then_some(kind)
    }
}

/// Of every process of this machine.
fn lines() -> impl Iterator<Item = (Line, u32)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((Line::of(pid)?, pid)))
}

/// Looked at again behind a descriptor: what is signalled is what was looked at.
fn send(home: &Path, pid: u32, signal: Signal) {
    let Some(raw) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
    let Ok(process) = pidfd_open(raw, PidfdFlags::empty()) else { return };
    if Line::of(pid).is_some_and(|line| line.kind(home).is_some()) {
        // Refused where it has ended meanwhile.
        let _ = pidfd_send_signal(process, signal);
    }
}

fn tail(log: &Path) -> String {
    let read = || -> io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(MANAGER_LOG_TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    };
    read().unwrap_or_else(|error| format!("{}: {error}", log.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use tempfile::TempDir;
    use tradewind_domain::{
        control::scale::{ProvisionState, Shortage},
        ids::{Epoch, NodeId, Revision},
        time::UnixNanos,
    };

    /// A program that stands for the Managers.
    fn machine(body: &str) -> (TempDir, Processes, ProvisionRow) {
        let home = TempDir::new().unwrap();
        let binary = home.path().join("manager");
        fs::write(&binary, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
        let row = ProvisionRow {
            request: Epoch(7),
            revision: Revision(9),
            location: "here".parse().unwrap(),
            implementation: "scaled-7-0005".parse().unwrap(),
            provisioner: Provisioner::Process { capacity: 5 },
            deadline_seconds: 5,
            shortage: Shortage::Least { there: 0 },
            state: ProvisionState::Starting,
            since: UnixNanos(1),
            node: Some(NodeId(1)),
            attempts: 0,
            not_before: UnixNanos(1),
            failure: None,
            drain: None,
        };
        let options = ProcessOptions {
            binary,
            directory: home.path().join("scaled"),
            listen: "127.0.0.1".parse().unwrap(),
            arguments: Vec::new(),
        };
        (home, Processes::new(options), row)
    }

    #[tokio::test]
    async fn one_that_ends_at_once_is_a_failure_with_the_end_of_its_log() {
        let (_home, processes, row) = machine("echo the port is taken >&2; exit 4");
        let why = processes.provide(&row, &["127.0.0.1:1".to_owned()]).await.unwrap_err();
        assert!(why.contains("exit status: 4") && why.contains("the port is taken"), "{why}");
        assert_eq!(processes.all_running().await, BTreeSet::new());
        assert_eq!(processes.stop(&row.implementation).await, Ok(()));
    }

    #[test]
    fn a_manager_is_known_by_its_subcommand_and_its_directory_and_by_nothing_less() {
        let line = |text: &str| Line(text.replace(' ', "\0").into_bytes());
        let home = Path::new("/p/scaled-7");
        let own =
            line("/bin/tradewind market-manager --listen x --data /p/scaled-7/market-manager");
        assert_eq!(own.kind(home), Some(ManagerKind::MarketManager));
        for other in [
            "/bin/tradewind market-manager --data /p/scaled-71/market-manager",
            "/bin/tradewind broker-manager --data /p/scaled-7/market-manager",
            "/bin/tradewind market --data /p/scaled-7/market-manager",
            "less --data /p/scaled-7/market-manager",
            "",
        ] {
            assert_eq!(line(other).kind(home), None, "{other}");
        }
    }
}
