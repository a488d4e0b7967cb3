//! `tradewind exec -- COMMAND`: becomes the command, in a way that it does not outlive whoever started
//! it. Decides nothing else.

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use std::{env, io, os::unix::process::CommandExt as _, process::Command};

/// The process that must live for the command to live; without it, whoever is the parent now.
pub const PARENT: &str = "TRADEWIND_EXEC_PARENT";

/// Why the command was not started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("nothing to start: give a command after `exec --`")]
    NoCommand,
    #[error("whoever started this has ended already")]
    Orphaned,
    #[error("the end of the parent cannot be waited for")]
    DeathSignal(#[source] io::Error),
    #[error("`{program}` cannot be started: {source}")]
    Start {
        program: String,
        #[source]
        source: io::Error,
    },
}

/// Becomes `command` (program and arguments); returns only if that cannot be done. The kernel kills it
/// when the thread that started this process ends, which for a tokio worker is with its runtime.
#[must_use]
pub fn exec(command: &[String]) -> Error {
    let Some((program, arguments)) = command.split_first() else { return Error::NoCommand };
    let told = env::var(PARENT).ok().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
    let parent = told.or_else(getppid);
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return Error::DeathSignal(error.into());
    }
    // Had it ended before the signal was asked for, none would ever come.
    if getppid() != parent {
        return Error::Orphaned;
    }
    let source = Command::new(program).args(arguments).env_remove(PARENT).exec();
    Error::Start { program: program.clone(), source }
}
