//! One process below this one, in a group of its own. Decides how it is told from a later process of
//! the same number, how its end is seen and how it is signalled: always with its whole group. When it is
//! started and stopped is decided by others. A zombie counts as ended; own children are reaped here.

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use serde::{Deserialize, Serialize};
use std::{
    fmt, fs,
    future::pending,
    io,
    os::{fd::OwnedFd, unix::process::CommandExt as _},
    process::ExitStatus,
    time::Duration,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    time::timeout,
};
use tradewind_domain::control::handed_back::Exit as Told;

/// What tells a process from every other one on this machine, also after its number was used again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub pid: u32,
    /// In clock ticks since the machine was booted, as in `/proc/PID/stat`.
    pub start_ticks: u64,
    /// Which boot of the machine: ticks of two boots are not comparable.
    pub boot: String,
}

/// How a process ended. `None`: it was not our child, so that only its end is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(pub Option<ExitStatus>);

impl Exit {
    /// As it is told to the group.
    #[must_use]
    pub fn told(self) -> Told {
        use std::os::unix::process::ExitStatusExt as _;
        let Some(status) = self.0 else { return Told::Unknown };
        match (status.code(), status.signal()) {
            (Some(code), _) => Told::Code(code),
            (None, Some(signal)) => Told::Signal(signal),
            (None, None) => Told::Unknown,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(status) => status.fmt(f),
            None => f.write_str("it ended; how is not known, since an earlier life had started it"),
        }
    }
}

/// A process that was alive when this was made. Dropping it ends nothing.
#[derive(Debug)]
pub struct Process {
    identity: Identity,
    pid: Pid,
    /// Readable once the process has ended, be it reaped or not.
    ended: AsyncFd<OwnedFd>,
    child: Option<tokio::process::Child>,
}

impl Process {
    /// Starts `command` in a process group of its own.
    pub fn spawn(mut command: std::process::Command) -> io::Result<Self> {
        command.process_group(0);
        let mut child = tokio::process::Command::from(command).spawn()?;
        let number = child.id().unwrap_or_default();
        match Self::watch(number) {
            Ok((identity, pid, ended)) => Ok(Self { identity, pid, ended, child: Some(child) }),
            Err(error) => {
                // What cannot be watched must not run.
                let _ = child.start_kill();
                Err(error)
            }
        }
    }

    /// Takes over a process that an earlier life of this program has started; `None` if it has ended.
    #[must_use]
    pub fn adopt(identity: &Identity) -> Option<Self> {
        let (found, pid, ended) = Self::watch(identity.pid).ok()?;
        // Compared after the descriptor was opened: what was compared is what is watched.
        (found == *identity && is_alive(&found)).then_some(Self {
            identity: found,
            pid,
            ended,
            child: None,
        })
    }

    fn watch(number: u32) -> io::Result<(Identity, Pid, AsyncFd<OwnedFd>)> {
        let gone = || io::Error::new(io::ErrorKind::NotFound, "no such process");
        let pid = i32::try_from(number).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
        let descriptor = pidfd_open(pid, PidfdFlags::NONBLOCK)?;
        // Deprecated for types that may change their descriptor; an `OwnedFd` never does, and the
        // successor is `unsafe`, which this workspace does without.
        #[expect(deprecated)]
        let ended = AsyncFd::with_interest(descriptor, Interest::READABLE)?;
        let start_ticks = Stat::of(number).ok_or_else(gone)?.start_ticks;
        Ok((Identity { pid: number, start_ticks, boot: boot() }, pid, ended))
    }

    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.identity.pid
    }

    /// Waits for its end, ends what is left of its group and reaps it. May be cancelled and repeated.
    pub async fn exited(&mut self) -> Exit {
        if self.ended.readable().await.is_err() {
            // Only a runtime that is itself ending refuses to wait: that is no end of the process.
            return pending().await;
        }
        // Before it is reaped its number is still its own, so that no other group is hit.
        self.signal_group(Signal::KILL);
        match &mut self.child {
            Some(child) => Exit(child.wait().await.ok()),
            None => Exit(None),
        }
    }

    /// Sends a signal to the process and all of its group; one that has ended gets none.
    pub fn signal_group(&self, signal: Signal) {
        if self.child.is_some() || !is_reused(&self.identity) {
            // Refused only if nothing of the group is left.
            let _ = kill_process_group(self.pid, signal);
        }
    }

    /// SIGKILL to what is left of the group of a process that an earlier life of this program has
    /// started: a group's number is not given out again while anything of it lives.
    pub fn kill_left_over(identity: &Identity) {
        let pid = i32::try_from(identity.pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| boot() == identity.boot && !is_reused(identity)) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }

    /// SIGTERM, and after `within` SIGKILL, to the whole group. Returns when the process has ended.
    pub async fn end(&mut self, within: Duration) -> Exit {
        self.signal_group(Signal::TERM);
        if let Ok(exit) = timeout(within, self.exited()).await {
            return exit;
        }
        self.kill().await
    }

    /// SIGKILL to the whole group. Returns when the process has ended.
    pub async fn kill(&mut self) -> Exit {
        self.signal_group(Signal::KILL);
        self.exited().await
    }
}

/// Whether this very process still runs; a zombie does not.
#[must_use]
pub fn is_alive(identity: &Identity) -> bool {
    let stat = Stat::of(identity.pid);
    let same = |stat: &Stat| stat.start_ticks == identity.start_ticks && boot() == identity.boot;
    stat.is_some_and(|stat| same(&stat) && !matches!(stat.state, 'Z' | 'X'))
}

/// Whether its number is another process' by now.
fn is_reused(identity: &Identity) -> bool {
    Stat::of(identity.pid).is_some_and(|stat| stat.start_ticks != identity.start_ticks)
}

fn boot() -> String {
    let read = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    read.unwrap_or_default().trim().to_string()
}

/// What `/proc/PID/stat` says (proc(5)).
struct Stat {
    state: char,
    start_ticks: u64,
}

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        // The name of the program stands in brackets and may hold blanks and brackets itself.
        let (_, fields) = text.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        // Field 22 of the line; the state is field 3.
        let start_ticks = fields.nth(18)?.parse().ok()?;
        Some(Self { state, start_ticks })
    }
}

#[cfg(test)]
mod tests;
