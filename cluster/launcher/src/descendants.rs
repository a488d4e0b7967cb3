//! Processes that outlive their parents. Decides how all that was started from here is found again: this
//! process takes in orphans (a child subreaper), so that everything below it stays below it.

use rustix::process::{
    Pid, Signal, WaitOptions, kill_process as send, set_child_subreaper, wait, waitpid,
};
use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

/// From now on orphans of this process' descendants become its own children.
pub fn adopt_orphans() -> std::io::Result<()> {
    Ok(set_child_subreaper(Pid::from_raw(1))?)
}

/// Sends SIGKILL. A process that is gone already is what was wanted.
pub fn kill_process(pid: u32) {
    signal(pid, Signal::KILL);
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid
        && let Err(error) = send(pid, signal)
        && error != rustix::io::Errno::SRCH
    {
        tracing::warn!(?pid, %error, "a signal could not be sent");
    }
}

/// Whether the process runs: a zombie, killed and not yet reaped, does not.
#[must_use]
pub fn process_is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|(_, state)| state != 'Z' && state != 'X')
}

/// Parent and state of a process, from `/proc/PID/stat`; the name in it may hold blanks and brackets.
fn stat(pid: u32) -> Option<(u32, char)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((fields.next()?.parse().ok()?, state))
}

/// Reaps processes that this one took in and that have ended: all its zombies but those in `own`, whose
/// ends are awaited elsewhere.
pub(crate) fn reap_orphans(own: &[u32]) {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        let orphan = stat(pid) == Some((std::process::id(), 'Z')) && !own.contains(&pid);
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw).filter(|_| orphan) {
            // It is a zombie of ours: this returns at once.
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }
}

/// Every process below `root`, in no order.
fn below(root: u32) -> Vec<u32> {
    let mut children = BTreeMap::<u32, Vec<u32>>::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        if let Some((parent, _)) = stat(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut next = vec![root];
    while let Some(pid) = next.pop() {
        let below = children.remove(&pid).unwrap_or_default();
        next.extend(&below);
        found.extend(below);
    }
    found
}

/// Kills everything below this process, and reaps what it took in. Repeats until nothing is left, since
/// a process may have started another meanwhile. Returns the ids that would not go.
pub(crate) fn kill_all_below(within: Duration) -> Vec<u32> {
    let began = Instant::now();
    loop {
        let left = below(std::process::id());
        left.iter().for_each(|pid| kill_process(*pid));
        // Everything the caller started itself was reaped before, or is reaped here: nobody waits any more.
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
        let left = below(std::process::id());
        if left.is_empty() || began.elapsed() > within {
            return left;
        }
        // Processes take a moment to die; nothing announces the last one.
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn an_orphan_that_was_taken_in_is_reaped_and_a_child_of_our_own_is_left_to_its_owner() {
        adopt_orphans().unwrap();
        // The shell ends at once and leaves its child to us; `cat` ends when its input does.
        let script = "cat <&3 >/dev/null & echo $!";
        let shell = Command::new("sh")
            .args(["-c", &format!("exec 3</dev/null; {script}")])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let orphan: u32 = String::from_utf8_lossy(&shell.stdout).trim().parse().unwrap();
        let mut own = Command::new("true").spawn().unwrap();
        let began = Instant::now();
        while stat(orphan).is_some() || stat(own.id()).is_none_or(|(_, state)| state != 'Z') {
            reap_orphans(&[own.id()]);
            assert!(began.elapsed() < Duration::from_secs(10), "the orphan is not reaped");
            std::thread::yield_now();
        }
        assert!(own.wait().unwrap().success());
    }
}
