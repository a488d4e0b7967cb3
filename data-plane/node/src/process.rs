//! One process below this one, in a group of its own. Decides how it is told from a later process of
//! the same number, how its end is seen and how it is signalled: always with its whole group. When it is
//! started and stopped is decided by others. A zombie counts as ended; own children are reaped here.
//! Invariant: that nothing could be seen of a process is an error, never its end.

use rustix::{
    io::Errno,
    process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, test_kill_process},
};
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
        let child = tokio::process::Command::from(command).spawn()?;
        match Self::watch_child(child.id().unwrap_or_default()) {
            Ok((identity, pid, ended)) => Ok(Self { identity, pid, ended, child: Some(child) }),
            Err(error) => {
                // What cannot be watched must not run.
                if let Some(pid) = child.id().and_then(pid_of) {
                    // Not reaped yet: its number is its own.
                    let _ = kill_process_group(pid, Signal::KILL);
                }
                Err(error)
            }
        }
    }

    fn watch_child(number: u32) -> io::Result<(Identity, Pid, AsyncFd<OwnedFd>)> {
        let gone = || io::Error::new(io::ErrorKind::NotFound, "no such process");
        let pid = pid_of(number).ok_or_else(gone)?;
        let ended = watch(pid)?;
        let start_ticks = Stat::of(number)?.ok_or_else(gone)?.start_ticks;
        Ok((Identity { pid: number, start_ticks, boot: boot()? }, pid, ended))
    }

    /// Takes over a process that an earlier life of this program has started; `None` if it has ended. An
    /// error: it may run, and that could not be seen or it could not be watched.
    pub fn adopt(identity: &Identity) -> io::Result<Option<Self>> {
        let Some(pid) = pid_of(identity.pid) else { return Ok(None) };
        let watched = watch(pid);
        // Looked at after the descriptor was opened: what is seen is what is watched.
        if !is_alive(identity)? {
            return Ok(None);
        }
        Ok(Some(Self { identity: identity.clone(), pid, ended: watched?, child: None }))
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
        // Before it is reaped its number is still its own, so that no other group is hit. That of an adopted one is reaped
        // by others: where it cannot be seen to be its own nobody is killed.
        if self.child.is_some() || matches!(is_reused(&self.identity), Ok(false)) {
            let _ = kill_process_group(self.pid, Signal::KILL);
        }
        match &mut self.child {
            Some(child) => Exit(child.wait().await.ok()),
            None => Exit(None),
        }
    }

    /// Sends a signal to the process and all of its group; one that has ended gets none.
    pub fn signal_group(&self, signal: Signal) {
        // That of an adopted one is its own for as long as it lives; where nothing can be seen it is taken to live: its end
        // would be seen by the descriptor that is open.
        if self.child.is_some() || !is_reused(&self.identity).unwrap_or(false) {
            // Refused only if nothing of the group is left.
            let _ = kill_process_group(self.pid, signal);
        }
    }

    /// SIGKILL to what is left of the group of a process that an earlier life of this program has
    /// started: a group's number is not given out again while anything of it lives. An error: nothing could be
    /// seen of it, and nobody was killed.
    pub fn kill_left_over(identity: &Identity) -> io::Result<()> {
        if let Some(pid) = pid_of(identity.pid)
            && is_same_boot(&boot()?, &identity.boot)?
            && !is_reused(identity)?
        {
            // Refused only if nothing of the group is left.
            let _ = kill_process_group(pid, Signal::KILL);
        }
        Ok(())
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

fn pid_of(number: u32) -> Option<Pid> {
    i32::try_from(number).ok().and_then(Pid::from_raw)
}

/// Readable once the process has ended.
fn watch(pid: Pid) -> io::Result<AsyncFd<OwnedFd>> {
    let descriptor = pidfd_open(pid, PidfdFlags::NONBLOCK)?;
    // Deprecated for types that may change their descriptor; an `OwnedFd` never does, and the
    // successor is `unsafe`, which this workspace does without.
    #[expect(deprecated)]
    AsyncFd::with_interest(descriptor, Interest::READABLE)
}

/// Whether this very process still runs; a zombie does not.
pub fn is_alive(identity: &Identity) -> io::Result<bool> {
    let same = |stat: &Stat| stat.start_ticks == identity.start_ticks;
    let ended = |stat: &Stat| matches!(stat.state, 'Z' | 'X');
    // The boot last: what it was is of no matter where nothing runs.
    let there = Stat::of(identity.pid)?.is_some_and(|stat| same(&stat) && !ended(&stat));
    Ok(there && is_same_boot(&boot()?, &identity.boot)?)
}

/// Whether its number is another process' by now.
fn is_reused(identity: &Identity) -> io::Result<bool> {
    Ok(Stat::of(identity.pid)?.is_some_and(|stat| stat.start_ticks != identity.start_ticks))
}

/// Empty on a system that tells none.
fn boot() -> io::Result<String> {
    match fs::read_to_string("/proc/sys/kernel/random/boot_id") {
        Ok(text) => Ok(text.trim().to_string()),
        Err(none) if none.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(other) => Err(other),
    }
}

fn is_same_boot(now: &str, known: &str) -> io::Result<bool> {
    if now.is_empty() && !known.is_empty() {
        let why = "the system told its boot once, and does not now: is /proc there?";
        return Err(io::Error::new(io::ErrorKind::NotFound, why));
    }
    Ok(now == known)
}

/// What `/proc/PID/stat` says (proc(5)).
struct Stat {
    state: char,
    start_ticks: u64,
}

impl Stat {
    /// `None`: there is no process of that number, or another user's.
    fn of(number: u32) -> io::Result<Option<Self>> {
        // The kernel knows, whatever is mounted at `/proc`. One that this program may not signal is another user's.
        let exists = || pid_of(number).is_some_and(|pid| test_kill_process(pid).is_ok());
        if !exists() {
            return Ok(None);
        }
        // Asked again where it was not there: a number that the kernel knows and `/proc` does not was given out meanwhile,
        // or `/proc` is not the kernel's.
        Self::judge(fs::read_to_string(format!("/proc/{number}/stat")), exists)
    }

    fn judge(read: io::Result<String>, exists: impl Fn() -> bool) -> io::Result<Option<Self>> {
        match read {
            Ok(text) => {
                let unreadable = || io::Error::new(io::ErrorKind::InvalidData, "not as in proc(5)");
                Self::parse(&text).ok_or_else(unreadable).map(Some)
            }
            Err(error) if is_none(&error) && !exists() => Ok(None),
            Err(error) => Err(error),
        }
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

/// No such file; or, of one that ended between its opening and its reading, no such process.
fn is_none(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || Errno::from_io_error(error) == Some(Errno::SRCH)
}

#[cfg(test)]
mod tests;
