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
    collections::BTreeMap,
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

    /// Whether anything of it was ever started here.
    pub(super) fn has(&self, implementation: &ImplementationId) -> bool {
        self.home(implementation).is_dir()
    }

    /// Starts what does not run and watches it. Returns when one of them has ended: then it has failed. Cancelled,
    /// they go on.
    pub(super) async fn provide(
        &self,
        row: &ProvisionRow,
        members: &[String],
    ) -> Result<(), String> {
        let running = self.running(&row.implementation);
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
        let running = self.running(&row.implementation);
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
    fn running(&self, implementation: &ImplementationId) -> BTreeMap<ManagerKind, u32> {
        let home = self.home(implementation);
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.filter_map(|pid| Some((manager_below(&home, pid)?, pid))).collect()
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
                self.running(implementation).values().for_each(|pid| send(&home, *pid, signal));
            }
            if self.gone(implementation, within).await {
                return Ok(());
            }
        }
        let left = self.running(implementation);
        Err(format!(
            "still there: {}",
            left.keys().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
        ))
    }

    async fn gone(&self, implementation: &ImplementationId, within: Duration) -> bool {
        let until = Instant::now() + within;
        while !self.running(implementation).is_empty() {
            if Instant::now() >= until {
                return false;
            }
            sleep(MANAGER_LOOK_EVERY).await;
        }
        true
    }
}

/// Which Manager of the implementation at home in this directory a process is. A zombie has no command line.
fn manager_below(home: &Path, pid: u32) -> Option<ManagerKind> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    let kind = ManagerKind::ALL
        .into_iter()
        .find(|kind| words.get(1).is_some_and(|word| *word == kind.as_str().as_bytes()))?;
    let place = home.join(kind.as_str());
    let own =
        words.windows(2).any(|pair| pair == [b"--data".as_slice(), place.as_os_str().as_bytes()]);
    own.then_some(kind)
}

/// Looked at again behind a descriptor: what is signalled is what was looked at.
fn send(home: &Path, pid: u32, signal: Signal) {
    let Some(raw) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
    let Ok(process) = pidfd_open(raw, PidfdFlags::empty()) else { return };
    if manager_below(home, pid).is_some() {
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
